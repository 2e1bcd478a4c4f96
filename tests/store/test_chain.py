"""A channel's ledger on disk: what was appended is found again, and nothing that does not follow gets in."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from pathlib import Path

import pytest

from doxedge.consensus.header import decode_header
from doxedge.ledger.chain import ChainState
from doxedge.ledger.state import restore
from doxedge.signing import merkle
from doxedge.store.chain import ChainStore
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import Commit, Cosignature, Place, StateWrite
from tests.store.chains import StoredChannel, by_wire_id, small_channel


async def filled(path: Path, stored: StoredChannel, blocks: int | None = None) -> ChainStore:
    store = await ChainStore.open(path, stored.channel)
    await store.create(stored.genesis, stored.first_state)
    await store.append(stored.commits[:blocks])
    return store


async def test_a_node_restarts_from_what_was_stored(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel):
        pass
    async with await ChainStore.open(tmp_path / "ledger.db", channel.channel) as store:
        loaded = await store.load()
        assert loaded is not None
        assert loaded.head is not None
        assert loaded.genesis == channel.genesis
        # ChainState compares the root of the state and the size of the history with the head itself.
        chain = ChainState(
            loaded.genesis,
            head=decode_header(loaded.head.header),
            state=restore(loaded.state),
            frontier=loaded.frontier,
        )
        assert chain.head_id == channel.commits[-1].block.block_id
        assert await store.scrub() == []


async def test_a_new_file_holds_nothing_and_says_so(tmp_path: Path) -> None:
    channel = small_channel()
    async with await ChainStore.open(tmp_path / "ledger.db", channel.channel) as store:
        assert await store.load() is None
        assert await store.head() is None
        assert await store.block(1) is None
        assert await store.blocks(1, 10, bytes_max=1_000) == []
        assert await store.receipts(1) is None
        assert await store.find(bytes(32)) is None
        assert await store.scrub() == []
        with pytest.raises(StoreError, match="call create first") as refused:
            await store.append(channel.commits)
        assert refused.value.kind is Kind.BROKEN_CHAIN


async def test_blocks_come_back_as_they_were_given(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel) as store:
        for commit in channel.commits:
            block = await store.block(commit.block.height)
            assert block is not None
            assert block.header == commit.block.header
            assert block.certificate == commit.block.certificate
            assert block.transactions == tuple(t.raw for t in commit.block.transactions)
            assert block.receipts == tuple(t.receipt for t in commit.block.transactions)
            assert await store.receipts(commit.block.height) == block.receipts
        headers = await store.headers(1, 100)
        assert [header.block_id for header in headers] == [c.block.block_id for c in channel.commits]
        assert all(header.transactions is None for header in headers)
        assert await store.block_ids(2, 3) == [c.block.block_id for c in channel.commits[1:3]]


async def test_a_page_of_blocks_keeps_its_limit_but_is_never_empty(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel) as store:
        everything = await store.blocks(1, 2**64 - 1, bytes_max=10**9)
        assert [block.height for block in everything] == [1, 2, 3, 4, 5, 6]
        assert [block.height for block in await store.blocks(3, 6, bytes_max=0)] == [3]
        sizes = [
            len(b.header)
            + len(b.certificate or b"")
            + sum(len(t) + 4 for t in (*b.transactions, *b.receipts))  # type: ignore[misc]
            for b in everything
        ]
        assert [block.height for block in await store.blocks(1, 6, bytes_max=sum(sizes[:3]))] == [1, 2, 3]
        assert [block.height for block in await store.blocks(1, 6, bytes_max=sum(sizes[:3]) - 1)] == [1, 2]
        assert await store.blocks(7, 9, bytes_max=10**9) == []


async def test_every_name_leads_to_its_place(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel) as store:
        for commit in channel.commits:
            for index, transaction in enumerate(commit.block.transactions):
                place = Place(commit.block.height, index, 0)
                assert await store.find(hashlib.sha256(transaction.raw).digest()) == place
                assert await store.find(transaction.tx_id) == place
                assert await store.transaction(place) == (transaction.raw, transaction.receipt)
                for number, record_id in enumerate(transaction.record_ids):
                    assert await store.find(record_id) == dataclasses.replace(place, record_index=number)
        # Eight equal bytes are not the name.
        some = channel.commits[0].block.transactions[0]
        assert await store.find(some.tx_id[:8] + bytes(24)) is None
        assert await store.find(b"short") is None
        assert await store.transaction(Place(99, 0, 0)) is None
        assert await store.transaction(Place(1, 99, 0)) is None


async def test_the_same_block_again_changes_nothing(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel) as store:
        before = await store.load()
        await store.append(channel.commits)
        await store.append(channel.commits[:2])
        after = await store.load()
        assert before is not None
        assert after is not None
        assert after.state == before.state
        assert after.frontier.root() == before.frontier.root()
        assert await store.scrub() == []


async def test_another_block_at_a_final_height_is_a_conflict(tmp_path: Path) -> None:
    channel, other = small_channel(), small_channel(name="south")
    async with await filled(tmp_path / "ledger.db", channel) as store:
        with pytest.raises(StoreError, match=r"is given for height 2, where") as refused:
            await store.append([other.commits[1]])
        assert refused.value.kind is Kind.CONFLICT


async def test_a_block_that_does_not_follow_is_refused_with_all_that_came_with_it(tmp_path: Path) -> None:
    channel, other = small_channel(), small_channel(name="south")
    async with await filled(tmp_path / "ledger.db", channel, blocks=2) as store:
        loaded = await store.load()
        for wrong in (
            [channel.commits[3]],
            [channel.commits[2], channel.commits[4]],
            [channel.commits[2], other.commits[3]],
            [relabelled(channel.commits[2], block_id=bytes(32))],
            [relabelled(channel.commits[2], height=4)],
        ):
            with pytest.raises(StoreError) as refused:
                await store.append(wrong, journal={b"vote": b"1"})
            assert refused.value.kind is Kind.BROKEN_CHAIN
        after = await store.load()
        assert loaded is not None
        assert after is not None
        assert (after.head, after.state, after.journal) == (loaded.head, loaded.state, {})


def relabelled(commit: Commit, **changes: object) -> Commit:
    return dataclasses.replace(commit, block=dataclasses.replace(commit.block, **changes))  # type: ignore[arg-type]


async def test_a_file_of_another_channel_is_refused(tmp_path: Path) -> None:
    channel, other = small_channel(), small_channel(name="south")
    path = tmp_path / "ledger.db"
    async with await filled(path, channel) as store:
        await store.create(channel.genesis)
        with pytest.raises(StoreError) as refused:
            await store.create(other.genesis)
        assert refused.value.kind is Kind.FOREIGN
    with pytest.raises(StoreError, match="give each channel its own folder") as refused:
        await ChainStore.open(path, other.channel)
    assert refused.value.kind is Kind.FOREIGN
    async with await ChainStore.open(tmp_path / "fresh.db", other.channel) as store:
        with pytest.raises(StoreError):
            await store.create(channel.genesis)


async def test_held_transactions_survive_until_they_are_in_a_block(tmp_path: Path) -> None:
    channel = small_channel()
    path = tmp_path / "ledger.db"
    raws = [t.raw for t in channel.commits[2].block.transactions]
    async with await filled(path, channel, blocks=2) as store:
        assert await store.hold(by_wire_id([b"later", *raws])) == 1 + len(raws)
        assert await store.hold(by_wire_id([*raws, b"another"])) == 1
    async with await ChainStore.open(path, channel.channel) as store:
        assert await store.held() == [b"later", *raws, b"another"]
        await store.append(channel.commits[2:3])
        assert await store.held() == [b"later", b"another"]
        await store.release([hashlib.sha256(b"another").digest(), bytes(32)])
        loaded = await store.load()
        assert loaded is not None
        assert loaded.pool == [b"later"]


async def test_the_engines_records_are_kept_with_the_block_or_alone(tmp_path: Path) -> None:
    channel = small_channel()
    path = tmp_path / "ledger.db"
    async with await filled(path, channel, blocks=1) as store:
        await store.persist({b"vote/1": b"a", b"vote/2": b"b"})
        await store.append(channel.commits[1:2], journal={b"vote/1": None, b"floor": b"c"})
        await store.persist({b"vote/2": b"d"})
    async with await ChainStore.open(path, channel.channel) as store:
        loaded = await store.load()
        assert loaded is not None
        assert loaded.journal == {b"vote/2": b"d", b"floor": b"c"}


async def test_the_first_cosignature_of_a_member_stands(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel) as store:
        alpha, beta = bytes([1] * 16), bytes([2] * 16)
        assert await store.add_cosignature(Cosignature(3, beta, b"b"))
        assert await store.add_cosignature(Cosignature(3, alpha, b"a"))
        assert not await store.add_cosignature(Cosignature(3, alpha, b"again"))
        assert await store.cosignatures(3) == [Cosignature(3, alpha, b"a"), Cosignature(3, beta, b"b")]
        assert await store.cosignatures(4) == []


async def test_bodies_can_be_pruned_and_headers_stay(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel) as store:
        assert await store.prune_bodies(4, blocks_max=2) == 2
        assert await store.prune_bodies(4, blocks_max=2) == 1
        assert await store.prune_bodies(4, blocks_max=2) == 0
        pruned, kept = await store.block(2), await store.block(4)
        assert pruned is not None
        assert kept is not None
        assert pruned.transactions is None
        assert pruned.receipts is None
        assert pruned.header == channel.commits[1].block.header
        assert kept.transactions
        gone, there = channel.commits[1].block.transactions[1], channel.commits[3].block.transactions[1]
        assert await store.find(gone.tx_id) is None
        assert await store.find(there.tx_id) == Place(4, 1, 0)
        assert await store.scrub() == []


async def test_writers_of_all_kinds_share_commits(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel, blocks=1) as store:
        before = store._database.commits
        await asyncio.gather(
            store.append(channel.commits[1:3]),
            store.append(channel.commits[3:]),
            *(store.hold(by_wire_id([b"%d" % k])) for k in range(20)),
            store.persist({b"vote": b"1"}),
        )
        assert store._database.commits - before <= 2
        head = await store.head()
        assert head is not None
        assert head.height == 6


async def test_a_state_key_can_be_deleted(tmp_path: Path) -> None:
    channel = small_channel()
    async with await ChainStore.open(tmp_path / "ledger.db", channel.channel) as store:
        await store.create(
            channel.genesis, [StateWrite("room", b"a", b"\x01"), StateWrite("room", b"b", b"\x02")]
        )
        doomed = dataclasses.replace(
            channel.commits[0], writes=(StateWrite("room", b"a", None), StateWrite("room", b"c", b"\x03"))
        )
        await store.append([doomed])
        loaded = await store.load()
        assert loaded is not None
        assert sorted(loaded.state) == [("room", b"b", b"\x02"), ("room", b"c", b"\x03")]


async def test_the_frontier_is_that_of_all_block_ids(tmp_path: Path) -> None:
    channel = small_channel()
    async with await filled(tmp_path / "ledger.db", channel, blocks=0) as store:
        for commit in channel.commits:
            await store.append([commit])
            loaded = await store.load()
            assert loaded is not None
            ids = await store.block_ids(1, commit.block.height)
            assert loaded.frontier.root() == merkle.root(ids)


async def test_a_reader_looks_on_while_the_node_writes(tmp_path: Path) -> None:
    channel = small_channel()
    path = tmp_path / "ledger.db"
    async with await filled(path, channel, blocks=3) as store:
        async with await ChainStore.open(path, channel.channel, read_only=True) as reader:
            assert (await reader.head()).height == 3  # type: ignore[union-attr]
            await store.append(channel.commits[3:])
            assert (await reader.head()).height == 6  # type: ignore[union-attr]
            assert await reader.scrub() == []
            with pytest.raises(StoreError):
                await reader.hold(by_wire_id([b"x"]))
        assert await store.size_bytes() > 0
