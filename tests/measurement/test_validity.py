"""When an hour is valid, and which paragraph said so."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.validity import CalibrationCheck, Span, Verdict, judge_hour
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import HOUR

ALL_HOUR: tuple[Span, ...] = ((HOUR, HOUR + HOUR_MS),)


def minutes(*values: float) -> list[int]:
    return [HOUR + round(value * MINUTE_MS) for value in values]


def judge(
    points: Sequence[int],
    *,
    operating: Sequence[Span] = ALL_HOUR,
    qa: bool = False,
    checks: Sequence[CalibrationCheck] = (),
) -> tuple[bool | None, str]:
    verdict = judge_hour(HOUR, operating=operating, points_ms=points, qa=qa, checks=checks)
    return verdict.valid, verdict.clause.removeprefix("60.13(h)(2)")


def check(minute: float, *, passed: bool) -> CalibrationCheck:
    return CalibrationCheck(minutes(minute)[0], passed)


def test_a_point_on_the_border_belongs_to_the_quadrant_that_begins_there() -> None:
    assert judge(minutes(0, 15, 30, 45)) == (True, "(i)")
    assert judge(minutes(0, 14.99, 30, 45)) == (False, "(i)")


def test_a_point_on_the_next_full_hour_is_not_of_this_hour() -> None:
    assert judge(minutes(0, 15, 30, 60)) == (False, "(i)")
    assert judge([HOUR - 1, *minutes(15, 30, 45)]) == (False, "(i)")


def test_the_smallest_stop_makes_the_hour_partial() -> None:
    assert judge(minutes(0, 15, 30, 45), operating=[(HOUR, HOUR + HOUR_MS - 1)]) == (True, "(ii)")


def test_two_stretches_that_touch_or_overlap_make_a_full_hour() -> None:
    halves = [(HOUR, HOUR + HOUR_MS // 2 + 7), (HOUR + HOUR_MS // 2, HOUR + HOUR_MS)]
    assert judge(minutes(0, 15, 30, 45), operating=halves) == (True, "(i)")


def test_a_unit_that_ran_for_forty_seconds_needs_a_point_in_that_quadrant() -> None:
    ran = [(minutes(20)[0], minutes(20)[0] + 40_000)]
    assert judge(minutes(20), operating=ran) == (True, "(ii)")
    assert judge(minutes(40), operating=ran) == (False, "(ii)")


def test_two_starts_in_an_hour_need_a_point_in_each_quadrant_they_touch() -> None:
    ran = [(minutes(2)[0], minutes(4)[0]), (minutes(50)[0], minutes(58)[0])]
    assert judge(minutes(3, 55), operating=ran) == (True, "(ii)")
    assert judge(minutes(3), operating=ran) == (False, "(ii)")


def test_operation_outside_the_hour_does_not_count() -> None:
    around = [(HOUR - HOUR_MS, HOUR), (HOUR + HOUR_MS, HOUR + 2 * HOUR_MS)]
    assert judge(minutes(1, 16, 31, 46), operating=around) == (None, "not operating")


def test_operation_over_the_border_counts_up_to_the_border() -> None:
    assert judge(minutes(1), operating=[(HOUR - HOUR_MS, minutes(10)[0])]) == (True, "(ii)")


def test_a_check_hour_counts_only_points_of_quadrants_in_which_the_unit_ran() -> None:
    ran = [(HOUR, minutes(30)[0])]
    assert judge(minutes(1, 50), operating=ran, qa=True) == (False, "(iii)(A)")
    assert judge(minutes(1, 16), operating=ran, qa=True) == (True, "(iii)(A)")


def test_a_check_hour_in_one_quadrant_without_a_point_fails() -> None:
    assert judge([], operating=[(HOUR, minutes(10)[0])], qa=True) == (False, "(iii)(B)")


def test_the_same_point_twice_is_not_two_points_fifteen_minutes_apart() -> None:
    assert judge(minutes(5, 5, 5), qa=True) == (False, "(iii)(A)")


def test_a_pass_alone_is_only_a_check_hour() -> None:
    assert judge(minutes(1, 20), qa=True, checks=[check(30, passed=True)]) == (True, "(iii)(A)")


def test_a_pass_before_the_failure_does_not_help() -> None:
    checks = [check(5, passed=True), check(30, passed=False)]
    assert judge(minutes(1, 20, 35, 55), qa=True, checks=checks) == (False, "(iv)")


def test_the_last_failure_decides_and_data_count_from_the_first_pass_after_it() -> None:
    checks = [check(2, passed=False), check(4, passed=True), check(10, passed=False), check(20, passed=True)]
    verdict = judge_hour(
        HOUR,
        operating=ALL_HOUR,
        points_ms=minutes(5, 21, 40),
        qa=True,
        checks=[*checks, check(50, passed=True)],
    )
    assert verdict == Verdict(True, "60.13(h)(2)(iv)", minutes(20)[0])


def test_a_failure_and_a_pass_at_one_instant_is_a_failure() -> None:
    checks = [check(5, passed=True), check(5, passed=False)]
    assert judge(minutes(6, 30, 50), qa=True, checks=checks) == (False, "(iv)")


def test_a_check_of_another_hour_does_not_count() -> None:
    assert judge(minutes(0, 15, 30, 45), checks=[CalibrationCheck(HOUR - 1, False)]) == (True, "(i)")


def test_a_failed_check_while_the_unit_is_off_leaves_the_hour_off() -> None:
    assert judge([], operating=[], qa=True, checks=[check(5, passed=False)]) == (None, "not operating")


def test_a_failed_check_in_a_one_quadrant_hour_needs_one_point_after_the_pass() -> None:
    ran = [(HOUR, minutes(14)[0])]
    checks = [check(2, passed=False), check(5, passed=True)]
    assert judge(minutes(6), operating=ran, qa=True, checks=checks) == (True, "(iv)")
    assert judge(minutes(4), operating=ran, qa=True, checks=checks) == (False, "(iv)")


INSTANTS = st.integers(HOUR - MINUTE_MS, HOUR + HOUR_MS + MINUTE_MS)
SPANS = st.lists(st.tuples(INSTANTS, INSTANTS).map(lambda s: (min(s), max(s))), max_size=4)
CHECKS = st.lists(st.builds(CalibrationCheck, INSTANTS, st.booleans()), max_size=3)


@given(SPANS, st.lists(INSTANTS, max_size=8), st.lists(INSTANTS, max_size=4), st.booleans(), CHECKS)
def test_more_points_never_make_a_valid_hour_invalid(
    operating: list[Span], points: list[int], more: list[int], qa: bool, checks: list[CalibrationCheck]
) -> None:
    before = judge(points, operating=operating, qa=qa, checks=checks)
    after = judge(points + more, operating=operating, qa=qa, checks=checks)
    assert after[1] == before[1]
    assert after[0] == before[0] or (before[0] is False and after[0] is True)


@given(SPANS, st.lists(INSTANTS, max_size=8))
def test_an_hour_is_judged_as_somebody_with_a_clock_and_a_list_would(
    operating: list[Span], points: list[int]
) -> None:
    """A second opinion: ask of each quadrant whether it was run in, and whether it has a point."""
    needed = {
        quadrant
        for quadrant in range(4)
        for start, end in operating
        if start < end
        and max(start, HOUR + quadrant * 15 * MINUTE_MS) < min(end, HOUR + (quadrant + 1) * 15 * MINUTE_MS)
    }
    there = {
        quadrant
        for quadrant in range(4)
        for at in points
        if HOUR + quadrant * 15 * MINUTE_MS <= at < HOUR + (quadrant + 1) * 15 * MINUTE_MS
    }
    valid, _ = judge(points, operating=operating)
    assert valid == (needed <= there if needed else None)


@pytest.mark.parametrize("shift_hours", [-1, 0, 1])
def test_the_verdict_does_not_depend_on_which_hour_it_is(shift_hours: int) -> None:
    shift_ms = shift_hours * HOUR_MS
    verdict = judge_hour(
        HOUR + shift_ms,
        operating=[(HOUR + shift_ms, HOUR + shift_ms + HOUR_MS)],
        points_ms=[at + shift_ms for at in minutes(1, 16, 31, 46)],
        qa=False,
    )
    assert (verdict.valid, verdict.usable_from_ms) == (True, HOUR + shift_ms)
