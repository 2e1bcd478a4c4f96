"""A clock that is wrong: which hours close, which wait, and that measuring always goes on when the clock is right."""

from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.hour_border import PATIENCE_S, Border, HourBorder
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.rows import Closing
from tests.gateway.unit_bench import SYNCHRONISED, Bench, SetClock, bench
from tests.ledger.channels import START_MS

FREE = ClockReading("unsynchronised", 0)
MONTH_MS = 31 * DAY_MS


@pytest.mark.parametrize(
    ("ahead_ms", "sure", "at_once", "later", "is_doubt"),
    [
        (0, False, Border.CLOSE, Border.CLOSE, False),
        (3 * HOUR_MS, False, Border.CLOSE, Border.CLOSE, False),
        (-2 * HOUR_MS, False, Border.CLOSE, Border.CLOSE, False),
        (3 * HOUR_MS + 1, False, Border.WAIT, Border.CLOSE, False),
        (MONTH_MS, False, Border.WAIT, Border.CLOSE, False),
        (MONTH_MS + 1, False, Border.WAIT, Border.WAIT, True),
        (-2 * HOUR_MS - 1, False, Border.WAIT, Border.WAIT, True),
        (-20_000 * DAY_MS, False, Border.WAIT, Border.WAIT, True),
        (MONTH_MS + 1, True, Border.CLOSE, Border.CLOSE, False),
        (1_096 * DAY_MS, True, Border.CLOSE, Border.CLOSE, False),
        (1_096 * DAY_MS + 1, True, Border.ANEW, Border.ANEW, False),
        (-2 * HOUR_MS - 1, True, Border.ANEW, Border.ANEW, False),
    ],
)
def test_what_the_clock_says_is_held_against_the_open_hour(
    ahead_ms: int, sure: bool, at_once: Border, later: Border, is_doubt: bool
) -> None:
    now_s = 77.0
    border = HourBorder("alpha-1", memory_file=Path("alpha-1.memory.json"), monotonic_s=lambda: now_s)

    def look(ahead_ms: int, reading: ClockReading) -> Border:
        return border.look(
            open_from_ms=START_MS, now_ms=START_MS + ahead_ms, reading=reading, gap_ms_max=MONTH_MS
        )

    reading = SYNCHRONISED if sure else FREE
    assert look(ahead_ms, reading) is at_once
    assert border.doubt == ""
    now_s += PATIENCE_S
    assert look(ahead_ms, reading) is later
    assert bool(border.doubt) is is_doubt
    assert look(0, FREE) is Border.CLOSE
    assert border.doubt == ""


async def told(plant: Bench) -> dict[str, list[Any]]:
    """The begins of hours, the borders of gaps, the codes of events."""
    said = await plant.said()
    return {
        "hour": [body[1] for kind, body in said if kind == "hour"],
        "gap": [(body[1], body[2]) for kind, body in said if kind == "gap"],
        "event": [body[1] for kind, body in said if kind == "event"],
    }


@pytest.mark.parametrize(
    "wrong_ms", [-START_MS, 400 * DAY_MS, 5 * DAY_MS], ids=["1970", "next year", "days ahead"]
)
async def test_a_first_start_with_a_wrong_clock_measures_as_soon_as_it_is_right(
    tmp_path: Path, wrong_ms: int
) -> None:
    async with bench(tmp_path, clock=SetClock(at_ms=START_MS + wrong_ms)) as plant:
        plant.reading = FREE
        await plant.measure(2)
        plant.clock.at_ms, plant.reading = START_MS, SYNCHRONISED
        await plant.measure(130)
        said = await told(plant)
        assert said["hour"] == [START_MS, START_MS + HOUR_MS]
        assert said["gap"] == []
        assert said["event"] == ["gateway.start", "hours.anew"]
    async with bench(tmp_path, clock=plant.clock) as plant:
        await plant.measure(60)
        assert (await told(plant))["hour"] == [START_MS, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]


@pytest.mark.parametrize("wrong_ms", [5 * DAY_MS, -5 * DAY_MS, 20_000 * DAY_MS])
async def test_a_restart_with_a_wrong_clock_states_nothing_before_a_time_server_was_heard(
    tmp_path: Path, wrong_ms: int
) -> None:
    async with bench(tmp_path) as plant:
        await plant.measure(65)
        right_ms = plant.clock.at_ms + DAY_MS
    clock = SetClock(at_ms=right_ms + wrong_ms)
    async with bench(tmp_path, clock=clock) as plant:
        plant.reading = FREE
        await plant.measure(10)
        assert (await told(plant))["gap"] == []
        clock.at_ms, plant.reading = right_ms, SYNCHRONISED
        await plant.measure(120)
        said = await told(plant)
    border_ms = right_ms - right_ms % HOUR_MS
    assert said["hour"] == [START_MS, border_ms, border_ms + HOUR_MS]
    # The hour that broke off, and the day without power.
    assert said["gap"][0][0] == START_MS + HOUR_MS
    assert said["gap"][-1][1] == border_ms


async def test_hours_that_a_clock_ahead_has_closed_do_not_stop_the_unit(tmp_path: Path) -> None:
    async with bench(tmp_path) as plant:
        await plant.measure(65)
        right_ms = plant.clock.at_ms
        plant.clock.at_ms, plant.reading = right_ms + 5 * DAY_MS, FREE
        await plant.measure(20)
        assert (await told(plant))["gap"] != []
        plant.clock.at_ms, plant.reading = right_ms + 30 * 60_000, SYNCHRONISED
        await plant.measure(120)
        said = await told(plant)
    assert said["hour"][-1] == START_MS + 2 * HOUR_MS
    assert said["event"][-1] == "hours.anew"


async def test_an_hour_that_was_refused_because_it_had_not_ended_is_stated_when_it_has(
    tmp_path: Path,
) -> None:
    clock = SetClock(at_ms=START_MS + 6 * HOUR_MS)
    async with bench(tmp_path, clock=clock) as plant:
        plant.reading = FREE
        await plant.measure(62)
        (early,) = [entry for entry in await plant.entries() if entry.kind == "hour"]
        await plant.outbox.close_entries([Closing(early.record_id, b"proof", 1, "8.4")])
        clock.at_ms, plant.reading = START_MS + 4 * HOUR_MS + HOUR_MS // 2, SYNCHRONISED
        await plant.measure(2 * 60 + 34)
        begins = [body[1] for body in await plant.hours()]
        assert begins == [START_MS + 5 * HOUR_MS, START_MS + 6 * HOUR_MS]
        revised = [body for kind, body in await plant.said() if kind == "hour.revise"]
        assert revised == []


async def test_a_plant_that_was_off_for_two_months_goes_on_and_states_the_gap_in_parts(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as plant:
        await plant.measure(65)
        plant.clock.at_ms += 60 * DAY_MS
    async with bench(tmp_path, clock=plant.clock) as plant:
        await plant.measure(120)
        said = await told(plant)
    gaps = said["gap"]
    assert all(to_ms - from_ms <= MONTH_MS for from_ms, to_ms in gaps)
    assert [from_ms for from_ms, _ in gaps[1:]] == [to_ms for _, to_ms in gaps[:-1]]
    assert (gaps[0][0], gaps[-1][1]) == (START_MS + HOUR_MS, said["hour"][1])


async def test_without_a_time_server_a_clock_that_is_months_off_is_an_alarm_and_no_statement(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as plant:
        await plant.measure(65)
        plant.clock.at_ms += 60 * DAY_MS
    async with bench(tmp_path, clock=plant.clock) as plant:
        plant.reading = FREE
        await plant.measure(14)
        assert plant.pipeline.clock_doubt == ""
        await plant.measure(2)
        assert "no time server disciplines it" in plant.pipeline.clock_doubt
        assert (await told(plant))["gap"] == []
        plant.reading = SYNCHRONISED
        await plant.measure(2)
        assert plant.pipeline.clock_doubt == ""
        assert (await told(plant))["gap"] != []
