"""The history of hours: what closes is kept, what changes opens its gap again, what is too old goes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from doxedge.measurement.hour_history import KnownHour
from doxedge.quantity import HOUR_MS
from doxedge.store import look
from doxedge.store.errors import Kind, StoreError
from doxedge.store.hour_rows import HourStatement
from doxedge.store.hours import KEEP_HOURS, KEEP_HOURS_MAX, HourStore

SAID = HourStatement(1_000, "11", b"\x80")


def hour(n: int, nox_g: int | None = 1_000, percent: int = 100) -> KnownHour:
    remarks = ("power_w:assumed", "x:y") if nox_g is None else ()
    code = "" if nox_g is None else "01"
    return KnownHour(
        n * HOUR_MS, percent, nox_g, 50, True, code, nox_g is not None and percent > 0, 60, remarks
    )


async def state(store: HourStore, n: int) -> str:
    """Decide, Nothing said: `o` open, then the number of statements."""
    (stored,) = await store.between("a", from_ms=n * HOUR_MS, to_ms=n * HOUR_MS + 1)
    return ("o" if stored.is_open else "") + str(stored.statements)


async def say(store: HourStore, n: int, *, is_open: bool) -> None:
    await store.note_statement("a", n * HOUR_MS, SAID, statements=1, first_record=b"r" * 32, is_open=is_open)


async def test_hours_come_back_as_they_were_and_twice_is_once(tmp_path: Path) -> None:
    rows = [hour(0), hour(1, None), hour(2, 0, percent=0)]
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await store.begin("a", began_ms=0)
        await store.begin("a", began_ms=9)
        assert await store.began_ms("a") == 0
        assert await store.put("a", rows, owed=True) == 3
        assert await store.put("a", rows, owed=True) == 0
        assert await store.history("a", from_ms=0) == rows
        assert await store.history("a", from_ms=HOUR_MS) == rows[1:]
        assert [row.known.start_ms for row in await store.open_hours("a")] == [HOUR_MS]
    assert [stored.known for stored in look.hours(tmp_path / "hours.db", "a", to_ms=HOUR_MS)] == rows[:1]
    assert look.units(tmp_path / "hours.db") == {"a": 0}


async def test_nothing_is_owed_where_no_rules_are(tmp_path: Path) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await store.begin("a", began_ms=0)
        await store.put("a", [hour(0, None)], owed=False)
        assert await store.open_hours("a") == []


async def test_an_hour_that_changes_opens_the_gaps_beside_it_and_no_other(tmp_path: Path) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await store.begin("a", began_ms=0)
        await store.put("a", [hour(n, None if n in (1, 3, 4, 6) else 1_000) for n in range(8)], owed=True)
        for n in (1, 3, 4, 6):
            await say(store, n, is_open=False)
        assert await store.open_hours("a") == []
        assert await store.gap_begins_ms("a", 4 * HOUR_MS) == 3 * HOUR_MS
        await store.put("a", [hour(4, 2_000)], owed=True)
        assert [await state(store, n) for n in range(8)] == ["0", "1", "0", "o1", "1", "0", "o1", "0"]
        (measured,) = await store.between("a", from_ms=4 * HOUR_MS, to_ms=5 * HOUR_MS)
        assert (measured.stated, measured.first_record) == (None, b"r" * 32)
        await store.settle("a", [3 * HOUR_MS])
        assert await state(store, 3) == "1"


async def test_what_no_rule_can_look_back_to_goes_and_the_beginning_is_remembered(tmp_path: Path) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await store.begin("a", began_ms=0)
        await store.put("a", [hour(n) for n in range(10)], owed=True)
        assert await store.prune("a", now_ms=(KEEP_HOURS + 4) * HOUR_MS) == 4
        assert await store.began_ms("a") == 0
        # A gap that lasts keeps its look-back, but not for ever.
        await store.put("a", [hour(10, None)], owed=True)
        assert await store.prune("a", now_ms=(KEEP_HOURS + 9) * HOUR_MS) == 0
        assert await store.prune("a", now_ms=(KEEP_HOURS_MAX + 6) * HOUR_MS) == 2


async def test_a_damaged_file_is_set_aside_and_one_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hours.db"
    async with await HourStore.open(path, now_ms=0) as store:
        await store.begin("a", began_ms=0)
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8_000)
    async with await HourStore.open(path, now_ms=0) as store:
        assert store.quarantined is not None
        assert await store.began_ms("a") is None
    with closing(sqlite3.connect(tmp_path / "other.db")) as other, other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="not a `hours` file") as refused:
        await HourStore.open(tmp_path / "other.db", now_ms=0)
    assert refused.value.kind is Kind.FOREIGN
