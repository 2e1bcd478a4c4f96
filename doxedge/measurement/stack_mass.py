"""One hour of each stack of a unit, judged by itself; the unit's hour is their sum.

The paragraphs that say when an hour is valid speak of one monitoring system (40 CFR 60.13(h)(2), 75.10(d)), and one
stands on each stack: two stacks that are valid in different minutes of a quarter hour both have their point. Each is
scaled over its own minutes, made no less than zero, adjusted by its own bias factor, and then added in whole grams.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from doxedge.measurement.bias_factor import adjusted_g, factor_text
from doxedge.measurement.bias_in_force import Bias, InForce, monitors_used
from doxedge.measurement.emission import (
    BACKUP_METHOD,
    CALIBRATION_FAILED,
    DILUENT_CAP,
    NEGATIVE_REPLACED,
    PRIMARY_METHOD,
    HourMass,
    MinuteRate,
    hour_mass,
    method_code,
)
from doxedge.measurement.validity import FAILED_CALIBRATION, QA_HOUR_ONE_POINT, QA_HOUR_TWO_POINTS, Verdict
from doxedge.quantity import MINUTE_MS, Grams

FURTHEST = (NEGATIVE_REPLACED, DILUENT_CAP, BACKUP_METHOD, PRIMARY_METHOD)
"""Method codes, the one furthest from a plain measurement first."""
DECIDING = (FAILED_CALIBRATION, QA_HOUR_TWO_POINTS, QA_HOUR_ONE_POINT)
"""Clauses that an hour of several stacks names before all others."""


@dataclass(frozen=True, slots=True)
class JudgedStack:
    """One stack's hour. `mass` is None where the hour is not valid."""

    name: str
    """Empty where the unit has one stack."""
    verdict: Verdict
    rates: Mapping[int, MinuteRate]
    """Of the minutes in operation that count."""
    replaced: frozenset[str]
    """Quantities that failed a check and for which their backup stood in."""
    mass: HourMass | None
    bias: InForce | None
    """The bias factor in force, and by what right."""

    @property
    def unadjusted_g(self) -> Grams:
        """As measured."""
        return Grams(0) if self.mass is None else self.mass.nox_g

    @property
    def nox_g(self) -> Grams:
        """With its bias factor."""
        return self.unadjusted_g if self.bias is None else adjusted_g(self.unadjusted_g, self.bias.factor)

    @property
    def method_code(self) -> str:
        """How the mass was determined."""
        return PRIMARY_METHOD if self.mass is None else method_code(self.mass, self.rates.values())

    @property
    def told(self) -> Iterator[str]:
        """What the record of a unit with several stacks says of this one, beside the sum."""
        if self.mass is not None:
            yield f"{self.name}.nox_g:{self.nox_g}"
        if self.mass is not None and self.bias is not None:
            yield f"{self.name}.baf:{factor_text(self.bias.factor)}"
            yield f"{self.name}.unadjusted_g:{self.unadjusted_g}"
            yield from (f"{self.name}.{by}" for by in self.bias.by)


def judged_stack(
    name: str,
    verdict: Verdict,
    rates: Mapping[int, MinuteRate],
    *,
    start_ms: int,
    operating_ms: Sequence[int],
    replaced: frozenset[str],
    names: frozenset[str],
    bias: Bias,
) -> JudgedStack:
    """The hour of a stack with its mass: of the minutes from which its data count on.

    names  the quantities of the stack, as the unit names them
    bias   gives the factor by the monitors that made those minutes
    """
    if verdict.valid is False:
        return JudgedStack(name, verdict, rates, replaced, None, None)
    usable = {m: rate for m, rate in rates.items() if start_ms + m * MINUTE_MS >= verdict.usable_from_ms}
    mass = hour_mass({minute: rate.g_per_h for minute, rate in usable.items()}, operating_ms)
    return JudgedStack(name, verdict, usable, replaced, mass, bias(monitors_used(names, usable.values())))


def deciding(stacks: Sequence[JudgedStack]) -> JudgedStack:
    """The stack whose verdict is the unit's: the first that is not valid, else the one that was judged by most."""
    invalid = [stack for stack in stacks if stack.verdict.valid is False]
    if invalid:
        return invalid[0]
    return min(
        stacks, key=lambda stack: next((i for i, c in enumerate(DECIDING) if c in stack.verdict.clause), 9)
    )


def furthest_method(stacks: Sequence[JudgedStack]) -> str:
    """The method code of the unit's hour."""
    return min((stack.method_code for stack in stacks), key=FURTHEST.index)


def remarks_of(stacks: Sequence[JudgedStack]) -> set[str]:
    """What the record says of failed checks, and, where there are several, of each stack."""
    told = {f"{name}:{CALIBRATION_FAILED}" for stack in stacks for name in stack.replaced}
    if len(stacks) > 1:
        told |= {word for stack in stacks for word in stack.told}
    if len({stack.verdict.clause for stack in stacks}) > 1:
        told |= {f"{stack.name}:{stack.verdict.clause}" for stack in stacks}
    return told
