"""CUSUM and Shewhart charts of QAL3."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.qal3 import Cusum, CusumStep, Finding, shewhart


def run(readings: list[str], s_ams: str = "1") -> list[CusumStep]:
    chart, steps = Cusum(Decimal(s_ams)), []
    for n, reading in enumerate(readings):
        chart, step = chart.step(n, Decimal(reading), Decimal(0))
        steps.append(step)
    return steps


def test_small_differences_leave_the_sums_at_zero() -> None:
    assert all(not step.findings and not step.sum_positive for step in run(["0.5", "-0.5"] * 20))


def test_a_steady_drift_is_found_when_its_sum_passes_the_limit() -> None:
    """1.501 each time adds 1.000: above 2.85 with the third reading."""
    steps = run(["1.501"] * 4)
    assert [str(step.sum_positive) for step in steps] == ["1.000", "2.000", "3.000", "4.000"]
    assert [step.findings for step in steps] == [
        frozenset(),
        frozenset(),
        {Finding.DRIFT_UP},
        {Finding.DRIFT_UP},
    ]
    assert [step.rising for step in steps] == [1, 2, 3, 4]
    down = run(["-1.501"] * 3)[-1]
    assert down.findings == {Finding.DRIFT_DOWN}
    assert (down.falling, down.rising) == (3, 0)


def test_exactly_at_the_limit_is_no_drift() -> None:
    assert not run(["3.351"])[-1].findings
    assert run(["3.352"])[-1].findings == {Finding.DRIFT_UP}


def test_a_nervous_analyser_loses_its_precision_without_any_drift() -> None:
    """Steps of 5 each way add 12.5 - 1.85."""
    steps = run(["0", "2.5", "-2.5", "2.5"])
    assert [str(step.sum_precision) for step in steps] == ["0", "1.275", "11.925", "22.575"]
    assert Finding.PRECISION_LOST in steps[2].findings
    assert Finding.DRIFT_UP not in steps[2].findings


def test_the_sums_scale_with_the_deviation_of_the_analyser() -> None:
    for one, ten in zip(run(["1.7", "-2", "3.9"]), run(["17", "-20", "39"], "10"), strict=True):
        assert (one.sum_positive * 10, one.sum_precision * 100) == (ten.sum_positive, ten.sum_precision)
        assert one.findings == ten.findings


def test_an_adjustment_begins_the_sums_anew_and_keeps_the_order_of_time() -> None:
    chart, _ = Cusum(Decimal(1)).step(5, Decimal(9), Decimal(0))
    fresh = chart.adjusted()
    assert [fresh.sum_positive, fresh.difference] == [0, 0]
    assert fresh.last_ms == 5
    with pytest.raises(ValueError, match="is told after"):
        fresh.step(5, Decimal(0), Decimal(0))


def test_a_record_keeps_what_was_read() -> None:
    _, step = Cusum(Decimal(2)).step(7, Decimal("101.5"), Decimal(100))
    assert step.at_ms == 7
    assert [step.reading, step.reference, step.difference] == [Decimal("101.5"), Decimal(100), Decimal("1.5")]


@given(st.lists(st.decimals(-10, 10, places=2), max_size=40), st.decimals("0.1", 5, places=1))
def test_the_sums_are_those_of_a_twin_that_begins_at_every_reading(
    readings: list[Decimal], s_ams: Decimal
) -> None:
    """A one-sided sum is the greatest sum of the last k differences less their slack, or zero."""
    chart = Cusum(s_ams)
    d: list[Fraction] = []
    slack = Fraction("0.501") * Fraction(s_ams)
    noise = Fraction("1.85") * Fraction(s_ams) ** 2
    for n, reading in enumerate(readings):
        chart, step = chart.step(n, reading, Decimal(0))
        d.append(Fraction(reading))
        steps = [(b - a) ** 2 / 2 - noise for a, b in zip([Fraction(0), *d], d, strict=False)]
        tails = range(len(d) + 1)
        assert Fraction(step.sum_positive) == max(sum(x - slack for x in d[k:]) for k in tails)
        assert Fraction(step.sum_negative) == max(sum(-x - slack for x in d[k:]) for k in tails)
        assert Fraction(step.sum_precision) == max(sum(steps[k:]) for k in tails)


def test_a_shewhart_chart_has_limits_on_both_sides() -> None:
    def beyond(reading: str) -> bool:
        return bool(shewhart(Decimal(reading), Decimal(100), s_ams=Decimal(3)))

    assert [beyond(reading) for reading in ("106", "106.1", "94", "93.9")] == [False, True, False, True]
    assert shewhart(Decimal(9), Decimal(0), s_ams=Decimal(3), factor=Decimal(3)) == frozenset()


def test_a_deviation_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="is none"):
        Cusum(Decimal(0))
    with pytest.raises(ValueError, match="are none"):
        shewhart(Decimal(1), Decimal(1), s_ams=Decimal(0))
