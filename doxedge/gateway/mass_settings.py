"""What a unit's table says of its mass: which equations make it, and by which bias factor it is adjusted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

FUELS_MAX: Final = 16
FACTOR_MAX: Final = 100_000
"""Beyond every F factor; which of them are plausible is told by the measurement."""
Factor = Annotated[Decimal, Field(gt=0, le=FACTOR_MAX)]
Share = Annotated[Decimal, Field(gt=0, le=1)]


class FormulaTable(BaseModel):
    """`[unit.formula]`"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mass: Literal["metric", "F-24A", "F-26A", "F-26B"] = "metric"
    """`metric`: concentration times flow by `mg_per_m3_per_ppm`. The others: 40 CFR 75, Appendix F."""
    rate: (
        Literal["19-1", "F-5", "19-2", "19-3", "19-4", "19-5", "19-6", "19-7", "F-6", "19-8", "19-9"] | None
    ) = None
    heat_input: Literal["F-15", "F-16", "F-17", "F-18"] | None = None
    fuel: str | None = None
    """One fuel of the table of F factors."""
    fuels: dict[str, Share] = Field(default_factory=dict, max_length=FUELS_MAX)
    """Several: each with its share of the heat input, which sum to 1 (equation F-8)."""
    fd: Factor | None = None
    """A factor of the site's own, from a fuel analysis (F-7A); it goes before the table."""
    fc: Factor | None = None
    fw: Factor | None = None
    o2: str = "o2_percent"
    co2: str = "co2_percent"
    diluent_basis: Literal["dry", "wet"] | None = None
    diluent_cap: Literal["boiler", "turbine"] | None = None


class LowEmitterTable(BaseModel):
    """`low_emitter = { ... }`: what allows a factor to be capped at 1.111."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference_mean: Annotated[Decimal, Field(ge=0, le=FACTOR_MAX)]
    """Of the test's reference values."""
    unit: Literal["lb/mmBtu", "ppm"]


class BiasTable(BaseModel):
    """One of `bias = [ ... ]`: a factor that a relative accuracy test gave, and from when on it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: Factor
    since: AwareDatetime
    """The beginning of an hour, with its offset from UTC."""
    low_emitter: LowEmitterTable | None = None
    stack: str = Field("", max_length=64)
    """Whose monitors were tested, where the unit has several (40 CFR 75, Appendix A, 7.6.5)."""

    @field_validator("since")
    @classmethod
    def _in_utc(cls, since: dt.datetime) -> dt.datetime:
        return since.astimezone(dt.UTC)  # the same instant is the same rule, however it is written
