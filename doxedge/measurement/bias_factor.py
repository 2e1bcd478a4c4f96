"""The bias factor that a relative accuracy test gave a unit, and the mass that is reported with it.

    adjusted = unadjusted x factor, rounded to whole grams, ties away from zero

A factor has three decimals, is at least 1.000 and so never lowers an emission. It holds from the beginning of an hour
until another one takes its place. A low emitter, by the mean of the reference values of its test, may cap it at 1.111.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from doxedge.measurement.bias import adjusted
from doxedge.measurement.conversion import reported
from doxedge.quantity import HOUR_MS, Grams

PLACES: Final = 3
FACTOR_MAX: Final = Decimal(10)
"""No monitor that reads a tenth of the truth passes its test."""
LOW_EMITTER_CAP: Final = Decimal("1.111")
LOW_EMITTER_MEAN: Final = {"lb/mmBtu": Decimal("0.200"), "ppm": Decimal(250)}
"""The largest mean of the reference values with which a unit is a low emitter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LowEmitter:
    """What makes a unit a low emitter."""

    reference_mean: Decimal
    unit: str
    """`lb/mmBtu` or `ppm`."""

    def __post_init__(self) -> None:
        if self.unit not in LOW_EMITTER_MEAN:
            raise ValueError(f"low_emitter: {self.unit!r} is not {' or '.join(LOW_EMITTER_MEAN)}")
        limit = LOW_EMITTER_MEAN[self.unit]
        if not 0 <= self.reference_mean <= limit:
            raise ValueError(
                f"low_emitter: a mean of {self.reference_mean} {self.unit} is not one of 0 to {limit}, so the cap of"
                f" {LOW_EMITTER_CAP} is not allowed"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasFactor:
    """One factor and from when on it holds. Raises ValueError for one that no test gives."""

    factor: Decimal
    since_ms: int
    low_emitter: LowEmitter | None = None
    stack: str = ""
    """Whose monitors were tested; empty where the unit has one stack."""

    def __post_init__(self) -> None:
        if not 1 <= self.factor <= FACTOR_MAX:
            raise ValueError(
                f"bias: a factor is 1.000 to {FACTOR_MAX}, and never lowers emissions: {self.factor}"
            )
        if reported(self.factor, places=PLACES) != self.factor:
            raise ValueError(
                f"bias: a factor has three decimals, as the test reports it, and {self.factor} has more"
            )
        if self.since_ms % HOUR_MS:
            raise ValueError("bias: a factor holds from the beginning of an hour on")

    @property
    def applied(self) -> Decimal:
        """The factor that counts."""
        return self.factor if self.low_emitter is None else min(self.factor, LOW_EMITTER_CAP)


def require_ordered(factors: Sequence[BiasFactor]) -> None:
    """Raises ValueError unless each factor of a stack begins after the one before it."""
    for stack in {factor.stack for factor in factors}:
        own = [factor for factor in factors if factor.stack == stack]
        if any(later.since_ms <= sooner.since_ms for sooner, later in pairwise(own)):
            raise ValueError(
                "bias: the factors stand in the order of their times, each later than the one before"
            )


def factor_at(factors: Sequence[BiasFactor], start_ms: int, stack: str = "") -> Decimal | None:
    """The factor of a stack in the hour that begins at `start_ms`; None before the first."""
    held = [factor for factor in factors if factor.stack == stack and factor.since_ms <= start_ms]
    return held[-1].applied if held else None


def adjusted_g(unadjusted_g: Grams, factor: Decimal) -> Grams:
    """The mass with its factor: from the whole grams, so that anybody can compute it again from the record."""
    return Grams(int(adjusted(Decimal(unadjusted_g), factor, places=0)))


def factor_text(factor: Decimal) -> str:
    """As it stands on a record: always three decimals."""
    return f"{reported(factor, places=PLACES):f}"
