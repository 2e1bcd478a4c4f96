"""The door of a channel: durable before acknowledged, and the same answer for the same record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from pathlib import Path

import pytest

from doxedge.contracts import numbering
from doxedge.ledger.transaction import Transaction
from doxedge.node.intake import DISK_RETRY_AFTER_S, LEFT_POOL
from doxedge.signing.canonical import Value
from doxedge.store.chain import ChainStore
from doxedge.store.errors import Kind, StoreError
from doxedge.web.node_port import DiskFull, NotInStep
from tests.ledger.channels import Author, signer
from tests.node.bench import CHANNEL, Bench, bench, block_of
from tests.node.network import Hand, until


async def on_disk(node: Bench) -> set[bytes]:
    """What another process would find in the file."""
    path = node.host.node.store.path
    async with await ChainStore.open(path, CHANNEL, read_only=True) as store:
        return set(await store.held())


async def set_disk_full(node: Bench, *, full: bool) -> None:
    """Let SQLite itself say that the disk is full: SQLITE_FULL, as a real disk does."""
    pages = 1 if full else 2**30  # 1 is raised to the present size of the file
    database = node.host.node.store._database
    await database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


def big(author: Author, number: int) -> Transaction:
    """A record that takes some pages of the file."""
    return author.say("config", ["warning_percent", 10 + number, "x" * 4_000])


async def fill_up(node: Bench, author: Author) -> tuple[Transaction, DiskFull]:
    """Hand in until the disk takes no more: the record that was turned away, and the answer."""
    for number in range(1, 50):
        transaction = big(author, number)
        try:
            await node.host.intake.take([transaction.raw])
        except DiskFull as full:
            return transaction, full
    raise AssertionError("the disk was never full")


async def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    async with bench(tmp_path, votes=False) as node:
        transactions = Hand(CHANNEL).configs(3)
        taken = await node.host.intake.take([t.raw for t in transactions])
        assert await on_disk(node) == {t.raw for t in transactions}
        assert [r.state for s in taken.statuses for r in s.records] == ["stored"] * 3


async def test_two_who_hand_in_the_same_at_once_are_both_told_after_it_is_on_the_disk(tmp_path: Path) -> None:
    async with bench(tmp_path, votes=False) as node:
        (transaction,) = Hand(CHANNEL).configs(1)
        found: list[set[bytes]] = []
        is_stalled, goes_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def stall(_: object) -> None:
            loop.call_soon_threadsafe(is_stalled.set)
            asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(60)

        async def hand_in() -> None:
            await node.host.intake.take([transaction.raw])
            found.append(await on_disk(node))

        slow_disk = asyncio.create_task(node.host.node.store._database.write(stall))
        await is_stalled.wait()
        first, second = asyncio.create_task(hand_in()), asyncio.create_task(hand_in())
        third = asyncio.create_task(node.host.record_status(transaction.record_ids[0]))
        _, waiting = await asyncio.wait({first, second, third}, timeout=0.2)
        goes_on.set()
        assert waiting == {first, second, third}
        await asyncio.gather(slow_disk, first, second, third)
        assert found == [{transaction.raw}] * 2


async def test_a_full_disk_acknowledges_nothing_says_so_and_takes_the_same_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    author = Hand(CHANNEL).author("regulator officer")
    first = big(author, 0)
    async with bench(tmp_path, votes=False) as node:
        await node.host.intake.take([first.raw])
        await set_disk_full(node, full=True)
        refused, full = await fill_up(node, author)
        assert "the disk is full" in str(full)
        assert full.retry_after_s == DISK_RETRY_AFTER_S
        assert refused.raw not in await on_disk(node)
        # It waits in memory, and is still not acknowledged to whoever asks or comes again.
        with pytest.raises(DiskFull):
            await node.host.intake.take([refused.raw])
        with pytest.raises(DiskFull):
            await node.host.record_status(refused.record_ids[0])
        assert "nothing is taken" in caplog.text
        await set_disk_full(node, full=False)
        await node.host.intake.take([refused.raw])
        assert {first.raw, refused.raw} <= await on_disk(node)


async def test_what_a_full_disk_turned_away_gets_into_a_block_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is handed in that would make the leader look."""
    (transaction,) = Hand(CHANNEL).configs(1)
    async with bench(tmp_path) as leader:
        store = leader.host.node.store
        with monkeypatch.context() as full:

            async def hold(_: Sequence[bytes]) -> int:
                raise StoreError(Kind.FULL, store.path, "the disk is full")

            full.setattr(store, "hold", hold)
            with pytest.raises(DiskFull):
                await leader.host.intake.take([transaction.raw])
        assert await leader.submit([transaction]) == ["final"]


async def test_gossip_that_a_full_disk_cannot_take_is_not_said_to_have_been_seen(tmp_path: Path) -> None:
    author = Hand(CHANNEL).author("regulator officer")
    async with bench(tmp_path, votes=False) as node:
        await set_disk_full(node, full=True)
        seen = []
        for number in range(50):
            transaction = big(author, number)
            taken = await node.host.intake.take([transaction.raw], is_gossip=True)
            seen.append(taken.present == [transaction.tx_id])
            if not seen[-1]:
                break
        assert seen[-1] is False
        assert len(await on_disk(node)) == len(seen) - 1


async def test_the_same_record_again_has_the_same_answer_before_and_after_it_is_final(tmp_path: Path) -> None:
    async with bench(tmp_path) as node:
        hand = Hand(CHANNEL)
        accepted = hand.configs(1)[0]
        refused = hand.author("alpha officer").say("config", ["warning_percent", 20, "not mine to say"])
        answers = []
        for _ in range(3):
            statuses = await node.host.submit([accepted.raw, refused.raw], wait="final", timeout_s=60)
            answers.append([(r.state, r.outcome, r.clause, r.height) for s in statuses for r in s.records])
        assert answers[0] == answers[1] == answers[2]
        assert [answer[:2] for answer in answers[0]] == [("final", 0), ("final", 1)]
        assert answers[0][1][2] is not None
        height = node.host.node.chain.height
        await node.submit(hand.configs(1, start=1))
        statuses = await node.host.submit([accepted.raw], wait="stored", timeout_s=1)
        assert [(r.state, r.outcome) for s in statuses for r in s.records] == [("final", 0)]
        assert node.host.node.chain.height == height + 1


async def test_a_record_that_went_in_a_batch_is_known_when_it_comes_alone(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    bodies: list[list[Value]] = [["alpha-1", "test.event", 946_684_800_000, f"record {n}"] for n in range(2)]
    alone = copy(device)
    single = alone.say("event", bodies[0])
    batch = device.batch([("event", body) for body in bodies])
    async with bench(tmp_path) as node:
        await node.submit(registrations)
        assert await node.submit([batch]) == ["final"] * 2
        assert await node.submit([single]) == ["final"]
        assert len(node.host.node.refusals.views) == 0


async def test_a_second_record_of_a_number_gets_the_clause_at_once(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    clone = copy(hand.author("regulator officer"))
    first, second = hand.configs(1)[0], clone.say("config", ["warning_percent", 77, "the clone says"])
    async with bench(tmp_path) as node:
        node.host.node.standing.stop_voting("so that the first one waits in the pool")
        await node.host.submit([first.raw], wait="stored", timeout_s=1)
        for _ in range(2):
            (status,) = await node.host.submit([second.raw], wait="final", timeout_s=60)
            assert [(r.state, r.clause) for r in status.records] == [
                ("conflict", numbering.ONE_NUMBER_CLAUSE)
            ]


async def test_a_second_record_of_a_number_that_is_long_final_gets_the_clause_as_well(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    clone = copy(device)
    finals = [device.say("event", ["alpha-1", "test.event", 946_684_800_000, str(n)]) for n in range(3)]
    second = clone.say("event", ["alpha-1", "test.event", 946_684_800_000, "the clone says"])
    async with bench(tmp_path) as node:
        await node.submit(registrations)
        await node.submit(finals)
        (status,) = await node.host.submit([second.raw], wait="stored", timeout_s=1)
        assert [(r.state, r.clause) for r in status.records] == [("conflict", numbering.ONE_NUMBER_CLAUSE)]


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("nothing", b""),
        ("bytes that are no CBOR", b"\xff" * 40),
        ("CBOR that is no envelope", b"\x83\x01\x02\x03"),
    ],
)
async def test_bytes_that_are_no_transaction_are_a_status_and_no_error(
    tmp_path: Path, what: str, raw: bytes
) -> None:
    async with bench(tmp_path) as node:
        (good,) = Hand(CHANNEL).configs(1)
        bad, well = await node.host.submit([raw, good.raw], wait="final", timeout_s=60)
        assert (bad.tx_id, bad.records, bad.code) == (None, (), "bad_encoding")
        assert [record.state for record in well.records] == ["final"]


async def test_what_may_not_enter_is_refused_with_its_code_and_shown(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    stranger = Author(CHANNEL, signer("stranger"), hand.author("alpha officer").source)
    hole = copy(hand.author("beta officer"))
    hole.seq = 5
    cases = [
        (stranger.say("config", ["warning_percent", 1, "x"]), "unknown_key"),
        (hole.say("config", ["warning_percent", 1, "x"]), "wrong_sequence"),
        (hand.author("alpha officer").say("no.such.kind", []), "unknown_kind"),
        (hand.author("verifier officer").say("config", ["warning_percent"]), "bad_body"),
    ]
    async with bench(tmp_path) as node:
        statuses = await node.host.submit([t.raw for t, _ in cases], wait="final", timeout_s=60)
        assert [status.code for status in statuses] == [code for _, code in cases]
        assert {r.state for s in statuses for r in s.records} == {"refused_at_admission"}
        assert [view.code for view in node.host.node.refusals.views] == [code for _, code in cases]


async def test_a_node_that_is_behind_says_later_instead_of_no(tmp_path: Path) -> None:
    """Its answer would be right for the channel of yesterday."""
    hand = Hand(CHANNEL)
    hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    unknown_yet = device.say("event", ["alpha-1", "test.event", 946_684_800_000, "hello"])
    known = hand.author("alpha officer").say("config", ["warning_percent", 1, "x"])
    async with bench(tmp_path, "alpha", has_broker=True) as node:
        assert not node.host.node.is_in_step
        with pytest.raises(NotInStep, match="has not caught up"):
            await node.host.submit([unknown_yet.raw], wait="stored", timeout_s=1)
        with pytest.raises(NotInStep):
            node.host.source_head(device.source)
        (status,) = await node.host.submit([known.raw], wait="stored", timeout_s=1)
        assert [record.state for record in status.records] == ["stored"]


async def test_a_wait_for_a_block_ends_with_the_time_and_says_how_far_it_is(tmp_path: Path) -> None:
    async with bench(tmp_path, votes=False) as node:
        (transaction,) = Hand(CHANNEL).configs(1)
        (status,) = await node.host.submit([transaction.raw], wait="final", timeout_s=0.05)
        assert [record.state for record in status.records] == ["stored"]


async def test_who_waits_for_a_record_that_loses_its_number_is_told_to_ask_again(tmp_path: Path) -> None:
    """Alpha's node took the second record; the block that comes holds the first."""
    hand = Hand(CHANNEL)
    clone = copy(hand.author("regulator officer"))
    first, second = hand.configs(1)[0], clone.say("config", ["warning_percent", 77, "the clone says"])
    async with bench(tmp_path) as leader:
        await leader.submit([first])
        stored = await leader.host.node.store.block(1)
    assert stored is not None
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        waiting = asyncio.create_task(alpha.host.submit([second.raw], wait="final", timeout_s=60))
        await until(lambda: len(alpha.host.node.pool))
        alpha.host.node.block_arrived(block_of(stored), 1_000)
        (status,) = await waiting
        (record,) = status.records
        assert (record.state, record.code, record.reason) == ("refused_at_admission", "left_pool", LEFT_POOL)
        (again,) = await alpha.host.submit([second.raw], wait="final", timeout_s=60)
        assert [(r.state, r.clause) for r in again.records] == [("conflict", numbering.ONE_NUMBER_CLAUSE)]
