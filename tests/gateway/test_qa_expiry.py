"""A linearity check or a RATA that is no longer good: readings are bad from then on, until one of its kind passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.sample import Reason
from doxedge.quantity import DAY_MS, HOUR_MS, MINUTE_MS
from tests.gateway.test_qa_desk import NOX, own_sequence, stands
from tests.gateway.test_qa_due import GOOD, Q4_MS, past
from tests.gateway.test_qa_tests import S_AMS, Office, office
from tests.gateway.unit_bench import SetClock
from tests.ledger.channels import START_MS
from tests.measurement.qa_layouts import RATA, runs

EXPIRED = "out of control: linearity expired"


@asynccontextmanager
async def in_its_first_quarter(
    folder: Path, *, ran: int, of: int = 500, unit: str = "", lines: str = ""
) -> AsyncIterator[Office]:
    """A linearity check was due with 2025; the unit ran in so many hours of the grace of 168, and a check passed."""
    clock = SetClock()
    async with office(folder, clock=clock, unit=unit, lines=lines) as made:
        await past(made.it.history, Q4_MS, ran=500)
        await made.enter("linearity", GOOD, day="2025-07-15")
        rows = [
            KnownHour(
                START_MS + n * HOUR_MS, 100 if n < ran else 0, 1, 0, True, "01", quality_assured=n < ran
            )
            for n in range(of)
        ]
        await made.it.history.put("alpha-1", rows, owed=False)
        (folder / "alpha-1.memory.json").unlink()
    clock.run_to(START_MS + of * HOUR_MS)
    async with office(folder, clock=clock, unit=unit, lines=lines) as made:
        await own_sequence(made.it)
        yield made


async def test_it_is_good_while_hours_of_grace_are_left(tmp_path: Path) -> None:
    async with in_its_first_quarter(tmp_path, ran=167) as made:
        await made.it.measure(4)
        assert stands(made.it).standing == "in control"
        assert made.it.pipeline.latest[NOX].usable
        # The hour that runs is the last of the grace.
        await made.it.measure(52)
        assert stands(made.it).standing == "in control"
        await made.it.measure(8)
        assert stands(made.it).standing == EXPIRED


async def test_standstill_uses_no_grace(tmp_path: Path) -> None:
    async with in_its_first_quarter(tmp_path, ran=100) as made:
        await made.it.measure(70)
        assert stands(made.it).standing == "in control"


async def test_readings_are_bad_and_hours_have_no_mass_until_one_passes(tmp_path: Path) -> None:
    async with in_its_first_quarter(tmp_path, ran=168) as made:
        await made.it.measure(114)  # two minutes into the hour after next
        assert stands(made.it).standing == EXPIRED
        assert "no grace is left" in stands(made.it).why
        reading = made.it.pipeline.latest[NOX]
        assert (reading.usable, reading.reason) == (False, Reason.OUT_OF_CONTROL)
        gaps = [body[3] for kind, body in await made.it.said() if kind == "gap"]
        assert "too_few_points:nox_ppb:out_of_control" in str(gaps[-1])
        clock = made.it.clock
    async with office(tmp_path, clock=clock) as made:
        assert stands(made.it).standing == EXPIRED  # a restart knows the same
        answer = await made.enter("linearity", GOOD, day="2026-01-21")
        assert answer["standing"] == "in control"
        await made.it.measure(1)
        assert made.it.pipeline.latest[NOX].usable


async def test_a_failed_one_is_told_as_failed_and_a_rata_as_itself(tmp_path: Path) -> None:
    async with in_its_first_quarter(tmp_path, ran=100) as made:
        await made.enter("rata", RATA + runs(), day="2025-12-30", good_until="2026-01-21")
        await made.it.measure(60)
        assert stands(made.it).standing == "in control"
        made.it.clock.run_to(START_MS + 20 * DAY_MS + 23 * HOUR_MS + 30 * MINUTE_MS)
        await own_sequence(made.it)
        await made.it.measure(26)
        assert stands(made.it).standing == "in control"  # until the end of the day that was given
        await made.it.measure(3)
        assert stands(made.it).standing == "out of control: rata expired"


async def test_another_day_that_the_authority_grants_lifts_it(tmp_path: Path) -> None:
    async with in_its_first_quarter(tmp_path, ran=168) as made:
        await made.it.measure(2)
        assert stands(made.it).standing == EXPIRED
        answer = await made.enter("linearity", GOOD + "\n", day="2025-07-15", good_until="2026-03-01")
        assert answer["standing"] == "in control"


async def test_it_does_not_begin_before_the_hour_before_is_counted(tmp_path: Path) -> None:
    """At the full hour nothing is known of the hour that just ended, and it may have been one of standstill."""
    async with in_its_first_quarter(tmp_path, ran=166) as made:
        await made.it.measure(52)
        await made.it.measure(60, power_w=0)
        await made.it.measure(1, power_w=0)
        for left in (0, 1):
            (fact,) = made.office.facts("alpha-1")
            assert fact.test is not None
            assert fact.test.grace_left == left
            assert stands(made.it).standing == "in control"
            await made.it.measure(14, power_w=0)


@pytest.mark.parametrize("kept", [True, False])
async def test_a_monitor_without_such_a_test_owes_none(tmp_path: Path, kept: bool) -> None:
    async with office(tmp_path) as made:
        if kept:
            await past(made.it.history, Q4_MS, ran=2_000)
        await own_sequence(made.it)
        await made.it.measure(20)
        assert stands(made.it).standing == "in control"


async def test_the_european_rules_know_no_such_consequence(tmp_path: Path) -> None:
    eu = 'rule_set = "eu"'
    async with in_its_first_quarter(tmp_path, ran=400, unit=eu, lines=S_AMS) as made:
        await made.it.measure(20)
        assert stands(made.it).standing == "in control"
