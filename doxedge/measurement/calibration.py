"""A calibration check: zero gas, then an upscale gas, each against its reference.

    gas analysers    CE = 100 |measured - reference| / span, one decimal
    O2, CO2          |measured - reference| in percent of gas, one decimal

Limits, each with the alternative for small spans:

    daily       (40 CFR 75, Appendix B, 2.1.4) 5.0 % of span; |difference|, one decimal, of at most 5 ppm up to a span
                of 50 ppm, of 10 ppm above 50 up to 200 ppm; O2 and CO2 1.0 %; flow 6.0 %
    seven days  (Appendix A, 3.1; engine SEVNDAY15) 2.5 % of span; |difference|, whole ppm, of at most 5 below a span of
                200 ppm; O2 and CO2 0.5 %; flow 3.0 %
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import Enum
from typing import Final

from doxedge.measurement.conversion import PRECISE, reported
from doxedge.measurement.linearity import STORED_ERROR_MAX
from doxedge.measurement.verdict import FAILED, PASSED, PASSED_ALTERNATIVE, worst
from doxedge.quantity import HOUR_MS


class ErrorRule(Enum):
    """How an error is expressed."""

    PPM_SPAN = "ppm_span"
    """Percent of span, for analysers that measure in ppm."""

    PCT_ABS = "pct_abs"
    """Percent of gas, for O2 and CO2."""

    FLOW_SPAN = "flow_span"
    """Percent of span, for flow monitors."""


class Limits(Enum):
    """Which test the checks belong to."""

    DAILY = "daily"
    SEVEN_DAY = "seven-day"


MAX_ERROR: Final = {
    (Limits.DAILY, ErrorRule.PPM_SPAN): Decimal("5.0"),
    (Limits.DAILY, ErrorRule.PCT_ABS): Decimal("1.0"),
    (Limits.DAILY, ErrorRule.FLOW_SPAN): Decimal("6.0"),
    (Limits.SEVEN_DAY, ErrorRule.PPM_SPAN): Decimal("2.5"),
    (Limits.SEVEN_DAY, ErrorRule.PCT_ABS): Decimal("0.5"),
    (Limits.SEVEN_DAY, ErrorRule.FLOW_SPAN): Decimal("3.0"),
}


ZERO_GAS_MAX_PERCENT: Final = 20
"""Of span: what is more is no zero gas (40 CFR 75, Appendix A, 5.2.1)."""

INJECTIONS_WITHIN_MS: Final = HOUR_MS


@dataclass(frozen=True, slots=True)
class Injection:
    """One gas: what the analyser said and what the cylinder says."""

    measured: Decimal
    reference: Decimal


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one injection."""

    error: Decimal
    """By the rule, one decimal."""

    difference: Decimal
    """|measured - reference|, exact."""

    verdict: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came of a zero and an upscale injection."""

    zero: Checked
    upscale: Checked

    @property
    def verdict(self) -> str:
        """The worse of the two."""
        return worst((self.zero.verdict, self.upscale.verdict))

    @property
    def passed(self) -> bool:
        """Whether the monitor is in control after it."""
        return self.verdict != FAILED


def judge_injection(
    injection: Injection, *, span: Decimal, rule: ErrorRule, limits: Limits = Limits.DAILY
) -> Checked:
    """Judge one injection. Raises ValueError for a span that is none."""
    if span <= 0:
        raise ValueError(f"a span of {span} is none")
    difference = abs(injection.measured - injection.reference)
    with localcontext(PRECISE):
        exact = difference if rule is ErrorRule.PCT_ABS else 100 * difference / span
    error = min(reported(exact, places=1), STORED_ERROR_MAX)
    if error <= MAX_ERROR[limits, rule]:
        verdict = PASSED
    elif rule is ErrorRule.PPM_SPAN and _meets_alternative(difference, span, limits):
        verdict = PASSED_ALTERNATIVE
    else:
        verdict = FAILED
    return Checked(error, difference, verdict)


def judge(
    zero: Injection,
    upscale: Injection,
    *,
    span: Decimal,
    rule: ErrorRule,
    limits: Limits = Limits.DAILY,
) -> Calibration:
    """Judge both."""
    return Calibration(
        judge_injection(zero, span=span, rule=rule, limits=limits),
        judge_injection(upscale, span=span, rule=rule, limits=limits),
    )


def _meets_alternative(difference_ppm: Decimal, span_ppm: Decimal, limits: Limits) -> bool:
    if limits is Limits.SEVEN_DAY:
        return span_ppm < 200 and reported(difference_ppm, places=0) <= 5
    tenth = reported(difference_ppm, places=1)
    return (span_ppm <= 50 and tenth <= 5) or (50 < span_ppm <= 200 and tenth <= 10)


def faults_of_procedure(
    *, zero_at_ms: int, upscale_at_ms: int, zero_reference: Decimal, upscale_reference: Decimal, span: Decimal
) -> tuple[str, ...]:
    """Why a check is none, whatever its errors are: zero gas first, upscale gas within the hour, each of its kind."""
    found: list[str] = []
    if zero_reference * 100 > ZERO_GAS_MAX_PERCENT * span:
        found.append(
            f"a zero gas of {zero_reference} is more than {ZERO_GAS_MAX_PERCENT} % of the span of {span}"
        )
    if upscale_reference * 100 <= ZERO_GAS_MAX_PERCENT * span:
        found.append(
            f"an upscale gas of {upscale_reference} is at most {ZERO_GAS_MAX_PERCENT} % of the span of {span}"
        )
    if upscale_at_ms < zero_at_ms:
        found.append("the upscale gas came before the zero gas")
    if abs(upscale_at_ms - zero_at_ms) > INJECTIONS_WITHIN_MS:
        found.append("more than an hour lies between the two gases")
    return tuple(found)
