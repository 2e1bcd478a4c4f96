"""Units that emit through one stack: which they are, and what each takes from whom.

The unit whose instruments measure the stack is its owner: rules, formula, calibrations and missing data stand in its
table and hold for all. Another unit says `shares_stack_of = "OWNER"` and has only what is its own: a load meter, an
operating signal, limits of their values. Its quantities are called `UNIT.QUANTITY` in the hours of the stack. Every
unit measures the whole stack from the same samples, and keeps its part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.instruments import Instrument, quantities
from doxedge.gateway.meter_exchange import stored_devices
from doxedge.gateway.quantity_plan import QuantityPlan, plan_quantities
from doxedge.gateway.settings import UnitTable
from doxedge.gateway.site_limits import with_site
from doxedge.gateway.unit_rules import (
    energy_settings,
    hashed_parts,
    hour_rules,
    operating_settings,
    require_held,
)
from doxedge.measurement.apportioning import UNITS_MAX
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour_settings import BACKUP, HourSettings, backup_name
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.shared_stack import SharedStack, StackUnit
from doxedge.signing import canonical
from doxedge.signing.tags import hash_tagged

ITS_OWN: Final = frozenset(
    ["name", "channel", "source", "shares_stack_of", "operating", "energy", "limits", "instrument"]
)
"""Keys of a unit that shares another's stack; all others are the owner's."""
LOAD: Final = "power_w"
"""What a load meter delivers."""


def units_by_stack(units: Sequence[UnitTable], *, source: str) -> dict[str, tuple[UnitTable, ...]]:
    """Of each unit that shares a stack, all units on it, the owner first. Raises ConfigError naming table and key."""
    by_name = {unit.name: unit for unit in units}
    stacks: dict[str, tuple[UnitTable, ...]] = {}
    for place, unit in enumerate(units):
        if unit.shares_stack_of is None:
            continue
        at = f"unit[{place}]"
        owner = by_name.get(unit.shares_stack_of)
        reason = _not_here(unit, by_name) if owner is None else _no_owner(unit, owner)
        if owner is None or reason:
            raise ConfigError(source=source, path=f"{at}.shares_stack_of", reason=reason)
        _require_only_its_own(unit, owner, source=source, at=at)
        stacks[owner.name] = (*stacks.get(owner.name, (owner,)), unit)
    for name, shared in stacks.items():
        place = units.index(by_name[name])
        for unit in shared:
            _require_divisible(unit, source=source, at=f"unit[{units.index(unit)}]")
        if len(shared) > UNITS_MAX:
            reason = f"{len(shared)} units share its stack; a stack is divided among {UNITS_MAX} at most"
            raise ConfigError(source=source, path=f"unit[{place}]", reason=reason)
    return {unit.name: shared for shared in stacks.values() for unit in shared}


def _not_here(unit: UnitTable, by_name: Mapping[str, UnitTable]) -> str:
    """All units on a stack hear the same samples as they come, and a gateway hears its own instruments only."""
    there = ", ".join(sorted(by_name.keys() - {unit.name})) or "none"
    return (
        f"there is no unit {unit.shares_stack_of} in this gateway; there are: {there}. If another gateway measures it, "
        "bring the instruments of the stack and this unit's load meter to one of the two: units on one stack are of "
        "one gateway"
    )


def _no_owner(unit: UnitTable, owner: UnitTable) -> str:
    """Why the stack of `owner` cannot be shared by `unit`; empty when it can."""
    if owner is unit:
        return (
            "a unit does not share its own stack; name the unit whose instruments measure it, or leave it out"
        )
    if owner.shares_stack_of is not None:
        return f"{owner.name} shares the stack of {owner.shares_stack_of} itself, and a stack has one owner: name that"
    if owner.stacks:
        return f"{owner.name} has several `stacks`, and nobody can say through which the unit emits how much"
    if owner.channel != unit.channel:
        return f"{owner.name} is of another channel; the parts of a stack are stated on one"
    return ""


def _require_only_its_own(unit: UnitTable, owner: UnitTable, *, source: str, at: str) -> None:
    """What is measured at the owner's stack is said there, once."""
    for key, field in UnitTable.model_fields.items():
        if key not in ITS_OWN and getattr(unit, key) != field.get_default(call_default_factory=True):
            raise ConfigError(
                source=source,
                path=f"{at}.{key}",
                reason=f"the stack is that of {owner.name}, and its {key} holds for all units on it; leave it out here",
            )


def _require_divisible(unit: UnitTable, *, source: str, at: str) -> None:
    if unit.operating is None:
        raise ConfigError(
            source=source,
            path=f"{at}.operating",
            reason="a unit on a shared stack needs its operating signal: a unit that stands still gets no mass",
        )
    if unit.name == BACKUP:
        raise ConfigError(
            source=source, path=f"{at}.name", reason=f"a unit on a shared stack is not called {BACKUP}"
        )


def plan_shared(
    shared: Sequence[UnitTable],
    instruments: Mapping[str, Sequence[Instrument]],
    *,
    source: str,
    places: Mapping[str, str],
) -> tuple[QuantityPlan, HourSettings]:
    """All quantities of a stack with their limits, and the owner's hours. Raises ConfigError naming table and key.

    `instruments` and `places` (of its table in the file) are by unit.
    """
    owner, plans = shared[0], []
    for unit in shared:
        plan = plan_quantities(instruments[unit.name], source=source, place=places[unit.name])
        _require_load_meter(unit, plan, source=source, place=places[unit.name])
        try:
            plan = replace(plan, limits=with_site(plan.limits, unit.limits))
        except ValueError as error:
            raise ConfigError(source=source, path=f"{places[unit.name]}.limits", reason=str(error)) from None
        plans.append(plan if unit is owner else _under(unit.name, plan, instruments[unit.name]))
    merged = _merged(plans)
    hour = hour_rules(owner, merged, source=source, place=places[owner.name])
    return merged, replace(
        hour, shared=SharedStack(owner.name, _stack_units(shared, source=source, places=places))
    )


def hours_of(
    unit: UnitTable, shared: Sequence[UnitTable], owners: HourSettings, plan: QuantityPlan
) -> HourSettings:
    """The hours of one unit of the stack, from the owner's."""
    assert owners.shared is not None  # noqa: S101 - as `plan_shared` made it
    if unit is shared[0]:
        return owners
    by_name = {one.unit: one for one in owners.shared.units}
    energy = energy_settings(unit, _own(unit.name, plan.owner))
    if energy is not None:
        energy = _renamed(unit.name, energy)
    return replace(
        owners,
        unit=unit.name,
        operating=by_name[unit.name].operating,
        energy=energy,
        shared=SharedStack(unit.name, owners.shared.units),
    )


def shared_rules_hash(shared: Sequence[UnitTable]) -> bytes:
    """Over the tables of all units; the same for each of them."""
    parts: list[bytes] = []
    for unit in (shared[0], *sorted(shared[1:], key=lambda one: one.name)):
        parts += [canonical.encode(["unit", unit.name]), *hashed_parts(unit)]
    return hash_tagged("rules", *parts)


def max_power_w(shared: Sequence[UnitTable]) -> Decimal | None:
    """What all units together can generate at most; None where one does not say."""
    found = [unit.energy.max_power_w for unit in shared]
    return sum((power for power in found if power is not None), Decimal(0)) if None not in found else None


def others_devices(
    unit: UnitTable, shared: Sequence[UnitTable], instruments: Mapping[str, Sequence[Instrument]]
) -> tuple[str, ...]:
    """Under which names the samples of the other units lie."""
    return tuple(
        device
        for other in shared
        if other is not unit
        for device in stored_devices(other.name, tuple(one.device for one in instruments[other.name]))
    )


def _require_load_meter(unit: UnitTable, plan: QuantityPlan, *, source: str, place: str) -> None:
    operating = unit.operating
    wanted = {LOAD: "the load by which the mass of the stack is divided"}
    if operating is not None:
        wanted |= {operating.quantity: "its operating signal"} if operating.quantity != LOAD else {}
    for quantity, what in wanted.items():
        if quantity not in plan.owner:
            reason = f"nothing delivers {quantity}, {what}; give {unit.name} its own meter"
            raise ConfigError(source=source, path=f"{place}.instrument", reason=reason)
        if backup_name(quantity) in plan.owner:
            reason = f"{quantity} has no backup: operating signal, power and energy come from one instrument"
            raise ConfigError(source=source, path=f"{place}.instrument", reason=reason)
    require_held(unit, plan.periods, source=source, place=place)


def _stack_units(
    shared: Sequence[UnitTable], *, source: str, places: Mapping[str, str]
) -> tuple[StackUnit, ...]:
    units = []
    for unit in sorted(shared, key=lambda one: one.name):
        prefix = "" if unit is shared[0] else f"{unit.name}."
        try:
            operating = operating_settings(unit)
        except ValueError as error:
            raise ConfigError(
                source=source, path=f"{places[unit.name]}.operating", reason=str(error)
            ) from None
        assert operating is not None  # noqa: S101 - `units_by_stack` has looked
        named = _signal_under(prefix, operating)
        units.append(StackUnit(unit.name, named, f"{prefix}{LOAD}"))
    return tuple(units)


def _signal_under(prefix: str, operating: OperatingSettings) -> OperatingSettings:
    return replace(operating, quantity=f"{prefix}{operating.quantity}")


def _renamed(unit: str, energy: EnergySettings) -> EnergySettings:
    return replace(
        energy, quantity=f"{unit}.{energy.quantity}", power_quantity=f"{unit}.{energy.power_quantity}"
    )


def _own(unit: str, owner: Mapping[str, str]) -> dict[str, str]:
    """A unit's quantities by their plain names."""
    prefix = f"{unit}."
    return {name.removeprefix(prefix): device for name, device in owner.items() if name.startswith(prefix)}


def _under(unit: str, plan: QuantityPlan, instruments: Sequence[Instrument]) -> QuantityPlan:
    """The quantities of one unit under the names they have among those of several."""
    names = {
        (one.device, quantity): f"{unit}.{plan.names.get((one.device, quantity), quantity)}"
        for one in instruments
        for quantity, _ in quantities(one)
    }
    return QuantityPlan(
        {f"{unit}.{name}": device for name, device in plan.owner.items()},
        {f"{unit}.{name}": period for name, period in plan.periods.items()},
        names,
        {f"{unit}.{name}": limits for name, limits in plan.limits.items()},
        frozenset(f"{unit}.{name}" for name in plan.o2_corrected),
    )


def _merged(plans: Sequence[QuantityPlan]) -> QuantityPlan:
    merged = QuantityPlan({}, {}, {}, {}, plans[0].o2_corrected)
    for plan in plans:
        merged.owner.update(plan.owner)
        merged.periods.update(plan.periods)
        merged.names.update(plan.names)
        merged.limits.update(plan.limits)
    return merged
