"""Which units a simulated site has: from flags, or from a TOML file with the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from doxedge.analysers.configuration import ConfigError, parse_toml, table_path
from simulators.catalogue import ROLES
from simulators.faults import Fault, FaultKind
from simulators.plant import DAY_MS, Order, PlantSettings

Form = TypeVar("Form", bound=BaseModel)
InstrumentName = Literal["analyser", "flow", "meter"]
INSTRUMENTS: tuple[InstrumentName, ...] = ("analyser", "flow", "meter")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault of one instrument, in plant seconds after the start of the simulator."""

    instrument: str
    kind: FaultKind
    after_s: float = 0.0
    for_s: float | None = None
    argument: int | None = None

    def fault(self, start_ms: int) -> Fault:
        """The fault in plant time."""
        from_ms = start_ms + round(self.after_s * 1_000)
        to_ms = None if self.for_s is None else from_ms + round(self.for_s * 1_000)
        return Fault(self.kind, from_ms, to_ms, self.argument)


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """One unit with its three instruments; port 0 takes a free one."""

    plant: PlantSettings
    ports: dict[str, int] = field(default_factory=dict)
    faults: tuple[FaultPlan, ...] = ()
    profiles: dict[str, str] = field(default_factory=dict)
    """Register maps of instruments that are not the usual ones (`catalogue.ROLES`)."""
    serial: frozenset[str] = frozenset()
    """Instruments at the end of a null-modem cable each, and not on a network."""


class Table(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _FaultTable(Table):
    instrument: InstrumentName
    kind: FaultKind
    after_s: Annotated[float, Field(ge=0)] = 0.0
    for_s: Annotated[float, Field(gt=0)] | None = None
    argument: int | None = None


Port = Annotated[int, Field(ge=0, le=65_535)]


def _in_role(profile: str, info: ValidationInfo) -> str:
    role = (info.field_name or "").removesuffix("_profile")
    if profile not in ROLES[role]:
        raise ValueError(f"what can be a unit's {role} is {', '.join(ROLES[role])}")
    return profile


Profile = Annotated[str, AfterValidator(_in_role)]


class UnitTable(Table):
    """`[[unit]]`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    seed: int = 1
    capacity_mw: Annotated[float, Field(gt=0, le=10_000)] = 100.0
    moisture_percent: Annotated[float, Field(ge=0, le=60)] = 12.0
    nox_ppm_at_full_load: Annotated[float, Field(ge=0, le=5_000)] = 110.0
    two_shift: bool = True
    analyser_port: Port = 0
    flow_port: Port = 0
    meter_port: Port = 0
    analyser_profile: Profile = ROLES["analyser"][0]
    flow_profile: Profile = ROLES["flow"][0]
    meter_profile: Profile = ROLES["meter"][0]
    analyser_serial: bool = False
    flow_serial: bool = False
    meter_serial: bool = False
    fault: tuple[_FaultTable, ...] = ()

    @property
    def serial(self) -> frozenset[str]:
        """The instruments that are on a serial line."""
        told = {"analyser": self.analyser_serial, "flow": self.flow_serial, "meter": self.meter_serial}
        return frozenset(name for name, is_serial in told.items() if is_serial)

    @model_validator(mode="after")
    def _one_way_to_each(self) -> Self:
        ports = {"analyser": self.analyser_port, "flow": self.flow_port, "meter": self.meter_port}
        both = sorted(name for name in self.serial if ports[name])
        if both:
            raise ValueError(f"{both[0]}_port has no meaning where {both[0]}_serial is true")
        return self

    def plan(
        self, *, meter_origin_ms: int, orders: tuple[Order, ...] = (), faults: tuple[FaultPlan, ...] = ()
    ) -> UnitPlan:
        """The unit, with orders and faults beyond those of its own table."""
        return UnitPlan(
            PlantSettings(
                name=self.name,
                seed=self.seed,
                capacity_mw=self.capacity_mw,
                moisture_percent=self.moisture_percent,
                two_shift=self.two_shift,
                nox_ppm_at_full_load=self.nox_ppm_at_full_load,
                meter_origin_ms=meter_origin_ms,
                orders=orders,
            ),
            {"analyser": self.analyser_port, "flow": self.flow_port, "meter": self.meter_port},
            (
                *(FaultPlan(f.instrument, f.kind, f.after_s, f.for_s, f.argument) for f in self.fault),
                *faults,
            ),
            {"analyser": self.analyser_profile, "flow": self.flow_profile, "meter": self.meter_profile},
            self.serial,
        )


class _SiteFile(Table):
    unit: Annotated[tuple[UnitTable, ...], Field(min_length=1, max_length=1_000)]


def read_site(file: Path, *, meter_origin_ms: int) -> list[UnitPlan]:
    """The units of a TOML file. ConfigError names file, table and key."""
    site = read_tables(file, _SiteFile)
    require_one_name_each(file, site.unit)
    return [unit.plan(meter_origin_ms=meter_origin_ms) for unit in site.unit]


def read_tables(file: Path, form: type[Form]) -> Form:
    """A TOML file in a strict form. ConfigError names file, table and key of the first mistake, and counts the rest."""
    try:
        tables = parse_toml(file.read_text(encoding="utf-8"), source=str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(source=str(file), path="", reason=f"cannot be read: {error}") from None
    try:
        return form.model_validate(tables)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        first = mistakes[0]
        reason = (
            "unknown key"
            if first["type"] == "extra_forbidden"
            else first["msg"].removeprefix("Value error, ")
        )
        raise ConfigError(
            source=str(file), path=table_path(mistakes[0]["loc"]), reason=reason, more=len(mistakes) - 1
        ) from None


def require_one_name_each(file: Path, units: Sequence[UnitTable]) -> None:
    """ConfigError when two units have one name."""
    names = [unit.name for unit in units]
    if len(set(names)) < len(names):
        raise ConfigError(source=str(file), path="unit", reason="two units have one name")


def simple_site(
    names: list[str],
    *,
    seed: int,
    capacity_mw: float,
    moisture_percent: float,
    two_shift: bool,
    meter_origin_ms: int,
) -> list[UnitPlan]:
    """Units that differ only in name and seed: `seed`, `seed + 1` and so on."""
    return [
        UnitPlan(
            PlantSettings(
                name=name,
                seed=seed + index,
                capacity_mw=capacity_mw,
                moisture_percent=moisture_percent,
                two_shift=two_shift,
                meter_origin_ms=meter_origin_ms,
            )
        )
        for index, name in enumerate(names)
    ]


def midnight_before(at_ms: int) -> int:
    """00:00 UTC of that day: where energy counters start unless told otherwise."""
    return at_ms // DAY_MS * DAY_MS
