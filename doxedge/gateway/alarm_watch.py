"""Gathers what the alarms are judged by, every few seconds of plant time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import DeviceState
from doxedge.gateway.alarm_desk import AlarmDesk
from doxedge.gateway.alarm_rules import RULES
from doxedge.gateway.alarm_sightings import (
    MachineFacts,
    UnitFacts,
    device_sightings,
    machine_sightings,
    unit_sightings,
)
from doxedge.gateway.availability import availability_sightings, watched_subjects
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.digit_watch import DigitWatch
from doxedge.gateway.limit_sightings import limit_sightings, limited_subjects
from doxedge.gateway.line_progress import LineProgress
from doxedge.gateway.pipeline import UnitPipeline
from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.poster import Poster
from doxedge.gateway.qa_sightings import MonitorFacts, monitor_sightings
from doxedge.gateway.record_check import RecordCheck
from doxedge.measurement.quality import BATTERY, DOOR
from doxedge.store.outbox import Outbox
from doxedge.store.samples import SampleStore


class AlarmWatch:
    """Looks at one gateway. It shares the daemon's tables, which are filled while the gateway starts."""

    def __init__(
        self,
        desk: AlarmDesk,
        *,
        units: Callable[[], Sequence[PlannedUnit]],
        pipelines: Mapping[str, UnitPipeline],
        posters: Mapping[str, Poster],
        device_states: Mapping[str, DeviceState],
        progress: LineProgress,
        outbox: Outbox,
        samples: SampleStore,
        folder: Path,
        records: RecordCheck,
        clock: Clock,
        read_clock: Callable[[], ClockReading],
        monitors: Callable[[str], Sequence[MonitorFacts]] = lambda _: (),
        refused: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`folder` is where the stores lie, `monitors` tells of a unit what is checked with gas.

        `units` are those that are measured now, `refused` says what is wrong with a configuration that was refused.
        """
        self._desk, self._units, self._pipelines, self._posters = desk, units, pipelines, posters
        self._device_states, self._progress = device_states, progress
        self._outbox, self._samples, self._folder = outbox, samples, folder
        self._records, self._clock, self._read_clock = records, clock, read_clock
        self._monitors, self._refused_words = monitors, refused
        self._digits = DigitWatch(folder, now_ms=clock.now_ms)
        self._dropped = self._dropped_early = 0
        self._refused: dict[str, int] = {}

    async def begin(self) -> None:
        """Before the first look, and when the plan was another: let go of alarms about what is not here any more.

        Raises StoreError.
        """
        await self._desk.retire(self._is_watched, now_ms=self._clock.now_ms())

    async def look(self) -> None:
        """One look at everything. Raises StoreError of the disk."""
        now_ms = self._clock.now_ms()
        await self._desk.look(device_sightings(self._device_states.values()), now_ms=now_ms)
        await self._desk.look(machine_sightings(await self._machine()), now_ms=now_ms)
        for unit in self._units():
            monitors = self._monitors(unit.table.name)
            facts = await self._unit(unit, monitors)
            await self._desk.look(unit_sightings(facts, now_ms=now_ms), now_ms=now_ms)
            name = unit.table.name
            pipeline = self._pipelines[name]
            seen = availability_sightings(name, pipeline.missing_data.outlook)
            await self._desk.look(seen, now_ms=now_ms)
            limits = limit_sightings(name, pipeline.limit_courses())
            await self._desk.look(limits, now_ms=now_ms)
            digits = self._digits.look(unit, pipeline.latest, running=pipeline.is_running)
            await self._desk.look(digits, now_ms=now_ms)
            for monitor in monitors:
                await self._desk.look(monitor_sightings(monitor, now_ms=now_ms), now_ms=now_ms)
        await self._digits.keep_if_due()

    def end(self) -> None:
        """What was counted over hours is written down."""
        self._digits.keep()

    def _is_watched(self, code: str, subject: str) -> bool:
        """Whether a look says anything about this condition of this subject."""
        if code not in RULES:
            return False
        subjects = {"", *self._progress.names}
        for unit in self._units():
            subjects |= {unit.table.name, *unit.devices}
            own = f"{unit.table.name}."
            subjects |= {f"{own}{quantity.removeprefix(own)}" for quantity in unit.hour.devices}
            subjects |= limited_subjects(unit.table.name, unit.emission_limits, unit.hour.stacks)
            subjects |= watched_subjects(unit.table.name, unit.missing_data.rules)
        return subject in subjects

    async def _machine(self) -> MachineFacts:
        room, early_before = await self._outbox.room(), self._dropped_early
        self._dropped_early = room.dropped_early
        before = self._dropped
        queues = sum(pipeline.dropped_samples for pipeline in self._pipelines.values())
        self._dropped = self._samples.counters.dropped + queues
        return MachineFacts(
            clock=self._read_clock(),
            disk_free_bytes=free_bytes(self._folder),
            samples_dropped=self._dropped - before,
            stalled=frozenset(self._progress.stalled()),
            lines=self._progress.names,
            refused=self._refused_words(),
            outbox=room,
            dropped_early=room.dropped_early - early_before,
        )

    async def _unit(self, planned: PlannedUnit, monitors: Sequence[MonitorFacts]) -> UnitFacts:
        unit = planned.table.name
        pipeline, poster = self._pipelines[unit], self._posters[unit]
        if unit not in self._refused:
            self._refused[unit] = await self._outbox.refused(poster.channel, poster.source)
        queue = await self._outbox.queue(poster.channel, poster.source)
        return UnitFacts(
            unit=unit,
            latest=pipeline.latest,
            hour=pipeline.running_hour(),
            running=pipeline.is_running,
            flows=flows_of(planned),
            oldest_pending_ms=queue.oldest_ms,
            conflicts=self._refused[unit] + poster.state.conflicts,
            suspended=poster.state.suspended,
            broken=self._records.verdict(poster.channel, poster.source),
            foreign_key=poster.state.foreign_key,
            clock_doubt=pipeline.clock_doubt,
            doors=contacts_of(planned, pipeline.flags, DOOR),
            batteries=contacts_of(planned, pipeline.flags, BATTERY),
            concentrations=concentrations_of(planned),
            calibrated_to={
                facts.subject.removeprefix(f"{unit}."): facts.calibrated_to
                for facts in monitors
                if facts.calibrated_to is not None
            },
        )


def flows_of(planned: PlannedUnit) -> dict[str, Decimal | None]:
    """The flow of each stack, with what its instrument can measure at most where that is known."""
    flows: dict[str, Decimal | None] = {}
    for stack in planned.hour.stacks:
        flow = stack.name_of(planned.hour.emission.flow)
        limits = planned.assessment.limits.get(flow)
        flows[flow] = None if limits is None else limits.span or limits.hard_high
    return flows


def concentrations_of(planned: PlannedUnit) -> dict[str, Decimal | None]:
    """The NOx of each stack, with the span of its monitor where that is known; none of another unit's stack."""
    if planned.table.shares_stack_of is not None:
        return {}
    spans = {monitor.quantity: monitor.checks.span for monitor in planned.monitors}
    names = [stack.name_of(planned.hour.emission.concentration) for stack in planned.hour.stacks]
    limits = planned.assessment.limits
    return {name: spans.get(name) or (limits[name].span if name in limits else None) for name in names}


def contacts_of(
    planned: PlannedUnit, flags: Mapping[tuple[str, str], frozenset[str]], flag: str
) -> dict[str, bool | None]:
    """The instruments whose maps have such a contact. One of a device that says so is enough."""
    watched = [
        one.device for one in planned.instruments if any(bit.flag == flag for bit in one.profile.status)
    ]
    return {
        device: any(flag in seen for seen in known) if known else None
        for device in watched
        for known in [[seen for (name, _), seen in flags.items() if name == device]]
    }


def free_bytes(folder: Path) -> int | None:
    """Room on the disk of a folder; None when it cannot be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
