"""What a unit's table says of how its hours are made, checked and turned into the settings of the measurement."""

from __future__ import annotations

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.settings import UnitTable
from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour import HourSettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.signing.tags import hash_tagged


def hour_rules(
    unit: UnitTable, owner: dict[str, str], periods: dict[str, int], *, source: str, place: str
) -> HourSettings:
    """How the hours of a unit are made.

    owner    quantity to the device that it is taken from
    periods  quantity to how often it is read, in ms

    Raises ConfigError naming table and key for what cannot work.
    """
    _require_measured(unit, owner, source=source, place=place)
    _require_held(unit, periods, source=source, place=place)
    try:
        return _hour_settings(unit, owner, periods)
    except ValueError as error:
        raise ConfigError(source=source, path=place, reason=str(error)) from None


def describe_hour(hour: HourSettings) -> list[str]:
    """How the hours of a unit are made, in plain words."""
    average = "" if hour.rules.by_quadrants else f" of {hour.averaging_minutes} min"
    return [f"hours by rule set {hour.rules.stamp}: {hour.rules.about}{average}"]


def rules_hash(unit: UnitTable) -> bytes:
    """Over the unit's settings that turn samples into hours, as JSON with sorted keys by pydantic."""
    left_out = {"instrument", "channel", "source", "name"}
    # What came later counts only where a site uses it, so that the hashes of older files stay what they are.
    chosen = unit.model_dump_json(exclude=left_out if unit.calibration else left_out | {"calibration"})
    return hash_tagged("rules", chosen.encode())


def _require_measured(unit: UnitTable, owner: dict[str, str], *, source: str, place: str) -> None:
    """A mass needs a concentration, a flow, and what brings the flow to normal conditions."""
    needed = [unit.concentration, unit.flow]
    if unit.flow_basis == "actual_wet":
        needed += ["stack_temperature_c", "stack_pressure_kpa"]
    if unit.flow_basis != "normal_dry" or unit.concentration_basis == "wet":
        needed.append("moisture_percent")
    if unit.operating is not None:
        needed.append(unit.operating.quantity)
    missing = [quantity for quantity in needed if quantity not in owner]
    if missing:
        raise ConfigError(
            source=source,
            path=f"{place}.instrument",
            reason=f"nothing delivers {', '.join(missing)}; a configured constant will do "
            '(profile = "configured_moisture" for moisture), and marks every hour as resting on it',
        )


def _require_held(unit: UnitTable, periods: dict[str, int], *, source: str, place: str) -> None:
    """An operating signal that lapses between two polls would count a cold unit as running."""
    operating = unit.operating
    if operating is not None and operating.hold_ms < 2 * periods[operating.quantity]:
        raise ConfigError(
            source=source,
            path=f"{place}.operating.hold_ms",
            reason=f"{operating.quantity} is read every {periods[operating.quantity]} ms and one missed poll must not "
            f"count as running: at least {2 * periods[operating.quantity]}",
        )


def _hour_settings(unit: UnitTable, owner: dict[str, str], periods: dict[str, int]) -> HourSettings:
    operating = None
    if unit.operating is not None:
        operating = OperatingSettings(
            quantity=unit.operating.quantity,
            on_above=unit.operating.on_above,
            off_below=unit.operating.off_below,
            hold_ms=unit.operating.hold_ms,
        )
    return HourSettings(
        unit=unit.name,
        emission=EmissionSettings(
            concentration=unit.concentration,
            concentration_basis=Basis(unit.concentration_basis),
            flow=unit.flow,
            flow_basis=FlowBasis(unit.flow_basis),
            mg_per_m3_per_ppm=unit.mg_per_m3_per_ppm,
        ),
        operating=operating,
        energy=_energy_settings(unit, owner),
        poll_period_ms=periods,
        coverage_percent=unit.coverage_percent,
        grace_ms=unit.grace_ms,
        rule_set=unit.rule_set,
        averaging_minutes=unit.averaging_minutes,
        devices=owner,
    )


def _energy_settings(unit: UnitTable, owner: dict[str, str]) -> EnergySettings | None:
    if "energy_wh" not in owner:
        return None
    return EnergySettings(rollover_wh=unit.energy.rollover_wh, max_power_w=unit.energy.max_power_w)
