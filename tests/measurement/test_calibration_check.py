"""What came of a check: verdicts by the unit of the quantity, unfinished checks, bottles past their date."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.measurement.calibration import ErrorRule, Limits
from doxedge.measurement.calibration_check import CheckEnd, Checks, Cylinder, conclude, expired, rule_of
from doxedge.measurement.calibration_run import Gas, Measured

AT_MS = 1_767_225_600_000
MINUTE_MS = 60_000


def cylinder(reference: str, *, expires_ms: int | None = None) -> Cylinder:
    return Cylinder(Decimal(reference), "B-7", "a maker", expires_ms)


def checks(
    quantity: str = "nox_ppb", span: str = "500000", zero: str = "0", upscale: str = "400000", **expiry: int
) -> Checks:
    return Checks(
        quantity=quantity,
        span=Decimal(span),
        limits=Limits.DAILY,
        cylinders={Gas.ZERO: cylinder(zero), Gas.UPSCALE: cylinder(upscale, **expiry)},
    )


def measured(mean: str, *, from_ms: int = AT_MS) -> Measured:
    return Measured(Decimal(mean), 6, from_ms, from_ms + MINUTE_MS)


def both(zero: str, upscale: str, *, apart_ms: int = 5 * MINUTE_MS) -> dict[Gas, Measured]:
    return {Gas.ZERO: measured(zero), Gas.UPSCALE: measured(upscale, from_ms=AT_MS + apart_ms)}


@pytest.mark.parametrize(
    ("zero", "upscale", "end"),
    [
        ("0", "400000", CheckEnd.PASSED),
        ("25249", "400000", CheckEnd.PASSED),  # 5.0498 % of span is 5.0
        ("25250", "400000", CheckEnd.FAILED),  # 5.05 rounds to 5.1
        ("0", "374750", CheckEnd.FAILED),
    ],
)
def test_both_gases_decide(zero: str, upscale: str, end: CheckEnd) -> None:
    assert conclude(checks(), both(zero, upscale), at_ms=AT_MS).end is end


def test_the_alternative_for_small_spans_is_judged_in_ppm_also_for_a_quantity_in_ppb() -> None:
    small = checks(span="50000", upscale="45000")
    passed = conclude(small, both("5000", "45000"), at_ms=AT_MS)  # 10 % of span, but 5.0 ppm
    assert (passed.end, passed.gases[0].checked.verdict) == (CheckEnd.PASSED, "PASSAPS")
    assert conclude(small, both("5100", "45000"), at_ms=AT_MS).end is CheckEnd.FAILED


def test_oxygen_is_judged_in_percent_of_gas() -> None:
    oxygen = checks("o2_percent", "25", "0", "20.9")
    assert conclude(oxygen, both("0", "19.9"), at_ms=AT_MS).end is CheckEnd.PASSED
    assert conclude(oxygen, both("0", "19.8"), at_ms=AT_MS).end is CheckEnd.FAILED


def test_one_gas_alone_validates_nothing_but_can_fail() -> None:
    assert conclude(checks(), {Gas.ZERO: measured("0")}, at_ms=AT_MS).end is CheckEnd.PARTIAL
    assert conclude(checks(), {Gas.ZERO: measured("90000")}, at_ms=AT_MS).end is CheckEnd.FAILED


@pytest.mark.parametrize(("aborted", "end"), [(True, CheckEnd.ABORTED), (False, CheckEnd.INCOMPLETE)])
def test_a_check_that_did_not_come_to_its_end(aborted: bool, end: CheckEnd) -> None:
    zero = {Gas.ZERO: measured("0")}
    result = conclude(checks(), zero, at_ms=AT_MS, unfinished="no upscale gas", aborted=aborted)
    assert (result.end, result.why) == (end, "no upscale gas")
    failed = {Gas.ZERO: measured("90000")}
    result = conclude(checks(), failed, at_ms=AT_MS, unfinished="no upscale gas", aborted=aborted)
    assert result.end is CheckEnd.FAILED  # stopping a check does not undo what it showed


def test_a_procedure_that_is_none_makes_no_pass() -> None:
    result = conclude(checks(), both("0", "400000", apart_ms=61 * MINUTE_MS), at_ms=AT_MS)
    assert (result.end, "hour" in result.why) == (CheckEnd.INCOMPLETE, True)
    result = conclude(checks(), both("0", "400000", apart_ms=-MINUTE_MS), at_ms=AT_MS)
    assert (result.end, "before the zero" in result.why) == (CheckEnd.INCOMPLETE, True)
    assert conclude(checks(), {}, at_ms=AT_MS).end is CheckEnd.INCOMPLETE


def test_a_bottle_past_its_date_makes_no_pass() -> None:
    old = checks(expires_ms=AT_MS)
    result = conclude(old, both("0", "400000"), at_ms=AT_MS)
    assert (result.end, "B-7" in result.why) == (CheckEnd.INCOMPLETE, True)
    assert conclude(old, both("0", "400000"), at_ms=AT_MS - 1).end is CheckEnd.PASSED
    assert expired(old.cylinders, (Gas.ZERO,), AT_MS) == ""
    assert "upscale" in expired(old.cylinders, (Gas.ZERO, Gas.UPSCALE), AT_MS)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"zero": "100001"}, "zero gas"),
        ({"upscale": "100000"}, "upscale gas"),
        ({"span": "0"}, "span"),
        ({"quantity": "moisture_percent"}, "no calibration check of moisture_percent"),
    ],
)
def test_references_that_are_none_are_refused(wrong: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        checks(**wrong)  # type: ignore[arg-type]


def test_what_a_quantity_is_read_by_has_the_same_rule() -> None:
    assert rule_of("calibration_nox_ppb") == rule_of("nox_ppb") == (ErrorRule.PPM_SPAN, Decimal(1_000))
    assert rule_of("backup.o2_percent") == (ErrorRule.PCT_ABS, Decimal(1))
    assert rule_of("flow_m3_per_h") == (ErrorRule.FLOW_SPAN, Decimal(1))
