"""From the configuration to drivers, lines and pipelines: everything is checked here, before anything is polled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.driver import Driver
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile import PointLimits, profile_hash
from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import DeviceState, Line, Poll, check_load
from doxedge.fieldbus.profile_folders import load_profile, search_path
from doxedge.gateway.endpoints import Address, Tenant, address_of, make_endpoint, require_one_setting
from doxedge.gateway.settings import GatewaySettings, InstrumentTable, UnitTable
from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour import HourSettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.quality import AssessmentSettings, ValueLimits
from doxedge.measurement.sample import Sample
from doxedge.quantity import MINUTE_MS
from doxedge.signing import canonical
from doxedge.signing.tags import hash_tagged

CONSTANT_POLL_MS = MINUTE_MS
"""A configured constant is restated once a minute: often enough for every minute mean, and it costs no line."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One configured device with its register map and what is polled of it."""

    device: str
    """`<unit>.<instrument>`: distinct over the plant."""
    table: InstrumentTable
    profile: AnyProfile
    driver: Driver
    address: Address
    polls: tuple[Poll, ...]


@dataclass(frozen=True, slots=True)
class PlannedUnit:
    """One unit, ready to be measured."""

    table: UnitTable
    instruments: tuple[Instrument, ...]
    hour: HourSettings
    assessment: AssessmentSettings
    profile_hash: bytes
    rules_hash: bytes

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of its instruments."""
        return tuple(instrument.device for instrument in self.instruments)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole configuration, checked: what would be measured by it."""

    settings: GatewaySettings
    units: tuple[PlannedUnit, ...]


def make_plan(settings: GatewaySettings, *, source: str, clock: Clock) -> Plan:
    """Check everything but whether the lines can be made. Raises ConfigError; `source` names the settings' file."""
    return Plan(settings, plan_units(settings, source=source, clock=clock))


def plan_units(settings: GatewaySettings, *, source: str, clock: Clock) -> tuple[PlannedUnit, ...]:
    """Load every profile and check every value that a unit needs. Raises ConfigError naming table and key."""
    folders = search_path(settings.profiles)
    units = tuple(
        _plan_unit(unit, folders=folders, source=source, place=f"unit[{index}]", clock=clock)
        for index, unit in enumerate(settings.unit)
    )
    require_one_setting([i.address for unit in units for i in unit.instruments], source=source)
    return units


def make_lines(
    units: tuple[PlannedUnit, ...],
    *,
    clock: Clock,
    chance: Callable[[], float],
    on_sample: Callable[[Sample], None],
    on_state: Callable[[DeviceState], None],
) -> list[Line]:
    """One line for each endpoint, whichever units its devices belong to; one more for constants."""
    by_address: dict[Address, list[Instrument]] = {}
    for unit in units:
        for instrument in unit.instruments:
            by_address.setdefault(instrument.address, []).append(instrument)
    lines = []
    for address, instruments in by_address.items():
        tenants = [tenant for instrument in instruments if (tenant := _tenant(instrument))]
        endpoint = make_endpoint(address, tenants)
        name = address.name if endpoint else "constants"
        polls = [poll for instrument in instruments for poll in instrument.polls]
        if endpoint and clock.speed == 1:
            check_load(name, polls, timeout_ms=endpoint.timeout_ms)
        lines.append(
            Line(name, endpoint, polls, clock=clock, chance=chance, on_sample=on_sample, on_state=on_state)
        )
    return lines


def longest_period_ms(units: tuple[PlannedUnit, ...]) -> int:
    """The slowest poll of all, in plant time."""
    return max((poll.period_ms for unit in units for i in unit.instruments for poll in i.polls), default=0)


def unit_of_device(device: str) -> str:
    """The unit in `<unit>.<instrument>`."""
    return device.partition(".")[0]


def describe(units: tuple[PlannedUnit, ...]) -> list[str]:
    """The plan in plain words, for `doxedge gateway check`."""
    lines = []
    for unit in units:
        lines.append(
            f"unit {unit.table.name}: channel {unit.table.channel[:16]}, profile hash {unit.profile_hash.hex()}"
        )
        for instrument in unit.instruments:
            for poll in instrument.polls:
                asked = len(poll.driver.requests(poll.group))
                what = "questions" if instrument.address.dialect else "reads"
                lines.append(
                    f"  {instrument.table.name} ({instrument.table.profile}, {instrument.address.name}): "
                    f"{poll.group} every {poll.period_ms} ms in {asked} {what}"
                )
    return lines


def _plan_unit(unit: UnitTable, *, folders: list[Path], source: str, place: str, clock: Clock) -> PlannedUnit:
    instruments = tuple(
        _plan_instrument(
            unit.name, table, folders=folders, source=source, place=f"{place}.instrument[{index}]"
        )
        for index, table in enumerate(unit.instrument)
    )
    limits: dict[str, ValueLimits] = {}
    owner: dict[str, str] = {}
    periods: dict[str, int] = {}
    for instrument in instruments:
        for quantity, period_ms in _quantities(instrument):
            if quantity in owner:
                raise ConfigError(
                    source=source,
                    path=f"{place}.instrument",
                    reason=f"{quantity} comes from {owner[quantity]} and from {instrument.device}; "
                    "leave one group out with poll_ms = { group = 0 }",
                )
            owner[quantity] = instrument.device
            periods[quantity] = period_ms
        for quantity, point in instrument.profile.limits().items():
            limits[quantity] = _value_limits(point)
    _require_measured(unit, owner, source=source, place=place)
    _require_held(unit, periods, source=source, place=place)
    settling_ms = max((i.profile.settling_ms for i in instruments), default=0)
    hour = _hour_settings(unit, owner, periods)
    return PlannedUnit(
        table=unit,
        instruments=instruments,
        hour=hour,
        assessment=AssessmentSettings(
            limits=limits, settling_ms=settling_ms, clock_speed=max(1, round(clock.speed))
        ),
        profile_hash=_combined_profile_hash(instruments),
        rules_hash=_rules_hash(unit),
    )


def _plan_instrument(
    unit: str, table: InstrumentTable, *, folders: list[Path], source: str, place: str
) -> Instrument:
    profile = load_profile(table.profile, folders, settings=table.settings)
    address = address_of(table, profile, source=source, place=place)
    device = f"{unit}.{table.name}"
    try:
        driver = make_driver(profile, device=device, unit_id=table.unit_id)
    except ValueError as error:
        raise ConfigError(source=source, path=f"{place}.unit_id", reason=str(error)) from None
    unknown = sorted(set(table.poll_ms) - set(driver.groups))
    if unknown:
        there = ", ".join(driver.groups)
        raise ConfigError(
            source=source, path=f"{place}.poll_ms.{unknown[0]}", reason=f"the groups are {there}"
        )
    polls = []
    for index, group in enumerate(driver.groups):
        default_ms = profile.group(group).period_ms if profile.transport is not None else CONSTANT_POLL_MS
        period_ms = table.poll_ms.get(group, default_ms)
        if period_ms:
            # Neighbouring groups are asked one after the other and not all at one instant.
            polls.append(Poll(driver, group, period_ms, phase_ms=min(index * 50, period_ms - 1)))
    return Instrument(device, table, profile, driver, address, tuple(polls))


def _quantities(instrument: Instrument) -> list[tuple[str, int]]:
    """What the polled groups deliver, and how often."""
    if instrument.profile.transport is None:
        return [(constant.quantity, CONSTANT_POLL_MS) for constant in instrument.profile.constants]
    periods = {poll.group: poll.period_ms for poll in instrument.polls}
    return [(p.quantity, periods[p.group]) for p in instrument.profile.points if p.group in periods]


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
        devices=owner,
    )


def _energy_settings(unit: UnitTable, owner: dict[str, str]) -> EnergySettings | None:
    if "energy_wh" not in owner:
        return None
    return EnergySettings(rollover_wh=unit.energy.rollover_wh, max_power_w=unit.energy.max_power_w)


def _value_limits(point: PointLimits) -> ValueLimits:
    rate = point.max_rate_per_min
    resolution = point.resolution
    return ValueLimits(
        hard_low=point.hard_low,
        hard_high=point.hard_high,
        soft_low=point.soft_low,
        soft_high=point.soft_high,
        max_rate_per_s=None if rate is None else rate / 60,
        stuck_ms=None if point.stuck_minutes is None else point.stuck_minutes * MINUTE_MS,
        stuck_tolerance=Decimal(0) if resolution is None else resolution / 2,
        span=point.span,
    )


def _tenant(instrument: Instrument) -> Tenant | None:
    transport = instrument.profile.transport
    if transport is None:
        return None
    timeout_ms = instrument.table.timeout_ms or transport.timeout_ms
    return Tenant(instrument.device, transport, timeout_ms, instrument.polls)


def _combined_profile_hash(instruments: tuple[Instrument, ...]) -> bytes:
    """Over name, poll periods and register map of every instrument, sorted by name."""
    parts = []
    for instrument in sorted(instruments, key=lambda i: i.device):
        polls: list[canonical.Value] = [[poll.group, poll.period_ms] for poll in instrument.polls]
        parts.append(canonical.encode([instrument.table.name, polls, profile_hash(instrument.profile)]))
    return hash_tagged("profiles", *parts)


def _rules_hash(unit: UnitTable) -> bytes:
    """Over the unit's settings that turn samples into hours, as JSON with sorted keys by pydantic."""
    chosen = unit.model_dump_json(exclude={"instrument", "channel", "source", "name"})
    return hash_tagged("rules", chosen.encode())
