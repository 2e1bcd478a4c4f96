"""Parts of a point that need no other entry of the file; the numbers are those of `profile_build`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

from doxedge.analysers.batches import Span
from doxedge.analysers.profile import Linear, PointLimits, QualityRegister
from doxedge.analysers.profile_checks import Refuse
from doxedge.analysers.profile_file import LinearTable, PlausibleTable, QualityTable, SettingReference
from doxedge.analysers.question import Function

Number = Callable[[str, Decimal | SettingReference], Decimal]
"""From a place in the file and what stands there to the number, which may be the site's."""


def line_of(
    path: str,
    table: LinearTable,
    *,
    number: Callable[[str, Decimal | SettingReference], Decimal],
    refuse: Refuse,
) -> Linear:
    """(4) A line through two points that differ, inside the band of a sound loop."""
    low, high = number(f"{path}.low", table.low), number(f"{path}.high", table.high)
    if table.raw_low == table.raw_high:
        refuse(f"{path}.raw_high", "a line needs two different raw values")
    if low == high:
        refuse(f"{path}.high", f"low and high are both {low}: the line is flat")
    bounds = (
        table.bad_below,
        min(table.raw_low, table.raw_high),
        max(table.raw_low, table.raw_high),
        table.bad_above,
    )
    if any(a is not None and b is not None and a > b for a, b in pairwise(bounds)):
        refuse(path, "in order: bad_below, the raw range, bad_above")
    return Linear(table.raw_low, table.raw_high, low, high, table.bad_below, table.bad_above)


def limits_of(path: str, table: PlausibleTable, *, refuse: Refuse) -> PointLimits:
    """(7)"""
    hard, soft = table.hard_range or (None, None), table.soft_range or (None, None)
    for key, pair in (("hard_range", table.hard_range), ("soft_range", table.soft_range)):
        if pair and pair[0] >= pair[1]:
            refuse(f"{path}.{key}", f"{pair[0]} is not below {pair[1]}")
    if table.hard_range and table.soft_range and not (hard[0] <= soft[0] and soft[1] <= hard[1]):  # type: ignore[operator]
        refuse(f"{path}.soft_range", "the soft range lies inside the hard one")
    return PointLimits(
        hard_low=hard[0],
        hard_high=hard[1],
        soft_low=soft[0],
        soft_high=soft[1],
        max_rate_per_min=table.max_rate_per_min,
        stuck_minutes=table.stuck_minutes,
        resolution=table.resolution,
        span=table.span,
    )


def quality_of(
    path: str, wanted: QualityTable, span: Span, *, number: Number, refuse: Refuse
) -> QualityRegister:
    """(4) What is good, what is uncertain; all else is bad."""
    if span.function in (Function.COILS, Function.DISCRETE_INPUTS):
        refuse(f"{path}.function", "a single bit is a [[status]]; a quality is a register")
    every_bit = (1 << 16 * span.count) - 1
    mask = every_bit if wanted.mask is None else wanted.mask
    if mask > every_bit:
        refuse(f"{path}.mask", f"{mask} has bits that a {wanted.type} has not")

    def meanings(key: str, listed: list[Decimal | SettingReference]) -> tuple[int, ...]:
        words = []
        for index, item in enumerate(listed):
            value = number(f"{path}.{key}[{index}]", item)
            # The bound comes first: to make a whole number of 1e999999 takes for ever.
            if not 0 <= value <= mask or value != int(value) or int(value) & ~mask:
                refuse(f"{path}.{key}[{index}]", f"{value} is no whole number within mask = {mask}")
            words.append(int(value))
        return tuple(words)

    good, uncertain = meanings("good", wanted.good), meanings("uncertain", wanted.uncertain)
    if both := set(good) & set(uncertain):
        refuse(f"{path}.uncertain", f"{min(both)} is good already")
    return QualityRegister(span, mask, good, uncertain, wanted.about)
