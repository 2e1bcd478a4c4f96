"""Two thirds of the averaging period: valid, start-up, or not known well enough."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.validity import CalibrationCheck, Verdict
from doxedge.measurement.validity_eu import judge_averages, minutes_wanted
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import HOUR

FULL = [MINUTE_MS] * 60


def ran(*minutes: int) -> list[int]:
    return [MINUTE_MS if minute in minutes else 0 for minute in range(60)]


def judge(
    operating_ms: Sequence[int],
    valid: Sequence[int],
    *,
    averaging_minutes: int = 60,
    checks: Sequence[CalibrationCheck] = (),
) -> Verdict:
    return judge_averages(
        HOUR,
        operating_ms=operating_ms,
        valid_minutes=valid,
        averaging_minutes=averaging_minutes,
        checks=checks,
    )


@pytest.mark.parametrize(
    ("operating", "valid", "expected", "clause", "start_stop"),
    [
        pytest.param(range(60), range(60), True, "", False, id="all of it"),
        pytest.param(range(60), range(20, 60), True, "", False, id="40 of 60 min, wherever they fall"),
        pytest.param(range(60), range(21, 60), False, ": 39 min valid of 40", False, id="39 of 60 min"),
        pytest.param(range(40), range(40), True, "", False, id="40 min in operation, all valid"),
        pytest.param(range(40), range(39), False, ": 39 min valid of 40", False, id="one of these is lost"),
        pytest.param(range(39), range(39), True, ": start-up or shut-down", True, id="39 min in operation"),
        pytest.param(range(39), range(26), True, ": start-up or shut-down", True, id="2/3 of these"),
        pytest.param(
            range(39), range(25), False, ": start-up or shut-down, 25 min valid of 26", True, id="and less"
        ),
        pytest.param(range(30), range(30, 60), False, ": start-up or shut-down, 0 min valid of 20", True,
                     id="valid while it stood"),
    ],
)  # fmt: skip
def test_an_hour_is_judged_by_two_thirds(
    operating: range, valid: range, expected: bool, clause: str, start_stop: bool
) -> None:
    verdict = judge(ran(*operating), valid)
    assert verdict == Verdict(expected, "EN 17255-1, 2/3 of 60 min" + clause, HOUR, start_stop)


@pytest.mark.parametrize(
    ("operating", "valid", "expected", "told", "start_stop"),
    [
        pytest.param(range(60), [*range(20), *range(40, 60)], True, "", False, id="20 of 30 min twice"),
        pytest.param(range(60), range(20, 60), False, ": first half 10 min valid of 20", False, id="first"),
        pytest.param(range(60), range(45), False, ": second half 15 min valid of 20", False, id="second"),
        pytest.param(range(30), range(30), True, "", False, id="the second half did not run"),
        pytest.param(range(40), range(40), True, ": second half start-up or shut-down", True, id="a stop"),
        pytest.param(
            range(40), range(10), False,
            ": first half 10 min valid of 20; second half start-up or shut-down, 0 min valid of 7", True,
            id="both halves",
        ),
    ],
)  # fmt: skip
def test_both_halves_are_judged_and_the_clause_says_which_one_failed(
    operating: range, valid: Sequence[int], expected: bool, told: str, start_stop: bool
) -> None:
    verdict = judge(ran(*operating), valid, averaging_minutes=30)
    assert verdict == Verdict(expected, "EN 17255-1, 2/3 of 30 min" + told, HOUR, start_stop)


def test_a_unit_that_did_not_run_is_not_judged() -> None:
    assert judge([0] * 60, range(60)) == Verdict(None, "not operating", HOUR)


def test_seconds_of_operation_count() -> None:
    forty = [MINUTE_MS - 1, *FULL[1:40], *[0] * 20]
    assert judge(forty, range(60)).start_stop
    assert not judge([MINUTE_MS, *FULL[1:40], *[0] * 20], range(60)).start_stop


def test_after_a_failed_calibration_only_what_follows_a_pass_counts() -> None:
    failed, passed = (
        CalibrationCheck(HOUR + 5, passed=False),
        CalibrationCheck(HOUR + 20 * MINUTE_MS, passed=True),
    )
    assert judge(FULL, range(60), checks=[failed]).valid is False
    verdict = judge(FULL, range(60), checks=[passed, failed])
    assert (verdict.valid, verdict.usable_from_ms) == (True, HOUR + 20 * MINUTE_MS)
    assert judge(FULL, range(59), checks=[passed, failed]).valid is False
    elsewhere = CalibrationCheck(HOUR + HOUR_MS, passed=False)
    assert judge(FULL, range(60), checks=[elsewhere]).usable_from_ms == HOUR


def test_a_period_that_no_rule_has_is_refused() -> None:
    with pytest.raises(ValueError, match="averaging_minutes: 15 is not 30 or 60"):
        judge(FULL, range(60), averaging_minutes=15)


def test_forty_minutes_are_wanted_whichever_the_period() -> None:
    assert (minutes_wanted(60), minutes_wanted(30)) == (40, 40)


OPERATING = st.lists(st.integers(0, MINUTE_MS), min_size=60, max_size=60)
MINUTES = st.sets(st.integers(0, 59))


@given(OPERATING, MINUTES, MINUTES, st.sampled_from([30, 60]))
def test_more_valid_minutes_never_make_a_valid_hour_invalid(
    operating_ms: list[int], valid: set[int], more: set[int], averaging_minutes: int
) -> None:
    before = judge(operating_ms, sorted(valid), averaging_minutes=averaging_minutes)
    after = judge(operating_ms, sorted(valid | more), averaging_minutes=averaging_minutes)
    assert after.valid or not before.valid
    assert after.start_stop == before.start_stop


@given(OPERATING, MINUTES, st.sampled_from([30, 60]))
def test_a_valid_hour_has_a_minute_to_scale_from(
    operating_ms: list[int], valid: set[int], averaging_minutes: int
) -> None:
    if judge(operating_ms, sorted(valid), averaging_minutes=averaging_minutes).valid:
        assert sum(operating_ms[minute] for minute in valid) * 3 >= sum(operating_ms)
