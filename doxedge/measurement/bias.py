"""Which bias factor was applied to a series of hourly values: adjusted = round(unadjusted x factor).

A factor has three decimals and is at least 1.000, so it is a whole number of thousandths. Each hour leaves a stretch of
them, from which its adjusted value follows; a factor explains the series when it lies in the stretch of every hour.
Everything here is whole numbers: a tie at the border of a rounding decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, reported
from doxedge.quantity import round_up

THOUSAND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Pair:
    """One hour before and after the adjustment."""

    line: int
    unadjusted: Decimal
    adjusted: Decimal


@dataclass(frozen=True, slots=True)
class Fit:
    """The factors that explain a series, and the one that explains most where none explains all."""

    rows: int
    lowest: Decimal | None
    """The smallest factor that explains every row; None when no factor does."""

    highest: Decimal | None
    """The largest; None when no factor does, or when there is no largest (every value is zero)."""

    best: Decimal
    """The smallest of the factors that explain most rows."""

    unexplained: tuple[Pair, ...]
    """What `best` does not explain, in the order of the file."""

    @property
    def unique(self) -> bool:
        """Whether exactly one factor explains the series."""
        return self.lowest is not None and self.lowest == self.highest


def adjusted(unadjusted: Decimal, factor: Decimal, *, places: int) -> Decimal:
    """The value that is reported. Raises ValueError for a factor below one: a bias factor never lowers emissions."""
    if factor < 1:
        raise ValueError(f"a bias factor of {factor} would lower emissions")
    with localcontext(PRECISE):
        return reported(unadjusted * factor, places=places)


def stretch(pair: Pair, *, places: int) -> tuple[int, int | None] | None:
    """The thousandths, from 1000 on, that turn one value into the other: first and last (None: no last).

    None when no factor does.
    """
    if reported(pair.adjusted, places=places) != pair.adjusted:
        return None  # it is not on the grid of the rounding, so no factor made it
    if pair.unadjusted == 0:
        return (THOUSAND, None) if pair.adjusted == 0 else None
    value, target = pair.unadjusted, pair.adjusted
    if value < 0:  # half away from zero is the same on both sides
        value, target = -value, -target
    # target - h <= value k / 1000 < target + h, h half a place; at zero also what rounds up to it from below.
    per_unit, unit = value.as_integer_ratio()
    half, halves = (Decimal(5).scaleb(-places - 1)).as_integer_ratio()
    goal, goals = target.as_integer_ratio()
    low = (goal * halves - half * goals) * unit * THOUSAND
    high = (goal * halves + half * goals) * unit * THOUSAND
    scale = per_unit * goals * halves
    first = max(THOUSAND, round_up(low, scale))
    last = round_up(high, scale) - 1
    return (first, last) if first <= last else None


def fit(pairs: Sequence[Pair], *, places: int) -> Fit:
    """The factors that explain a series. Raises ValueError for an empty one: everything explains nothing."""
    if not pairs:
        raise ValueError("no row has both values")
    stretches = [stretch(pair, places=places) for pair in pairs]
    best = _most_covered(found for found in stretches if found is not None)
    explained = [found is not None and found[0] <= best <= (found[1] or best) for found in stretches]
    unexplained = tuple(pair for pair, well in zip(pairs, explained, strict=True) if not well)
    if unexplained:
        return Fit(len(pairs), None, None, _factor(best), unexplained)
    lasts = [found[1] for found in stretches if found is not None and found[1] is not None]
    return Fit(len(pairs), _factor(best), _factor(min(lasts)) if lasts else None, _factor(best), ())


def _most_covered(stretches: Iterable[tuple[int, int | None]]) -> int:
    """The first whole number that lies in most stretches."""
    steps: dict[int, int] = {THOUSAND: 0}
    for first, last in stretches:
        steps[first] = steps.get(first, 0) + 1
        if last is not None:
            steps[last + 1] = steps.get(last + 1, 0) - 1
    depth, deepest, best = 0, 0, THOUSAND
    for place in sorted(steps):
        depth += steps[place]
        if depth > deepest:
            deepest, best = depth, place
    return best


def _factor(thousandths: int) -> Decimal:
    return Decimal(thousandths).scaleb(-3)
