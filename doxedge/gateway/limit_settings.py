"""`[[unit.emission_limit]]`: what the permit allows, which the running averages are held against."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from doxedge.measurement.conversion import Basis
from doxedge.measurement.emission_limit import EmissionLimit
from doxedge.measurement.rule_sets import EU
from doxedge.measurement.standardisation import Standard

LIMITS_MAX: Final = 16
VALUE_MAX: Final = Decimal(10**9)
NOX_CONFIDENCE_PERCENT: Final = Decimal(20)
"""Of a NOx limit: 2010/75/EU, Annex V, part 3, 9, and Annex VI, part 6, 1.3."""
O2_OF_AIR: Final = {True: Decimal(21), False: Decimal("20.9")}
"""By European rules, and by those of EPA."""
Value = Annotated[Decimal, Field(gt=0, le=VALUE_MAX)]


class EmissionLimitTable(BaseModel):
    """One limit. Only alarms and the status rest on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    mg_per_m3: Value | None = None
    """Of NOx as NO2 in dry gas at 0 degC and 101.325 kPa."""
    kg_per_h: Value | None = None
    o2_reference_percent: Annotated[Decimal, Field(ge=0, le=20)] | None = None
    """Of `mg_per_m3`; None: at the oxygen that is there."""
    o2: str = "o2_percent"
    o2_basis: Literal["dry", "wet"] = "dry"
    max_oxygen_factor: Annotated[Decimal, Field(ge=1, le=100)] = Decimal(10)
    """A minute that would be corrected by more has no value."""
    correct_below_reference: bool = False
    """Gas with less oxygen than the reference is left as it is."""
    confidence_percent: Annotated[Decimal, Field(ge=0, lt=100)] | None = None
    """Of the limit, taken off the average. None: 20 under `eu` for a concentration, else 0."""


class Limited(Protocol):
    """What of a unit's table says how its limits are meant."""

    @property
    def rule_set(self) -> str: ...
    @property
    def mg_per_m3_per_ppm(self) -> Decimal: ...
    @property
    def emission_limit(self) -> tuple[EmissionLimitTable, ...]: ...


def emission_limits(unit: Limited) -> tuple[EmissionLimit, ...]:
    """For the measurement. Raises ValueError for what does not fit together."""
    european = unit.rule_set == EU.name
    return tuple(
        _emission_limit(table, european=european, mg_per_m3_per_ppm=unit.mg_per_m3_per_ppm)
        for table in unit.emission_limit
    )


def _emission_limit(
    table: EmissionLimitTable, *, european: bool, mg_per_m3_per_ppm: Decimal
) -> EmissionLimit:
    """For the measurement. Raises ValueError for what does not fit together."""
    confidence = table.confidence_percent
    if confidence is None:
        confidence = NOX_CONFIDENCE_PERCENT if european and table.mg_per_m3 is not None else Decimal(0)
    return EmissionLimit(
        name=table.name,
        mg_per_m3=table.mg_per_m3,
        g_per_h=None if table.kg_per_h is None else table.kg_per_h * 1_000,
        o2_reference_percent=table.o2_reference_percent,
        o2=table.o2,
        o2_basis=Basis(table.o2_basis),
        standard=Standard(
            mg_per_ppm=mg_per_m3_per_ppm,
            o2_air=O2_OF_AIR[european],
            max_oxygen_factor=table.max_oxygen_factor,
            correct_below_reference=table.correct_below_reference,
        ),
        confidence_percent=confidence,
    )


def describe_limit(limit: EmissionLimit, averaging_minutes: int) -> str:
    """In plain words."""
    at = "" if limit.o2_reference_percent is None else f" at {limit.o2_reference_percent} % O2"
    off = f", less {limit.confidence_percent} % of the limit," if limit.confidence_percent else ""
    return (
        f"limit {limit.name}: averages of {averaging_minutes} min{off} are held against {limit.value:f} "
        f"{limit.unit}{at}"
    )
