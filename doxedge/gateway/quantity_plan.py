"""Which device each quantity of a unit comes from, by what name, how often, and what is plausible there.

A quantity comes from one device. Of several stacks, what is of the stack `east` is called `east.QUANTITY`. An
instrument that is the backup of another delivers what both have under the name `backup.QUANTITY`. So limits, checks
with gas and alarms tell them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.instruments import Instrument, quantities, value_limits
from doxedge.measurement.hour_settings import backup_name
from doxedge.measurement.movement import ValueLimits


@dataclass(frozen=True, slots=True)
class QuantityPlan:
    """All quantities of a unit, by the names they have there."""

    owner: dict[str, str]
    """The device that delivers it."""
    periods: dict[str, int]
    """How often it is read, in ms."""
    names: dict[tuple[str, str], str]
    """(device, quantity of its map) to the name in the unit, where the two differ."""
    limits: dict[str, ValueLimits]
    o2_corrected: frozenset[str]
    """What comes at a reference oxygen."""


def plan_quantities(
    instruments: Sequence[Instrument], *, stacks: Sequence[str] = (), source: str, place: str
) -> QuantityPlan:
    """Name every quantity. Raises ConfigError for one that comes twice, and for a backup of nothing."""
    names = _names(instruments, stacks, source=source, place=place)
    owner: dict[str, str] = {}
    periods: dict[str, int] = {}
    limits: dict[str, ValueLimits] = {}
    o2_corrected: set[str] = set()
    for instrument in instruments:
        device = instrument.device
        for quantity, period_ms in quantities(instrument):
            name = names.get((device, quantity), quantity)
            if name in owner:
                raise ConfigError(
                    source=source,
                    path=f"{place}.instrument",
                    reason=f"{name} comes from {owner[name]} and from {device}; "
                    "leave one group out with poll_ms = { group = 0 }, or say which is the backup of which (backup_of)",
                )
            owner[name] = device
            periods[name] = period_ms
        for quantity, point in instrument.profile.limits().items():
            limits[names.get((device, quantity), quantity)] = value_limits(point)
        o2_corrected |= {
            names.get((device, quantity), quantity) for quantity in instrument.profile.o2_corrected
        }
    return QuantityPlan(owner, periods, names, limits, frozenset(o2_corrected))


def stack_name(stack: str, quantity: str) -> str:
    """What a quantity is called where it is of one of several stacks."""
    return f"{stack}.{quantity}"


def _names(
    instruments: Sequence[Instrument], stacks: Sequence[str], *, source: str, place: str
) -> dict[tuple[str, str], str]:
    """The names that differ from those of the map: of one stack among several, and of a backup."""
    by_name = {instrument.table.name: instrument for instrument in instruments}
    names: dict[tuple[str, str], str] = {}
    for index, instrument in enumerate(instruments):
        at = f"{place}.instrument[{index}]"
        stack, of = instrument.table.stack, instrument.table.backup_of
        if stack is not None and stack not in stacks:
            there = f"they are {', '.join(stacks)}" if stacks else "the unit has no `stacks`"
            raise ConfigError(source=source, path=f"{at}.stack", reason=f"there is no stack {stack}; {there}")
        delivered = {quantity for quantity, _ in quantities(instrument)}
        plain = {quantity: stack_name(stack, quantity) if stack else quantity for quantity in delivered}
        if of is not None:
            primary = by_name.get(of)
            shared = delivered & {quantity for quantity, _ in quantities(primary)} if primary else set()
            if reason := _not_a_backup(instrument, primary, shared, sorted(by_name)):
                raise ConfigError(source=source, path=f"{at}.backup_of", reason=reason)
            plain |= {quantity: backup_name(plain[quantity]) for quantity in shared}
        names |= {(instrument.device, q): name for q, name in plain.items() if name != q}
    return names


def _not_a_backup(
    instrument: Instrument, primary: Instrument | None, shared: Collection[str], there: Sequence[str]
) -> str:
    """Why an instrument cannot stand in for another; empty when it can."""
    of = instrument.table.backup_of
    if primary is None:
        return f"there is no instrument {of}; there are {', '.join(there)}"
    if primary.table.backup_of is not None:
        return f"{of} is a backup itself; name the one that both stand in for"
    if primary.table.stack != instrument.table.stack:
        return f"{of} is of another stack"
    return "" if shared else f"it delivers nothing that {of} delivers"
