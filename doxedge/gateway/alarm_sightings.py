"""One look at the plant and the machine: for every condition whether it holds, and with which figures.

Everything comes in as values, so that each row of the table of conditions can be tried without a plant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from doxedge.fieldbus.line import DeviceState
from doxedge.gateway.alarm_rules import (
    AIR_PERCENT,
    CLOCK_BAD_MS,
    CLOCK_WARNING_MS,
    DISK_FREE_MB_BACK,
    DISK_FREE_MB_MIN,
    FLOW_PERCENT_OF_SPAN,
    INVALID_MINUTES,
    MEBIBYTE,
    NOX_OFF_PPB,
    NOX_PERCENT_OF_SPAN,
    OUTBOX_PERCENT,
    QUEUE_AGE_MS,
)
from doxedge.gateway.clock_state import ClockReading
from doxedge.measurement.alarms import Sighting
from doxedge.measurement.collected_hour import RunningHour
from doxedge.measurement.hour_settings import BACKUP
from doxedge.measurement.quality import PAIR
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.store.rows import Room

OUT_OF_RANGE: Final = frozenset({Reason.RANGE, Reason.ABOVE_RANGE, Reason.BELOW_RANGE})
OXYGEN: Final = "o2_percent"
MINUTES_JUDGED: Final = 20
"""So much of an hour must have gone well before the trouble of the hour before is over."""


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """One unit, as its pipeline and its poster know it now."""

    unit: str
    latest: Mapping[str, Reading]
    hour: RunningHour | None
    running: bool
    """By its operating signal; true where there is none."""
    flows: Mapping[str, Decimal | None]
    """The quantity that is the flow of each stack, to what its instrument can measure at most."""
    oldest_pending_ms: int | None
    """When the oldest record was stored that is not final."""
    conflicts: int
    """Records of ours whose number another record has."""
    suspended: bool
    """As the ledger said at the start."""
    broken: str | None
    """What is wrong with the records on the disk, empty when nothing is; None: not looked at yet."""
    foreign_key: str = ""
    """What is wrong with the key; empty when nothing is."""
    clock_doubt: str = ""
    """Why no hour closes; empty while they do."""
    doors: Mapping[str, bool | None] = field(default_factory=dict)
    """Instrument with a door contact in its map to whether it is open; None: not read yet."""
    batteries: Mapping[str, bool | None] = field(default_factory=dict)
    """Instrument with the contact of a UPS in its map to whether that is on its battery; likewise."""
    concentrations: Mapping[str, Decimal | None] = field(default_factory=dict)
    """The quantity that is the NOx of each stack, to the span of its monitor."""
    calibrated_to: Mapping[str, Decimal] = field(default_factory=dict)
    """Quantity to the greatest reading that its monitor was calibrated for."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What concerns all units."""

    clock: ClockReading
    disk_free_bytes: int | None
    samples_dropped: int
    """Since the look before."""
    stalled: frozenset[str]
    """Lines that deliver nothing."""
    lines: Sequence[str]
    refused: str | None = None
    """What is wrong with a configuration that was refused; None when the last one was right."""
    outbox: Room | None = None
    """None: not looked at."""
    dropped_early: int = 0
    """Proved records that had no room, since the look before."""


def device_sightings(states: Iterable[DeviceState]) -> Iterator[Sighting]:
    """An instrument that has not been asked yet has no state, and nothing is said of it."""
    for state in states:
        yield Sighting("device.away", state.device, not state.up, f"{state.reason.value}: {state.detail}")


def machine_sightings(facts: MachineFacts) -> Iterator[Sighting]:
    """Clock, disk, lines, configuration."""
    offset_ms = abs(facts.clock.offset_ms)
    is_known = facts.clock.state in ("synchronised", "unsynchronised")
    text = f"offset {facts.clock.offset_ms} ms"
    yield Sighting("clock.warning", "", CLOCK_WARNING_MS.holds(offset_ms) if is_known else None, text)
    yield Sighting("clock.bad", "", CLOCK_BAD_MS.holds(offset_ms) if is_known else None, text)
    is_free = facts.clock.state in ("unsynchronised", "unknown")
    yield Sighting("clock.free", "", is_free, f"the kernel says {facts.clock.state}")
    yield _disk(facts.disk_free_bytes)
    text = f"{facts.samples_dropped} raw samples were dropped"
    yield Sighting("samples.dropped", "", facts.samples_dropped > 0, text)
    yield from _outbox(facts.outbox, facts.dropped_early)
    for line in facts.lines:
        yield Sighting("line.stalled", line, line in facts.stalled, "nothing comes from this line")
    is_refused = facts.refused is not None
    yield Sighting("configuration.refused", "", is_refused, facts.refused or "the configuration is right")


def unit_sightings(facts: UnitFacts, *, now_ms: int) -> Iterator[Sighting]:
    """The running hour, the values, the flow of a unit that is off, and what waits for the ledger."""
    unit = facts.unit
    yield _hour(unit, facts.hour)
    for quantity, reading in sorted(facts.latest.items()):
        yield from _value(f"{unit}.{quantity}", reading)
        if quantity in facts.calibrated_to:
            yield _calibrated(f"{unit}.{quantity}", reading, facts.calibrated_to[quantity])
        if quantity.rpartition(".")[2] == OXYGEN and not quantity.startswith(f"{BACKUP}."):
            yield _air(f"{unit}.{quantity}", reading, running=facts.running)
    for flow, span in facts.flows.items():
        yield _flow(facts, flow, span)
    for concentration, span in facts.concentrations.items():
        yield _nox_while_off(facts, concentration, span)
    age_ms = 0 if facts.oldest_pending_ms is None else now_ms - facts.oldest_pending_ms
    text = f"the oldest record has waited {age_ms // 60_000} minutes"
    yield Sighting("outbox.old", unit, QUEUE_AGE_MS.holds(age_ms), text)
    broken = facts.broken
    yield Sighting("outbox.altered", unit, None if broken is None else bool(broken), broken or "all is there")
    yield Sighting("clock.doubtful", unit, bool(facts.clock_doubt), facts.clock_doubt or "hours close")
    yield Sighting("key.foreign", unit, bool(facts.foreign_key), facts.foreign_key or "the key is right")
    in_doubt = facts.conflicts > 0 or facts.suspended
    text = f"{facts.conflicts} records have a number that another record has"
    yield Sighting("source.suspended", unit, in_doubt, text)
    for device, is_open in sorted(facts.doors.items()):
        yield Sighting(
            "door.open", device, is_open, "the contact is open" if is_open else "the contact is closed"
        )
    for device, on_battery in sorted(facts.batteries.items()):
        text = "there is no mains" if on_battery else "there is mains"
        yield Sighting("power.battery", device, on_battery, text)


def _disk(free_bytes: int | None) -> Sighting:
    if free_bytes is None:
        return Sighting("disk.low", "", None)
    free_mb = free_bytes // MEBIBYTE
    holds = None
    if free_mb < DISK_FREE_MB_MIN:
        holds = True
    elif free_mb >= DISK_FREE_MB_BACK:
        holds = False
    return Sighting("disk.low", "", holds, f"{free_mb} MiB are free")


def _outbox(room: Room | None, dropped_early: int) -> Iterator[Sighting]:
    """A budget that is used up by what is not final is no matter of these: `outbox.old` tells that long before."""
    if room is not None:
        percent = 100 * room.used_bytes // room.bytes_max
        holds = OUTBOX_PERCENT.holds(percent) if room.next_closed_ms is not None else False
        text = f"{percent} % of its {room.bytes_max // MEBIBYTE} MiB are used; raise outbox.budget_mb"
        yield Sighting("outbox.tight", "", holds, text)
    text = f"{dropped_early} proved records had no room for their 35 days; raise outbox.budget_mb"
    yield Sighting("outbox.dropped", "", dropped_early > 0, text)


def _hour(unit: str, hour: RunningHour | None) -> Sighting:
    """Minutes without a mass, of those in which the unit ran. The minute that runs now is not over, and not counted."""
    if hour is None:
        return Sighting("hour.invalid", unit, None)
    judged = max(0, hour.minutes_operating - 1)
    invalid = max(0, judged - hour.minutes_valid)
    holds: bool | None = INVALID_MINUTES.holds(invalid)
    if not holds:
        # A new hour begins with nothing missing, which is no proof that the trouble is over.
        went_well = hour.minutes_elapsed > MINUTES_JUDGED and 3 * invalid <= hour.minutes_elapsed
        holds = False if went_well else None
    return Sighting("hour.invalid", unit, holds, f"{invalid} of {judged} minutes are not valid")


def _value(subject: str, reading: Reading) -> Iterator[Sighting]:
    """A value that is bad for one reason says nothing about the others."""
    quantity = subject.partition(".")[2]
    is_good = reading.quality is Quality.GOOD
    text = f"{reading.decoded} from {reading.device}"
    for code, reasons in (("value.stuck", {Reason.STUCK}), ("value.range", OUT_OF_RANGE)):
        holds = reading.reason in reasons
        yield Sighting(code, subject, holds if holds or is_good else None, text)
    if quantity == PAIR[0]:
        holds = reading.reason is Reason.PAIR
        yield Sighting("value.pair", subject, holds if holds or is_good else None, text)


def _calibrated(subject: str, reading: Reading, bound: Decimal) -> Sighting:
    """A reading that is bad for another reason says nothing of its range."""
    value = reading.value
    text = f"{value} from {reading.device}, calibrated up to {bound.normalize():f}"
    return Sighting("value.calibration", subject, None if value is None else value > bound, text)


def _air(subject: str, reading: Reading, *, running: bool) -> Sighting:
    """Oxygen of a stack; a unit that is off may breathe."""
    text = f"{reading.value} % oxygen from {reading.device}"
    return Sighting("value.air", subject, AIR_PERCENT.holds(reading.value) if running else False, text)


def _nox_while_off(facts: UnitFacts, concentration: str, span: Decimal | None) -> Sighting:
    subject = f"{facts.unit}.{concentration}"
    reading = facts.latest.get(concentration)
    if facts.running:
        return Sighting("value.off", subject, False, "the unit runs")
    if reading is None or reading.value is None:
        return Sighting("value.off", subject, None)
    text = f"the unit is off and {concentration} is {reading.value}"
    if not span:
        return Sighting("value.off", subject, NOX_OFF_PPB.holds(reading.value), text)
    return Sighting("value.off", subject, NOX_PERCENT_OF_SPAN.holds(reading.value * 100 / span), text)


def _flow(facts: UnitFacts, flow: str, span: Decimal | None) -> Sighting:
    """Of one stack; the alarm of a unit with one stack is the unit's."""
    subject = facts.unit if len(facts.flows) == 1 else f"{facts.unit}.{flow}"
    reading = facts.latest.get(flow)
    if facts.running:
        return Sighting("flow.off", subject, False, "the unit runs")
    if reading is None or reading.value is None:
        return Sighting("flow.off", subject, None)
    text = f"the unit is off and {flow} is {reading.value}"
    if not span:
        return Sighting("flow.off", subject, reading.value > 0, text)
    return Sighting("flow.off", subject, FLOW_PERCENT_OF_SPAN.holds(reading.value * 100 / span), text)
