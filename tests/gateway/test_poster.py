"""Records reach the ledger once, in order, and leave the outbox only by a proof that holds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from doxedge.backends.port import LedgerError, Rejected
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway import poster as poster_module
from doxedge.gateway.poster import AHEAD_RECORDS, RESUBMIT_S, NotTaken, Poster
from doxedge.gateway.reach import Reach
from doxedge.quantity import HOUR_MS
from doxedge.signing import envelope, limits
from doxedge.signing.record import Record
from doxedge.signing.signer import Ed25519Signer
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Draft
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.gateway.unit_bench import SetClock
from tests.gateway.waiting import until
from tests.ledger.channels import START_MS, Author, hour


@dataclass
class Post:
    """A poster with its outbox and its ledger."""

    ledger: MemoryLedger
    outbox: Outbox
    poster: Poster
    clock: SetClock

    async def store(self, count: int, *, first: int = 0) -> list[bytes]:
        """Put hours into the outbox."""
        drafts = [
            Draft("hour", hour(UNIT, START_MS + index * HOUR_MS), f"hour/{index}")
            for index in range(first, first + count)
        ]
        appended = await self.outbox.append(self.ledger.channel, self.ledger.source, drafts, seal=self._seal)
        return [record.record_id for record in appended]

    def _seal(self, record: Record) -> envelope.Envelope:
        return envelope.seal(
            record.payload(), object_name="tx", channel=self.ledger.channel, signer=self.ledger.device
        )

    async def rounds(self, most: int = 60) -> int:
        """Let the poster work until nothing moves; how many rounds that took."""
        for number in range(most):
            if not await self.poster.round():
                return number
        raise AssertionError(f"still moving after {most} rounds")

    async def counts(self) -> tuple[int, int, int]:
        counts = await self.outbox.counts()
        return counts.pending, counts.closed, counts.refused


@asynccontextmanager
async def posting(folder: Path, ledger: MemoryLedger | None = None) -> AsyncIterator[Post]:
    ledger, clock = ledger or MemoryLedger.begin(), SetClock()
    async with await Outbox.open(folder / "outbox.db", now_ms=lambda: START_MS) as outbox:
        await outbox.begin(ledger.channel, ledger.source)
        yield Post(ledger, outbox, poster_of(ledger, outbox, clock), clock)


async def closed(post: Post, count: int) -> bool:
    return (await post.counts())[1] == count


def poster_of(
    ledger: MemoryLedger,
    outbox: Outbox,
    clock: SetClock | RealClock,
    *,
    poll_s: float = 0.01,
    reach: Reach | None = None,
) -> Poster:
    return Poster(
        channel=ledger.channel,
        source=ledger.source,
        outbox=outbox,
        ledger=ledger,
        signer=ledger.device,
        clock=clock,
        chance=lambda: 0.5,
        poll_s=poll_s,
        reach=reach,
    )


async def test_an_hour_is_closed_by_its_proof(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        (record_id,) = await post.store(1)
        await post.rounds()
        assert await post.counts() == (0, 1, 0)
        entry = await post.outbox.entry(record_id)
        assert entry is not None
        assert (entry.outcome, entry.clause) == (0, None)
        assert entry.proof is not None
        assert post.ledger.submissions == [1]


@pytest.mark.parametrize("count", [2, 64, 65, 200])
async def test_a_backlog_travels_in_batches_and_arrives_in_order(tmp_path: Path, count: int) -> None:
    async with posting(tmp_path) as post:
        names = await post.store(count)
        await post.rounds()
        assert await post.counts() == (0, count, 0)
        assert [(seq, name) for seq, _, name in post.ledger.final_records()] == list(enumerate(names, 1))
        batches, rest = divmod(count, limits.BATCH_RECORDS)
        assert post.ledger.submissions == [limits.BATCH_RECORDS] * batches + ([rest] if rest else [])


async def test_a_refused_hour_is_closed_with_its_clause_and_blocks_nothing(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        drafts = [
            Draft("hour", hour(UNIT, START_MS), "a"),
            Draft("hour", hour(UNIT, START_MS), "b"),
            Draft("hour", hour(UNIT, START_MS + HOUR_MS), "c"),
        ]
        appended = await post.outbox.append(post.ledger.channel, post.ledger.source, drafts, seal=post._seal)
        await post.rounds()
        entries = [await post.outbox.entry(record.record_id) for record in appended]
        assert [(e.outcome, e.clause) for e in entries if e] == [(0, None), (1, "8.7"), (0, None)]
        assert await post.counts() == (0, 3, 0)


async def test_a_backlog_runs_only_so_far_ahead_of_finality(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        post.ledger.slow = True
        await post.store(AHEAD_RECORDS + 300)
        await post.rounds()
        assert sum(post.ledger.submissions) == AHEAD_RECORDS
        post.ledger.slow = False
        await post.rounds()
        assert await post.counts() == (0, AHEAD_RECORDS + 300, 0)


async def test_a_node_that_is_away_loses_nothing_and_the_backlog_follows_in_batches(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        await post.store(1)
        await post.rounds()
        post.ledger.away = True
        await post.store(100, first=1)
        with pytest.raises(LedgerError):
            await post.poster.round()
        post.ledger.away = False
        await post.rounds()
        assert await post.counts() == (0, 101, 0)
        assert post.ledger.submissions == [1, 64, 36]


async def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_doubled(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        names = await post.store(10)
        post.ledger.deaf = True
        with pytest.raises(LedgerError):
            await post.poster.round()
        await post.store(5, first=10)
        post.ledger.deaf = False
        post.poster._is_sure = False  # what the loop does after every error
        await post.rounds()
        final = post.ledger.final_records()
        assert [seq for seq, _, _ in final] == list(range(1, 16))
        assert [name for _, _, name in final[:10]] == names
        assert await post.counts() == (0, 15, 0)


@pytest.mark.parametrize("final_before", [False, True])
@pytest.mark.parametrize("posted", [1, 7, 64])
async def test_a_restart_goes_on_where_the_ledger_is(tmp_path: Path, posted: int, final_before: bool) -> None:
    async with posting(tmp_path) as post:
        await post.store(posted)
        post.ledger.slow = True
        await post.poster.round()
        if final_before:
            post.ledger.build_block()
        await post.store(80, first=posted)
        ledger = post.ledger
    ledger.slow = False
    async with posting(tmp_path, ledger) as post:
        await post.rounds()
        assert [seq for seq, _, _ in ledger.final_records()] == list(range(1, posted + 81))
        assert await post.counts() == (0, posted + 80, 0)


async def test_what_a_node_lost_is_handed_in_again(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        post.ledger.slow = True
        await post.store(3)
        await post.rounds()
        post.ledger.forget_pool()
        post.ledger.slow = False
        await post.rounds()
        assert await post.counts() == (3, 0, 0)
        post.clock.at_s += RESUBMIT_S + 1
        await post.poster.round()
        await post.rounds()
        assert await post.counts() == (0, 3, 0)


async def test_what_a_node_lost_shows_also_when_the_next_record_does_not_follow(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        post.ledger.slow = True
        await post.store(3)
        await post.rounds()
        post.ledger.forget_pool()
        await post.store(1, first=3)
        post.ledger.slow = False
        with pytest.raises(NotTaken, match="wrong_sequence"):
            await post.poster.round()
        await post.rounds()
        assert await post.counts() == (0, 4, 0)


async def test_a_proof_that_does_not_hold_closes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with posting(tmp_path) as post:
        post.ledger.forge = True
        await post.store(2)
        await post.rounds()
        assert await post.counts() == (2, 0, 0)
        assert post.poster.state.proofs_refused > 0
        assert "does not hold" in caplog.text
        post.ledger.forge = False
        await post.rounds()
        assert await post.counts() == (0, 2, 0)


async def test_a_record_whose_number_is_taken_is_kept_for_the_operator(tmp_path: Path) -> None:
    """A cloned device has spoken under our numbers."""
    async with posting(tmp_path) as post:
        clone = Author(post.ledger.channel, post.ledger.device, post.ledger.source)  # type: ignore[arg-type]
        await post.ledger.submit(post.ledger.channel, [clone.say("hour", hour(UNIT, START_MS, 7)).raw])
        post.ledger.build_block()
        (ours,) = await post.store(1)
        with pytest.raises(NotTaken, match=r"kept for the operator \(clause 2.1\)|kept for the operator"):
            await post.poster.round()
        await post.rounds()
        entry = await post.outbox.entry(ours)
        assert entry is not None
        assert entry.state == "refused_at_admission"
        assert entry.reason
        assert post.poster.state.conflicts == 1
        assert await post.counts() == (0, 0, 1)
        await post.store(1, first=1)
        with pytest.raises(NotTaken, match=r"wrong_previous|wrong_sequence|suspended"):
            await post.poster.round()
        assert await post.counts() == (1, 0, 1)


async def test_a_device_that_is_not_registered_yet_keeps_its_hours(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    registered, ledger.channel_state.authors["alpha-1 device"] = (
        ledger.channel_state.authors["alpha-1 device"],
        Author(ledger.channel, Ed25519Signer(b"n" * 32), b"n" * 16),  # type: ignore[arg-type]
    )
    async with posting(tmp_path, ledger) as post:
        await post.store(2)
        with pytest.raises(NotTaken, match="unknown_source"):
            await post.poster.round()
        assert await post.counts() == (2, 0, 0)
        assert registered.seq == 0


async def test_the_loop_outlives_errors_wakes_for_new_records_and_tells_a_cause_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        poster_module, "IDLE_S", 1_000.0
    )  # so that nothing but the wake brings the third record
    caplog.set_level("INFO")
    async with posting(tmp_path) as post:
        poster = poster_of(post.ledger, post.outbox, RealClock())
        post.ledger.away = True
        running = asyncio.create_task(poster.run(), name="poster")
        try:
            await post.store(2)
            poster.wake.set()
            await until(lambda: poster.failures >= 3)
            assert caplog.text.count("nobody listens") == 1
            post.ledger.away = False
            await until(lambda: closed(post, 2))
            await until(lambda: poster.resting)
            await post.store(1, first=2)
            poster.wake.set()
            await until(lambda: closed(post, 3))
            assert "takes records again" in caplog.text
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_source_tries_at_once_when_another_finds_that_the_node_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second would try again after 1,000 s by itself."""
    monkeypatch.setattr(poster_module, "RETRY_S_MAX", 2_000.0)
    reach = Reach()
    async with posting(tmp_path / "a") as first, posting(tmp_path / "b") as second:
        posters = [
            poster_of(first.ledger, first.outbox, RealClock(), reach=reach),
            poster_of(second.ledger, second.outbox, RealClock(), poll_s=1_000.0, reach=reach),
        ]
        for post in (first, second):
            post.ledger.away = True
            await post.store(2)
        running = [asyncio.create_task(poster.run(), name="poster") for poster in posters]
        try:
            await until(lambda: all(poster.failures for poster in posters))
            first.ledger.away = second.ledger.away = False
            await until(lambda: closed(first, 2))
            await until(lambda: second.ledger.submissions == [2])
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def test_a_source_that_was_refused_is_not_woken_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood against it is not that the node was away."""
    tries = 0

    async def refuse(*_: object, **__: object) -> list[object]:
        nonlocal tries
        tries += 1
        raise Rejected("the token is wrong", status=401, code="unauthorised")

    monkeypatch.setattr(poster_module, "RETRY_S_MAX", 2_000.0)
    reach = Reach()
    async with posting(tmp_path) as post:
        monkeypatch.setattr(post.ledger, "submit", refuse)
        await post.store(1)
        poster = poster_of(post.ledger, post.outbox, RealClock(), poll_s=1_000.0, reach=reach)
        running = asyncio.create_task(poster.run(), name="poster")
        try:
            await until(lambda: poster.failures == 1)
            for _ in range(20):
                reach.found()
                await asyncio.sleep(0)
            assert tries == 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_wrong_token_is_an_operators_matter_and_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with posting(tmp_path) as post:

        async def refuse(*_: object, **__: object) -> list[object]:
            raise Rejected("the token is wrong", status=401, code="unauthorised")

        monkeypatch.setattr(post.ledger, "submit", refuse)
        poster = poster_of(post.ledger, post.outbox, RealClock())
        await post.store(1)
        running = asyncio.create_task(poster.run(), name="poster")
        try:
            await until(lambda: poster.failures >= 2)
            assert caplog.text.count("the token is wrong") == 1
            assert not running.done()
            assert await post.counts() == (1, 0, 0)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def change_outbox(folder: Path, sql: str, *values: object) -> None:
    """What somebody with a tool for SQLite can do."""
    with closing(sqlite3.connect(folder / "outbox.db")) as connection, connection:
        assert connection.execute(sql, values).rowcount > 0


def forged(post: Post, seq: int, prev: bytes) -> tuple[bytes, bytes]:
    """An hour with less NOx in a well-formed envelope, and its record id; only the signature is not the device's."""
    body = [*hour(UNIT, START_MS + (seq - 1) * HOUR_MS)]
    body[4] = 1
    record = Record("hour", post.ledger.source, seq, prev, body)  # type: ignore[arg-type]
    stranger = Ed25519Signer(bytes(32))
    sealed = envelope.seal(record.payload(), object_name="tx", channel=post.ledger.channel, signer=stranger)
    device = replace(sealed, key_id=post.ledger.device.key_id)
    return device.encode(), record.record_id(post.ledger.channel)


@pytest.mark.parametrize("seq", [1, 5, 10])
async def test_a_record_that_was_altered_on_the_disk_is_never_signed_again(tmp_path: Path, seq: int) -> None:
    async with posting(tmp_path) as post:
        names = [bytes(32), *await post.store(10)]
        false, name = forged(post, seq, names[seq - 1])
        change_outbox(
            tmp_path, "UPDATE entry SET envelope = ?, record_id = ? WHERE seq = ?", false, name, seq
        )
        with pytest.raises(NotTaken, match=f"seq {seq} is not admitted: bad_signature"):
            await post.rounds()
        post.ledger.build_block()
        assert [found for _, _, found in post.ledger.final_records()] == names[1:seq]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            "DELETE FROM entry WHERE seq = 5", "seq 6 is not admitted: wrong_sequence", id="removed"
        ),
        pytest.param(
            "UPDATE entry SET envelope = x'84' WHERE seq = 5", "cannot read our envelope", id="overwritten"
        ),
        pytest.param(
            "UPDATE entry SET envelope = (SELECT envelope FROM entry WHERE seq = 4) WHERE seq = 5",
            "says nothing of record 5",
            id="another in its place",
        ),
    ],
)
async def test_a_damaged_backlog_is_told_and_the_gateway_goes_on(
    tmp_path: Path, change: str, told: str
) -> None:
    async with posting(tmp_path) as post:
        names = await post.store(10)
        change_outbox(tmp_path, change)
        with pytest.raises(NotTaken, match=told):
            await post.rounds()
        post.ledger.build_block()
        assert [found for _, _, found in post.ledger.final_records()] == names[:4]
