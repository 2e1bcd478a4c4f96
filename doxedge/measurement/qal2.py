"""QAL2 and AST of EN 14181: an analyser's calibration function, its variability, its yearly check, and its range.

QAL2   at least 15 parallel samples on at least 3 days; x what the analyser says, y the reference
       y_max - y_min >= 15 % of the limit value   b = S_xy / S_xx,        a = mean(y) - b mean(x)
       smaller                                    b = mean(y)/(mean(x) - Z), a = -b Z   (Z: reading at zero)
       variability: s_D <= sigma0 k_v, sigma0 = CI x limit / 1.96, D = y - (a + b x) at standard conditions
AST    at least 5 samples: |mean(D)| <= t s_D/sqrt(N) + sigma0, and s_D <= 1.5 sigma0 k_v
range  0 to 1.1 max(a + b x); more than 5 % of a week's values outside in five weeks, or more than 40 % in one
       week, ask for a new QAL2
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import Enum
from typing import Final

from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.quantiles import k_v, t_95
from doxedge.quantity import DAY_MS

MIN_SAMPLES: Final = 15
MIN_DAYS: Final = 3
MIN_AST_SAMPLES: Final = 5
WIDE_SPREAD: Final = Decimal("0.15")
"""Of the limit value: below it a slope from the scatter would mean nothing."""

RANGE_FACTOR: Final = Decimal("1.1")
NOX_CONFIDENCE: Final = Decimal("0.20")
"""Confidence interval of NOx as a share of its limit value (IED Annex VI, part 6; Annex V, part 3)."""

COVERAGE: Final = Decimal("1.96")
AST_SLACK: Final = Decimal("1.5")


class Unfit(ValueError):
    """The samples do not make a calibration; says which demand they miss, and by how much."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One parallel measurement, both at the analyser's conditions or both at standard conditions."""

    at_ms: int
    x: Decimal
    """What the analyser said."""

    y: Decimal
    """What the reference method found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFunction:
    """y = a + b x, valid from a moment on and within a range."""

    a: Decimal
    b: Decimal
    by_regression: bool
    """False: through the zero reading, since the samples lie too close together."""

    highest: Decimal
    """Upper end of the valid range; the lower end is zero."""

    valid_from_ms: int
    valid_to_ms: int | None = None
    """None until another follows."""

    def apply(self, x: Decimal) -> Decimal:
        """The calibrated value."""
        with localcontext(PRECISE):
            return self.a + self.b * x

    def in_range(self, y: Decimal) -> bool:
        """Whether a calibrated value lies where the samples were."""
        return 0 <= y <= self.highest

    def in_force(self, at_ms: int) -> bool:
        """Whether it is this function's time."""
        return self.valid_from_ms <= at_ms and (self.valid_to_ms is None or at_ms < self.valid_to_ms)


@dataclass(frozen=True, slots=True)
class Variability:
    """A comparison of differences with what the limit value allows."""

    mean_difference: Decimal
    deviation: Decimal
    allowed_deviation: Decimal
    allowed_mean: Decimal | None = None
    """None in a QAL2, where the mean is zero by construction."""

    @property
    def passed(self) -> bool:
        """Whether all demands are met."""
        mean_is_small = self.allowed_mean is None or abs(self.mean_difference) <= self.allowed_mean
        return mean_is_small and self.deviation <= self.allowed_deviation


def calibrate(
    samples: Sequence[Sample], *, limit: Decimal, zero: Decimal, valid_from_ms: int
) -> CalibrationFunction:
    """The calibration function of a QAL2. Raises Unfit.

    limit   the emission limit value, in the unit of y
    zero    what the analyser reads at zero gas
    """
    days = {sample.at_ms // DAY_MS for sample in samples}
    if len(samples) < MIN_SAMPLES:
        raise Unfit(f"{len(samples)} samples; a QAL2 needs {MIN_SAMPLES}")
    if len(days) < MIN_DAYS:
        raise Unfit(f"samples of {len(days)} days; a QAL2 needs {MIN_DAYS}")
    if limit <= 0:
        raise Unfit(f"a limit value of {limit} is none")
    with localcontext(PRECISE):
        n = len(samples)
        mean_x = sum((sample.x for sample in samples), Decimal(0)) / n
        mean_y = sum((sample.y for sample in samples), Decimal(0)) / n
        ys = [sample.y for sample in samples]
        wide = max(ys) - min(ys) >= WIDE_SPREAD * limit
        if wide:
            spread_x = sum(((sample.x - mean_x) ** 2 for sample in samples), Decimal(0))
            if spread_x == 0:
                raise Unfit("the analyser said the same in every sample while the reference did not")
            together = sum(((s.x - mean_x) * (s.y - mean_y) for s in samples), Decimal(0))
            b = together / spread_x
            a = mean_y - b * mean_x
        else:
            if mean_x == zero:
                raise Unfit(f"the mean reading is the zero reading ({zero}); no line leads through one point")
            b = mean_y / (mean_x - zero)
            a = -b * zero
        if b <= 0:
            raise Unfit(f"a slope of {b:.4f}: the analyser falls where the reference rises")
        highest = RANGE_FACTOR * max(a + b * sample.x for sample in samples)
    return CalibrationFunction(a=a, b=b, by_regression=wide, highest=highest, valid_from_ms=valid_from_ms)


def uncertainty_of(limit: Decimal, confidence: Decimal = NOX_CONFIDENCE) -> Decimal:
    """sigma0: the standard deviation that a confidence interval at the limit value leaves."""
    with localcontext(PRECISE):
        return confidence * limit / COVERAGE


def variability(function: CalibrationFunction, samples: Sequence[Sample], sigma0: Decimal) -> Variability:
    """The variability test of a QAL2. Samples and function must be at standard conditions."""
    mean, deviation = _differences(function, samples)
    with localcontext(PRECISE):
        return Variability(mean, deviation, sigma0 * k_v(len(samples)))


def surveillance(function: CalibrationFunction, samples: Sequence[Sample], sigma0: Decimal) -> Variability:
    """The two tests of an AST. Raises Unfit for too few samples."""
    if len(samples) < MIN_AST_SAMPLES:
        raise Unfit(f"{len(samples)} samples; an AST needs {MIN_AST_SAMPLES}")
    mean, deviation = _differences(function, samples)
    n = len(samples)
    with localcontext(PRECISE):
        return Variability(
            mean,
            deviation,
            AST_SLACK * sigma0 * k_v(n),
            t_95(n) * deviation / Decimal(n).sqrt() + sigma0,
        )


def _differences(function: CalibrationFunction, samples: Sequence[Sample]) -> tuple[Decimal, Decimal]:
    n = len(samples)
    if n < 2:
        raise Unfit(f"{n} samples have no spread")
    with localcontext(PRECISE):
        differences = [sample.y - function.apply(sample.x) for sample in samples]
        mean = sum(differences, Decimal(0)) / n
        squares = sum(((difference - mean) ** 2 for difference in differences), Decimal(0))
        return mean, (squares / (n - 1)).sqrt()


class RangeState(Enum):
    """What the values outside the calibrated range ask for."""

    VALID = "valid"
    WATCH = "weeks with more than 5 % outside"
    NEW_QAL2 = "new QAL2"


@dataclass(slots=True)
class RangeWatch:
    """Counts the weeks since the last QAL2 or AST whose values left the calibrated range."""

    weekly_percent: int = 5
    weeks: int = 5
    at_once_percent: int = 40
    _bad_weeks: int = 0
    _state: RangeState = RangeState.VALID

    @property
    def state(self) -> RangeState:
        """As of the last week; a demand for a new QAL2 stays until there is one."""
        return self._state

    @property
    def bad_weeks(self) -> int:
        """Weeks with more than the weekly share outside."""
        return self._bad_weeks

    def week(self, *, values: int, outside: int) -> RangeState:
        """One more week. Raises ValueError for more values outside than there are."""
        if not 0 <= outside <= values:
            raise ValueError(f"{outside} values outside of {values}")
        if 100 * outside > self.weekly_percent * values:
            self._bad_weeks += 1
        if 100 * outside > self.at_once_percent * values or self._bad_weeks >= self.weeks:
            self._state = RangeState.NEW_QAL2
        elif self._bad_weeks and self._state is RangeState.VALID:
            self._state = RangeState.WATCH
        return self._state

    def calibrated(self) -> None:
        """A QAL2, or an AST that confirmed the range, was passed."""
        self._bad_weeks = 0
        self._state = RangeState.VALID
