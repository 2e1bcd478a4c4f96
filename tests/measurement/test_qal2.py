"""QAL2, AST and the watch over the calibrated range."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.qal2 import (
    CalibrationFunction,
    RangeState,
    RangeWatch,
    Sample,
    Unfit,
    calibrate,
    surveillance,
    uncertainty_of,
    variability,
)
from doxedge.quantity import DAY_MS

LIMIT = Decimal(200)
ZERO = Decimal("0.5")


def samples(xs: Sequence[float | str], ys: Sequence[float | str], *, days: int = 3) -> list[Sample]:
    return [
        Sample(n % days * DAY_MS, Decimal(str(x)), Decimal(str(y)))
        for n, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]


def line(a: str, b: str, xs: Sequence[int]) -> list[Sample]:
    return samples([str(x) for x in xs], [str(Decimal(a) + Decimal(b) * x) for x in xs])


def fitted(chosen: Sequence[Sample]) -> CalibrationFunction:
    return calibrate(chosen, limit=LIMIT, zero=ZERO, valid_from_ms=0)


def test_a_wide_spread_gives_the_line_of_least_squares() -> None:
    function = fitted(line("3", "1.2", range(20, 170, 10)))
    assert (function.a, function.b, function.by_regression) == (Decimal(3), Decimal("1.2"), True)
    assert function.apply(Decimal(100)) == Decimal(123)
    assert function.highest == Decimal("1.1") * (3 + Decimal("1.2") * 160)


def test_a_narrow_spread_gives_the_line_through_the_zero_reading() -> None:
    function = fitted(samples(["50.5"] * 15, ["60"] * 15))
    assert (function.b, function.a, function.by_regression) == (Decimal("1.2"), Decimal("-0.6"), False)
    assert function.apply(ZERO) == 0


@pytest.mark.parametrize(("spread", "regression"), [("30", True), ("29.9", False)])
def test_fifteen_percent_of_the_limit_value_is_a_wide_spread(spread: str, regression: bool) -> None:
    xs = [*range(50, 64), 80]
    ys = [Decimal(60)] * 14 + [60 + Decimal(spread)]
    function = calibrate(
        samples([str(x) for x in xs], [str(y) for y in ys]), limit=LIMIT, zero=ZERO, valid_from_ms=0
    )
    assert function.by_regression is regression


@given(
    st.lists(
        st.tuples(st.integers(10, 400), st.integers(-20, 20)),
        min_size=15,
        max_size=25,
        unique_by=lambda t: t[0],
    )
)
def test_the_fit_is_that_of_a_twin_in_fractions(drawn: list[tuple[int, int]]) -> None:
    chosen = samples([x for x, _ in drawn], [x + e for x, e in drawn])
    xs, ys = ([Fraction(getattr(s, name)) for s in chosen] for name in "xy")
    n = len(chosen)
    sum_x, sum_y = sum(xs, Fraction(0)), sum(ys, Fraction(0))
    sum_xy = sum((x * y for x, y in zip(xs, ys, strict=True)), Fraction(0))
    sum_xx = sum((x * x for x in xs), Fraction(0))
    slope = (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x**2)
    offset = (sum_y - slope * sum_x) / n
    if max(ys) - min(ys) < 30:
        slope = sum_y / (sum_x - n * Fraction(ZERO))
        offset = -slope * Fraction(ZERO)
    if slope <= 0:
        with pytest.raises(Unfit, match="slope"):
            fitted(chosen)
        return
    function = fitted(chosen)
    assert abs(Fraction(function.b) - slope) < Fraction(1, 10**25)
    assert abs(Fraction(function.a) - offset) < Fraction(1, 10**22)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (line("0", "1", range(10, 24)), "14 samples"),
        (samples(range(15), range(15), days=2), "samples of 2 days"),
        (samples([50] * 15, [10 * n for n in range(15)]), "said the same"),
        (samples(["0.5"] * 15, [60] * 15), "no line leads"),
        (samples(range(15), [300 - 10 * n for n in range(15)]), "slope of -10"),
    ],
)
def test_samples_that_make_no_calibration_are_refused(chosen: list[Sample], reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        fitted(chosen)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(Unfit, match="a limit value of 0"):
        calibrate(line("0", "1", range(15)), limit=Decimal(0), zero=ZERO, valid_from_ms=0)


def test_a_function_has_its_range_and_its_time() -> None:
    function = replace(fitted(line("0", "1", range(20, 170, 10))), valid_from_ms=100, valid_to_ms=200)
    assert [function.in_range(Decimal(y)) for y in ("-0.1", "0", "176", "176.1")] == [
        False,
        True,
        True,
        False,
    ]
    assert [function.in_force(at) for at in (99, 100, 199, 200)] == [False, True, True, False]
    assert replace(function, valid_to_ms=None).in_force(10**15)


def test_the_uncertainty_that_a_limit_leaves_is_a_fifth_over_196() -> None:
    assert round(uncertainty_of(LIMIT), 4) == Decimal("20.4082")


def test_variability_is_passed_up_to_its_test_value() -> None:
    function = fitted(line("0", "1", range(20, 170, 10)))
    swing = samples(
        range(20, 170, 10), [x + (10 if n % 2 else -10) for n, x in enumerate(range(20, 170, 10))]
    )
    found = variability(function, swing, uncertainty_of(LIMIT))
    assert round(found.deviation, 4) == Decimal("10.3280")
    assert round(found.allowed_deviation, 4) == round(Decimal("20.40816327") * Decimal("0.9761"), 4)
    assert found.passed
    assert not variability(function, swing, Decimal(10)).passed


def test_the_yearly_check_looks_at_spread_and_mean() -> None:
    function = fitted(line("0", "1", range(20, 170, 10)))
    sigma0 = Decimal(10)
    good = surveillance(function, samples(range(50, 55), [52, 52, 54, 53, 56]), sigma0)
    assert good.passed
    # the mean allows t s / sqrt(N) + sigma0: with equal differences sigma0 itself
    at_limit = surveillance(function, samples(range(50, 55), range(60, 65)), sigma0)
    assert at_limit.mean_difference == at_limit.allowed_mean == Decimal(10)
    assert at_limit.passed
    assert not surveillance(
        function, samples(range(50, 55), [x + 10.1 for x in range(50, 55)]), sigma0
    ).passed
    wide = surveillance(function, samples([50] * 6, [35, 65, 35, 65, 35, 65]), sigma0)
    assert round(wide.allowed_deviation, 4) == Decimal("13.9935")
    assert not wide.passed
    with pytest.raises(Unfit, match="4 samples; an AST needs 5"):
        surveillance(function, samples([1] * 4, [1] * 4), sigma0)
    with pytest.raises(Unfit, match="no spread"):
        variability(function, samples([1], [1]), sigma0)


def weeks(*shares: int) -> list[RangeState]:
    watch = RangeWatch()
    return [watch.week(values=1000, outside=share) for share in shares]


def test_five_bad_weeks_or_one_very_bad_ask_for_a_new_qal2() -> None:
    good, watch, new = RangeState.VALID, RangeState.WATCH, RangeState.NEW_QAL2
    assert weeks(50, 51, 0, 51, 51, 51, 51, 0) == [good, watch, watch, watch, watch, watch, new, new]
    assert weeks(400, 401) == [watch, new]


def test_a_new_calibration_begins_the_watch_anew() -> None:
    watch = RangeWatch()
    assert watch.week(values=10, outside=9) is RangeState.NEW_QAL2
    watch.calibrated()
    assert (watch.state, watch.bad_weeks) == (RangeState.VALID, 0)
    assert watch.week(values=0, outside=0) is RangeState.VALID
    with pytest.raises(ValueError, match="2 values outside of 1"):
        watch.week(values=1, outside=2)
