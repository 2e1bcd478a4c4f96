"""The outbox numbers, keeps and gives up records by its rules, on a real file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.signing import envelope
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import InvalidRecord, Record, decode_payload
from doxedge.signing.tags import ZERO_HASH
from doxedge.store.entry_rows import EARLY_AT_ONCE
from doxedge.store.errors import Kind, StoreError
from doxedge.store.outbox import Outbox, OutboxSettings
from doxedge.store.rows import Appended, Closing, Draft, SourceHead
from tests.store.records import CHANNEL, OTHER, SOURCE, START_MS, SettableClock, hours, seal, signature_holds

CLOCK = SettableClock()


async def begun(path: Path, clock: SettableClock = CLOCK, **settings: int) -> Outbox:
    outbox = await Outbox.open(path, now_ms=clock.now_ms, settings=OutboxSettings(**settings))
    await outbox.begin(CHANNEL, SOURCE)
    return outbox


def intrude(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    connection = sqlite3.connect(path)
    change(connection)
    connection.commit()
    connection.close()


async def test_records_are_numbered_in_order_and_name_the_one_before(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        appended = await outbox.append(CHANNEL, SOURCE, hours(0, 3), seal=seal)
        assert [(one.seq, one.new) for one in appended] == [(1, True), (2, True), (3, True)]
        prev = ZERO_HASH
        for one, entry in zip(appended, await outbox.pending(CHANNEL, SOURCE), strict=True):
            record = decode_payload(envelope.decode(entry.envelope).payload)
            assert (record.seq, record.prev, record.source) == (one.seq, prev, SOURCE)
            assert record.record_id(CHANNEL) == one.record_id == entry.record_id
            assert (entry.state, entry.stored_ms) == ("pending", START_MS)
            prev = one.record_id
        assert await outbox.head(CHANNEL, SOURCE) == SourceHead(CHANNEL, SOURCE, 3, prev)
        assert await outbox.verify_chain(signature_holds=signature_holds) == []


async def test_the_same_statement_made_again_is_the_same_record(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with await begun(path) as outbox:
        first = await outbox.append(CHANNEL, SOURCE, hours(0, 2), seal=seal)
    async with await begun(path) as outbox:
        changed = Draft("hour", ["unit-1", 0, 99], hours(0)[0].key)
        again = await outbox.append(CHANNEL, SOURCE, [changed, *hours(1, 2)], seal=seal)
        assert again[0] == Appended(first[0].record_id, 1, new=False)
        assert again[1] == Appended(first[1].record_id, 2, new=False)
        assert (again[2].seq, again[2].new) == (3, True)
        # Twice in one call as well.
        twins = await outbox.append(CHANNEL, SOURCE, [*hours(9), *hours(9)], seal=seal)
        assert [one.new for one in twins] == [True, False]
        assert twins[0].record_id == twins[1].record_id
        found = await outbox.find_key(CHANNEL, SOURCE, hours(9)[0].key)
        assert found is not None
        assert found.record_id == twins[0].record_id
        assert await outbox.find_key(CHANNEL, OTHER, hours(9)[0].key) is None


async def test_callers_at_the_same_time_share_a_commit_and_leave_no_hole(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        before = outbox._database.commits
        done = await asyncio.gather(*(outbox.append(CHANNEL, SOURCE, hours(k), seal=seal) for k in range(50)))
        assert sorted(one.seq for [one] in done) == list(range(1, 51))
        assert outbox._database.commits - before <= 3
        assert await outbox.verify_chain() == []


async def test_a_seal_that_fails_uses_no_number_and_harms_no_other(tmp_path: Path) -> None:
    def broken(record: Record) -> Envelope:
        raise OSError("the token was pulled out")

    async with await begun(tmp_path / "outbox.db") as outbox:
        results = await asyncio.gather(
            outbox.append(CHANNEL, SOURCE, hours(0), seal=seal),
            outbox.append(CHANNEL, SOURCE, hours(1), seal=broken),
            outbox.append(CHANNEL, SOURCE, hours(2), seal=seal),
            return_exceptions=True,
        )
        assert isinstance(results[1], OSError)
        assert [entry.seq for entry in await outbox.pending(CHANNEL, SOURCE)] == [1, 2]
        assert await outbox.verify_chain() == []


async def test_a_seal_over_another_record_is_refused(tmp_path: Path) -> None:
    def false(record: Record) -> Envelope:
        return seal(Record(record.kind, record.source, record.seq, record.prev, ["something else"]))

    async with await begun(tmp_path / "outbox.db") as outbox:
        with pytest.raises(ValueError, match="another record"):
            await outbox.append(CHANNEL, SOURCE, hours(0), seal=false)
        assert await outbox.pending(CHANNEL, SOURCE) == []


@pytest.mark.parametrize(
    ("draft", "error"),
    [
        (Draft("hour", [1.5], "key"), NonCanonical),  # type: ignore[list-item]
        (Draft("hour", [2**64], "key"), NonCanonical),
        (Draft("hour", ["e\u0301"], "key"), NonCanonical),
        (Draft("", [], "key"), InvalidRecord),
        (Draft("k" * 33, [], "key"), InvalidRecord),
        (Draft("hour", [], ""), ValueError),
        (Draft("hour", [], "k" * 257), ValueError),
    ],
)
async def test_a_draft_that_cannot_be_a_record_is_refused_with_all_that_came_with_it(
    tmp_path: Path, draft: Draft, error: type[Exception]
) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        with pytest.raises(error):
            await outbox.append(CHANNEL, SOURCE, [*hours(0), draft], seal=seal)
        assert await outbox.pending(CHANNEL, SOURCE) == []


async def test_no_record_before_the_first_number_is_agreed(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        with pytest.raises(StoreError, match="call begin first") as refused:
            await outbox.append(CHANNEL, OTHER, hours(0), seal=seal)
        assert refused.value.kind is Kind.BROKEN_CHAIN
        assert await outbox.head(CHANNEL, OTHER) is None
        assert await outbox.pending(CHANNEL, OTHER) == []


async def test_a_fresh_outbox_goes_on_where_the_ledger_is(tmp_path: Path) -> None:
    async with await Outbox.open(tmp_path / "outbox.db", now_ms=CLOCK.now_ms) as outbox:
        head = await outbox.begin(CHANNEL, SOURCE, seq=41, prev=bytes([7] * 32))
        assert head == SourceHead(CHANNEL, SOURCE, 41, bytes([7] * 32), adopted=True)
        [appended] = await outbox.append(CHANNEL, SOURCE, hours(0), seal=seal)
        assert appended.seq == 42
        assert await outbox.verify_chain() == []


async def test_an_outbox_behind_the_ledger_adopts_its_head_and_shows_the_gap(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        await outbox.append(CHANNEL, SOURCE, hours(0, 2), seal=seal)
        head = await outbox.begin(CHANNEL, SOURCE, seq=10, prev=bytes([7] * 32))
        assert (head.seq, head.adopted) == (10, True)
        again = await outbox.begin(CHANNEL, SOURCE, seq=10, prev=bytes([7] * 32))
        assert not again.adopted
        assert (await outbox.begin(CHANNEL, SOURCE, seq=12, prev=bytes([8] * 32))).adopted
        [appended] = await outbox.append(CHANNEL, SOURCE, hours(5), seal=seal)
        assert appended.seq == 13
        assert await outbox.verify_chain() == []
        assert [(gap.source, gap.seq) for gap in await outbox.gaps()] == [(SOURCE, 3), (SOURCE, 11)]
        assert [entry.seq for entry in await outbox.pending(CHANNEL, SOURCE)] == [1, 2, 13]


async def test_an_outbox_ahead_of_the_ledger_keeps_its_own_head(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        appended = await outbox.append(CHANNEL, SOURCE, hours(0, 3), seal=seal)
        assert (await outbox.begin(CHANNEL, SOURCE)).seq == 3
        head = await outbox.begin(CHANNEL, SOURCE, seq=2, prev=appended[1].record_id)
        assert (head.seq, head.prev, head.adopted) == (3, appended[2].record_id, False)


async def test_another_record_of_the_same_number_on_the_ledger_is_a_conflict(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        await outbox.append(CHANNEL, SOURCE, hours(0, 3), seal=seal)
        for seq in (2, 3):
            with pytest.raises(StoreError, match="another gateway signs with this key") as refused:
                await outbox.begin(CHANNEL, SOURCE, seq=seq, prev=bytes([7] * 32))
            assert refused.value.kind is Kind.CONFLICT
        with pytest.raises(ValueError, match="zeros"):
            await outbox.begin(CHANNEL, SOURCE, seq=1, prev=ZERO_HASH)


async def test_an_entry_leaves_only_by_a_proof(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        one, two, three = await outbox.append(CHANNEL, SOURCE, hours(0, 3), seal=seal)
        closings = [Closing(one.record_id, b"proof 1", 0), Closing(two.record_id, b"proof 2", 1, "5.2")]
        assert await outbox.close_entries([*closings, Closing(bytes(32), b"unknown", 0)]) == 2
        assert await outbox.close_entries([Closing(one.record_id, b"a later proof", 1)]) == 0
        first, second = await outbox.entry(one.record_id), await outbox.entry(two.record_id)
        assert first is not None
        assert second is not None
        assert (first.state, first.outcome, first.proof, first.closed_ms) == (
            "closed", 0, b"proof 1", START_MS,
        )  # fmt: skip
        assert (second.outcome, second.clause) == (1, "5.2")
        assert [entry.record_id for entry in await outbox.pending(CHANNEL, SOURCE)] == [three.record_id]
        counts = await outbox.counts()
        assert (counts.pending, counts.closed, counts.refused) == (1, 2, 0)
        assert counts.bytes > 0
        assert await outbox.entry(bytes(32)) is None


async def test_a_refused_entry_waits_for_the_operator(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        one, two = await outbox.append(CHANNEL, SOURCE, hours(0, 2), seal=seal)
        await outbox.mark_refused(one.record_id, clause="2.1", reason="another record has this number")
        refused = await outbox.entry(one.record_id)
        assert refused is not None
        assert (refused.state, refused.clause, refused.reason) == (
            "refused_at_admission", "2.1", "another record has this number",
        )  # fmt: skip
        assert [entry.seq for entry in await outbox.pending(CHANNEL, SOURCE)] == [2]
        await outbox.reopen(one.record_id)
        assert [entry.seq for entry in await outbox.pending(CHANNEL, SOURCE)] == [1, 2]
        # A proof closes it for good.
        await outbox.mark_refused(two.record_id, clause=None, reason="not now")
        assert await outbox.close_entries([Closing(two.record_id, b"proof", 0)]) == 1
        await outbox.reopen(two.record_id)
        await outbox.mark_refused(two.record_id, clause=None, reason="too late")
        assert (await outbox.entry(two.record_id)).state == "closed"  # type: ignore[union-attr]


async def test_closed_entries_go_after_their_retention_and_the_rest_stays_unbroken(tmp_path: Path) -> None:
    clock = SettableClock()
    async with await begun(tmp_path / "outbox.db", clock, closed_keep_ms=35 * DAY_MS) as outbox:
        appended = await outbox.append(CHANNEL, SOURCE, hours(0, 6), seal=seal)
        closed = [appended[k] for k in (0, 1, 3, 4)]  # the third is still pending
        await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in closed])
        assert await outbox.prune() == 0
        clock.ms += 35 * DAY_MS + 1
        assert await outbox.prune() == 2
        assert await outbox.prune() == 0
        assert await outbox.entry(appended[0].record_id) is None
        assert await outbox.entry(appended[3].record_id) is not None
        assert await outbox.verify_chain() == []
        await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in appended])
        clock.ms += 35 * DAY_MS + 1
        assert await outbox.prune() == 4
        assert await outbox.verify_chain() == []
        [after] = await outbox.append(CHANNEL, SOURCE, hours(7), seal=seal)
        assert after.seq == 7
        assert await outbox.verify_chain() == []


async def test_a_full_budget_gives_up_proved_records_and_never_others(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db", bytes_max=300_000) as outbox:
        proved = await outbox.append(CHANNEL, SOURCE, hours(0, 200), seal=seal)
        await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in proved])
        stored = 0

        async def fill() -> None:
            nonlocal stored
            while stored < 5_000:
                await outbox.append(CHANNEL, SOURCE, hours(200 + stored, 20), seal=seal)
                stored += 20

        with pytest.raises(StoreError, match="is the ledger reachable") as refused:
            await fill()
        assert refused.value.kind is Kind.BUDGET
        counts = await outbox.counts()
        assert counts.closed == 0
        assert counts.pending == stored > 100
        assert counts.bytes <= 300_000
        assert await outbox.verify_chain() == []


async def test_what_goes_early_is_the_oldest_and_is_counted(tmp_path: Path) -> None:
    clock = SettableClock()
    async with await begun(tmp_path / "outbox.db", clock, bytes_max=300_000) as outbox:
        await outbox.begin(CHANNEL, OTHER)
        others = await outbox.append(CHANNEL, OTHER, hours(0, 60), seal=seal)
        await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in others])
        proved_ms = clock.ms
        clock.ms += DAY_MS
        room = await outbox.room()
        assert (room.bytes_max, room.dropped_early, room.next_closed_ms) == (300_000, 0, proved_ms)
        stored = 0
        while (room := await outbox.room()).dropped_early == 0:
            assert 0 < room.used_bytes <= 300_000
            ours = await outbox.append(CHANNEL, SOURCE, hours(stored, 20), seal=seal)
            await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in ours])
            stored += 20
        left = [await outbox.entry(one.record_id) is not None for one in others]
        assert left == [False] * room.dropped_early + [True] * (60 - room.dropped_early)
        assert EARLY_AT_ONCE <= room.dropped_early < 60, "not more than are needed, and of the other source"
        assert await outbox.verify_chain() == []


async def test_what_had_its_time_is_not_dropped_early(tmp_path: Path) -> None:
    clock = SettableClock()
    async with await begun(tmp_path / "outbox.db", clock, bytes_max=300_000, closed_keep_ms=DAY_MS) as outbox:
        assert (await outbox.room()).next_closed_ms is None
        for first in range(0, 800, 20):
            ours = await outbox.append(CHANNEL, SOURCE, hours(first, 20), seal=seal)
            await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in ours])
            clock.ms += 6 * HOUR_MS
        assert (await outbox.counts()).closed < 800
        assert (await outbox.room()).dropped_early == 0


async def test_a_draft_that_is_refused_for_lack_of_room_drops_nothing(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db", bytes_max=100_000) as outbox:
        proved = await outbox.append(CHANNEL, SOURCE, hours(0, 20), seal=seal)
        await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in proved])
        with pytest.raises(StoreError, match="is the ledger reachable"):
            await outbox.append(CHANNEL, SOURCE, hours(20, 1_000), seal=seal)
        assert (await outbox.room()).dropped_early == 0
        assert (await outbox.counts()).closed == 20


async def test_sources_do_not_disturb_each_other(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:
        await outbox.begin(CHANNEL, OTHER)
        await outbox.begin(bytes(32), SOURCE)
        await outbox.append(CHANNEL, SOURCE, hours(0, 2), seal=seal)
        await outbox.append(CHANNEL, OTHER, hours(0, 1), seal=seal)
        assert await outbox.pending_sources() == [(CHANNEL, SOURCE), (CHANNEL, OTHER)]
        assert [(head.source, head.seq) for head in await outbox.sources()] == [
            (SOURCE, 2), (OTHER, 1), (SOURCE, 0),
        ]  # fmt: skip
        [entry] = await outbox.pending(CHANNEL, OTHER)
        await outbox.close_entries([Closing(entry.record_id, b"proof", 0)])
        assert await outbox.pending_sources() == [(CHANNEL, SOURCE)]


@pytest.mark.slow
async def test_a_backlog_of_100_000_records_is_read_at_full_speed(tmp_path: Path) -> None:
    async with await begun(tmp_path / "outbox.db") as outbox:

        def fill(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO entry (source_id, seq, record_id, kind, key, state, stored_ms, envelope) "
                "VALUES (1, ?, ?, 'hour', ?, ?, 0, ?)",
                (
                    (k, k.to_bytes(32, "big"), str(k), 1 if k <= 50_000 else 0, bytes(400))
                    for k in range(1, 150_001)
                ),
            )

        await outbox._database.write(fill)

        for after_seq in (0, 50_000, 149_000):
            assert len(await outbox.pending(CHANNEL, SOURCE, after_seq=after_seq, limit=64)) == 64
        # The cursor goes by an index: neither what is done nor what waits makes it slower.
        plan = await outbox._database.read(
            lambda connection: connection.execute(
                "EXPLAIN QUERY PLAN SELECT 1 FROM entry e WHERE e.source_id = 1 AND e.state = 0 AND e.seq > 5 "
                "ORDER BY e.seq LIMIT 64"
            ).fetchall()
        )
        assert "entry_pending" in str(plan)
        assert (await outbox.counts()).pending == 100_000


async def test_a_removed_record_shows(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with await begun(path) as outbox:
        await outbox.append(CHANNEL, SOURCE, hours(0, 5), seal=seal)
    intrude(path, lambda connection: connection.execute("DELETE FROM entry WHERE seq IN (2, 3)"))
    async with await begun(path) as outbox:
        [found] = await outbox.verify_chain()
        assert (found.channel, found.source, found.seq) == (CHANNEL, SOURCE, 2)
        assert found.reason == "records 2 to 3 are missing"


async def test_a_removed_last_record_shows(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with await begun(path) as outbox:
        await outbox.append(CHANNEL, SOURCE, hours(0, 5), seal=seal)
    intrude(path, lambda connection: connection.execute("DELETE FROM entry WHERE seq = 5"))
    async with await begun(path) as outbox:
        [found] = await outbox.verify_chain(CHANNEL, SOURCE)
        assert found.seq == 5
        assert "the last record that was given a number is 5" in found.reason
        assert await outbox.verify_chain(CHANNEL, OTHER) == []


@pytest.mark.parametrize("at", [3, 40, 100, 160])
async def test_an_altered_record_shows(tmp_path: Path, at: int) -> None:
    path = tmp_path / "outbox.db"
    async with await begun(path) as outbox:
        await outbox.append(CHANNEL, SOURCE, hours(0, 3), seal=seal)

    def alter(connection: sqlite3.Connection) -> None:
        [(stored,)] = connection.execute("SELECT envelope FROM entry WHERE seq = 2").fetchall()
        assert at < len(stored)
        changed = stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        connection.execute("UPDATE entry SET envelope = ? WHERE seq = 2", (changed,))

    intrude(path, alter)
    async with await begun(path) as outbox:
        assert {found.seq for found in await outbox.verify_chain(signature_holds=signature_holds)} == {2}


async def test_a_record_put_in_place_of_another_shows(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with await begun(path) as outbox:
        await outbox.append(CHANNEL, SOURCE, hours(0, 3), seal=seal)

    def exchange(connection: sqlite3.Connection) -> None:
        false = Record("hour", SOURCE, 2, bytes([9] * 32), ["unit-1", 0, 1])  # type: ignore[arg-type]
        connection.execute(
            "UPDATE entry SET envelope = ?, record_id = ? WHERE seq = 2",
            (seal(false).encode(), false.record_id(CHANNEL)),
        )

    intrude(path, exchange)
    async with await begun(path) as outbox:
        # It does not follow the first, and the third does not follow it.
        assert [found.seq for found in await outbox.verify_chain()] == [2, 3]


def proofs_kept(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [data for (data,) in connection.execute("SELECT data FROM proof ORDER BY id")]


async def test_one_proof_of_many_records_is_kept_once_and_as_long_as_one_of_them(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", SettableClock()
    async with await begun(path, clock, closed_keep_ms=35 * DAY_MS) as outbox:
        records = await outbox.append(CHANNEL, SOURCE, hours(0, 64), seal=seal)
        batch, alone = records[:63], records[63]
        await outbox.close_entries([Closing(one.record_id, b"of the batch", 0) for one in batch])
        clock.ms += DAY_MS
        await outbox.close_entries([Closing(one.record_id, b"of one, and late", 0) for one in records])
        assert proofs_kept(path) == [b"of the batch", b"of one, and late"]
        entries = [await outbox.entry(one.record_id) for one in records]
        assert [entry and entry.proof for entry in entries] == [b"of the batch"] * 63 + [b"of one, and late"]
        await outbox.close_entries([Closing(alone.record_id, b"again", 0)])
        assert b"again" not in proofs_kept(path)
        clock.ms += 34 * DAY_MS + 1
        assert await outbox.prune() == 63
        assert proofs_kept(path) == [b"of one, and late"]
        clock.ms += DAY_MS
        assert await outbox.prune() == 1
        assert proofs_kept(path) == []
