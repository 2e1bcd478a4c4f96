"""The recipe of a substituted hour as it is signed: an array by position, whole numbers and fixed words only.

    0  "part75/1"
    1  rule: the line of the table, in words, with its thresholds
    2  statistic that was chosen: mean, percentile, maximum, neighbours or potential
    3  g_per_h: its value, whole grams an hour of operation; the hour's mass is this times its operating share
    4  availability: [quality-assured hours, operating hours, tenths of a per cent]
    5  gap: [first hour, last hour, operating hours, whether it has ended]; as it was known when this was stated
    6  load: null where it is not known or does not matter, else [W, greatest W, range, ranges]
    7  look-back: null, or [load range, reading, hours wanted or null, hours found, first hour, last hour, statistic,
       per cent or null, rank or null, sum or null, g_per_h]
    8  neighbours: null, or [hour before, its g_per_h, hour after or null, its g_per_h or null]
    9  maximum potential g_per_h, where it was chosen; else null
    10 remarks on the hour, as `quantity:reason`: an operating share that is only assumed; and where units share the
       stack, of which all before is told, how its mass was divided (`apportioning.remarks_of`); and for each file of
       another system whose hours count among the three years before the gap `history:imported:<SHA-256>:<UTC offset>`

Hours are told by their beginning, in UTC ms. A look-back has all quality-assured hours of its load range (0: of every
load) from the first to the last. How rates come from signed hours says `hour_history`. At most `RECIPE_BYTES_MAX`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final, TypeAlias

from doxedge.measurement.averaging import EXACT
from doxedge.measurement.missing_data_rules import Rules, Statistic
from doxedge.measurement.substitution import WITHOUT_LOAD, LookBack, Substitute
from doxedge.quantity import whole

RecipeValue: TypeAlias = "int | str | bytes | bool | list[RecipeValue] | None"

FORM: Final = "part75/1"
FIELDS: Final = 11
REMARKS_MAX: Final = 8
IMPORTED: Final = "history:imported:"
"""Begins a remark that names a file (`imported_hours.source_name`)."""
RULE_CHARACTERS_MAX: Final = 200
RECIPE_BYTES_MAX: Final = 2048
"""More than the longest has, which is that of a stack with as many units as one can have."""

WORDS: Final = {
    Statistic.MEAN: "mean",
    Statistic.PERCENTILE: "percentile",
    Statistic.MAXIMUM: "maximum",
    Statistic.NEIGHBOURS: "neighbours",
    Statistic.POTENTIAL: "potential",
    Statistic.EITHER_SIDE: "either",
}


@dataclass(frozen=True, slots=True)
class RecipeGap:
    """What a recipe says of its gap."""

    first_ms: int
    last_ms: int
    operating_hours: int
    ended: bool


def canonical_recipe(
    substitute: Substitute, rules: Rules, remarks: Sequence[str] = (), divided: Sequence[str] = ()
) -> list[RecipeValue]:
    """As it is signed. The substitute must have a value, and the rules state the maximum load where it matters."""
    gap, available = substitute.gap, substitute.availability
    assert substitute.value is not None  # noqa: S101 - rules for mass rates state a maximum
    load: list[RecipeValue] | None = None
    if (
        substitute.load_range != WITHOUT_LOAD
        and substitute.hour.load is not None
        and rules.max_load is not None
    ):
        load = [whole(substitute.hour.load), whole(rules.max_load), substitute.load_range, rules.load_ranges]
    by_maximum = substitute.chosen is Statistic.POTENTIAL
    return [
        FORM,
        substitute.rule[:RULE_CHARACTERS_MAX],
        WORDS[substitute.chosen],
        whole(substitute.value),
        [available.qa_hours, available.operating_hours, whole(available.percent * 10)],
        [gap.hours[0].start_ms, gap.hours[-1].start_ms, len(gap.hours), gap.after is not None],
        load,
        _look_back(substitute, rules),
        _neighbours(substitute),
        whole(rules.maximum) if by_maximum and rules.maximum is not None else None,
        [*sorted(remarks)[:REMARKS_MAX], *divided, *(IMPORTED + source for source in substitute.rests_on)],
    ]


def is_recipe(value: object) -> bool:
    """Whether this is the recipe of a substitute, and not the list of remarks of a measured hour."""
    return isinstance(value, list) and len(value) == FIELDS and value[0] == FORM


def gap_in(recipe: Sequence[RecipeValue]) -> RecipeGap | None:
    """The gap that a recipe names; None for what is no recipe."""
    match recipe:
        case [str(form), _, _, _, _, [int(first_ms), int(last_ms), int(hours), bool(ended)], *_] if (
            form == FORM
        ):
            return RecipeGap(first_ms, last_ms, hours, ended)
    return None


def sources_in(recipe: Sequence[RecipeValue]) -> frozenset[str]:
    """The files of other systems that a recipe rests on; none for what is no recipe."""
    if gap_in(recipe) is None or not isinstance(said := recipe[-1], list):
        return frozenset()
    return frozenset(
        remark.removeprefix(IMPORTED)
        for remark in said
        if isinstance(remark, str) and remark.startswith(IMPORTED)
    )


def _look_back(substitute: Substitute, rules: Rules) -> list[RecipeValue] | None:
    look_back = substitute.look_back
    if look_back is None:
        return None
    statistic = substitute.method.statistic
    return [
        look_back.load_range,
        rules.reading.value if look_back.wanted else "all",
        look_back.wanted,
        len(look_back.hours),
        look_back.hours[0].start_ms,
        look_back.hours[-1].start_ms,
        WORDS[statistic],
        substitute.method.percent or None,
        substitute.rank,
        _sum(look_back) if statistic is Statistic.MEAN else None,
        whole(substitute.candidates[statistic]),
    ]


def _neighbours(substitute: Substitute) -> list[RecipeValue] | None:
    before, after = substitute.gap.before, substitute.gap.after
    if Statistic.NEIGHBOURS not in substitute.candidates or before is None or before.value is None:
        return None
    if after is None or after.value is None:
        return [before.start_ms, whole(before.value), None, None]
    return [before.start_ms, whole(before.value), after.start_ms, whole(after.value)]


def _sum(look_back: LookBack) -> int:
    with localcontext(EXACT):
        return whole(sum((hour.value for hour in look_back.hours if hour.value is not None), Decimal(0)))
