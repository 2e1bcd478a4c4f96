"""What a unit's table says of how its hours are made, checked and turned into the settings of the measurement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.applied_tests import applied_settings, describe_applied
from doxedge.gateway.limit_settings import emission_limits
from doxedge.gateway.mass_settings import FormulaTable
from doxedge.gateway.quantity_plan import QuantityPlan, stack_name
from doxedge.gateway.settings import UnitTable
from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.fuel_factors import factor
from doxedge.measurement.hour_settings import BACKUP, HourSettings, Stack, backup_name
from doxedge.measurement.limit_courses import limited
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.part75_mass import Part75Formula, factors_wanted
from doxedge.measurement.shared_stack import SharedStack
from doxedge.signing import canonical
from doxedge.signing.tags import hash_tagged

CAME_LATER: Final = (
    "calibration", "missing_data", "averaging_minutes", "concentration_o2_corrected", "formula", "bias",
    "stacks", "shares_stack_of", "bias_source", "bias_low_emitter_cap",
    "calibration_function", "emission_limit",
)  # fmt: skip
"""Keys of a unit that its rules hash leaves out where they have their defaults."""


def hour_rules(unit: UnitTable, plan: QuantityPlan, *, source: str, place: str) -> HourSettings:
    """How the hours of a unit are made of its quantities. Raises ConfigError naming table and key."""
    if unit.operating is not None and unit.operating.quantity in plan.owner:
        require_held(unit, plan.periods, source=source, place=place)
    try:
        hour = _hour_settings(unit, plan)
    except ValueError as error:
        raise ConfigError(source=source, path=place, reason=str(error)) from None
    _require_measured(unit, hour, plan.owner, source=source, place=place)
    return hour


def describe_hour(hour: HourSettings) -> list[str]:
    """How the hours of a unit are made, in plain words."""
    average = "" if hour.rules.by_quadrants else f" of {hour.averaging_minutes} min"
    return [
        f"hours by rule set {hour.rules.stamp}: {hour.rules.about}{average}",
        f"mass by {_describe_mass(hour.emission)}",
        *(
            [f"mass is the sum over the stacks {', '.join(s.name for s in hour.stacks)}"]
            if hour.stacks[1:]
            else []
        ),
        *(_describe_shared(hour.shared) if hour.shared else []),
        *describe_applied(hour.emission),
        *(
            f"{quantity}: {hour.devices[backup_name(quantity)]} stands in for {hour.devices[quantity]}"
            for quantity in sorted(hour.backups)
        ),
    ]


def _describe_shared(shared: SharedStack) -> list[str]:
    loads = ", ".join(f"{one.unit} ({one.power_quantity})" for one in shared.units)
    return [f"one stack of several units; its mass is divided hour by hour by load: {loads}"]


def _describe_mass(emission: EmissionSettings) -> str:
    measured = (
        f"{emission.concentration} {emission.concentration_basis}, {emission.flow} {emission.flow_basis}"
    )
    formula = emission.formula
    if formula is None:
        return f"concentration x flow ({measured}), {emission.mg_per_m3_per_ppm} mg/m3 per ppm"
    told = [f"{formula.told} ({measured})"]
    told += [f"{name.capitalize()} {value:f}" for name, value in sorted(formula.factors.items())]
    if formula.diluents:
        told.append(f"{' and '.join(sorted(formula.diluents))} {formula.diluent_basis}")
        told.append(f"diluent cap of a {formula.diluent_cap}" if formula.diluent_cap else "no diluent cap")
    return ", ".join(told)


def rules_hash(unit: UnitTable) -> bytes:
    """Over the unit's settings that turn samples into hours, as JSON with sorted keys by pydantic."""
    return hash_tagged("rules", *hashed_parts(unit))


def hashed_parts(unit: UnitTable) -> list[bytes]:
    """What of a unit's table stands under its rules hash."""
    left_out = {"instrument", "channel", "source", "name"}
    # What came later counts only where a site uses it, so that the hashes of older files stay what they are.
    fields = UnitTable.model_fields
    unused = {name for name in CAME_LATER if getattr(unit, name) == fields[name].get_default()}
    exclude: dict[str, Any] = dict.fromkeys(left_out | unused, True)
    exclude |= (
        {"bias": {i: {"stack"} for i, table in enumerate(unit.bias) if not table.stack}} if unit.bias else {}
    )
    chosen = unit.model_dump_json(exclude=exclude)
    parts = [chosen.encode()]
    places: list[canonical.Value] = [
        [i.name, i.backup_of, i.stack] for i in unit.instrument if i.backup_of or i.stack
    ]
    if places:
        parts.append(canonical.encode(places))
    return parts


def _require_measured(
    unit: UnitTable, hour: HourSettings, owner: dict[str, str], *, source: str, place: str
) -> None:
    """A mass needs all that its formula takes, and what brings the flow to normal conditions."""
    needed = sorted(hour.needed)
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
    if missing := sorted(hour.beside - owner.keys()):
        raise ConfigError(
            source=source,
            path=f"{place}.emission_limit",
            reason=f"nothing delivers {', '.join(missing)}; is its group left out in poll_ms?",
        )


def require_held(unit: UnitTable, periods: dict[str, int], *, source: str, place: str) -> None:
    """An operating signal that lapses between two polls would count a cold unit as running."""
    operating = unit.operating
    if operating is not None and operating.hold_ms < 2 * periods[operating.quantity]:
        raise ConfigError(
            source=source,
            path=f"{place}.operating.hold_ms",
            reason=f"{operating.quantity} is read every {periods[operating.quantity]} ms and one missed poll must not "
            f"count as running: at least {2 * periods[operating.quantity]}",
        )


def _hour_settings(unit: UnitTable, plan: QuantityPlan) -> HourSettings:
    operating = operating_settings(unit)
    said_so = {name.rpartition(".")[2] for name in plan.o2_corrected}
    emission = EmissionSettings(
        concentration=unit.concentration,
        concentration_basis=Basis(unit.concentration_basis),
        flow=unit.flow,
        flow_basis=FlowBasis(unit.flow_basis),
        mg_per_m3_per_ppm=unit.mg_per_m3_per_ppm,
        o2_corrected=unit.concentration_o2_corrected or unit.concentration in said_so,
        formula=_formula(unit.formula),
        **applied_settings(unit),
    )
    stacks = _stacks(unit, emission, plan) if unit.stacks else (Stack(),)
    named = {stack.name_of(quantity) for stack in stacks for quantity in emission.measured}
    energy = energy_settings(unit, plan.owner)
    alone = {operating.quantity} if operating else set[str]()
    alone |= {energy.quantity, energy.power_quantity} if energy else set()
    if doubled := sorted(quantity for quantity in alone if backup_name(quantity) in plan.owner):
        raise ValueError(
            f"{doubled[0]} has no backup: operating signal, power and energy come from one instrument"
        )
    return HourSettings(
        unit=unit.name,
        emission=emission,
        operating=operating,
        energy=energy,
        poll_period_ms=plan.periods,
        coverage_percent=unit.coverage_percent,
        grace_ms=unit.grace_ms,
        rule_set=unit.rule_set,
        averaging_minutes=unit.averaging_minutes,
        devices=plan.owner,
        backups=frozenset(name for name in named if backup_name(name) in plan.owner),
        stacks=stacks,
        beside=limited(emission_limits(unit), emission, stacks),
    )


def operating_settings(unit: UnitTable) -> OperatingSettings | None:
    """What shows that the unit runs. Raises ValueError for thresholds that cannot be."""
    table = unit.operating
    if table is None:
        return None
    return OperatingSettings(
        quantity=table.quantity,
        on_above=table.on_above,
        off_below=table.off_below,
        hold_ms=table.hold_ms,
    )


def _stacks(unit: UnitTable, emission: EmissionSettings, plan: QuantityPlan) -> tuple[Stack, ...]:
    """What each stack calls its quantities: its own where it has one, else what all share; gas and flow are its own."""
    if len(unit.stacks) < 2 or len(set(unit.stacks)) < len(unit.stacks) or BACKUP in unit.stacks:
        raise ValueError(f"stacks: two or more names that differ, and none is {BACKUP}")
    stacks = []
    for stack in unit.stacks:
        own = {quantity: stack_name(stack, quantity) for quantity in emission.measured}
        kept = {emission.concentration, emission.flow}
        stacks.append(Stack(stack, {q: name for q, name in own.items() if name in plan.owner or q in kept}))
    return tuple(stacks)


def _formula(table: FormulaTable) -> Part75Formula | None:
    """The equations with their F factors: the site's own where it states one, else those of its fuels."""
    if table.mass == "metric":
        plain = FormulaTable()
        given = [name for name in FormulaTable.model_fields if getattr(table, name) != getattr(plain, name)]
        if given:
            raise ValueError(f'formula: mass = "metric" takes no {given[0]}')
        return None
    if table.fuel and table.fuels:
        raise ValueError("formula: either `fuel` or `fuels`")
    shares = {table.fuel: Decimal(1)} if table.fuel else dict(table.fuels)
    own = {name: value for name, value in (("fd", table.fd), ("fc", table.fc), ("fw", table.fw)) if value}
    wanted = factors_wanted(table.rate or "", table.heat_input or "")
    if shares and not wanted - own.keys():
        raise ValueError(
            f"formula: {table.mass} makes nothing of the F factors of a fuel; leave the fuel out"
        )
    factors = {name: own[name] if name in own else factor(name, shares) for name in wanted} | own
    return Part75Formula(
        mass=table.mass,
        rate=table.rate or "",
        heat_input=table.heat_input or "",
        factors=factors,
        o2=table.o2,
        co2=table.co2,
        diluent_basis=None if table.diluent_basis is None else Basis(table.diluent_basis),
        diluent_cap=table.diluent_cap or "",
    )


def energy_settings(unit: UnitTable, owner: dict[str, str]) -> EnergySettings | None:
    if "energy_wh" not in owner:
        return None
    return EnergySettings(rollover_wh=unit.energy.rollover_wh, max_power_w=unit.energy.max_power_w)
