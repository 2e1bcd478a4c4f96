"""What is plausible on this site: `[unit.limits.QUANTITY]` completes and overrides the register map's limits.

A map knows what its instrument can measure; only the site knows how fast its stack can change, or that 800 ppm have
never been seen there. What the site states is part of the unit's rules: the hash that every record carries covers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from doxedge.measurement.movement import ValueLimits
from doxedge.quantity import MINUTE_MS

VALUE_MAX: Final = Decimal(10**15)
"""No quantity is larger, in whichever unit; numbers without end would stop the arithmetic of an hour."""
MINUTES_MAX: Final = 10_080
"""A week."""
SECONDS_A_MINUTE: Final = 60
Bound = Annotated[Decimal, Field(ge=-VALUE_MAX, le=VALUE_MAX)]
Rate = Annotated[Decimal, Field(gt=0, le=VALUE_MAX)]


class LimitsTable(BaseModel):
    """`[unit.limits.QUANTITY]`, in the unit that ends the quantity's name. What is left out is as in the map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hard_range: tuple[Bound, Bound] | None = None
    """A value outside is bad."""
    soft_range: tuple[Bound, Bound] | None = None
    """A value outside is uncertain."""
    max_rate_per_min: Rate | None = None
    """A value that moves faster is bad."""
    stuck_minutes: Annotated[int, Field(strict=True, ge=0, le=MINUTES_MAX)] | None = None
    """A value that stands still for so long while the unit runs is bad; 0: it may stand still for ever."""

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        for name, pair in (("hard_range", self.hard_range), ("soft_range", self.soft_range)):
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError(f"{name}: {pair[0]} is not below {pair[1]}")
        return self


def with_site(limits: Mapping[str, ValueLimits], site: Mapping[str, LimitsTable]) -> dict[str, ValueLimits]:
    """The maps' limits with those of the site. Raises ValueError, beginning with the quantity, for what cannot be."""
    merged = dict(limits)
    for quantity, table in site.items():
        if quantity not in merged:
            there = ", ".join(sorted(merged))
            raise ValueError(f"{quantity}: no instrument of this unit delivers it; there are {there}")
        merged[quantity] = _merged(quantity, merged[quantity], table)
    return merged


def _merged(quantity: str, limits: ValueLimits, table: LimitsTable) -> ValueLimits:
    if table.hard_range is not None:
        limits = replace(limits, hard_low=table.hard_range[0], hard_high=table.hard_range[1])
    if table.soft_range is not None:
        limits = replace(limits, soft_low=table.soft_range[0], soft_high=table.soft_range[1])
    if table.max_rate_per_min is not None:
        limits = replace(limits, max_rate_per_s=table.max_rate_per_min / SECONDS_A_MINUTE)
    if table.stuck_minutes is not None:
        limits = replace(limits, stuck_ms=table.stuck_minutes * MINUTE_MS or None)
    hard, soft = (limits.hard_low, limits.hard_high), (limits.soft_low, limits.soft_high)
    outside_low = hard[0] is not None and soft[0] is not None and soft[0] < hard[0]
    outside_high = hard[1] is not None and soft[1] is not None and soft[1] > hard[1]
    if outside_low or outside_high:
        raise ValueError(
            f"{quantity}: the soft range {soft[0]} to {soft[1]} leaves the hard one, {hard[0]} to {hard[1]}; state both"
        )
    return limits
