"""On which steps an instrument's values lie: multiples of five, tenths times a factor, the steps of a converter.

A value is taken by its first six significant digits, its figure (100000 to 999999, with its sign), within its power of
ten, its scale. A 32-bit float carries no more digits, and a format with a floating point resolves each scale by itself.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise
from typing import Final

FIGURE_DIGITS: Final = 6
THOUSANDTH: Final = 1_000
"""Steps are counted in thousandths of a figure's last digit."""
LEARN: Final = 100
"""Different figures of a scale from which a grid is learned."""
LEARN_MAX: Final = 200
"""So many that lie on no grid are of an instrument that has none."""
FITTED_MIN: Final = 4
"""Smaller steps cannot be told from chance, when a figure may be beside its step by one."""
COARSER: Final = 20
"""Where there is no grid a digit is so many times the smallest difference seen: its ten parts are then alike to 5 %,
whatever lies below."""

_SIX: Final = Context(prec=FIGURE_DIGITS, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the steps of an instrument lie, in figures of one scale."""

    origin: int
    step_thousandths: int

    def step_of(self, figure: int) -> int:
        """The number of the step nearest to a figure."""
        return ((figure - self.origin) * THOUSANDTH + self.step_thousandths // 2) // self.step_thousandths


def figure_of(value: Decimal) -> tuple[int, int] | None:
    """(scale, figure) of a value: its power of ten, and its first six digits with its sign. None for zero."""
    if not value:
        return None
    six = _SIX.plus(value)
    scale = six.adjusted()
    return scale, int(six.scaleb(FIGURE_DIGITS - 1 - scale))


def learn_grid(figures: Collection[int]) -> Grid | None:
    """The grid on which these different figures of one scale lie; None when there are too few to tell."""
    if len(figures) < LEARN:
        return None
    ordered = sorted(figures)
    gaps = [above - below for below, above in pairwise(ordered)]
    common, smallest = math.gcd(*gaps), min(gaps)
    if common > 1:
        return Grid(ordered[0], common * THOUSANDTH)
    fitted = _fit(ordered, smallest)
    if fitted is not None:
        return Grid(ordered[0], fitted)
    if len(figures) < LEARN_MAX:
        return None
    step = 1
    while step < COARSER * smallest:
        step *= 10
    # `step_of` takes the nearest step; a digit in the usual sense changes at its own border.
    return Grid(step // 2, step * THOUSANDTH)


def _fit(ordered: Sequence[int], smallest: int) -> int | None:
    """The step of a converter that is no whole number of figures, in thousandths; None when these are on none.

    The farther a figure lies from the first, the better the step is known by it; a figure that is rounded, or was a
    float, is beside its step by one at the most, or by an eighth of the step.
    """
    if smallest < FITTED_MIN:
        return None
    allowed = max(1, smallest // 8) * THOUSANDTH
    first, step = ordered[0], smallest * THOUSANDTH
    for figure in ordered[1:]:
        away = (figure - first) * THOUSANDTH
        number = max(1, (away + step // 2) // step)
        if abs(away - number * step) > allowed:
            return None
        step = away // number
    return step
