"""What a calibration check is judged by, and what came of it: references, span, limits, bottles.

The rules are those of `calibration`; here are the monitor that they are applied to and the outcome of a whole check.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from doxedge.measurement.calibration import (
    INJECTIONS_WITHIN_MS,
    Checked,
    ErrorRule,
    Injection,
    Limits,
    faults_of_procedure,
    judge_injection,
)
from doxedge.measurement.calibration_run import Gas, Measured
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.verdict import FAILED

_BY_ENDING: Final = (
    ("_ppb", ErrorRule.PPM_SPAN, Decimal(1_000)),
    ("_ppm", ErrorRule.PPM_SPAN, Decimal(1)),
    ("_m3_per_h", ErrorRule.FLOW_SPAN, Decimal(1)),
)
_DILUENTS: Final = frozenset({"o2_percent", "co2_percent"})


class CheckEnd(StrEnum):
    """How a check ended. The words are stored."""

    PASSED = "passed"
    """Both gases within the limits: it validates the hours that follow."""
    FAILED = "failed"
    """A gas outside the limits."""
    ABORTED = "aborted"
    """It was begun, gas flowed or the instrument did not obey, and it has no result: out of control."""
    PARTIAL = "partial"
    """One gas alone, within the limits: on record, and validates nothing."""
    INCOMPLETE = "incomplete"
    """Nothing was tested: no gas came, or the procedure was none. Changes nothing."""


@dataclass(frozen=True, slots=True)
class Cylinder:
    """A gas as its certificate says."""

    reference: Decimal
    """In the unit of the quantity."""

    bottle: str
    vendor: str
    expires_ms: int | None
    """End of the last day of its certificate; None for a gas without one, such as zero air from a generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """How one monitor is checked. Raises ValueError for a procedure that is none."""

    quantity: str
    span: Decimal
    """In the unit of the quantity."""

    limits: Limits
    cylinders: Mapping[Gas, Cylinder]

    def __post_init__(self) -> None:
        if self.span <= 0:
            raise ValueError(f"a span of {self.span} is none")
        rule_of(self.quantity)
        wrong = faults_of_procedure(
            zero_at_ms=0,
            upscale_at_ms=0,
            zero_reference=self.cylinders[Gas.ZERO].reference,
            upscale_reference=self.cylinders[Gas.UPSCALE].reference,
            span=self.span,
        )
        if wrong:
            raise ValueError("; ".join(wrong))

    def judge_gas(self, gas: Gas, mean: Decimal) -> Checked:
        """One gas, in the unit of the rule: ppm, percent of gas, or the flow's own."""
        rule, per_unit = rule_of(self.quantity)
        with localcontext(PRECISE):
            injection = Injection(mean / per_unit, self.cylinders[gas].reference / per_unit)
            span = self.span / per_unit
        return judge_injection(injection, span=span, rule=rule, limits=self.limits)


@dataclass(frozen=True, slots=True)
class GasResult:
    """One gas of a check, with the cylinder that it came from."""

    gas: Gas
    measured: Measured
    cylinder: Cylinder
    checked: Checked


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of a check, for one monitor."""

    quantity: str
    end: CheckEnd
    at_ms: int
    """When it was judged."""

    gases: tuple[GasResult, ...]
    why: str
    """In words, where it has no result; empty otherwise."""


def conclude(
    checks: Checks,
    measured: Mapping[Gas, Measured],
    *,
    at_ms: int,
    unfinished: str = "",
    aborted: bool = False,
) -> CheckResult:
    """Judge what was measured.

    unfinished  why the check did not come to its end; empty when it did
    aborted     whether that puts the monitor out of control, as a gas that was begun and not read does

    In this order: a gas outside its limits fails the check, finished or not; a check that did not come to its end is
    aborted or incomplete; a procedure that is none makes it incomplete; one gas alone is partial.
    """
    gases = tuple(
        GasResult(gas, measured[gas], checks.cylinders[gas], checks.judge_gas(gas, measured[gas].mean))
        for gas in Gas
        if gas in measured
    )
    why = unfinished or "; ".join(_faults(gases, at_ms))
    if any(gas.checked.verdict == FAILED for gas in gases):
        end = CheckEnd.FAILED
    elif unfinished:
        end = CheckEnd.ABORTED if aborted else CheckEnd.INCOMPLETE
    elif why or not gases:
        end = CheckEnd.INCOMPLETE
    else:
        end = CheckEnd.PASSED if len(gases) == len(Gas) else CheckEnd.PARTIAL
    return CheckResult(checks.quantity, end, at_ms, gases, why)


def rule_of(quantity: str) -> tuple[ErrorRule, Decimal]:
    """How errors of a quantity are expressed, and how many of its units make one of the rule's.

    Raises ValueError for a quantity of which no rule speaks.
    """
    # What a backup instrument delivers is called `backup.QUANTITY`.
    name = quantity.rpartition(".")[2]
    if name.removeprefix("calibration_") in _DILUENTS:
        return ErrorRule.PCT_ABS, Decimal(1)
    for ending, rule, per_unit in _BY_ENDING:
        if quantity.endswith(ending):
            return rule, per_unit
    raise ValueError(
        f"there is no calibration check of {quantity}: the rules know gases in ppb or ppm, o2_percent, co2_percent, "
        "and flows in m3 per hour"
    )


def expired(cylinders: Mapping[Gas, Cylinder], gases: tuple[Gas, ...], at_ms: int) -> str:
    """Which bottle is past its date, in words; empty when none is."""
    return "; ".join(
        f"the {gas} gas, bottle {cylinder.bottle}, is past the date of its certificate"
        for gas in gases
        if (cylinder := cylinders[gas]).expires_ms is not None and at_ms >= cylinder.expires_ms
    )


def _faults(gases: tuple[GasResult, ...], at_ms: int) -> list[str]:
    found = [text for gas in gases if (text := expired({gas.gas: gas.cylinder}, (gas.gas,), at_ms))]
    if len(gases) == len(Gas):
        zero, upscale = gases
        if upscale.measured.from_ms < zero.measured.from_ms:
            found.append("the upscale gas came before the zero gas")
        if abs(upscale.measured.from_ms - zero.measured.from_ms) > INJECTIONS_WITHIN_MS:
            found.append("more than an hour lies between the two gases")
    return found
