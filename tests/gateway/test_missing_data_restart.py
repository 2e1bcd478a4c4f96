"""Nothing is left out and nothing said twice, whatever happens to power, disk and history in between."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.record_desk import RecordDesk
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.hours import HourStore
from doxedge.store.outbox import OutboxSettings
from tests.gateway.missing_hours import brief, planned, remember, statements
from tests.gateway.unit_bench import PERIOD_MS, SetClock, bench
from tests.ledger.channels import START_MS

ROOM_BYTES = 4_096
"""A page of the outbox: some records."""


class PowerCut(BaseException):
    """The process is gone."""


def cut_after(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int) -> None:
    """Power fails right after the n-th call of a method has done its work."""
    whole, calls = getattr(owner, name), 0

    async def once(self: object, *args: object, **kwargs: object) -> object:
        nonlocal calls
        done = await whole(self, *args, **kwargs)
        calls += 1
        if calls == call:
            raise PowerCut
        return done

    monkeypatch.setattr(owner, name, once)


async def run(folder: Path, plant: PlannedUnit, clock: SetClock, course: list[Decimal | None]) -> None:
    """A gateway that measures minute by minute, as long as it has power."""
    async with bench(folder, planned=plant, clock=clock) as unit:
        while course:
            await unit.measure(1, nox_ppm=course.pop(0))


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        *((RecordDesk, "_keep", call) for call in (2, 3, 4, 5, 6)),
        *((HourStore, "put", call) for call in (1, 2, 3)),
        *((HourStore, "note_statement", call) for call in (1, 2)),
        *((HourStore, "settle", call) for call in (1, 5)),
    ],
)
async def test_a_power_cut_between_any_two_writes_leaves_nothing_out_and_says_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int
) -> None:
    """Two gap hours, two good ones; the power fails once, somewhere."""
    plant = planned()
    async with bench(tmp_path, planned=plant) as unit:
        await remember(unit.history, 3_000)
        clock = unit.clock
    course: list[Decimal | None] = [*[None] * 120, *[Decimal(100)] * 125]
    with monkeypatch.context() as patch:
        cut_after(patch, owner, name, call)
        with pytest.raises(PowerCut):
            await run(tmp_path, plant, clock, course)
    async with bench(tmp_path, planned=plant, clock=clock) as unit:
        for nox_ppm in course:
            await unit.measure(1, nox_ppm=nox_ppm)
        await unit.measure(3)
        told = await statements(unit)
        assert [line[:4] for line in brief(told)] == [
            ("gap", 0, None, None),
            ("hour", 0, "substituted", "11"),
            ("gap", 1, None, None),
            ("hour", 1, "substituted", "11"),
            ("hour", 2, "valid", "01"),
            ("hour", 3, "valid", "01"),
        ]
        assert await unit.history.open_hours("alpha-1") == []
        assert await unit.outbox.verify_chain() == []
        hours = await unit.history.between("alpha-1", from_ms=START_MS, to_ms=2**60)
        assert [(stored.known.quality_assured, stored.statements) for stored in hours] == [
            (False, 1), (False, 1), (True, 0), (True, 0),
        ]  # fmt: skip


async def test_a_gateway_that_was_away_states_a_substitute_for_every_hour_of_the_gap(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62)
        clock = unit.clock
    clock.run_to(START_MS + 6 * HOUR_MS)
    async with bench(tmp_path, clock=clock, planned=planned()) as unit:
        await unit.measure(62)
        told = await statements(unit)
        kinds = [(kind, (body["start_ms"] - START_MS) // HOUR_MS) for kind, body in told]
        assert kinds == [
            ("hour", 0), ("gap", 1), ("gap", 2), ("hour", 1), ("hour", 2), ("hour", 3), ("hour", 4),
            ("gap", 5), ("hour", 5), ("hour", 6),
        ]  # fmt: skip
        silent = told[4][1]
        assert (silent["quality"], silent["operating_percent"]) == ("substituted", 100)
        assert silent["recipe"][6] is None  # nobody knows the load, so hours of every load are looked at
        assert silent["recipe"][7][0] == 0
        assert "operating_percent:assumed" in silent["recipe"][10]


async def test_a_measurement_that_meets_a_substitute_after_a_restart_revises_it(tmp_path: Path) -> None:
    """Late samples were on the disk when power failed, and the memory did not know yet that the hour was closed."""
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(59, nox_ppm=None)
        before = (tmp_path / "alpha-1.memory.json").read_text()
        await unit.measure(3, nox_ppm=None)
        for at_ms in range(START_MS, START_MS + HOUR_MS, PERIOD_MS):
            unit.poll(at_ms + 1)
        await unit.pipeline.flush()
        clock = unit.clock
    (tmp_path / "alpha-1.memory.json").write_text(before)
    for _ in range(2):
        async with bench(tmp_path, planned=planned(), clock=clock) as unit:
            await unit.measure(2)
            told = await statements(unit)
            assert [line[:4] for line in brief(told)] == [
                ("gap", 0, None, None),
                ("hour", 0, "substituted", "11"),
                ("hour.revise", 0, "valid", "01"),
            ]
            assert "hour:backfilled" in told[2][1]["recipe"]
            assert told[2][1]["samples"] > told[1][1]["samples"]
        (tmp_path / "alpha-1.memory.json").write_text(before)


def lose(folder: Path) -> None:
    for part in folder.glob("hours.db*"):
        part.unlink()


async def test_a_history_that_is_lost_is_made_again_from_the_outbox_and_said_so(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await unit.measure(60)
        await unit.measure(60, nox_ppm=None)
        await unit.measure(60)
        await unit.measure(62, nox_ppm=None)
        clock, before = unit.clock, await unit.history.between("alpha-1", from_ms=0, to_ms=2**60)
        told = await statements(unit)
    lose(tmp_path)
    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await unit.measure(1, nox_ppm=None)
        again = await unit.history.between("alpha-1", from_ms=0, to_ms=2**60)
        assert [(row.known, row.stated, row.statements, row.is_open) for row in again] == [
            (row.known, row.stated, row.statements, row.is_open) for row in before
        ]
        assert again[1].first_record == before[1].first_record
        (event,) = [
            body for kind, body in await unit.said() if kind == "event" and body[1] == "history.rebuilt"
        ]
        assert "begins anew with 4 hours" in str(event[3])
        await unit.measure(120)
        assert await statements(unit) == [*told, *(await statements(unit))[len(told) :]]
        assert [line[:4] for line in brief(await statements(unit))[len(told) :]] == [
            ("hour", 4, "extrapolated", "01"),
            ("hour", 5, "valid", "01"),
        ]
    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await unit.measure(1)
        assert [body[1] for kind, body in await unit.said() if kind == "event"].count("history.rebuilt") == 1


async def test_a_gap_that_was_shorter_before_power_failed_is_stated_from_its_end_on(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62)
        clock, before = unit.clock, (tmp_path / "alpha-1.memory.json").read_text()
    clock.run_to(START_MS + 4 * HOUR_MS + 5 * MINUTE_MS)
    async with bench(tmp_path, clock=clock, planned=planned()) as unit:
        await unit.pipeline.close_hours()
    (tmp_path / "alpha-1.memory.json").write_text(before)
    clock.run_to(START_MS + 6 * HOUR_MS + 5 * MINUTE_MS)
    async with bench(tmp_path, clock=clock, planned=planned()) as unit:
        await unit.pipeline.close_hours()
        gaps = [
            ((body["start_ms"] - START_MS) // HOUR_MS, (body["to_ms"] - START_MS) // HOUR_MS)
            for kind, body in await statements(unit)
            if kind == "gap"
        ]
        assert gaps == [(1, 2), (2, 4), (4, 6)]
        hours = [
            (body["start_ms"] - START_MS) // HOUR_MS
            for kind, body in await statements(unit)
            if kind == "hour"
        ]
        assert hours == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("room_bytes", [-1, 0, ROOM_BYTES])
async def test_what_the_outbox_has_no_room_for_is_stated_when_there_is_room_again(
    tmp_path: Path, room_bytes: int
) -> None:
    """The budget ends somewhere among the records of five missing hours; nothing is called closed before it is said."""
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(1)
        clock, size_bytes = unit.clock, (await unit.outbox.counts()).bytes
    room = OutboxSettings(bytes_max=size_bytes + room_bytes)
    async with bench(tmp_path, planned=planned(), clock=clock, outbox_settings=room) as unit:
        await unit.measure(305, nox_ppm=None)
        assert unit.pipeline.desk.waiting
        signed = len(await statements(unit))
        carry = json.loads((tmp_path / "alpha-1.memory.json").read_text())["carry"]
        assert carry["next_start_ms"] <= START_MS + (signed // 2) * HOUR_MS
    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await unit.measure(1, nox_ppm=None)
        told = brief(await statements(unit))
        assert sorted(line[1] for line in told if line[0] == "gap") == [0, 1, 2, 3, 4]
        assert sorted(line[1:4] for line in told if line[0] == "hour") == [
            (n, "substituted", "11") for n in range(5)
        ]
        assert await unit.outbox.verify_chain() == []
