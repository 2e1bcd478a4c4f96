"""A unit whose setup changes at the border of an hour: by hand, on real stores."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.unit_setup import SetupChange, UnitJudge, setup_of
from doxedge.measurement.quality import ClockState
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.gateway.unit_bench import GRAMS_PER_HOUR, Bench, bench, plan
from tests.ledger.channels import START_MS

BORDER_MS = START_MS + HOUR_MS
WORDS = ", approved by A. Person (root): another coverage"
FIELDS = {"start_ms": 1, "nox_g": 4, "energy_wh": 5, "samples": 10, "profile_hash": 12, "rules_hash": 13}


def doubled() -> PlannedUnit:
    """The unit by rules that double its mass."""
    return plan(lines="mg_per_m3_per_ppm = 4.105")


def change_to(planned: PlannedUnit, *, from_ms: int = BORDER_MS) -> SetupChange:
    return SetupChange(setup_of(planned), from_ms, frozenset(planned.devices), WORDS)


async def hours(unit: Bench) -> list[dict[str, Any]]:
    return [{name: body[place] for name, place in FIELDS.items()} for body in await unit.hours()]


async def changes(unit: Bench) -> list[tuple[Any, Any, Any]]:
    """(code, at, text) of the events that tell of another setup."""
    bodies = [body for kind, body in await unit.said() if kind == "event"]
    return [(body[1], body[2], body[3]) for body in bodies if str(body[1]).endswith(".changed")]


def is_whole(found: list[dict[str, Any]]) -> None:
    """One hour by the old rules, one by the new, both with all that was measured."""
    first, second = found
    assert (first["start_ms"], second["start_ms"]) == (START_MS, BORDER_MS)
    assert (first["rules_hash"], second["rules_hash"]) == (plan().rules_hash, doubled().rules_hash)
    assert first["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-3)
    assert second["nox_g"] == pytest.approx(2 * GRAMS_PER_HOUR, rel=1e-3)
    for hour in found:
        assert hour["samples"] == 3 * 360 + 60
        assert hour["energy_wh"] == pytest.approx(50_000_000, rel=0.01)


async def test_each_hour_is_made_by_one_setup_and_the_change_is_told_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(20)
        unit.pipeline.change(change_to(doubled()))
        await unit.measure(41)
        assert len(await hours(unit)) == 0
        memory = json.loads((tmp_path / "alpha-1.memory.json").read_text())
        assert memory["rules_hash"] == doubled().rules_hash.hex()
        assert memory["carry"]["next_start_ms"] == START_MS
        await unit.measure(61)
        is_whole(await hours(unit))
        text = f"{plan().rules_hash.hex()} was replaced by {doubled().rules_hash.hex()}{WORDS}"
        assert await changes(unit) == [("rules.changed", BORDER_MS, text)]


@pytest.mark.parametrize("minute", [59, 60, 61, 62])
async def test_a_restart_around_the_border_makes_the_same_records(tmp_path: Path, minute: int) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(20)
        unit.pipeline.change(change_to(doubled()))
        await unit.measure(minute - 20)
        clock = unit.clock
    if minute < 60:  # what the daemon does: the old one goes on, and the change is to come
        async with bench(tmp_path, clock=clock) as unit:
            unit.pipeline.change(change_to(doubled()))
            await unit.measure(122 - minute)
            is_whole(await hours(unit))
            assert len(await changes(unit)) == 1
        return
    again = bench(
        tmp_path, clock=clock, planned=doubled(), before=setup_of(plan()), change=change_to(doubled())
    )
    async with again as unit:
        await unit.measure(122 - minute)
        is_whole(await hours(unit))
        assert [(code, at_ms) for code, at_ms, _ in await changes(unit)] == [("rules.changed", BORDER_MS)]
        assert WORDS in str((await changes(unit))[0][2])


async def test_a_memory_from_before_the_border_tells_the_change_once(tmp_path: Path) -> None:
    """The event was signed, and the power went before the memory was written."""
    async with bench(tmp_path) as unit:
        await unit.measure(20)
        old = (tmp_path / "alpha-1.memory.json").read_text()
        unit.pipeline.change(change_to(doubled()))
        await unit.measure(41)
        assert len(await changes(unit)) == 1
        clock = unit.clock
    (tmp_path / "alpha-1.memory.json").write_text(old)
    again = bench(
        tmp_path, clock=clock, planned=doubled(), before=setup_of(plan()), change=change_to(doubled())
    )
    async with again as unit:
        await unit.measure(61)
        is_whole(await hours(unit))
        assert len(await changes(unit)) == 1


async def test_a_change_that_was_taken_back_leaves_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(20)
        change = change_to(doubled())
        unit.pipeline.change(change)
        unit.pipeline.take_back(change)
        await unit.measure(102)
        found = await hours(unit)
        assert {hour["rules_hash"] for hour in found} == {plan().rules_hash}
        assert len(found) == 2
        assert await changes(unit) == []


async def test_a_unit_that_is_taken_away_closes_its_last_hour_and_no_other(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        unit.pipeline.end(BORDER_MS)
        await unit.measure(60)
        assert not await unit.pipeline.has_ended()
        unit.clock.run_to(BORDER_MS + 2 * MINUTE_MS)
        await unit.pipeline.close_hours()
        assert await unit.pipeline.has_ended()
        unit.clock.run_to(BORDER_MS + 3 * HOUR_MS)
        await unit.pipeline.close_hours()
        assert [hour["start_ms"] for hour in await hours(unit)] == [START_MS]
        assert [kind for kind, _ in await unit.said() if kind == "gap"] == []


def test_what_no_instrument_delivers_any_more_is_no_news() -> None:
    """Values and flags of what went with the old setup leave the status, and so the alarms."""
    before = setup_of(plan())
    after = setup_of(plan(lines="concentration = 'no_ppb'"))
    judge = UnitJudge(before)

    def sample(device: str, quantity: str, at_ms: int) -> Sample:
        return Sample(device, at_ms, at_ms * 1_000_000, {quantity: None}, frozenset({"fault"}))

    judge.judge(sample("alpha-1.old", "so2_ppb", START_MS), clock=ClockState.SYNCHRONISED)
    judge.flags["alpha-1.old", "so2_ppb"] = frozenset({"fault"})
    judge.change(SetupChange(after, BORDER_MS))
    assert judge.settle(BORDER_MS - 1) is None
    assert set(judge.latest) == {"so2_ppb"}
    assert judge.settle(BORDER_MS) is not None
    assert judge.settle(BORDER_MS) is None
    assert (judge.latest, judge.flags) == ({}, {})
    assert judge.setup_at(BORDER_MS - 1) is before
    judge.forget_before(BORDER_MS)
    assert judge.setup_at(BORDER_MS - 1) is after


def test_a_device_that_stays_is_judged_by_what_is_known_of_it() -> None:
    """A value that stands still is stuck over the border, and one of an exchanged instrument begins anew."""
    setup = setup_of(plan())

    def stuck_after(kept: frozenset[str]) -> bool:
        judge = UnitJudge(setup)
        judge.change(SetupChange(setup, BORDER_MS, kept))
        readings: list[Reading] = []
        for at_ms in range(BORDER_MS - 3 * HOUR_MS, BORDER_MS + MINUTE_MS, MINUTE_MS):
            values = {"nox_ppb": Decimal(7_000), "no_ppb": Decimal(7_000)}
            sample = Sample("alpha-1.analyser", at_ms, at_ms * 1_000_000, values)
            readings = list(judge.judge(sample, clock=ClockState.SYNCHRONISED))
        return (readings[0].quality, readings[0].reason) == (Quality.BAD, Reason.STUCK)

    assert stuck_after(frozenset({"alpha-1.analyser"}))
    assert not stuck_after(frozenset())
