"""`[unit.missing_data]`: by which rules a substitute stands for an hour without a valid measurement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from doxedge.measurement.missing_data_rules import MASS_RATE, Method, Reading, Rules, Statistic, Tier
from doxedge.quantity import MAX_AMOUNT_G

PART75: Final = "part75"
TIERS_MAX: Final = 16
HOURS_MAX: Final = 26_280
"""Three years: nothing older is ever looked at."""

Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]
StatisticWord = Literal["mean", "percentile", "maximum", "neighbours", "potential"]
_STATISTICS: Final[dict[str, Statistic]] = {
    "mean": Statistic.MEAN,
    "percentile": Statistic.PERCENTILE,
    "maximum": Statistic.MAXIMUM,
    "neighbours": Statistic.NEIGHBOURS,
    "potential": Statistic.POTENTIAL,
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MethodTable(_Table):
    """`long = { ... }` or `short = { ... }`: a statistic and the code that it is reported under."""

    code: Code
    statistic: StatisticWord
    percent: int = Field(0, ge=0, le=100)
    """Of a percentile."""
    or_neighbours: bool = False
    """The mean of the hours before and after the gap, where that is greater."""

    @model_validator(mode="after")
    def _percent_fits(self) -> MethodTable:
        if (self.statistic == "percentile") != bool(self.percent):
            raise ValueError("a percentile has a `percent` of 1 to 100, and nothing else has one")
        return self

    def method(self) -> Method:
        """For the rules."""
        return Method(self.code, _STATISTICS[self.statistic], self.percent, or_neighbours=self.or_neighbours)


class TierTable(_Table):
    """`[[unit.missing_data.tier]]`: what holds from an availability on, down to the next tier."""

    at_least_percent: Decimal = Field(ge=0, le=100)
    long: MethodTable
    short: MethodTable | None = None
    short_gap_hours: int = Field(0, ge=0, le=HOURS_MAX)
    """A gap of at most so many operating hours is short."""

    @model_validator(mode="after")
    def _short_fits(self) -> TierTable:
        if (self.short is None) != (self.short_gap_hours == 0):
            raise ValueError("`short` and `short_gap_hours` go together")
        return self

    def tier(self) -> Tier:
        """For the rules."""
        short = None if self.short is None else self.short.method()
        return Tier(self.at_least_percent, self.long.method(), self.short_gap_hours, short)


class MissingDataTable(_Table):
    """`[unit.missing_data]`."""

    rules: Literal["none", "part75"] = "none"
    """`none`: a gap stays a gap. `part75`: the table of 40 CFR 75.31 and 75.33, applied to the mass rate."""
    maximum_g_per_h: int | None = Field(None, gt=0, le=MAX_AMOUNT_G)
    """The maximum potential NOx mass rate of the unit. Must be given with `part75`."""
    max_load_w: Decimal | None = Field(None, gt=0, le=Decimal(10**13))
    """What the load ranges are shares of. None: `max_power_w` of the energy counter; without it no load ranges."""
    load_ranges: int = Field(10, ge=1, le=100)
    """1: the load does not matter."""
    look_back: Literal["in-range", "among-last"] = "in-range"
    """2,160 hours that lie in the load range, or those of the last 2,160 that do."""
    look_back_hours: int = Field(2_160, ge=1, le=HOURS_MAX)
    initial_hours: int = Field(2_160, ge=0, le=HOURS_MAX)
    """So many quality-assured hours long the initial procedure holds."""
    prior_operating_hours: int = Field(0, ge=0, le=10**6)
    prior_qa_hours: int = Field(0, ge=0, le=10**6)
    """Hours since certification that this gateway has not seen."""
    tier: tuple[TierTable, ...] = Field((), max_length=TIERS_MAX)
    """Another authority's table, best availability first. Empty: that of 40 CFR 75.33."""

    @field_validator("tier")
    @classmethod
    def _falling(cls, tiers: tuple[TierTable, ...]) -> tuple[TierTable, ...]:
        percents = [tier.at_least_percent for tier in tiers]
        if percents and (percents[-1] != 0 or sorted(set(percents), reverse=True) != percents):
            raise ValueError("at_least_percent falls from tier to tier, and the last is 0")
        return tiers

    @model_validator(mode="after")
    def _complete(self) -> MissingDataTable:
        if self.rules == PART75 and self.maximum_g_per_h is None:
            raise ValueError(
                "part75 needs maximum_g_per_h: the maximum potential NOx mass rate of the unit, in g/h, which stands "
                "for an hour where nothing else does"
            )
        if self.prior_qa_hours > self.prior_operating_hours:
            raise ValueError("prior_qa_hours cannot be more than prior_operating_hours")
        return self


@dataclass(frozen=True, slots=True)
class MissingDataPlan:
    """What is decided for a unit."""

    rules: Rules
    """Also where nothing is substituted: they say how available the monitor is."""
    substitutes: bool


NO_SUBSTITUTES: Final = MissingDataPlan(MASS_RATE, substitutes=False)


def plan_missing_data(table: MissingDataTable, *, max_power_w: Decimal | None) -> MissingDataPlan:
    """The rules of a unit. `max_power_w` is what its energy counter is believed to count at most."""
    max_load = table.max_load_w or max_power_w
    rules = replace(
        MASS_RATE,
        maximum=None if table.maximum_g_per_h is None else Decimal(table.maximum_g_per_h),
        max_load=max_load,
        by_load=max_load is not None and table.load_ranges > 1,
        load_ranges=table.load_ranges,
        reading=Reading(table.look_back),
        look_back_hours=table.look_back_hours,
        initial_hours=table.initial_hours,
        prior_operating_hours=table.prior_operating_hours,
        prior_qa_hours=table.prior_qa_hours,
    )
    if table.tier:
        rules = replace(rules, tiers=tuple(tier.tier() for tier in table.tier))
    return MissingDataPlan(rules, substitutes=table.rules == PART75)


def describe_missing_data(plan: MissingDataPlan) -> str:
    """What stands for an hour that is not measured, in plain words."""
    rules = plan.rules
    if not plan.substitutes:
        return "missing hours stay gaps"
    loads = f"{rules.load_ranges} load ranges of {rules.max_load} W" if rules.by_load else "no load ranges"
    return f"missing hours by {PART75}: at most {rules.maximum} g/h, {loads}, {len(rules.tiers)} tiers of availability"
