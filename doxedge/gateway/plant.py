"""From the configuration to drivers, lines and pipelines: everything is checked here, before anything is polled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import Poll
from doxedge.fieldbus.profile_folders import search_path
from doxedge.gateway.applied_tests import require_testable
from doxedge.gateway.endpoints import require_one_setting
from doxedge.gateway.instruments import (
    Instrument,
    combined_profile_hash,
    plan_instrument,
)
from doxedge.gateway.limit_settings import describe_limit, emission_limits
from doxedge.gateway.meter_exchange import stored_devices
from doxedge.gateway.missing_data_settings import (
    NO_SUBSTITUTES,
    MissingDataPlan,
    describe_missing_data,
    plan_missing_data,
)
from doxedge.gateway.qa_plan import MonitorPlan, describe_monitors, plan_monitors
from doxedge.gateway.quantity_plan import QuantityPlan, plan_quantities
from doxedge.gateway.settings import GatewaySettings, UnitTable
from doxedge.gateway.shared_stacks import (
    hours_of,
    max_power_w,
    others_devices,
    plan_shared,
    shared_rules_hash,
    units_by_stack,
)
from doxedge.gateway.site_limits import with_site
from doxedge.gateway.unit_rules import describe_hour, hour_rules, rules_hash
from doxedge.measurement.emission_limit import EmissionLimit
from doxedge.measurement.hour import HourSettings
from doxedge.measurement.quality import AssessmentSettings


@dataclass(frozen=True, slots=True)
class PlannedUnit:
    """One unit, ready to be measured."""

    table: UnitTable
    instruments: tuple[Instrument, ...]
    hour: HourSettings
    assessment: AssessmentSettings
    profile_hash: bytes
    rules_hash: bytes
    monitors: tuple[MonitorPlan, ...] = ()
    """What is checked with gas."""
    missing_data: MissingDataPlan = NO_SUBSTITUTES
    """What stands for an hour that is not measured."""
    emission_limits: tuple[EmissionLimit, ...] = ()
    """What the averages of its stacks are held against; of a stack that is another unit's: none."""
    others: tuple[str, ...] = ()
    """Under which names the samples of other units lie that share its stack."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of its instruments."""
        return tuple(instrument.device for instrument in self.instruments)

    @property
    def sampled(self) -> tuple[str, ...]:
        """Under which names the samples lie that its hours are made from."""
        return (*stored_devices(self.table.name, self.devices), *self.others)


def plan_units(settings: GatewaySettings, *, source: str, clock: Clock) -> tuple[PlannedUnit, ...]:
    """Load every profile and check every value that a unit needs. Raises ConfigError naming table and key."""
    folders = search_path(settings.profiles)
    places = {unit.name: f"unit[{index}]" for index, unit in enumerate(settings.unit)}
    stacks = units_by_stack(settings.unit, source=source)
    instruments = {
        unit.name: _plan_instruments(unit, folders=folders, source=source, place=places[unit.name])
        for unit in settings.unit
    }
    units = tuple(
        _plan_sharer(unit, stacks[unit.name], instruments, source=source, places=places, clock=clock)
        if unit.name in stacks
        else _plan_unit(unit, instruments[unit.name], source=source, place=places[unit.name], clock=clock)
        for unit in settings.unit
    )
    require_one_setting([i.address for unit in units for i in unit.instruments], source=source)
    return units


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
        lines += [f"  {said}" for said in describe_hour(unit.hour)]
        if unit.table.shares_stack_of is not None:
            lines.append(f"  its stack is measured by the instruments of {unit.table.shares_stack_of}")
        lines += [f"  {describe_limit(one, unit.hour.averaging_minutes)}" for one in unit.emission_limits]
        lines.append(f"  {describe_missing_data(unit.missing_data)}")
        lines += [f"  {said}" for said in describe_monitors(unit.monitors)]
        for instrument in unit.instruments:
            for poll in instrument.polls:
                lines.append(
                    f"  {instrument.table.name} ({instrument.table.profile}, {instrument.address.name}): "
                    f"{poll.group} every {poll.period_ms} ms{_asked(instrument, poll)}"
                )
    return lines


def _asked(instrument: Instrument, poll: Poll) -> str:
    """How often a poll asks; nothing for constants, which nobody is asked for."""
    asked = len(poll.driver.requests(poll.group))
    what = "question" if instrument.address.dialect else "read"
    return f" in {asked} {what}{'s' * (asked > 1)}" if asked else ""


def _plan_instruments(
    unit: UnitTable, *, folders: list[Path], source: str, place: str
) -> tuple[Instrument, ...]:
    return tuple(
        plan_instrument(
            unit.name, table, folders=folders, source=source, place=f"{place}.instrument[{index}]"
        )
        for index, table in enumerate(unit.instrument)
    )


def _plan_unit(
    unit: UnitTable, instruments: tuple[Instrument, ...], *, source: str, place: str, clock: Clock
) -> PlannedUnit:
    plan = plan_quantities(instruments, stacks=unit.stacks, source=source, place=place)
    try:
        plan = replace(plan, limits=with_site(plan.limits, unit.limits))
    except ValueError as error:
        raise ConfigError(source=source, path=f"{place}.limits", reason=str(error)) from None
    hour = hour_rules(unit, plan, source=source, place=place)
    return PlannedUnit(
        table=unit,
        instruments=instruments,
        hour=hour,
        assessment=_assessment(plan, instruments, clock),
        profile_hash=combined_profile_hash(instruments),
        rules_hash=rules_hash(unit),
        monitors=_monitors(unit, plan, instruments, hour, source=source, place=place),
        missing_data=plan_missing_data(unit.missing_data, max_power_w=unit.energy.max_power_w),
        emission_limits=emission_limits(unit),
    )


def _plan_sharer(
    unit: UnitTable,
    shared: tuple[UnitTable, ...],
    instruments: Mapping[str, tuple[Instrument, ...]],
    *,
    source: str,
    places: Mapping[str, str],
    clock: Clock,
) -> PlannedUnit:
    """One of the units on a stack: all of them plan the whole stack."""
    owner = shared[0]
    plan, hour = plan_shared(shared, instruments, source=source, places=places)
    everything = tuple(one for other in shared for one in instruments[other.name])
    monitors: tuple[MonitorPlan, ...] = ()
    if unit is owner:
        monitors = _monitors(unit, plan, everything, hour, source=source, place=places[unit.name])
    return PlannedUnit(
        table=unit,
        instruments=instruments[unit.name],
        hour=hours_of(unit, shared, hour, plan),
        assessment=_assessment(plan, everything, clock),
        profile_hash=combined_profile_hash(everything),
        rules_hash=shared_rules_hash(shared),
        monitors=monitors,
        missing_data=plan_missing_data(owner.missing_data, max_power_w=max_power_w(shared)),
        emission_limits=emission_limits(unit),  # Only the owner has any.
        others=others_devices(unit, shared, instruments),
    )


def _assessment(plan: QuantityPlan, instruments: tuple[Instrument, ...], clock: Clock) -> AssessmentSettings:
    return AssessmentSettings(
        limits=plan.limits,
        names=plan.names,
        settling_ms=max((i.profile.settling_ms for i in instruments), default=0),
        clock_speed=max(1, round(clock.speed)),
    )


def _monitors(
    unit: UnitTable,
    plan: QuantityPlan,
    instruments: tuple[Instrument, ...],
    hour: HourSettings,
    *,
    source: str,
    place: str,
) -> tuple[MonitorPlan, ...]:
    monitors = plan_monitors(
        unit.name,
        unit.calibration,
        owner=plan.owner,
        periods=plan.periods,
        flags={i.device: frozenset(one.flag for one in i.profile.status) for i in instruments},
        charts=unit.rule_set == "eu",
        commanded=frozenset(i.device for i in instruments if i.profile.commands),
        source=source,
        place=place,
    )
    require_testable(unit, hour, monitors, source=source, place=place)
    return monitors
