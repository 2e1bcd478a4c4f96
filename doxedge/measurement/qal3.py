"""QAL3 of EN 14181: drift and precision of an analyser at zero and span, watched between two calibrations.

    CUSUM    d = reading - reference; s_AMS the deviation that was found when the analyser was approved
             sum_pos = max(0, sum_pos + d - k_x)      drift when above h_x
             sum_neg = max(0, sum_neg - d - k_x)      drift when above h_x
             s       = max(0, s + (d - d_before)^2/2 - k_s)   precision lost when above h_s
             h_x = 2.85 s_AMS, k_x = 0.501 s_AMS, h_s = 6.90 s_AMS^2, k_s = 1.85 s_AMS^2
    Shewhart alarm when |d| is beyond a factor times s_AMS

Every step is a record of its own and none is overwritten: a chart is the list of its steps.
"""

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import Enum
from typing import Final

from doxedge.measurement.conversion import PRECISE

H_X: Final = Decimal("2.85")
K_X: Final = Decimal("0.501")
H_S: Final = Decimal("6.90")
K_S: Final = Decimal("1.85")
SHEWHART_FACTOR: Final = Decimal(2)
"""A setting; two deviations are exceeded once in twenty-two by chance."""

ZERO: Final = Decimal(0)


class Finding(Enum):
    """What a step found."""

    DRIFT_UP = "drift upwards"
    DRIFT_DOWN = "drift downwards"
    PRECISION_LOST = "precision lost"
    BEYOND_LIMITS = "beyond the limits"


@dataclass(frozen=True, slots=True)
class CusumStep:
    """One reading of zero or span gas, and the sums with it."""

    at_ms: int
    reading: Decimal
    reference: Decimal
    sum_positive: Decimal
    sum_negative: Decimal
    sum_precision: Decimal
    rising: int
    """Readings since `sum_positive` left zero: for so long the analyser has drifted upwards."""

    falling: int
    findings: frozenset[Finding]

    @property
    def difference(self) -> Decimal:
        """d of this reading."""
        return self.reading - self.reference


@dataclass(frozen=True, slots=True)
class Cusum:
    """A chart as it stands: what the next step needs."""

    s_ams: Decimal
    """Standard deviation of the analyser, in the unit of its readings."""

    sum_positive: Decimal = ZERO
    sum_negative: Decimal = ZERO
    sum_precision: Decimal = ZERO
    difference: Decimal = ZERO
    """d of the last reading; zero before the first, as after an adjustment."""

    rising: int = 0
    falling: int = 0
    last_ms: int | None = None

    def __post_init__(self) -> None:
        if self.s_ams <= 0:
            raise ValueError(f"a deviation of {self.s_ams} is none")

    def step(self, at_ms: int, reading: Decimal, reference: Decimal) -> tuple["Cusum", CusumStep]:
        """One more reading: the chart after it, and its record. Raises ValueError for one out of order."""
        if self.last_ms is not None and at_ms <= self.last_ms:
            raise ValueError(f"a reading at {at_ms} ms is told after one at {self.last_ms} ms")
        with localcontext(PRECISE):
            d = reading - reference
            slack, variance = K_X * self.s_ams, self.s_ams * self.s_ams
            positive = max(ZERO, self.sum_positive + d - slack)
            negative = max(ZERO, self.sum_negative - d - slack)
            precision = max(ZERO, self.sum_precision + (d - self.difference) ** 2 / 2 - K_S * variance)
            findings = {
                Finding.DRIFT_UP: positive > H_X * self.s_ams,
                Finding.DRIFT_DOWN: negative > H_X * self.s_ams,
                Finding.PRECISION_LOST: precision > H_S * variance,
            }
        rising = self.rising + 1 if positive else 0
        falling = self.falling + 1 if negative else 0
        found = frozenset(finding for finding, true in findings.items() if true)
        after = Cusum(self.s_ams, positive, negative, precision, d, rising, falling, at_ms)
        record = CusumStep(at_ms, reading, reference, positive, negative, precision, rising, falling, found)
        return after, record

    def adjusted(self) -> "Cusum":
        """The analyser was adjusted or repaired: the sums begin anew, the records stay."""
        return replace(Cusum(self.s_ams), last_ms=self.last_ms)


def shewhart(
    reading: Decimal, reference: Decimal, *, s_ams: Decimal, factor: Decimal = SHEWHART_FACTOR
) -> frozenset[Finding]:
    """The finding of one reading on a Shewhart chart. Raises ValueError for a deviation that is none."""
    if s_ams <= 0 or factor <= 0:
        raise ValueError(f"limits of {factor} deviations of {s_ams} are none")
    beyond = abs(reading - reference) > factor * s_ams
    return frozenset({Finding.BEYOND_LIMITS}) if beyond else frozenset()
