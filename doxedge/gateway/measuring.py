"""What is measured now: the units of a plan, and the lines they share; and how another plan takes its place.

A change of plan is `arm`ed ahead and comes at an instant, the border of an hour where it touches hours:

    (1) units know ahead by which setup the hours after it are made, lines until when polls are theirs
    (2) at the instant, units that are added begin, lines that end hand over to those that begin
    (3) units that were taken away close and sign their last hours, and what they signed is posted until nothing waits

Until the instant it can be taken back (`disarm`), and then nothing has happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import DeviceState
from doxedge.gateway.configuration_file import Configuration
from doxedge.gateway.equipment import Equipment
from doxedge.gateway.line_progress import LineProgress
from doxedge.gateway.measured_unit import make_poster, number_and_post, open_unit, until_posted
from doxedge.gateway.meter_exchange import AskMeterExchange, NotExchanged, said_by, shown
from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.gateway.pipeline import UnitPipeline
from doxedge.gateway.plan import Plan
from doxedge.gateway.plan_change import PlanChange, UnitChange, compare
from doxedge.gateway.plant import PlannedUnit, longest_period_ms, unit_of_device
from doxedge.gateway.poster import Poster
from doxedge.gateway.qa_desk import QaDesk
from doxedge.gateway.qa_office import QaOffice
from doxedge.gateway.record_desk import Happening
from doxedge.gateway.running_lines import RunningLines
from doxedge.gateway.sample_clerk import SampleClerk
from doxedge.gateway.status import UnitStatus
from doxedge.gateway.together import Together
from doxedge.gateway.unit_setup import SetupChange, setup_of
from doxedge.measurement.sample import Sample

log = logging.getLogger(__name__)

ENDED_EVERY_REAL_S: Final = 0.2
"""Between two looks whether a unit that was taken away has closed its last hour."""


STEP_S: Final = 5.0
"""Plant seconds between two looks whether a change has come."""
STEP_REAL_S: Final = 0.05
"""Real seconds between two such looks, where plant time is compressed."""


@dataclass(frozen=True, slots=True)
class _Armed:
    """A change of plan that is to come."""

    change: PlanChange
    at_ms: int
    setups: dict[str, SetupChange]
    task: asyncio.Task[None]


class Measuring:
    """Runs one plan. The tables are shared with whoever looks at the plant; they are filled by `restore`."""

    def __init__(self, plan: Plan, *, clock: Clock, chance: Callable[[], float]) -> None:
        """Nothing runs yet."""
        self.plan = plan
        self.pipelines: dict[str, UnitPipeline] = {}
        self.posters: dict[str, Poster] = {}
        self.clerks: dict[str, SampleClerk] = {}
        self.device_states: dict[str, DeviceState] = {}
        self.lines = RunningLines(
            plan.lines, clock=clock, chance=chance, on_sample=self._route, on_state=self._note_state
        )
        self.quality = QaOffice(clock=clock, command=self.lines.tell)
        self.progress = LineProgress(
            self.lines.lines, longest_period_ms=longest_period_ms(plan.units), clock=clock
        )
        self._clock, self._chance = clock, chance
        self._stacks: defaultdict[str, Together] = defaultdict(Together)
        """By the unit whose instruments measure the stack."""
        self._checks: dict[str, QaDesk | None] = {}
        """Of units that were opened, and not begun yet."""
        self._posting: dict[str, asyncio.Task[None]] = {}
        self._ending: list[str] = []
        """Units that were taken away, and whose last hours are not posted yet."""
        self._armed: _Armed | None = None
        self._group: asyncio.TaskGroup | None = None

    async def restore(
        self, equipment: Equipment, *, before: Plan | None = None, configuration: Configuration | None = None
    ) -> None:
        """Every unit goes on where its last run stopped. Raises StoreError.

        `before` made the hours until `configuration`, which is the plan's, came into force.
        """
        change = compare(before or self.plan, self.plan)
        # Who shares the stack of another is opened after it: that one's monitors judge the samples of both.
        for planned in sorted(self.plan.units, key=lambda one: one.table.shares_stack_of is not None):
            earlier = None if before is None else before.unit(planned.table.name)
            taken = None
            if configuration is not None:
                words = configuration.approval.words
                taken = SetupChange(setup_of(planned), configuration.from_ms, change.kept, words)
            await self._add_unit(planned, equipment, before=earlier, change=taken)
        if configuration is not None:
            for gone in (one for one in change.units if one.before and one.after is None):
                assert gone.before is not None  # noqa: S101 - as asked for above
                await self._add_unit(gone.before, equipment)
                self.pipelines[gone.unit].end(configuration.from_ms)
                self._tell_end(gone.unit, configuration.from_ms, configuration.approval.words)
                self._ending.append(gone.unit)
        for begun in [*self.pipelines]:
            await self._begin_checks(begun)

    async def run(self, equipment: Equipment, *, started: Callable[[], None] | None = None) -> None:
        """Poll every line and post every unit's records until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.lines.start(group)
                for unit in self.posters:
                    self._post(unit, equipment)
                for unit in self._ending:
                    group.create_task(self._let_unit_go(unit, equipment), name=f"last hours of {unit}")
                await self._post_what_is_left(equipment)
                group.create_task(self.quality.run(), name="quality assurance")
                log.info("measuring %d units over %d lines", len(self.plan.units), len(self.lines.lines))
                if started is not None:
                    started()
        finally:
            await self.quality.put_back()
            await self.lines.close()

    # Another plan

    def arm(
        self, change: PlanChange, at_ms: int, equipment: Equipment, *, words: str, done: Callable[[], None]
    ) -> None:
        """Duty (1). `done` is called when the other plan is measured by. Raises ValueError when it is too late."""
        assert self._group is not None  # noqa: S101 - nobody can ask before `run`
        assert self._armed is None  # noqa: S101 - the one before was taken back, or has come
        setups: dict[str, SetupChange] = {}
        for one in change.units:
            if one.before is not None and one.after is not None:
                setups[one.unit] = SetupChange(setup_of(one.after), at_ms, change.kept, words)
                self.pipelines[one.unit].change(setups[one.unit])
            elif one.before is not None:
                self.pipelines[one.unit].end(at_ms)
        self.lines.end_at(change.ended, at_ms, stay=change.kept)
        task = self._group.create_task(
            self._switch(change, at_ms, equipment, words, done), name=f"change of plan at {at_ms}"
        )
        self._armed = _Armed(change, at_ms, setups, task)

    def disarm(self) -> bool:
        """Take back what is armed; False when its instant has come, and it goes on to its end."""
        armed = self._armed
        if armed is None:
            return True
        if self._clock.now_ms() >= armed.at_ms:
            return False
        armed.task.cancel()
        for unit, setup in armed.setups.items():
            self.pipelines[unit].take_back(setup)
        for one in armed.change.units:
            if one.kind == "removed":
                self.pipelines[one.unit].end(None)
        self.lines.end_at(armed.change.ended, None)
        self._armed = None
        return True

    async def _switch(
        self, change: PlanChange, at_ms: int, equipment: Equipment, words: str, done: Callable[[], None]
    ) -> None:
        """Duties (2) and (3)."""
        while self._clock.now_ms() < at_ms:
            # In steps, because somebody may set the clock.
            left_s = (at_ms - self._clock.now_ms()) / 1_000
            await self._clock.sleep(min(left_s, max(STEP_S, STEP_REAL_S * self._clock.speed)))
        assert self._group is not None  # noqa: S101 - `arm` has looked
        for one in change.units:
            await self._switch_unit(one, equipment)
            if one.after is None:
                self._tell_end(one.unit, at_ms, words)
        self.plan = change.after
        await self.lines.take_over(
            self._group, ended=change.ended, begun=change.begun, from_ms=at_ms, came=change.kept
        )
        devices = {device for unit in self.plan.units for device in unit.devices}
        for device in self.device_states.keys() - devices:
            del self.device_states[device]
        self.progress.watch(self.lines.lines, longest_period_ms=longest_period_ms(self.plan.units))
        self._armed = None
        log.info("measuring %d units over %d lines", len(self.plan.units), len(self.lines.lines))
        done()

    async def _switch_unit(self, one: UnitChange, equipment: Equipment) -> None:
        assert self._group is not None  # noqa: S101 - `arm` has looked
        if one.after is None:
            await self.quality.close_desk(one.unit)
            self._ending.append(one.unit)
            self._group.create_task(self._let_unit_go(one.unit, equipment), name=f"last hours of {one.unit}")
        elif one.before is None:
            await self._add_unit(one.after, equipment)
            await self._begin_checks(one.unit)
            self._post(one.unit, equipment)
        elif one.after.table.shares_stack_of is not None:
            return  # What is checked is the other unit's.
        elif (one.before.monitors, one.before.hour.emission) != (one.after.monitors, one.after.hour.emission):
            pipeline = self.pipelines[one.unit]
            pipeline.quality = await self.quality.reopen_desk(
                one.after, equipment.qa, pipeline, equipment.hours
            )

    # Units

    async def _add_unit(
        self,
        planned: PlannedUnit,
        equipment: Equipment,
        *,
        before: PlannedUnit | None = None,
        change: SetupChange | None = None,
    ) -> None:
        unit = planned.table.name
        made = await open_unit(
            planned,
            equipment,
            quality=self.quality,
            chance=self._chance,
            before=None if before is None else setup_of(before),
            change=change,
            together=self._stacks[planned.table.shares_stack_of or unit],
        )
        self.pipelines[unit], self.posters[unit], self.clerks[unit] = made.pipeline, made.poster, made.clerk
        self._checks[unit] = made.checks

    async def _begin_checks(self, unit: str) -> None:
        """Once every unit is there whose hours they fall into."""
        checks, pipeline = self._checks.pop(unit), self.pipelines[unit]
        if checks is not None:
            await checks.begin(pipeline, open_from_ms=pipeline.open_from_ms)

    def _post(self, unit: str, equipment: Equipment) -> None:
        assert self._group is not None  # noqa: S101 - nobody posts before `run`
        self._posting[unit] = self._group.create_task(
            number_and_post(self.pipelines[unit], self.posters[unit], equipment), name=f"poster {unit}"
        )

    def _tell_end(self, unit: str, end_ms: int, words: str) -> None:
        text = f"the unit was taken out of the configuration{words}"
        self.pipelines[unit].hand_in([Happening("measuring.ended", end_ms, text, key=str(end_ms))])

    async def _let_unit_go(self, unit: str, equipment: Equipment) -> None:
        """Duty (3)."""
        pipeline, poster = self.pipelines[unit], self.posters[unit]
        while not await pipeline.has_ended():  # noqa: ASYNC110 - hours end by the clock
            await asyncio.sleep(ENDED_EVERY_REAL_S)
        await pipeline.flush()
        log.info("unit %s: its last hour is signed", unit)
        await until_posted(poster.channel, poster.source, equipment)
        self._posting.pop(unit).cancel()
        self._ending.remove(unit)
        pipeline.leave()
        del self.pipelines[unit], self.posters[unit], self.clerks[unit]
        log.info("unit %s: everything is posted; it is measured here no more", unit)

    async def _post_what_is_left(self, equipment: Equipment) -> None:
        """Records of sources that no unit of the plan has: they were signed here, so they are owed."""
        ours = {(poster.channel, poster.source) for poster in self.posters.values()}
        assert self._group is not None  # noqa: S101 - only `run` calls
        for channel, source in await equipment.outbox.pending_sources():
            if (channel, source) not in ours:
                name = f"rest of {source.hex()}"
                self._group.create_task(self._post_rest(channel, source, equipment), name=name)

    async def _post_rest(self, channel: bytes, source: bytes, equipment: Equipment) -> None:
        assert self._group is not None  # noqa: S101 - only `run` calls
        log.info("source %s is of no unit here any more; what it signed is posted", source.hex())
        poster = make_poster(channel, source, equipment, chance=self._chance)
        posting = self._group.create_task(poster.run(), name=f"poster of {source.hex()}")
        await until_posted(channel, source, equipment)
        posting.cancel()

    # All of them

    async def flush(self) -> None:
        """Write the queued samples of all units, together, so that they share a commit."""
        async with asyncio.TaskGroup() as group:
            for unit, pipeline in self.pipelines.items():
                group.create_task(pipeline.flush(), name=f"samples of {unit}")

    @property
    def queued_bytes(self) -> int:
        """Of samples that wait for the disk."""
        return sum(pipeline.queued_bytes for pipeline in self.pipelines.values())

    async def close_hours(self) -> None:
        """Close and sign what is due."""
        for pipeline in list(self.pipelines.values()):
            await pipeline.close_hours()

    def happened(self, code: str, text: str) -> None:
        """Something that concerns the records of every unit happened now."""
        for pipeline in self.pipelines.values():
            pipeline.happened(code, text)

    def have_signed(self, subject: str, happening: Happening) -> None:
        """Into the records of the unit that it is about; what concerns the machine, into those of every unit."""
        unit = unit_of_device(subject)
        for name, pipeline in self.pipelines.items():
            if unit in ("", name):
                pipeline.desk.hand_in([happening])

    async def exchange_meter(self, asked: AskMeterExchange, caller: Caller) -> Mapping[str, object]:
        """A person says that the energy meter of a unit was exchanged. Raises Refusal, StoreError."""
        pipeline = self.pipelines.get(asked.unit)
        if pipeline is None:
            there = ", ".join(self.pipelines)
            raise Refusal("unknown_unit", f"there is no unit {asked.unit}; there are {there}")
        said = said_by(asked, caller)
        try:
            await pipeline.exchange_meter(said)
        except NotExchanged as error:
            raise Refusal("does_not_fit", str(error)) from error
        return {"exchange": shown(said)}

    async def unit_status(self, planned: PlannedUnit, equipment: Equipment) -> UnitStatus:
        """How a unit is now. Raises StoreError."""
        pipeline, poster = self.pipelines[planned.table.name], self.posters[planned.table.name]
        return UnitStatus(
            unit=planned.table.name,
            running=pipeline.unit_runs,
            hour=pipeline.running_hour(),
            latest=pipeline.latest,
            devices=planned.devices,
            device_states=self.device_states,
            queue=await equipment.outbox.queue(poster.channel, poster.source),
            poster=poster.state,
            numbered=pipeline.desk.numbered,
            waiting=pipeline.desk.waiting,
            monitors=self.quality.standings(planned.table.name),
            limits=pipeline.limit_courses(),
            available=pipeline.missing_data.outlook,
        )

    def summary(self) -> str:
        """One line for the service manager."""
        away = sum(not state.up for state in self.device_states.values())
        waiting = sum(pipeline.desk.waiting for pipeline in self.pipelines.values())
        return f"{len(self.plan.units)} units, {away} devices away, {waiting} records wait"

    def _route(self, sample: Sample) -> None:
        self.pipelines[unit_of_device(sample.device)].take(sample)

    def _note_state(self, state: DeviceState) -> None:
        self.device_states[state.device] = state
        if state.up:
            log.info("device %s on line %s answers", state.device, state.line)
        else:
            log.warning(
                "device %s on line %s is away: %s: %s", state.device, state.line, state.reason, state.detail
            )
