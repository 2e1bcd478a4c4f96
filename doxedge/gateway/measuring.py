"""What is measured now: the units of a plan, each with its pipeline, poster and clerk, and the lines they share."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Final

from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import DeviceState
from doxedge.gateway import numbering
from doxedge.gateway.equipment import Equipment
from doxedge.gateway.line_plan import make_line
from doxedge.gateway.line_progress import LineProgress
from doxedge.gateway.meter_exchange import AskMeterExchange, NotExchanged, said_by, shown
from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.gateway.pipeline import UnitPipeline, UnitStores
from doxedge.gateway.plan import Plan
from doxedge.gateway.plant import PlannedUnit, longest_period_ms, unit_of_device
from doxedge.gateway.poster import Poster
from doxedge.gateway.qa_office import QaOffice
from doxedge.gateway.record_desk import Happening, UnitIdentity
from doxedge.gateway.sample_clerk import SampleClerk
from doxedge.gateway.status import UnitStatus
from doxedge.gateway.unit_setup import setup_of
from doxedge.measurement.sample import Sample
from doxedge.signing import envelope
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer

log = logging.getLogger(__name__)

AGREE_EVERY_S: Final = 2.0
"""Real seconds between two questions where the numbering stands, while the node does not answer."""


class Measuring:
    """Runs one plan. The tables are shared with whoever looks at the plant; they are filled by `restore`."""

    def __init__(self, plan: Plan, *, clock: Clock, chance: Callable[[], float]) -> None:
        """Nothing runs yet."""
        self.plan = plan
        self.pipelines: dict[str, UnitPipeline] = {}
        self.posters: dict[str, Poster] = {}
        self.clerks: dict[str, SampleClerk] = {}
        self.device_states: dict[str, DeviceState] = {}
        self.quality = QaOffice(clock=clock, command=self._command)
        self._clock, self._chance = clock, chance
        self.lines = [
            make_line(line, clock=clock, chance=chance, on_sample=self._route, on_state=self._note_state)
            for line in plan.lines
        ]
        self.progress = LineProgress(self.lines, longest_period_ms=longest_period_ms(plan.units), clock=clock)

    async def restore(self, equipment: Equipment) -> None:
        """Every unit goes on where its last run stopped. Raises StoreError."""
        for planned in self.plan.units:
            await self._add_unit(planned, equipment)

    async def run(self, equipment: Equipment) -> None:
        """Poll every line and post every unit's records until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for line in self.lines:
                    group.create_task(line.run(), name=f"line {line.name}")
                for unit in self.posters:
                    group.create_task(self._number_and_post(unit, equipment), name=f"poster {unit}")
                group.create_task(self.quality.run(), name="quality assurance")
                log.info("measuring %d units over %d lines", len(self.plan.units), len(self.lines))
        finally:
            await self.quality.put_back()
            for line in self.lines:
                await line.close()

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
            running=pipeline.is_running,
            hour=pipeline.running_hour(),
            latest=pipeline.latest,
            devices=planned.devices,
            device_states=self.device_states,
            queue=await equipment.outbox.queue(poster.channel, poster.source),
            poster=poster.state,
            numbered=pipeline.desk.numbered,
            waiting=pipeline.desk.waiting,
            monitors=self.quality.standings(planned.table.name),
            available=pipeline.missing_data.outlook,
        )

    def summary(self) -> str:
        """One line for the service manager."""
        away = sum(not state.up for state in self.device_states.values())
        waiting = sum(pipeline.desk.waiting for pipeline in self.pipelines.values())
        return f"{len(self.plan.units)} units, {away} devices away, {waiting} records wait"

    async def _add_unit(self, planned: PlannedUnit, equipment: Equipment) -> None:
        unit = planned.table.name
        channel, source = bytes.fromhex(planned.table.channel), bytes.fromhex(planned.table.source)
        poster = Poster(
            channel=channel,
            source=source,
            outbox=equipment.outbox,
            ledger=equipment.ledger,
            signer=equipment.signer,
            clock=self._clock,
            chance=self._chance,
        )
        checks = await self.quality.open_desk(planned, equipment.qa)
        pipeline = UnitPipeline(
            UnitIdentity(unit, channel, source),
            setup=setup_of(planned),
            stores=UnitStores(equipment.outbox, equipment.samples, equipment.hours, equipment.folder),
            seal=functools.partial(seal_record, channel=channel, signer=equipment.signer),
            clock=self._clock,
            read_clock=equipment.read_clock,
            on_stored=poster.wake.set,
            quality=checks,
        )
        await pipeline.restore()
        if checks is not None:
            await checks.begin(pipeline, open_from_ms=pipeline.open_from_ms)
        self.pipelines[unit], self.posters[unit] = pipeline, poster
        self.clerks[unit] = SampleClerk(
            pipeline.desk,
            samples=equipment.samples,
            outbox=equipment.outbox,
            ledger=equipment.ledger,
            folder=equipment.folder,
        )

    async def _number_and_post(self, unit: str, equipment: Equipment) -> None:
        """First agree on the next number, then post for ever."""
        poster, pipeline = self.posters[unit], self.pipelines[unit]
        agree = functools.partial(
            numbering.agree, equipment.outbox, equipment.ledger, channel=poster.channel, source=poster.source,
            on_conflict=poster.note_suspended,
        )  # fmt: skip
        while not await agree():  # noqa: ASYNC110 - it is the node that is asked again
            await asyncio.sleep(AGREE_EVERY_S)
        pipeline.desk.numbered = True
        await pipeline.close_hours()
        await poster.run()

    def _route(self, sample: Sample) -> None:
        self.pipelines[unit_of_device(sample.device)].take(sample)

    async def _command(self, device: str, command: str) -> str | None:
        """Have an instrument take a command of its map; None when it took it, else what went wrong."""
        for line in self.lines:
            if device in line.counters:
                return await line.tell(device, command)
        return f"{device} is on no line"

    def _note_state(self, state: DeviceState) -> None:
        self.device_states[state.device] = state
        if state.up:
            log.info("device %s on line %s answers", state.device, state.line)
        else:
            log.warning(
                "device %s on line %s is away: %s: %s", state.device, state.line, state.reason, state.detail
            )


def seal_record(record: Record, *, channel: bytes, signer: Signer) -> envelope.Envelope:
    """A record of this gateway, signed for its channel."""
    return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=signer)
