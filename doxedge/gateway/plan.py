"""A whole configuration, read and checked: what would be measured by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import Clock
from doxedge.gateway.layers import Layers, read_layers
from doxedge.gateway.line_plan import PlannedLine, plan_lines, require_time
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.settings import GatewaySettings, settings_of


@dataclass(frozen=True, slots=True)
class Plan:
    """Ready to be measured."""

    settings: GatewaySettings
    units: tuple[PlannedUnit, ...]
    lines: tuple[PlannedLine, ...]

    def unit(self, name: str) -> PlannedUnit | None:
        """One unit."""
        return next((unit for unit in self.units if unit.table.name == name), None)


def make_plan(settings: GatewaySettings, *, source: str, clock: Clock) -> Plan:
    """Check everything that can be checked without a device. Raises ConfigError; `source` names the settings' file."""
    units = plan_units(settings, source=source, clock=clock)
    lines = plan_lines(units)
    require_time(lines, clock=clock)
    return Plan(settings, units, lines)


def plan_of(layers: Layers, *, clock: Clock) -> Plan:
    """The plan that files make together. Raises ConfigError by the file in which the mistake stands."""
    settings = settings_of(layers)
    try:
        return make_plan(settings, source=layers.source, clock=clock)
    except ConfigError as error:
        raise layers.blame(error) from error


def load_plan(path: Path, *, clock: Clock) -> Plan:
    """The plan of a file and its drop-ins. Raises ConfigError."""
    return plan_of(read_layers(path), clock=clock)
