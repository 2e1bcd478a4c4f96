"""Which device each quantity of a unit comes from, by what name, how often, and what is plausible there.

A quantity comes from one device. An instrument that is the backup of another delivers what both have under the name
`backup.QUANTITY`, so that limits, checks with gas and alarms tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.instruments import Instrument, quantities, value_limits
from doxedge.measurement.hour_settings import backup_name
from doxedge.measurement.quality import ValueLimits


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


def plan_quantities(instruments: Sequence[Instrument], *, source: str, place: str) -> QuantityPlan:
    """Name every quantity. Raises ConfigError for one that comes twice, and for a backup of nothing."""
    names = _backup_names(instruments, source=source, place=place)
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


def _backup_names(
    instruments: Sequence[Instrument], *, source: str, place: str
) -> dict[tuple[str, str], str]:
    by_name = {instrument.table.name: instrument for instrument in instruments}
    names: dict[tuple[str, str], str] = {}
    for index, instrument in enumerate(instruments):
        of = instrument.table.backup_of
        if of is None:
            continue
        primary = by_name.get(of)
        reason = ""
        if primary is None:
            reason = f"there is no instrument {of}; there are {', '.join(sorted(by_name))}"
        elif primary.table.backup_of is not None:
            reason = f"{of} is a backup itself; name the one that both stand in for"
        else:
            delivered = {quantity for quantity, _ in quantities(primary)}
            shared = sorted(delivered & {quantity for quantity, _ in quantities(instrument)})
            names |= {(instrument.device, quantity): backup_name(quantity) for quantity in shared}
            if not shared:
                reason = f"it delivers nothing that {of} delivers"
        if reason:
            raise ConfigError(source=source, path=f"{place}.instrument[{index}].backup_of", reason=reason)
    return names
