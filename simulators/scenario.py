"""A scenario: what goes wrong in a simulated plant and when, and what a good gateway makes of it.

A TOML file with the units of a site, steps in the order of the file, and expectations. Times are plant time, counted
from the start of the plant. Everything is checked before anything runs: a fault that the instrument cannot have, an
hour that is not in the plant's time, a fault that is on already are all mistakes of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn, Self

from pydantic import Field, model_validator

from doxedge.analysers.configuration import ConfigError
from simulators.fault_effects import TAKES_ARGUMENT, cuts_off, has_effect
from simulators.faults import EXPLANATIONS, FaultKind
from simulators.plant import HOUR_MS, KNOT_MS, Order
from simulators.plant_file import (
    FaultPlan,
    InstrumentName,
    Port,
    Table,
    UnitPlan,
    UnitTable,
    midnight_before,
    read_tables,
    require_one_name_each,
)

PlantEvent = Literal["start", "stop", "trip", "load"]
Outage = Literal["gateway", "node", "broker"]
Finding = Literal["stated", "hour", "valid", "gap"]

PLANT_EVENTS: Final[dict[PlantEvent, str]] = {
    "start": "the unit runs by its own curve, also at night, until told otherwise",
    "stop": "the unit stands still until it is told to start, or for FOR_S",
    "trip": "the unit falls to nothing and is back after FOR_S (default 2400)",
    "load": "the unit is held at LOAD_PERCENT of its capacity",
}
OUTAGES: Final[dict[Outage, str]] = {
    "gateway": "the gateway is killed and comes back after FOR_S; for whoever runs one, as tests.day does",
    "node": "the ledger node is killed and comes back after FOR_S; for whoever runs one",
    "broker": "the simulators' MQTT broker goes, and comes back without its memory; needs broker_port",
}
FINDINGS: Final[dict[Finding, str]] = {
    "stated": "an hour or a gap",
    "hour": "an hour with a mass, whether all of it was measured or not",
    "valid": "an hour with a mass of which every minute was measured",
    "gap": "a gap, with CAUSE if one is given",
}
TRIP_S: Final = 2_400.0
HOURS_MAX: Final = 400 * 24
_CLOCK: Final = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done to the plant, in plant seconds after its start."""

    number: int
    """Place in the file, from 1."""
    at_s: float
    for_s: float | None
    """None: to the end of the scenario."""
    unit: str
    """Empty for what concerns the whole site."""
    instrument: str
    """Empty unless it is a fault."""
    fault: FaultKind | None = None
    argument: int | None = None
    plant: PlantEvent | None = None
    load_percent: float | None = None
    outage: Outage | None = None

    @property
    def to_s(self) -> float | None:
        """When it is over."""
        return None if self.for_s is None else self.at_s + self.for_s

    @property
    def what(self) -> str:
        """`analyser silence`, `load 60 %`, `gateway outage`."""
        if self.fault is not None:
            argument = "" if self.argument is None else f" {self.argument}"
            return f"{self.instrument} {self.fault.value}{argument}"
        if self.plant is not None:
            return self.plant if self.load_percent is None else f"load {self.load_percent:g} %"
        return f"{self.outage} outage"

    @property
    def explanation(self) -> str:
        """For people."""
        if self.fault is not None:
            return EXPLANATIONS[self.fault]
        if self.plant is not None:
            return PLANT_EVENTS[self.plant]
        return OUTAGES[self.outage] if self.outage else ""

    @property
    def cuts_off(self) -> bool:
        """Whether a good gateway finds the instrument away while it lasts."""
        return self.fault is not None and cuts_off(self.fault, self.argument)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must have come of it. One of `hour`, `event` and `away` is given."""

    unit: str
    hour: int | None = None
    """Counted from 0 at the start of the plant."""
    finds: Finding = "stated"
    cause: str = ""
    """The gap's cause begins so."""
    event: str = ""
    """The code of a signed event."""
    away: str = ""
    """An instrument that the gateway found away."""
    times: int = 1
    """How often the event was raised, or how often the instrument went (and came back)."""

    @property
    def words(self) -> str:
        """For people."""
        if self.hour is not None:
            cause = f" with cause {self.cause}" if self.cause else ""
            return f"hour {self.hour} of {self.unit} is {FINDINGS[self.finds].partition(',')[0]}{cause}"
        if self.event:
            return f"{self.unit} has the event {self.event} {self.times} times"
        return f"the {self.away} of {self.unit} goes away and comes back {self.times} times"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file."""

    start_ms: int
    hours: int
    speed: float
    broker_port: int | None
    """None: no broker; 0: a free port."""
    units: tuple[UnitPlan, ...]
    """With the faults and orders of the steps."""
    steps: tuple[Step, ...]
    """In the order of time."""
    expectations: tuple[Expectation, ...]

    @property
    def end_ms(self) -> int:
        """When the scenario is over."""
        return self.start_ms + self.hours * HOUR_MS


class _PlantTable(Table):
    """`[plant]`."""

    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    hours: Annotated[int, Field(ge=1, le=HOURS_MAX)] = 24
    speed: Annotated[float, Field(gt=0, le=100_000)] = 60.0
    broker_port: Port | None = None

    @model_validator(mode="after")
    def _on_the_hour(self) -> Self:
        if self.start.utcoffset() is None:
            raise ValueError("start has no offset to UTC: write 2026-01-01T00:00:00Z")
        if self.start.timestamp() % 3_600:
            raise ValueError("the plant starts on the hour")
        return self


class _StepTable(Table):
    """`[[step]]`."""

    at: str | None = None
    at_s: Annotated[float, Field(ge=0)] | None = None
    for_s: Annotated[float, Field(gt=0)] | None = None
    unit: str | None = None
    instrument: InstrumentName | None = None
    fault: FaultKind | None = None
    argument: Annotated[int, Field(ge=0)] | None = None
    plant: PlantEvent | None = None
    load_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    outage: Outage | None = None

    @property
    def begins_s(self) -> float:
        """`at` or `at_s`, in plant seconds."""
        if self.at is None:
            return self.at_s or 0.0
        found = _CLOCK.fullmatch(self.at)
        if found is None:
            raise ValueError(f"at = {self.at!r} is not HH:MM or HH:MM:SS")
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return 3_600.0 * hours + 60 * minutes + seconds

    @model_validator(mode="after")
    def _one_thing_at_one_time(self) -> Self:
        _require_one(at=self.at, at_s=self.at_s)
        _require_one(fault=self.fault, plant=self.plant, outage=self.outage)
        _ = self.begins_s
        for name, value, belongs in (
            ("instrument", self.instrument, self.fault is not None),
            ("load_percent", self.load_percent, self.plant == "load"),
        ):
            if belongs and value is None:
                raise ValueError(f"{name} is missing")
            if value is not None and not belongs:
                raise ValueError(f"{name} has no meaning here")
        if self.argument is not None and self.fault not in TAKES_ARGUMENT:
            raise ValueError("argument has no meaning here")
        if self.outage is not None and (self.for_s is None or self.unit is not None):
            raise ValueError("an outage is of the whole site and has an end: no unit, and for_s")
        if self.fault is FaultKind.COUNTER_RESET and self.for_s is not None:
            raise ValueError("a counter that was reset stays so: no for_s")
        if self.plant is not None and any(s * 1_000 % KNOT_MS for s in (self.begins_s, self.for_s or 0)):
            raise ValueError("the plant acts on the grid of five minutes")
        return self


class _ExpectTable(Table):
    """`[[expect]]`."""

    unit: str | None = None
    hour: Annotated[int, Field(ge=0)] | None = None
    finds: Finding = "stated"
    cause: str = ""
    event: str | None = None
    away: InstrumentName | None = None
    times: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        _require_one(hour=self.hour, event=self.event, away=self.away)
        if (self.hour is None) == (self.times is None):
            raise ValueError("times belongs to event and to away, and is needed there")
        if self.cause and self.finds != "gap":
            raise ValueError('a cause belongs to finds = "gap"')
        if self.hour is None and self.finds != "stated":
            raise ValueError("finds belongs to hour")
        return self


class _ScenarioFile(Table):
    plant: _PlantTable = _PlantTable()
    unit: Annotated[tuple[UnitTable, ...], Field(min_length=1, max_length=100)]
    step: tuple[_StepTable, ...] = ()
    expect: tuple[_ExpectTable, ...] = ()


def read_scenario(file: Path) -> Scenario:
    """The scenario in a file. ConfigError names file, table and key."""
    tables = read_tables(file, _ScenarioFile)
    require_one_name_each(file, tables.unit)
    check = _Checks(file, tables)
    steps = [check.step(index, table) for index, table in enumerate(tables.step)]
    expectations = [check.expectation(index, table) for index, table in enumerate(tables.expect)]
    start_ms = round(tables.plant.start.timestamp()) * 1_000
    return Scenario(
        start_ms,
        tables.plant.hours,
        tables.plant.speed,
        tables.plant.broker_port,
        tuple(_unit(table, steps, start_ms) for table in tables.unit),
        tuple(sorted(steps, key=lambda step: step.at_s)),
        tuple(expectations),
    )


class _Checks:
    """What can only be seen with the whole file in view."""

    def __init__(self, file: Path, tables: _ScenarioFile) -> None:
        self._file, self._tables = file, tables
        self._units = {unit.name: unit for unit in tables.unit}
        self._seen: list[Step] = []

    def step(self, index: int, table: _StepTable) -> Step:
        """The step of a table; ConfigError when it cannot be."""
        place = f"step[{index}]"
        unit = "" if table.outage else self._unit(place, table.unit)
        for_s = TRIP_S if table.plant == "trip" and table.for_s is None else table.for_s
        step = Step(
            index + 1,
            table.begins_s,
            for_s,
            unit,
            table.instrument or "",
            table.fault,
            table.argument,
            table.plant,
            table.load_percent,
            table.outage,
        )
        if step.at_s >= self._tables.plant.hours * 3_600:
            self._refuse(f"{place}.at", f"the plant runs for {self._tables.plant.hours} hours only")
        if step.outage == "broker" and self._tables.plant.broker_port is None:
            self._refuse(
                f"{place}.outage", "there is no broker: plant.broker_port says where (0: a free port)"
            )
        if step.fault is not None:
            profile = str(getattr(self._units[unit], f"{step.instrument}_profile"))
            serial = step.instrument in self._units[unit].serial
            if not has_effect(profile, step.fault, serial=serial):
                where = " on a serial line" if serial else ""
                self._refuse(f"{place}.fault", f"{step.fault.value} changes nothing in a {profile}{where}")
        for other in self._seen:
            if _same_thing(other, step) and _overlap(other, step):
                self._refuse(place, f"{step.what} is on already by step {other.number} of the file")
        self._seen.append(step)
        return step

    def expectation(self, index: int, table: _ExpectTable) -> Expectation:
        """The expectation of a table; ConfigError when it cannot be."""
        place = f"expect[{index}]"
        if table.hour is not None and table.hour >= self._tables.plant.hours:
            self._refuse(f"{place}.hour", f"the hours are 0 to {self._tables.plant.hours - 1}")
        return Expectation(
            self._unit(place, table.unit),
            table.hour,
            table.finds,
            table.cause,
            table.event or "",
            table.away or "",
            1 if table.times is None else table.times,
        )

    def _unit(self, place: str, name: str | None) -> str:
        if name is None:
            if len(self._units) > 1:
                self._refuse(place, f"which unit? There are {', '.join(self._units)}")
            return next(iter(self._units))
        if name not in self._units:
            self._refuse(f"{place}.unit", f"there is no unit {name!r}; there are {', '.join(self._units)}")
        return name

    def _refuse(self, path: str, reason: str) -> NoReturn:
        raise ConfigError(source=str(self._file), path=path, reason=reason)


def _unit(table: UnitTable, steps: list[Step], start_ms: int) -> UnitPlan:
    own = [step for step in steps if step.unit == table.name]
    faults = [
        FaultPlan(step.instrument, step.fault, step.at_s, step.for_s, step.argument)
        for step in own
        if step.fault is not None
    ]
    orders = [_order(step, start_ms) for step in sorted(own, key=lambda s: s.at_s) if step.plant is not None]
    return table.plan(meter_origin_ms=midnight_before(start_ms), orders=tuple(orders), faults=tuple(faults))


def _order(step: Step, start_ms: int) -> Order:
    load = None if step.plant == "start" else (step.load_percent or 0.0) / 100
    to_ms = None if step.to_s is None else start_ms + round(step.to_s * 1_000)
    return Order(start_ms + round(step.at_s * 1_000), to_ms, load)


def _same_thing(one: Step, other: Step) -> bool:
    if one.plant is not None:
        return False  # Of several orders the last holds.
    return (one.unit, one.instrument, one.fault, one.outage) == (
        other.unit,
        other.instrument,
        other.fault,
        other.outage,
    )


def _overlap(one: Step, other: Step) -> bool:
    return (one.to_s is None or other.at_s < one.to_s) and (other.to_s is None or one.at_s < other.to_s)


def _require_one(**given: object) -> None:
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"exactly one of {', '.join(given)} is given")
