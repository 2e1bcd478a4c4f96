"""One configured device: its register map, its driver, where it hangs, and what is polled of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.driver import Driver
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile import PointLimits, profile_hash
from doxedge.fieldbus.line import Poll
from doxedge.fieldbus.profile_folders import load_profile
from doxedge.gateway.endpoints import Address, Tenant, address_of, require_lasting_name
from doxedge.gateway.settings import InstrumentTable
from doxedge.measurement.movement import ValueLimits
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

    def is_same(self, other: Instrument) -> bool:
        """Whether nothing about it differs: where it is, what is asked, what an answer means."""
        ours = (self.device, self.table, self.profile, self.address)
        return ours == (other.device, other.table, other.profile, other.address)


def plan_instrument(
    unit: str, table: InstrumentTable, *, folders: list[Path], source: str, place: str
) -> Instrument:
    """A device of a unit with everything checked. Raises ConfigError naming table and key."""
    profile = load_profile(table.profile, folders, settings=table.settings)
    address = address_of(table, profile, source=source, place=place)
    require_lasting_name(address, source=source, place=place)
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


def quantities(instrument: Instrument) -> list[tuple[str, int]]:
    """What the polled groups deliver, and how often."""
    if instrument.profile.transport is None:
        return [(constant.quantity, CONSTANT_POLL_MS) for constant in instrument.profile.constants]
    periods = {poll.group: poll.period_ms for poll in instrument.polls}
    return [(p.quantity, periods[p.group]) for p in instrument.profile.points if p.group in periods]


def value_limits(point: PointLimits) -> ValueLimits:
    """What a map says is plausible, as the assessment takes it."""
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


def tenant(instrument: Instrument) -> Tenant | None:
    """The instrument as its line sees it; None for a configured constant, which has no line."""
    transport = instrument.profile.transport
    if transport is None:
        return None
    timeout_ms = instrument.table.timeout_ms or transport.timeout_ms
    return Tenant(instrument.device, transport, timeout_ms, instrument.polls)


def combined_profile_hash(instruments: tuple[Instrument, ...]) -> bytes:
    """Over name, poll periods and register map of every instrument, sorted by name."""
    parts = []
    for instrument in sorted(instruments, key=lambda i: i.device):
        polls: list[canonical.Value] = [[poll.group, poll.period_ms] for poll in instrument.polls]
        parts.append(canonical.encode([instrument.table.name, polls, profile_hash(instrument.profile)]))
    return hash_tagged("profiles", *parts)
