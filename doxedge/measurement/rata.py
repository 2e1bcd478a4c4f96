"""The relative accuracy test audit: at least nine runs beside a reference method (40 CFR 75, Appendix A, 7.3 to 7.6).

    d = mean(reference - monitor)        S = sample standard deviation of the differences
    CC = t S / sqrt(n)                   RA = 100 (|d| + |CC|) / mean(reference)

RA is stored with two decimals and judged with one. The order of the tests is that of EPA's check engine (RATA37): RA of
at most 7.5 %, then the alternative for four quarters, then RA of at most 10.0 %, then the alternative for two quarters.

Bias (7.6): d greater than |CC| asks for a factor of 1 + |d| / mean(monitor), three decimals. Low emitters (mean
reference of at most 0.200 lb/mmBtu or 250 ppm) may take 1.111 instead of more. A factor never lowers emissions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, reported
from doxedge.measurement.parameters import Kind
from doxedge.measurement.verdict import FAILED, INVALID, PASSED, PASSED_ALTERNATIVE, worst

MIN_RUNS: Final = 9
MAX_REJECTED: Final = 3
FOUR_QUARTERS: Final = "4QTRS"
TWO_QUARTERS: Final = "2QTRS"

T_VALUES: Final = (
    "12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145 2.131 "
    "2.120 2.110 2.101 2.093 2.086 2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042"
)
"""t(0.025) for 1 to 30 degrees of freedom (Appendix A, table 7-1)."""

T_BY_FREEDOM: Final = tuple(Decimal(text) for text in T_VALUES.split())

RA_FOUR: Final = Decimal("7.5")
RA_TWO: Final = Decimal("10.0")
STORED_RA_MAX: Final = Decimal("999.99")
BIAS_CAP: Final = Decimal("1.111")
NO_BIAS: Final = Decimal("1.000")

BIAS_TESTED: Final = frozenset({Kind.RATE, Kind.CONCENTRATION, Kind.FLOW})


@dataclass(frozen=True, slots=True)
class Alternative:
    """The alternative limits of |d| for small emissions."""

    four: Decimal
    two: Decimal
    places: int
    """Decimals with which |d| is judged."""

    reference_max: Decimal | None = None
    """For mean references up to this only."""

    reference_places: int = 0


ALTERNATIVES: Final = {
    Kind.RATE: Alternative(Decimal("0.015"), Decimal("0.020"), 3, Decimal("0.200"), 3),
    Kind.CONCENTRATION: Alternative(Decimal("12.0"), Decimal("15.0"), 1, Decimal("250.0"), 1),
    Kind.DILUENT: Alternative(Decimal("0.7"), Decimal("1.0"), 1),
    Kind.MOISTURE: Alternative(Decimal("1.0"), Decimal("1.5"), 1),
}
"""The rule's 0.020 lb/mmBtu is taken at three decimals; EPA's engine rounds to two there and lets 0.0249 pass as well.

A flow monitor's alternative is in feet per second and needs the area of the stack, which the runs do not state."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run that counts."""

    monitor: Decimal
    reference: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load level comes to, exactly."""

    mean_monitor: Decimal
    mean_reference: Decimal
    mean_difference: Decimal
    deviation: Decimal
    confidence: Decimal
    t_value: Decimal
    relative_accuracy: Decimal
    """Two decimals."""

    bias_factor: Decimal
    """Three decimals, not capped."""

    low_emitter: bool
    verdict: str
    frequency: str | None

    @property
    def capped_bias_factor(self) -> Decimal:
        """The factor that a low emitter may take instead."""
        return min(self.bias_factor, BIAS_CAP) if self.low_emitter else self.bias_factor


def t_value(runs: int) -> Decimal:
    """t(0.025) of a number of runs; beyond 31 EPA's engine takes 1.000."""
    return T_BY_FREEDOM[runs - 2] if runs <= len(T_BY_FREEDOM) + 1 else Decimal("1.000")


def figures(kind: Kind, runs: Sequence[Run], *, rejected: int = 0) -> Figures | None:
    """Compute and judge one load level.

    None where EPA's engine computes nothing and calls the test invalid (RATA34, RATA35): fewer than nine runs, more
    than three rejected, or nothing measured.
    """
    n = len(runs)
    if n < MIN_RUNS or rejected > MAX_REJECTED:
        return None
    with localcontext(PRECISE):
        monitor = sum((run.monitor for run in runs), Decimal(0))
        reference = sum((run.reference for run in runs), Decimal(0))
        if reference <= 0 or monitor == 0:
            return None
        mean_reference = reference / n
        differences = [run.reference - run.monitor for run in runs]
        d = sum(differences, Decimal(0)) / n
        squares = sum((difference * difference for difference in differences), Decimal(0))
        # n times the squared deviations, without a rounded mean: equal differences give exactly zero.
        spread = n * squares - sum(differences, Decimal(0)) ** 2
        deviation = (max(spread, Decimal(0)) / (n * (n - 1))).sqrt()
        t = t_value(n)
        confidence = t * deviation / Decimal(n).sqrt()
        accuracy = min(reported(100 * (abs(d) + confidence) / mean_reference, places=2), STORED_RA_MAX)
        biased = kind in BIAS_TESTED and d > confidence
        factor = reported(1 + abs(d) / (monitor / n), places=3) if biased and monitor > 0 else NO_BIAS
        verdict, frequency = _judge(kind, accuracy, d, mean_reference)
        return Figures(
            monitor / n,
            mean_reference,
            d,
            deviation,
            confidence,
            t,
            accuracy,
            factor,
            _is_low_emitter(kind, mean_reference),
            verdict,
            frequency,
        )


def overall(levels: Iterable[Figures | None]) -> tuple[str, str | None]:
    """Verdict and frequency of a whole test: the worst and the shortest of its load levels."""
    known = list(levels)
    if not known or any(level is None for level in known):
        return INVALID, None
    judged = [level for level in known if level is not None]
    verdict = worst(level.verdict for level in judged)
    if verdict == FAILED:
        return FAILED, None
    short = any(level.frequency == TWO_QUARTERS for level in judged)
    return verdict, TWO_QUARTERS if short else FOUR_QUARTERS


def _judge(kind: Kind, accuracy: Decimal, d: Decimal, mean_reference: Decimal) -> tuple[str, str | None]:
    judged = reported(accuracy, places=1)
    alternative = ALTERNATIVES.get(kind)
    open_to_all = alternative is not None and _in_reach(alternative, mean_reference)
    difference = reported(abs(d), places=alternative.places) if alternative else None
    if judged <= RA_FOUR:
        return PASSED, FOUR_QUARTERS
    if open_to_all and alternative and difference is not None and difference <= alternative.four:
        return PASSED_ALTERNATIVE, FOUR_QUARTERS
    if judged <= RA_TWO:
        return PASSED, TWO_QUARTERS
    if open_to_all and alternative and difference is not None and difference <= alternative.two:
        return PASSED_ALTERNATIVE, TWO_QUARTERS
    return FAILED, None


def _in_reach(alternative: Alternative, mean_reference: Decimal) -> bool:
    limit = alternative.reference_max
    return limit is None or reported(mean_reference, places=alternative.reference_places) <= limit


def _is_low_emitter(kind: Kind, mean_reference: Decimal) -> bool:
    return kind in (Kind.RATE, Kind.CONCENTRATION) and _in_reach(ALTERNATIVES[kind], mean_reference)
