"""The recipe of a substituted hour in words, for a person who wants to compute it again."""

from collections.abc import Callable, Sequence
from typing import Final

from doxedge.measurement.substitute_recipe import RecipeValue, gap_in

Line = tuple[str, str]
"""Label and text."""

_NOT_KNOWN: Final = "of another form; this software cannot read it"


def recipe_lines(recipe: Sequence[RecipeValue], when: Callable[[int], str]) -> list[Line]:
    """Label and text of each part. `when` writes the beginning of an hour. Never raises: it may be anybody's array."""
    if gap_in(recipe) is None:
        return [("recipe", _NOT_KNOWN)]
    match recipe:
        case [
            _,
            str(rule),
            str(statistic),
            int(rate),
            [int(assured), int(operated), int(tenths)],
            [int(first), int(last), int(hours), bool(ended)],
            load,
            look_back,
            neighbours,
            maximum,
            remarks,
        ]:
            lasts = "" if ended else ", not ended when this was stated: provisional"
            lines = [
                ("substitute", f"{statistic}: {rate} g/h while the unit runs"),
                ("rule", rule),
                ("availability", f"{tenths // 10}.{tenths % 10} % ({assured} of {operated} operating hours)"),
                ("gap", f"{when(first)} to {when(last)}, {hours} operating hours{lasts}"),
            ]
            lines += _load(load) + _look_back(look_back, when) + _neighbours(neighbours, when)
            if isinstance(maximum, int):
                lines.append(("maximum", f"{maximum} g/h, the maximum potential rate of the unit"))
            if isinstance(remarks, list) and remarks:
                lines.append(("remarks", ", ".join(str(remark) for remark in remarks)))
            return lines
    return [("recipe", _NOT_KNOWN)]


def _load(load: RecipeValue) -> list[Line]:
    match load:
        case [int(load_w), int(max_w), int(place), int(ranges)]:
            return [("load", f"{load_w} W of {max_w} W: range {place} of {ranges}")]
    return []


def _look_back(look_back: RecipeValue, when: Callable[[int], str]) -> list[Line]:
    match look_back:
        case [
            int(place),
            str(reading),
            _,
            int(hours),
            int(first),
            int(last),
            str(statistic),
            percent,
            rank,
            total,
            int(rate),
        ]:
            of = f"of load range {place}" if place else "of every load"
            text = f"{hours} hours {of} ({reading}), {when(first)} to {when(last)}: {statistic} {rate} g/h"
            if isinstance(total, int):
                text += f" (sum {total} g/h)"
            if isinstance(rank, int) and isinstance(percent, int):
                text += f" ({percent}th, rank {rank} of {hours})"
            return [("look-back", text)]
    return []


def _neighbours(neighbours: RecipeValue, when: Callable[[int], str]) -> list[Line]:
    match neighbours:
        case [int(before), int(rate), None, None]:
            return [("neighbours", f"{rate} g/h at {when(before)}, nothing after it yet")]
        case [int(before), int(rate), int(after), int(later)]:
            return [("neighbours", f"{rate} g/h at {when(before)}, {later} g/h at {when(after)}")]
    return []
