"""The quarterly linearity check: three gases, three injections each (40 CFR 75, Appendix A, 3.2; engine LINEAR26).

The error is that of the *unrounded* mean: LE = 100 |R - A| / R, one decimal, at most 5.0. A level outside passes by the
alternative when |R - A| is at most 5 ppm, rounded to whole ppm (so 5.49 passes), or 0.5 % of gas, rounded to a tenth.
A plant that rounds its means first can be 0.1 off. One level outside fails the test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, reported
from doxedge.measurement.parameters import Kind
from doxedge.measurement.verdict import FAILED, PASSED, PASSED_ALTERNATIVE

INJECTIONS: Final = 3
MAX_ERROR_PERCENT: Final = Decimal("5.0")
MAX_DIFFERENCE: Final = {Kind.CONCENTRATION: Decimal(5), Kind.DILUENT: Decimal("0.5")}
DIFFERENCE_PLACES: Final = {Kind.CONCENTRATION: 0, Kind.DILUENT: 1}
STORED_ERROR_MAX: Final = Decimal("9999.9")


@dataclass(frozen=True, slots=True)
class Level:
    """What came of one gas."""

    mean: Decimal
    """Exact; shown with three decimals."""

    difference: Decimal
    """|R - A|, exact."""

    error_percent: Decimal
    """One decimal."""

    difference_rounded: Decimal
    verdict: str

    @property
    def value(self) -> Decimal:
        """What is stored as the result: the difference where the alternative decided, else the error."""
        return self.difference_rounded if self.verdict == PASSED_ALTERNATIVE else self.error_percent


def judge_level(kind: Kind, measured: Sequence[Decimal], reference: Decimal) -> Level:
    """Judge one gas. Raises ValueError for another number of injections, a kind without gas, a reference of zero."""
    if len(measured) != INJECTIONS:
        raise ValueError(f"{len(measured)} injections; a level has {INJECTIONS}")
    if kind not in MAX_DIFFERENCE:
        raise ValueError(f"there is no linearity check of {kind.value}")
    if reference <= 0:
        raise ValueError(f"a reference of {reference} is no gas")
    with localcontext(PRECISE):
        mean = sum(measured, Decimal(0)) / INJECTIONS
        difference = abs(reference - mean)
        exact_percent = 100 * difference / reference
    error_percent = min(reported(exact_percent, places=1), STORED_ERROR_MAX)
    rounded = reported(difference, places=DIFFERENCE_PLACES[kind])
    if error_percent <= MAX_ERROR_PERCENT:
        verdict = PASSED
    elif rounded <= MAX_DIFFERENCE[kind]:
        verdict = PASSED_ALTERNATIVE
    else:
        verdict = FAILED
    return Level(mean, difference, error_percent, rounded, verdict)
