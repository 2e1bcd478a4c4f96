"""From the configuration to drivers, lines and pipelines: everything is checked here, before anything is polled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.profile_folders import search_path
from doxedge.gateway.endpoints import require_one_setting
from doxedge.gateway.instruments import (
    Instrument,
    combined_profile_hash,
    plan_instrument,
)
from doxedge.gateway.missing_data_settings import (
    NO_SUBSTITUTES,
    MissingDataPlan,
    describe_missing_data,
    plan_missing_data,
)
from doxedge.gateway.qa_plan import MonitorPlan, describe_monitors, plan_monitors
from doxedge.gateway.quantity_plan import plan_quantities
from doxedge.gateway.settings import GatewaySettings, UnitTable
from doxedge.gateway.site_limits import with_site
from doxedge.gateway.unit_rules import describe_hour, hour_rules, rules_hash
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

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of its instruments."""
        return tuple(instrument.device for instrument in self.instruments)


def plan_units(settings: GatewaySettings, *, source: str, clock: Clock) -> tuple[PlannedUnit, ...]:
    """Load every profile and check every value that a unit needs. Raises ConfigError naming table and key."""
    folders = search_path(settings.profiles)
    units = tuple(
        _plan_unit(unit, folders=folders, source=source, place=f"unit[{index}]", clock=clock)
        for index, unit in enumerate(settings.unit)
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
        lines.append(f"  {describe_missing_data(unit.missing_data)}")
        lines += [f"  {said}" for said in describe_monitors(unit.monitors)]
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
        plan_instrument(
            unit.name, table, folders=folders, source=source, place=f"{place}.instrument[{index}]"
        )
        for index, table in enumerate(unit.instrument)
    )
    plan = plan_quantities(instruments, stacks=unit.stacks, source=source, place=place)
    owner, periods = plan.owner, plan.periods
    try:
        limits = with_site(plan.limits, unit.limits)
    except ValueError as error:
        raise ConfigError(source=source, path=f"{place}.limits", reason=str(error)) from None
    settling_ms = max((i.profile.settling_ms for i in instruments), default=0)
    hour = hour_rules(unit, plan, source=source, place=place)
    return PlannedUnit(
        table=unit,
        instruments=instruments,
        hour=hour,
        assessment=AssessmentSettings(
            limits=limits,
            names=plan.names,
            settling_ms=settling_ms,
            clock_speed=max(1, round(clock.speed)),
        ),
        profile_hash=combined_profile_hash(instruments),
        rules_hash=rules_hash(unit),
        monitors=plan_monitors(
            unit.name,
            unit.calibration,
            owner=owner,
            periods=periods,
            flags={i.device: frozenset(one.flag for one in i.profile.status) for i in instruments},
            charts=unit.rule_set == "eu",
            commanded=frozenset(i.device for i in instruments if i.profile.commands),
            source=source,
            place=place,
        ),
        missing_data=plan_missing_data(unit.missing_data, max_power_w=unit.energy.max_power_w),
    )
