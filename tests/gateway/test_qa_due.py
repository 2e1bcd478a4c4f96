"""Terms of tests by the history of a unit on the bench: quarters that did not count, grace, a history that is short."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path

import pytest

from doxedge.gateway.operator_door import Refusal
from doxedge.gateway.qa_due import TestTerm, passed_tests, quarters_until
from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.imported_hours import TakenHours
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.hours import HourStore
from tests.gateway.test_qa_desk import NOX
from tests.gateway.test_qa_tests import FAILED, Office, office
from tests.gateway.unit_bench import SetClock
from tests.ledger.channels import START_MS
from tests.measurement.qa_layouts import LINEARITY, RATA, linearity, runs

assert dt.datetime.fromtimestamp(START_MS // 1_000, tz=dt.UTC) == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
Q4_MS = START_MS - 92 * DAY_MS
"""Where the last quarter of 2025 begins."""
GOOD = LINEARITY + linearity()


async def past(store: HourStore, from_ms: int, *, ran: int) -> None:
    """All hours from an instant to the beginning of the bench; in the first so many the unit ran."""
    await store.begin("alpha-1", began_ms=from_ms)
    rows = [
        KnownHour(at_ms, 100 if n < ran else 0, 1_000, 0, True, "01", quality_assured=n < ran)
        for n, at_ms in enumerate(range(from_ms, START_MS, HOUR_MS))
    ]
    await store.put("alpha-1", rows, owed=False)


async def first(made: Office) -> TestTerm:
    """The term that the alarms see."""
    await made.it.measure(1)
    (fact,) = made.office.facts("alpha-1")
    assert fact.test is not None
    return fact.test


@pytest.mark.parametrize(("ran", "last"), [(167, "2026-03-31"), (168, "2025-12-31")])
async def test_a_quarter_that_the_unit_stood_still_lengthens_the_term(
    tmp_path: Path, ran: int, last: str
) -> None:
    async with office(tmp_path) as made:
        await past(made.it.history, Q4_MS, ran=ran)
        answer = await made.enter("linearity", GOOD, day="2025-07-15")
        assert answer["entry"]["good_until"] == last
        term = await first(made)
        assert term.kind == "linearity"
        if ran < 168:
            assert "2025 Q4 did not count: fewer than 168 hours of operation" in term.words
            assert term.grace_left is None
        else:
            # The hour that runs is not over, and none of it counts.
            assert term.words == "was good until 2025-12-31; 168 of 168 operating hours of grace are left"
        clock = made.it.clock
    async with office(tmp_path, clock=clock) as made:
        assert await first(made) == term  # a restart knows the same


async def test_what_the_history_does_not_know_counts_as_operation_and_is_said(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await past(made.it.history, Q4_MS + 7 * DAY_MS, ran=0)
        answer = await made.enter("linearity", GOOD, day="2025-07-15")
        assert answer["entry"]["good_until"] == "2025-12-31"
        words = (await first(made)).words
        assert "2025 Q4 counted, since the history of hours does not know all of it" in words


async def test_hours_that_another_system_measured_count_as_well(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        hours = tuple(
            KnownHour(at_ms, 0, 0, 0, True, "", quality_assured=False, source="f:+0")
            for at_ms in range(Q4_MS, START_MS, HOUR_MS)
        )
        taken = TakenHours("f:+0", hours)
        await made.it.history.import_file("alpha-1", taken, called="1/A", imported_ms=START_MS, said="words")
        answer = await made.enter("linearity", GOOD, day="2025-07-15")
        assert answer["entry"]["good_until"] == "2026-03-31"
        assert "2025 Q4 did not count" in (await first(made)).words


async def test_grace_is_used_up_by_hours_of_operation(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await past(made.it.history, Q4_MS, ran=500)
        await made.enter("linearity", GOOD, day="2025-07-15")
        await made.it.measure(122)
        assert (await first(made)).grace_left == 166
        clock = made.it.clock
    # Away for eight days: nobody knows of them, until the gateway closes them as hours without a sample.
    clock.run_to(START_MS + 8 * DAY_MS)
    async with office(tmp_path, clock=clock) as made:
        term = await first(made)
        assert (term.grace_left, "no grace is left" in term.words) == (0, True)


async def test_the_last_day_is_signed_as_the_least_and_a_day_that_is_given_as_it_is(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await made.enter("linearity", GOOD)
        await made.enter("rata", RATA + runs(), good_until="2026-02-28")
        linear, rata = [text for code, text in await made.events() if code.endswith(".passed")]
        assert "good until 2026-03-31 at least;" in linear
        assert "good until 2026-02-28;" in rata
        assert await first(made) == TestTerm("rata", START_MS + 59 * DAY_MS, "is good until 2026-02-28")


async def test_a_day_that_was_granted_is_not_held_against_the_next_test(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await made.enter("linearity", GOOD, day="2025-02-01", good_until="2025-12-31")
        answer = await made.enter("linearity", GOOD, day="2025-11-01")
        assert answer["entry"]["good_until"] == "2026-03-31"  # by the rules it would have come late


async def test_a_check_in_grace_serves_the_quarter_before_and_a_failed_one_none(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await past(made.it.history, Q4_MS, ran=2_000)
        await made.enter("linearity", GOOD, day="2025-07-15")
        made.it.clock.run_to(START_MS + 2 * DAY_MS)
        failed = await made.enter("linearity", FAILED, day="2026-01-01")
        assert failed["entry"]["good_until"] is None
        assert (await first(made)).grace_left is not None
        late = await made.enter("linearity", GOOD, day="2026-01-02")
        assert late["entry"]["good_until"] == "2026-03-31"  # and not to the end of June
        with pytest.raises(Refusal, match="not over yet"):
            await made.enter("linearity", GOOD, day="2026-01-09")
        assert (await first(made)).until_ms == START_MS + 90 * DAY_MS


async def test_an_old_test_that_is_entered_late_does_not_take_the_place_of_a_newer(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await made.enter("rata", RATA + runs())
        await made.enter("rata", RATA + runs(number="T0"), day="2025-06-05")
        assert (await first(made)).until_ms == START_MS + 365 * DAY_MS
        kept = made.it.quality
        assert kept is not None
        assert [entry.body["day"] for entry in kept.record.passed[NOX]["rata"]] == [
            "2025-12-30",
            "2025-06-05",
        ]
        assert passed_tests([], now_ms=START_MS) == {}


def test_the_quarters_that_are_counted_reach_back_four_years_and_end_with_the_hour() -> None:
    found = quarters_until(START_MS + 5 * HOUR_MS)
    assert (found[0][0], found[-1]) == (
        dt.date(2022, 1, 1),
        (dt.date(2026, 1, 1), START_MS, START_MS + 5 * HOUR_MS),
    )
    assert all(before[2] == after[1] for before, after in pairwise(found))
    assert SetClock().at_ms == START_MS
