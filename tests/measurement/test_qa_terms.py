"""Terms in QA operating quarters: which quarters count, the longest term, grace, and what is made too late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.qa_terms import (
    LINEARITY,
    RATA_FOUR,
    RATA_TWO,
    Due,
    Hours,
    QuarterHours,
    Term,
    due,
    next_quarter,
    quarter_begin,
    quarter_end,
)

MADE = date(2024, 2, 10)
Q2, Q3, Q4 = date(2024, 4, 1), date(2024, 7, 1), date(2024, 10, 1)
FULL, IDLE, NOTHING = QuarterHours(2_000, 0), QuarterHours(0, 0), QuarterHours(0, 2_184)


def by(quarters: Mapping[date, QuarterHours], usual: QuarterHours = FULL) -> Hours:
    return lambda first: quarters.get(first, usual)


def next_of(term: Term, hours: Hours, today: date, made: date = MADE) -> Due:
    return due([(made, term)], hours, today=today)


@pytest.mark.parametrize(
    ("term", "last"),
    [(LINEARITY, date(2024, 6, 30)), (RATA_TWO, date(2024, 9, 30)), (RATA_FOUR, date(2025, 3, 31))],
)
def test_quarters_that_are_to_come_count_as_quarters_of_operation(term: Term, last: date) -> None:
    assert next_of(term, by({}, IDLE), MADE) == Due(last, (), (), None)


@pytest.mark.parametrize(
    ("ran", "last"), [(168, date(2024, 6, 30)), (167, date(2024, 9, 30)), (0, date(2024, 9, 30))]
)
def test_a_quarter_counts_with_168_hours_of_operation(ran: int, last: date) -> None:
    found = next_of(LINEARITY, by({Q2: QuarterHours(ran, 0)}), date(2024, 7, 1))
    assert found.last_day == last
    assert found.passed_over == ((Q2,) if ran < 168 else ())
    assert found.assumed == ()


def test_a_quarter_that_is_not_over_counts_to_its_last_day() -> None:
    idle = by({}, IDLE)
    assert next_of(LINEARITY, idle, date(2024, 6, 30)).last_day == date(2024, 6, 30)
    assert next_of(LINEARITY, idle, date(2024, 7, 1)).last_day == date(2024, 9, 30)


def test_hours_that_nobody_knows_count_as_operation_and_it_is_said() -> None:
    found = next_of(LINEARITY, by({Q2: QuarterHours(100, 68)}), date(2024, 7, 1))
    assert (found.last_day, found.assumed, found.passed_over) == (date(2024, 6, 30), (Q2,), ())
    known = next_of(LINEARITY, by({Q2: QuarterHours(100, 67)}), date(2024, 7, 1))
    assert (known.last_day, known.assumed, known.passed_over) == (date(2024, 9, 30), (), (Q2,))
    enough = next_of(LINEARITY, by({Q2: QuarterHours(168, 2_000)}), date(2024, 7, 1))
    assert enough.assumed == ()  # what is known suffices


@pytest.mark.parametrize(
    ("term", "last"),
    [(LINEARITY, date(2025, 3, 31)), (RATA_TWO, date(2026, 3, 31)), (RATA_FOUR, date(2026, 3, 31))],
)
def test_a_unit_that_stands_still_owes_a_test_in_the_last_calendar_quarter_of_all(
    term: Term, last: date
) -> None:
    assert next_of(term, by({}, IDLE), date(2030, 1, 1)).last_day == last


def test_grace_is_counted_in_hours_of_operation_since_the_quarter_in_which_it_was_due() -> None:
    hours = by({Q3: QuarterHours(100, 20), Q4: QuarterHours(40, 0)})
    assert next_of(LINEARITY, hours, date(2024, 6, 30)).grace_left is None
    assert next_of(LINEARITY, hours, date(2024, 8, 1)).grace_left == 48
    assert next_of(LINEARITY, hours, date(2024, 10, 2)).grace_left == 8
    assert next_of(LINEARITY, by({}, NOTHING), date(2024, 8, 1)).grace_left == 0
    assert next_of(RATA_TWO, by({Q4: QuarterHours(719, 0)}), date(2024, 12, 1)).grace_left == 1


def test_a_linearity_check_in_grace_serves_the_quarter_before_and_not_its_own() -> None:
    late = [(MADE, LINEARITY), (date(2024, 7, 3), LINEARITY)]
    assert due(late, by({}), today=date(2024, 7, 4)).last_day == date(2024, 9, 30)
    in_time = [(MADE, LINEARITY), (date(2024, 6, 30), LINEARITY)]
    assert due(in_time, by({}), today=date(2024, 7, 4)).last_day == date(2024, 9, 30)
    again = [*late, (date(2024, 9, 1), LINEARITY)]
    assert due(again, by({}), today=date(2024, 9, 2)).last_day == date(2024, 12, 31)
    # Where its own quarter is none of operation, the next that is one.
    assert due(late, by({Q3: IDLE}), today=date(2024, 10, 4)).last_day == date(2024, 12, 31)


@pytest.mark.parametrize(("term", "last"), [(RATA_FOUR, date(2025, 9, 30)), (RATA_TWO, date(2025, 6, 30))])
def test_a_rata_in_grace_is_good_for_three_quarters_at_most(term: Term, last: date) -> None:
    late, in_time = date(2024, 10, 5), date(2024, 9, 30)
    assert due([(MADE, RATA_TWO), (late, term)], by({}), today=late).last_day == last
    found = due([(MADE, RATA_TWO), (in_time, term)], by({}), today=in_time)
    assert found.last_day == quarter_end(in_time, after=term.quarters)


@pytest.mark.parametrize(
    ("day", "after", "last"),
    [
        (date(2026, 1, 1), 0, date(2026, 3, 31)),
        (date(2026, 12, 31), 0, date(2026, 12, 31)),
        (date(2026, 12, 31), 1, date(2027, 3, 31)),
        (date(2026, 8, 15), 4, date(2027, 9, 30)),
    ],
)
def test_the_quarters_are_those_of_the_calendar(day: date, after: int, last: date) -> None:
    assert quarter_end(day, after=after) == last


def test_without_a_test_nothing_is_due() -> None:
    with pytest.raises(ValueError, match="without a test"):
        due([], by({}), today=MADE)


@given(
    st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    st.integers(0, 3_000),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=12, max_size=12),
    st.sampled_from([LINEARITY, RATA_TWO, RATA_FOUR]),
)
def test_time_only_lengthens_a_term_and_knowledge_never_shortens_it(
    made: date, days: int, quarters: list[tuple[int, int]], term: Term
) -> None:
    today = date.fromordinal(made.toordinal() + days)
    table, quarter = {}, quarter_begin(made)
    for ran, unknown in quarters:
        table[quarter] = QuarterHours(ran, unknown)
        quarter = next_quarter(quarter)
    told = {first: QuarterHours(hours.ran, 0) for first, hours in table.items()}
    first, now = next_of(term, by(table), made, made), next_of(term, by(table), today, made)
    known = next_of(term, by(told), today, made)
    assert first.last_day <= now.last_day <= known.last_day <= quarter_end(made, after=term.quarters_max)
