"""Calibration checks and their limits."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.calibration import (
    ErrorRule,
    Injection,
    Limits,
    faults_of_procedure,
    judge,
    judge_injection,
)

PPM, GAS, FLOW = ErrorRule.PPM_SPAN, ErrorRule.PCT_ABS, ErrorRule.FLOW_SPAN
DAILY, SEVEN = Limits.DAILY, Limits.SEVEN_DAY


@pytest.mark.parametrize(
    ("limits", "rule", "span", "measured", "reference", "error", "verdict"),
    [
        (DAILY, PPM, "1000", "-1.1", "0", "0.1", "PASSED"),
        (DAILY, PPM, "40", "4", "0", "10.0", "PASSAPS"),
        (DAILY, PPM, "50", "5.04", "0", "10.1", "PASSAPS"),
        (DAILY, PPM, "50", "5.05", "0", "10.1", "FAILED"),
        (DAILY, PPM, "50.1", "10.04", "0", "20.0", "PASSAPS"),
        (DAILY, PPM, "200", "10.04", "0", "5.0", "PASSED"),
        (DAILY, PPM, "200", "10.1", "0", "5.1", "FAILED"),
        (DAILY, PPM, "150", "110", "100", "6.7", "PASSAPS"),
        (DAILY, PPM, "200.1", "89", "100", "5.5", "FAILED"),
        (DAILY, PPM, "1000", "50.4", "0", "5.0", "PASSED"),
        (DAILY, PPM, "1000", "50.5", "0", "5.1", "FAILED"),
        (DAILY, GAS, "25", "22.56", "21.52", "1.0", "PASSED"),
        (DAILY, GAS, "25", "22.57", "21.52", "1.1", "FAILED"),
        (DAILY, FLOW, "100", "6.04", "0", "6.0", "PASSED"),
        (DAILY, FLOW, "100", "6.05", "0", "6.1", "FAILED"),
        (SEVEN, PPM, "80", "70.9", "72.8", "2.4", "PASSED"),
        (SEVEN, PPM, "80", "78.2", "72.8", "6.8", "PASSAPS"),
        (SEVEN, PPM, "80", "78.3", "72.8", "6.9", "FAILED"),
        (SEVEN, PPM, "200", "105.2", "100", "2.6", "FAILED"),
        (SEVEN, PPM, "199", "105.2", "100", "2.6", "PASSAPS"),
        (SEVEN, GAS, "25", "22", "22.54", "0.5", "PASSED"),
        (SEVEN, GAS, "25", "22", "22.55", "0.6", "FAILED"),
        (SEVEN, FLOW, "100", "3.1", "0", "3.1", "FAILED"),
    ],
)
def test_an_injection_is_judged_by_its_limit_and_its_alternative(
    limits: Limits,
    rule: ErrorRule,
    span: str,
    measured: str,
    reference: str,
    error: str,
    verdict: str,
) -> None:
    injection = Injection(Decimal(measured), Decimal(reference))
    checked = judge_injection(injection, span=Decimal(span), rule=rule, limits=limits)
    assert (str(checked.error), checked.verdict) == (error, verdict)


@pytest.mark.parametrize(
    ("zero", "upscale", "verdict"),
    [("1", "902", "PASSED"), ("60", "900", "FAILED"), ("0", "800", "FAILED")],
)
def test_one_gas_outside_fails_the_check(zero: str, upscale: str, verdict: str) -> None:
    checked = judge(
        Injection(Decimal(zero), Decimal(0)),
        Injection(Decimal(upscale), Decimal(900)),
        span=Decimal(1000),
        rule=PPM,
    )
    assert (checked.verdict, checked.passed) == (verdict, verdict != "FAILED")


def test_a_span_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a span of 0"):
        judge_injection(Injection(Decimal(1), Decimal(0)), span=Decimal(0), rule=PPM)


@given(
    st.decimals(1, 2000, places=1),
    st.decimals(-50, 2000, places=2),
    st.decimals(0, 2000, places=2),
    st.sampled_from(list(ErrorRule)),
)
def test_what_passes_the_seven_day_test_passes_the_daily_check(
    span: Decimal, measured: Decimal, reference: Decimal, rule: ErrorRule
) -> None:
    """Except by whole ppm: 5.4 ppm is 5 in seven days, but 5.4 in a day, when the span is small."""
    injection = Injection(measured, reference)
    seven = judge_injection(injection, span=span, rule=rule, limits=SEVEN)
    daily = judge_injection(injection, span=span, rule=rule, limits=DAILY)
    assert seven.error == daily.error
    if seven.verdict == "PASSED":
        assert daily.verdict == "PASSED"
    if seven.verdict == "PASSAPS" and seven.difference < 5:
        assert daily.verdict != "FAILED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"zero_reference": Decimal("20.1")}, "zero gas of 20.1"),
        ({"zero_reference": Decimal(20)}, None),
        ({"upscale_reference": Decimal(20)}, "upscale gas of 20"),
        ({"upscale_at_ms": 0}, "came before"),
        ({"upscale_at_ms": 1_000 + 3_600_000}, None),
        ({"upscale_at_ms": 1_001 + 3_600_000}, "more than an hour"),
    ],
)
def test_a_check_has_its_procedure(changes: dict[str, Any], reason: str | None) -> None:
    usual: dict[str, Any] = {
        "zero_at_ms": 1_000,
        "upscale_at_ms": 300_000,
        "zero_reference": Decimal(0),
        "upscale_reference": Decimal(90),
        "span": Decimal(100),
    }
    found = faults_of_procedure(**(usual | changes))
    assert [reason in fault for fault in found if reason] == ([True] if reason else [])
    assert len(found) == (0 if reason is None else 1)
