"""Hours of another system lie beside the gateway's own, count before them, and are never mistaken for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.imported_hours import TakenHours
from doxedge.quantity import HOUR_MS
from doxedge.store import look, schema_files
from doxedge.store.errors import StoreError
from doxedge.store.hours import KEEP_HOURS, HourStore
from tests.store.test_hours import hour


def taken(source: str, first: int, *masses: int | None) -> TakenHours:
    """Hours from hour `first` on; None is missing."""
    return TakenHours(
        source,
        tuple(
            KnownHour(
                (first + n) * HOUR_MS, 100, nox_g, 70, True, "", quality_assured=nox_g is not None, source=source
            )
            for n, nox_g in enumerate(masses)
        ),
    )  # fmt: skip


async def put(store: HourStore, told: TakenHours, *, replaces: tuple[int, ...] = ()) -> None:
    await store.import_file("a", told, called="1/A", imported_ms=77, said="words", replaces=replaces)


async def test_hours_of_a_file_come_before_the_gateways_own_and_say_where_they_are_from(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hours.db"
    told = taken("f:+0", 0, 500, None, 600)
    async with await HourStore.open(path, now_ms=0) as store:
        await store.begin("a", began_ms=5 * HOUR_MS)
        await store.put("a", [hour(5), hour(6)], owed=True)
        await put(store, told)
        assert await store.history("a", from_ms=0) == [*told.hours, hour(5), hour(6)]
        assert await store.history("a", from_ms=2 * HOUR_MS) == [told.hours[2], hour(5), hour(6)]
        assert await store.history("b", from_ms=0) == []
        # The gateway's own are what they were, and nothing is owed for the other system's gaps.
        assert await store.began_ms("a") == 5 * HOUR_MS
        assert [one.known for one in await store.between("a", from_ms=0, to_ms=2**62)] == [hour(5), hour(6)]
        assert await store.open_hours("a") == []
        (file,) = await store.imported("a")
        assert (file.source, file.called, file.first_ms, file.end_ms) == ("f:+0", "1/A", 0, 3 * HOUR_MS)
        assert (file.operating, file.quality_assured, file.imported_ms, file.said) == (3, 2, 77, "words")
        assert (file.is_told, file.is_replaced) == (False, False)
        await store.note_told([file])
        assert await store.imported("a") == [replace(file, is_told=True)]
    assert look.imported_files(path, "a") == [replace(file, is_told=True)]
    assert look.imported_hours(path, "a") == [*told.hours]
    assert look.imported_units(path) == ["a"]


async def test_the_gateways_own_time_is_never_that_of_a_file(tmp_path: Path) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await put(store, taken("f:+0", 0, 1, 2, 3))
        assert [known.nox_g for known in await store.history("a", from_ms=0)] == [1, 2, 3]
        await store.begin("a", began_ms=2 * HOUR_MS)
        await store.put("a", [hour(2)], owed=True)
        assert [known.nox_g for known in await store.history("a", from_ms=0)] == [1, 2, 1_000]


async def test_a_file_that_was_replaced_counts_no_longer_and_is_kept_for_recipes_that_name_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hours.db"
    first, second = taken("f:+0", 0, 1, 2), taken("g:+0", 1, 20, 30)
    async with await HourStore.open(path, now_ms=0) as store:
        await put(store, first)
        (file,) = await store.imported("a")
        await put(store, second, replaces=(file.number,))
        assert await store.history("a", from_ms=0) == [*second.hours]
        assert [one.is_replaced for one in await store.imported("a")] == [True, False]
    assert look.imported_hours(path, "a", sources={"f:+0"}) == [*first.hours]
    assert look.imported_hours(path, "a", sources={"f:+0", "g:+0"})[-1] == second.hours[-1]
    assert look.imported_hours(path, "a", sources=set()) == []


async def test_files_that_follow_each_other_are_one_history(tmp_path: Path) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await put(store, taken("g:+0", 2, 3, 4))
        await put(store, taken("f:+0", 0, 1, 2))
        assert [known.nox_g for known in await store.history("a", from_ms=0)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("masses", "own", "begins"),
    [
        ((1, None, None), (None, None), 1),
        ((None, None, None), (None, None), 0),
        ((None, 1, None), (None, None), 2),
        ((1, 2, 3), (None, None), 3),
        ((1, None, None), (1_000, None), 4),
    ],
)
async def test_a_gap_may_begin_in_the_other_systems_time(
    tmp_path: Path, masses: tuple[int | None, ...], own: tuple[int | None, ...], begins: int
) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await put(store, taken("f:+0", 0, *masses))
        await store.begin("a", began_ms=3 * HOUR_MS)
        await store.put("a", [hour(3 + n, nox_g) for n, nox_g in enumerate(own)], owed=True)
        assert await store.gap_begins_ms("a", 4 * HOUR_MS) == begins * HOUR_MS


async def test_what_no_rule_can_look_back_to_goes_and_that_it_was_imported_stays(tmp_path: Path) -> None:
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await put(store, taken("f:+0", 0, 1, 2, 3))
        await store.import_file("b", taken("f:+0", 0, 1), called="1/B", imported_ms=0, said="")
        await store.begin("a", began_ms=3 * HOUR_MS)
        await store.put("a", [hour(3)], owed=True)
        assert await store.prune("a", now_ms=(KEEP_HOURS + 2) * HOUR_MS) == 2
        assert [known.nox_g for known in await store.history("a", from_ms=0)] == [3, 1_000]
        assert [file.first_ms for file in await store.imported("a")] == [0]
        assert len(await store.history("b", from_ms=0)) == 1


async def test_a_write_that_fails_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    twice = taken("f:+0", 0, 1, 2)
    twice = replace(twice, hours=(*twice.hours, twice.hours[0]))
    async with await HourStore.open(tmp_path / "hours.db", now_ms=0) as store:
        await put(store, taken("e:+0", 0, 9))
        with pytest.raises(StoreError):
            await put(store, twice, replaces=(1,))
        assert [(file.source, file.is_replaced) for file in await store.imported("a")] == [("e:+0", False)]
        assert [known.nox_g for known in await store.history("a", from_ms=0)] == [9]


async def test_a_history_of_the_first_form_is_read_as_it_is_and_brought_to_the_second(tmp_path: Path) -> None:
    path = tmp_path / "hours.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(schema_files.scripts("hours")[0])
        old.execute("INSERT INTO unit VALUES ('a', 0)")
        old.execute(f"PRAGMA application_id = {schema_files.APPLICATION_IDS['hours']}")
        old.execute("PRAGMA user_version = 1")
    assert (look.imported_files(path, "a"), look.imported_hours(path, "a"), look.imported_units(path)) == (
        [],
        [],
        [],
    )
    async with await HourStore.open(path, now_ms=0) as store:
        assert await store.began_ms("a") == 0
        await put(store, taken("f:+0", -2, 1))
    assert look.imported_units(path) == ["a"]


async def test_operation_is_counted_over_files_in_force_and_the_gateways_own_hours(tmp_path: Path) -> None:
    path = tmp_path / "hours.db"
    idle = taken("f:+0", 0, 1, 1, 1, 1)
    idle = TakenHours(
        idle.source,
        tuple(replace(one, operating_percent=100 if n < 2 else 0) for n, one in enumerate(idle.hours)),
    )
    whole = [(0, 10 * HOUR_MS)]
    async with await HourStore.open(path, now_ms=0) as store:
        await put(store, idle)
        assert await store.operation("a", from_ms=0, to_ms=10 * HOUR_MS) == (4, 2)
        await store.begin("a", began_ms=3 * HOUR_MS)
        await store.put("a", [hour(3), hour(4)], owed=True)
        # The fourth hour of the file is in the gateway's own time.
        assert await store.operation("a", from_ms=0, to_ms=10 * HOUR_MS) == (5, 4)
        assert await store.operation("a", from_ms=1 * HOUR_MS, to_ms=4 * HOUR_MS) == (3, 2)
        assert await store.operation("b", from_ms=0, to_ms=10 * HOUR_MS) == (0, 0)
        assert look.operation(path, "a", whole) == [(5, 4)]
        await put(store, taken("g:+0", 1, 5), replaces=(1,))
        assert await store.operation("a", from_ms=0, to_ms=10 * HOUR_MS) == (3, 3)
    assert look.operation(path, "a", whole) == [(3, 3)]
