"""Compute a substituted hour again from the history, and hold the signed statement against it."""

from collections.abc import Sequence
from enum import StrEnum

from doxedge.measurement.apportioning import StackHour, remarks_of
from doxedge.measurement.hour_history import KnownHour, grams, substitutes_of
from doxedge.measurement.missing_data_rules import Rules
from doxedge.measurement.substitute_recipe import RecipeGap, RecipeValue, canonical_recipe, gap_in


class Recomputed(StrEnum):
    """What came out."""

    PROVED = "proved"
    """Mass, method and every number of the recipe."""
    HOLDS = "holds"
    """Mass and method; the recipe names other hours, because some were revised since."""
    DIFFERS = "differs"


def check_recipe(
    history: Sequence[KnownHour],
    hour: KnownHour,
    *,
    nox_g: int,
    method_code: str,
    recipe: Sequence[RecipeValue],
    rules: Rules,
    began_ms: int,
) -> tuple[Recomputed, str]:
    """The verdict on one statement, and what was found. The gap is taken to be as long as the recipe knew it.

    history  the hours of the unit in the order of time, from three years before the gap
    """
    gap = gap_in(recipe)
    if gap is None:
        return Recomputed.DIFFERS, "there is no recipe that this software can read"
    known = _as_it_was(history, gap)
    one = next(substitutes_of(known, rules, {hour.start_ms}, began_ms=began_ms), None)
    if one is None or one.value is None:
        return Recomputed.DIFFERS, "the history has a measurement for this hour, or no maximum is configured"
    stack_g, divided = grams(one.value, hour.operating_percent), []
    if hour.share is not None:
        divided = remarks_of(StackHour(hour.operating_percent, stack_g, None, hour.share.apportioning))
    found_g = hour.own_g(stack_g)
    found = f"{found_g} g by method {one.method.code}"
    if (found_g, one.method.code) != (nox_g, method_code):
        return Recomputed.DIFFERS, found
    if canonical_recipe(one, rules, hour.remarks, divided) != [*recipe]:
        return Recomputed.HOLDS, found
    return Recomputed.PROVED, found


def _as_it_was(history: Sequence[KnownHour], gap: RecipeGap) -> list[KnownHour]:
    """Up to the last hour of the gap and, when it had ended, the hour that ended it."""
    known = [hour for hour in history if hour.start_ms <= gap.last_ms]
    if gap.ended:
        later = (hour for hour in history if hour.start_ms > gap.last_ms)
        known += [hour for hour in later if hour.operating_percent and hour.quality_assured][:1]
    return known
