"""How a gateway is, as plain values for JSON: what `doxedge gateway status` shows.

Numbers that are measured are decimal strings; counts, times and grams are integers; keys end in their unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from doxedge.fieldbus.line import DeviceState
from doxedge.gateway.alarm_rules import rule_of
from doxedge.gateway.availability import MonitorOutlook
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.limit_sightings import limits_as_dicts
from doxedge.gateway.operator_door import Question
from doxedge.gateway.poster import PosterState
from doxedge.measurement.alarms import Alarm
from doxedge.measurement.collected_hour import RunningHour
from doxedge.measurement.emission_limit import LimitCourse
from doxedge.measurement.reading import Reading
from doxedge.measurement.validity import QUADRANT_MS
from doxedge.quantity import MINUTE_MS
from doxedge.store.rows import Queue


class AskStatus(Question):
    """How is it?"""

    ask: Literal["status"]


SCHEMA: Final = "doxedge.gateway.status/1"
MINUTES_PER_QUARTER: Final = QUADRANT_MS // MINUTE_MS
QUARTERS: Final = 4


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """What is known of one unit."""

    unit: str
    running: bool
    hour: RunningHour | None
    latest: Mapping[str, Reading]
    devices: tuple[str, ...]
    device_states: Mapping[str, DeviceState]
    queue: Queue
    poster: PosterState
    numbered: bool
    """Whether outbox and ledger agree on the next number; nothing is signed before."""
    waiting: int
    """Items that are not signed yet."""
    monitors: Sequence[Mapping[str, object]] = ()
    """What is checked with gas, and how it stands."""
    limits: Sequence[LimitCourse] = ()
    """How its stacks stand to their emission limits."""
    available: MonitorOutlook | None = None
    """None before the first closed hour is known."""

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "unit": self.unit,
            "running": self.running,
            "availability": None if self.available is None else self.available.as_dict(),
            "hour": None if self.hour is None else hour_as_dict(self.hour, running=self.running),
            "limits": limits_as_dicts(self.limits),
            "values": [_value_as_dict(reading) for _, reading in sorted(self.latest.items())],
            "devices": [_device_as_dict(name, self.device_states.get(name)) for name in self.devices],
            "backlog": {
                "pending": self.queue.pending,
                "oldest_seq": self.queue.oldest_seq,
                "oldest_ms": self.queue.oldest_ms,
                "last_error": self.poster.last_error,
            },
            "monitors": list(self.monitors),
            "last_final_seq": max(self.queue.final_seq, self.poster.final_seq),
            "signature": {
                "numbered": self.numbered,
                "unsigned": self.waiting,
                "conflicts": self.poster.conflicts,
                "proofs_refused": self.poster.proofs_refused,
            },
        }


def hour_as_dict(hour: RunningHour, *, running: bool) -> dict[str, object]:
    """The running hour, with what it needs to become valid (40 CFR 60.13(h)(2)(i), (ii): a point in each quarter).

    A quarter that is over without a point is lost, but for an hour with a calibration in it, (iii), which needs less.
    Where two thirds of the hour decide, no quarter is lost, and what is needed are so many more minutes.
    """
    present = min(QUARTERS - 1, max(0, hour.minutes_elapsed - 1) // MINUTES_PER_QUARTER)
    lost = [quarter + 1 for quarter in hour.quadrants_empty if quarter < present]
    needed = sum(quarter >= present for quarter in hour.quadrants_empty)
    if running:
        needed += QUARTERS - 1 - present
    if hour.minutes_wanted is not None:
        lost, needed = [], max(0, hour.minutes_wanted - hour.minutes_valid)
    return {
        "start_ms": hour.start_ms,
        "minutes_elapsed": hour.minutes_elapsed,
        "minutes_operating": hour.minutes_operating,
        "minutes_valid": hour.minutes_valid,
        "minutes_needed": needed,
        "quarters_lost": lost,
        "nox_g": int(hour.nox_g),
    }


def gateway_as_dict(
    units: Iterable[UnitStatus],
    *,
    now_ms: int,
    started_ms: int,
    firmware: str,
    key_id: bytes,
    clock: ClockReading,
    disk_free_bytes: int | None,
    alarms: Iterable[Alarm],
    change_ms: int | None = None,
) -> dict[str, object]:
    """The whole status; `change_ms` is when another configuration takes over that was accepted."""
    return {
        "schema": SCHEMA,
        "at_ms": now_ms,
        "started_ms": started_ms,
        "firmware": firmware,
        "key_id": key_id.hex(),
        "clock": {"state": clock.state, "offset_ms": clock.offset_ms},
        "disk_free_bytes": disk_free_bytes,
        "change_ms": change_ms,
        "units": [unit.as_dict() for unit in units],
        "alarms": [alarm_as_dict(alarm) for alarm in alarms],
    }


def alarm_as_dict(alarm: Alarm) -> dict[str, object]:
    """One alarm, with its meaning and priority."""
    rule, said = rule_of(alarm.code), alarm.acknowledged
    return {
        "alarm": alarm.number,
        "code": alarm.code,
        "subject": alarm.subject,
        "priority": rule.priority.value,
        "meaning": rule.meaning,
        "text": alarm.text,
        "raised_ms": alarm.raised_ms,
        "cleared_ms": alarm.cleared_ms,
        "acknowledged": None
        if said is None
        else {"name": said.name, "reason": said.reason, "at_ms": said.at_ms, "user": said.user},
    }


def _value_as_dict(reading: Reading) -> dict[str, object]:
    """A bad value is told as what the device said, beside its quality: never as a value to calculate with."""
    return {
        "quantity": reading.quantity,
        "value": None if reading.value is None else str(reading.value),
        "decoded": None if reading.decoded is None else str(reading.decoded),
        "quality": reading.quality.value,
        "reason": reading.reason.value,
        "device": reading.device,
        "at_ms": reading.at_ms,
    }


def _device_as_dict(device: str, state: DeviceState | None) -> dict[str, object]:
    """`up` is null until the device was asked for the first time."""
    return {
        "device": device,
        "line": None if state is None else state.line,
        "up": None if state is None else state.up,
        "reason": None if state is None else state.reason.value,
        "detail": None if state is None else state.detail,
        "since_ms": None if state is None else state.at_ms,
    }
