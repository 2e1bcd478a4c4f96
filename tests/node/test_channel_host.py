"""A channel is opened from its file, looked at, and proved from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from doxedge.evidence.check import check
from doxedge.gossip.message import Kind
from doxedge.ledger.block import decode_block
from doxedge.node.channel_host import STALLED_S
from doxedge.signing.tags import channel_short
from doxedge.store.errors import Kind as Fault
from doxedge.store.errors import StoreError
from tests.ledger.channels import signer
from tests.node.bench import CHANNEL, Bench, bench, blocks_of, chain_of
from tests.node.network import Hand, until
from tests.node.test_relay import head_body


def file_of(folder: Path, party: str) -> Path:
    return folder / party / "channels" / channel_short(CHANNEL) / "ledger.db"


def overwrite(path: Path) -> None:
    """Pages in the middle are no pages any more."""
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    data[4_096 : 4_096 * 3] = b"\xff" * 8_192
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 512 * 512 + 100])


def no_database(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database " * 1_000)


def change_a_balance(path: Path) -> None:
    """A forgery that SQLite cannot see: only the certified state root can."""
    with closing(sqlite3.connect(path)) as connection, connection:
        room, key = connection.execute("SELECT room, key FROM state ORDER BY room, key LIMIT 1").fetchone()
        changed = connection.execute("UPDATE state SET value = x'01' WHERE room = ? AND key = ?", (room, key))
        assert changed.rowcount == 1


DAMAGES = [overwrite, cut_off, no_database, change_a_balance]


async def fetch_all(node: Bench, teacher: str, blocks: list[bytes]) -> None:
    """Be the other member who has the blocks."""
    node.hear(teacher, Kind.HEAD, head_body(blocks[-1]))
    await until(lambda: node.said(Kind.WANT))
    question = node.said(Kind.WANT)[-1]
    assert question.body == [signer(f"{teacher} node").key_id, 1, 0]
    node.hear(teacher, Kind.HAVE, [1, 0, 0, list(blocks)], correlation=question.correlation)
    await until(lambda: node.height == len(blocks))


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_set_aside_and_the_channel_fetched_anew(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    blocks = await chain_of(tmp_path, Hand(CHANNEL).registrations())
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        await fetch_all(alpha, "regulator", blocks)
        root = alpha.host.node.chain.state.root
    path = file_of(tmp_path, "alpha")
    damage(path)
    damaged = path.read_bytes()
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        assert alpha.host.node.chain.height == 0
        assert not alpha.host.node.is_in_step
        (aside,) = path.parent.glob("ledger.db.corrupt-*[Z0-9]")
        assert aside.read_bytes() == damaged
        assert "the channel is fetched anew" in caplog.text
        await fetch_all(alpha, "regulator", blocks)
        assert alpha.host.node.chain.state.root == root
        assert alpha.host.node.is_in_step
        assert alpha.host.node.standing.silent is None


async def test_a_validator_whose_file_was_damaged_fetches_it_and_stays_silent_until_the_operators_word(
    tmp_path: Path,
) -> None:
    """It has forgotten what it signed; one height with two blocks would be the end of the channel."""
    hand = Hand(CHANNEL)
    blocks = await chain_of(tmp_path, hand.registrations())
    overwrite(file_of(tmp_path, "regulator"))
    async with bench(tmp_path, has_broker=True) as leader:
        assert "set aside" in (leader.host.node.standing.silent or "")
        await fetch_all(leader, "alpha", blocks)
        assert not leader.host.node.standing.votes
    async with bench(tmp_path, has_broker=True) as leader:
        assert "vote_again_from_height" in (leader.host.node.standing.silent or "")
    async with bench(tmp_path, has_broker=True, vote_again_from_height=len(blocks)) as leader:
        assert await leader.submit(hand.configs(1)) == ["final"]
        assert leader.host.node.chain.height == len(blocks) + 1


async def test_a_validator_that_nobody_can_tell_how_far_it_was_does_not_vote_from_the_genesis(
    tmp_path: Path,
) -> None:
    await chain_of(tmp_path, Hand(CHANNEL).configs(1))
    no_database(file_of(tmp_path, "regulator"))
    for _ in range(2):
        async with bench(tmp_path, has_broker=True, vote_again_from_height=5) as leader:
            assert not leader.host.node.standing.votes
            assert leader.host.node.chain.height == 0


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_of_a_node_that_is_alone_is_all_there_is_and_stays(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    await chain_of(tmp_path, Hand(CHANNEL).registrations())
    path = file_of(tmp_path, "regulator")
    damage(path)
    damaged = path.read_bytes()
    with pytest.raises(StoreError, match="nobody to fetch the channel from") as caught:
        async with bench(tmp_path):
            pass
    assert caught.value.kind is Fault.CORRUPT
    assert path.read_bytes() == damaged


async def test_a_file_that_another_process_holds_is_no_damage(tmp_path: Path) -> None:
    async with bench(tmp_path, has_broker=True):
        with pytest.raises(StoreError) as caught:
            async with bench(tmp_path, has_broker=True):
                pass
        assert caught.value.kind is Fault.LOCKED
    assert list(file_of(tmp_path, "regulator").parent.glob("*.corrupt-*")) == []


async def test_a_record_is_proved_by_one_file_as_soon_as_it_is_final_and_later(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    (transaction,) = hand.configs(1)
    async with bench(tmp_path) as leader:
        assert await leader.host.evidence(transaction.record_ids[0]) is None
        await leader.submit([transaction])
        for expected_height in (1, 2, 3):
            assert leader.host.node.chain.height == expected_height
            data = await leader.host.evidence(transaction.record_ids[0])
            assert data is not None
            proved = check(data, channel=CHANNEL)
            assert [record.record_id for record in proved.records] == [transaction.record_ids[0]]
            await leader.submit(hand.configs(1, start=expected_height))
        assert await leader.host.evidence(bytes(32)) is None


async def test_events_come_in_whole_blocks_above_a_height(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).registrations())
        first = await leader.host.events(after=0, limit=1)
        height = first[0].height
        assert {event.height for event in first} == {height}
        rest = await leader.host.events(after=height, limit=1_000)
        assert all(event.height > height for event in rest)
        everything = await leader.host.events(after=0, limit=1_000)
        assert [*first, *rest] == list(everything)
        assert [event.event[0] for event in everything].count("unit.registered") == 2
        assert await leader.host.events(after=10**6, limit=10) == []


async def test_the_view_says_what_a_page_shows(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        view, head = leader.host.view(), leader.host.node.chain.head
        assert head is not None
        assert (view.name, view.height, view.block_id) == ("north", 1, head.block_id)
        assert (view.is_validator, view.catching_up, view.pool_transactions) == (True, False, 0)
        assert view.time_ms == head.time_ms


async def test_every_node_key_of_the_channel_is_a_peer_also_one_that_was_never_heard(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        leader.hear("alpha", Kind.HEAD, [leader.clock.now_ms()])
        await until(lambda: leader.host.relay.peers)
        views = {view.party: view for view in leader.host.peers()}
        assert set(views) == {"regulator", "alpha", "beta"}
        assert [name for name, view in views.items() if view.is_self] == ["regulator"]
        assert views["alpha"].height == 0
        assert views["alpha"].last_seen_ms
        assert (views["beta"].height, views["beta"].last_seen_ms) == (None, None)


async def test_a_channel_whose_tasks_stand_still_does_not_turn(tmp_path: Path) -> None:
    async with bench(tmp_path, turns=False) as node:
        now_s = node.clock.monotonic_s()
        assert node.host.is_turning(now_s)
        assert not node.host.is_turning(now_s + STALLED_S + 1)
        node.host.node.turned_s = now_s + STALLED_S
        assert not node.host.is_turning(now_s + STALLED_S + 1), "both tasks must live"


async def test_the_blocks_of_a_file_are_those_that_were_shown(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        await until(lambda: leader.said(Kind.FINAL))
        assert leader.said(Kind.FINAL)[0].body == await blocks_of(leader)
        assert decode_block((await blocks_of(leader))[0]).header == leader.host.node.chain.head
