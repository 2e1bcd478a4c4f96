"""The acquisition daemon: what is measured, and what keeps watch over it, in one task group."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final

from doxedge.backends.port import Ledger, LedgerError
from doxedge.backends.service import ServiceManager
from doxedge.fieldbus.clock import Clock
from doxedge.gateway.alarm_desk import AlarmDesk, AskAcknowledge
from doxedge.gateway.alarm_watch import AlarmWatch, free_bytes
from doxedge.gateway.bodies import firmware_text
from doxedge.gateway.clock_watch import ClockWatch
from doxedge.gateway.configuration_file import FILE_NAME, read_kept, write_kept
from doxedge.gateway.equipment import Equipment, open_equipment
from doxedge.gateway.manual_entries import FILE, ManualEntries
from doxedge.gateway.manual_office import AskConfirm, AskEntries, AskPropose, ManualOffice
from doxedge.gateway.measuring import Measuring
from doxedge.gateway.meter_exchange import AskMeterExchange
from doxedge.gateway.operator_door import SOCKET_NAME, Answers, Caller, OperatorDoor
from doxedge.gateway.plan import Plan
from doxedge.gateway.qa_office import AskCalibrate, AskCheck, AskStop
from doxedge.gateway.qa_tests import AskEnter, AskEvent
from doxedge.gateway.record_check import RecordCheck
from doxedge.gateway.reload import AskReload, Reloader
from doxedge.gateway.retention import forget_old
from doxedge.gateway.sample_clerk import answer_forever
from doxedge.gateway.sample_queue import flush_is_due
from doxedge.gateway.start import Start, begin
from doxedge.gateway.status import AskStatus, gateway_as_dict
from doxedge.signing import algorithms

log = logging.getLogger(__name__)

CLOSE_EVERY_S: Final = 5.0
"""Plant seconds between two looks at whether an hour is due, and whether the clock was set."""
CLOSE_REAL_S_MIN: Final = 0.02
"""Real seconds between two such looks, where plant time is compressed."""
ALARMS_REAL_S_MIN: Final = 0.25
"""Real seconds between two looks at the alarms, where plant time is compressed."""
LIVE_EVERY_S: Final = 2.0
"""Real seconds between two unsigned live values for the status page."""
PRUNE_EVERY_S: Final = 3600.0
WATCHDOG_EVERY_S: Final = 10.0
"""Where the service manager does not say how often it wants to hear of us."""
FLUSH_LOOK_S: Final = 0.2
STALLED_S: Final = 45.0
"""Real seconds without a turn of the flush loop after which the watchdog is no longer fed."""


class Gateway:
    """One gateway process. `run` lives until it is cancelled."""

    def __init__(
        self,
        plan: Plan,
        *,
        clock: Clock,
        ledger: Ledger | None = None,
        service: ServiceManager | None = None,
        chance: Callable[[], float] = random.random,
        read: Callable[[], Plan] | None = None,
    ) -> None:
        """Nothing is opened yet. `ledger` stands in for the node that the plan names; who gives it closes it.

        `read` reads the plan anew for a reload, and raises ConfigError; None: nothing can change.
        """
        self.clock = clock
        self.measuring = Measuring(plan, clock=clock, chance=chance)
        self._chance, self._read = chance, read or (lambda: plan)
        self._hung_up = False
        self._reloader: Reloader | None = None
        self._ledger, self._service = ledger, service or ServiceManager(None)
        self._turned_s = clock.monotonic_s()

    async def run(self, *, started: Callable[[], None] | None = None) -> None:
        """Open the stores, measure and post until cancelled; what was measured is flushed before the end."""
        algorithms.self_test()
        plan = self.measuring.plan
        async with open_equipment(plan.settings, clock=self.clock, ledger=self._ledger) as equipment:
            start = await self._begin(plan, equipment)
            desk = AlarmDesk(equipment.alarms, post=self.measuring.have_signed)
            await desk.restore(now_ms=self.clock.now_ms())
            if names := ", ".join(equipment.quarantined):
                # One event: what happens at one instant under one code is one happening.
                self.measuring.happened("store.damaged", f"moved aside, and begun afresh: {names}")
            reloader = Reloader(
                self.measuring, equipment, start=start, read=self._read, service=self._service
            )
            self._reloader = reloader
            if self._hung_up:
                reloader.hang_up()
            await self._measure_and_watch(equipment, desk, reloader, started)

    def hang_up(self) -> None:
        """SIGHUP: take up what stands in the configuration's files."""
        self._hung_up = True
        if self._reloader is not None:
            self._reloader.hang_up()

    async def _begin(self, plan: Plan, equipment: Equipment) -> Start:
        """Take up what the last run left: its hours, and a change that is still to come."""
        path = equipment.folder / FILE_NAME
        start = begin(await asyncio.to_thread(read_kept, path), plan, clock=self.clock)
        try:
            await asyncio.to_thread(write_kept, path, start.kept)
        except OSError as error:
            log.error("%s cannot be written: %s", path, error)
        if start.plan is not plan:
            self.measuring = Measuring(start.plan, clock=self.clock, chance=self._chance)
        await self.measuring.restore(equipment, before=start.before, configuration=start.kept.in_force)
        return start

    async def _measure_and_watch(
        self,
        equipment: Equipment,
        desk: AlarmDesk,
        reloader: Reloader,
        started: Callable[[], None] | None,
    ) -> None:
        records = RecordCheck(equipment.outbox, equipment.signer)
        manual = await self._manual_office(equipment)
        answers = self._answers(equipment, desk, reloader, manual)
        door = OperatorDoor(equipment.folder / SOCKET_NAME, answers, now_ms=self.clock.now_ms)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.measuring.run(equipment), name="measuring")
                group.create_task(reloader.run(), name="configuration")
                group.create_task(self._flush_forever(reloader), name="flush")
                group.create_task(self._close_forever(), name="hours")
                group.create_task(records.run(), name="records on the disk")
                group.create_task(self._alarms_forever(equipment, desk, records, reloader), name="alarms")
                group.create_task(door.serve(), name="operator door")
                group.create_task(self._live_forever(equipment.ledger), name="live")
                group.create_task(answer_forever(self.measuring.clerks, self.clock), name="answers")
                group.create_task(self._prune_forever(equipment), name="prune")
                group.create_task(self._watchdog_forever(), name="watchdog")
                self._service.ready(f"measuring {len(self.measuring.plan.units)} units")
                if started is not None:
                    started()
        finally:
            self._service.stopping()
            for pipeline in self.measuring.pipelines.values():
                await pipeline.flush()

    def _answers(
        self, equipment: Equipment, desk: AlarmDesk, reloader: Reloader, manual: ManualOffice
    ) -> Answers:
        """What may be asked at the operators' door."""
        answers = Answers()
        answers.add(AskStatus, functools.partial(self._status, equipment, desk, self.clock.now_ms()))
        answers.add(AskAcknowledge, desk.answer)
        answers.add(AskCalibrate, self._calibrate)
        answers.add(AskStop, self._stop)
        answers.add(AskCheck, self._check)
        answers.add(AskEnter, self._enter)
        answers.add(AskEvent, self._event)
        answers.add(AskMeterExchange, self._exchange_meter)
        answers.add(AskPropose, manual.propose)
        answers.add(AskConfirm, manual.confirm)
        answers.add(AskEntries, manual.listed)
        answers.add(AskReload, reloader.answer)
        return answers

    async def _manual_office(self, equipment: Equipment) -> ManualOffice:
        """Who keeps hours that are entered by hand, with what an earlier run has left."""
        office = ManualOffice(
            await ManualEntries.open(equipment.folder / FILE),
            pipelines=lambda: self.measuring.pipelines,
            hours=equipment.hours,
            outbox=equipment.folder / "outbox.db",
        )
        await office.hand_in_again()
        return office

    async def _calibrate(self, asked: AskCalibrate, caller: Caller) -> Mapping[str, object]:
        """By whoever measures now. Raises Refusal, StoreError."""
        return await self.measuring.quality.calibrate(asked, caller)

    async def _stop(self, asked: AskStop, caller: Caller) -> Mapping[str, object]:
        return await self.measuring.quality.stop(asked, caller)

    async def _check(self, asked: AskCheck, caller: Caller) -> Mapping[str, object]:
        return await self.measuring.quality.check(asked, caller)

    async def _enter(self, asked: AskEnter, caller: Caller) -> Mapping[str, object]:
        return await self.measuring.quality.enter(asked, caller)

    async def _event(self, asked: AskEvent, caller: Caller) -> Mapping[str, object]:
        return await self.measuring.quality.event(asked, caller)

    async def _exchange_meter(self, asked: AskMeterExchange, caller: Caller) -> Mapping[str, object]:
        return await self.measuring.exchange_meter(asked, caller)

    async def _flush_forever(self, reloader: Reloader) -> None:
        """Together, and not often: each commit writes whole pages, whatever it holds, and flash wears out by pages."""
        waited_s = 0.0
        while True:
            patience_s = reloader.wanted.settings.group_commit_ms / 1_000
            look_every_s = min(max(0.02, patience_s), FLUSH_LOOK_S)
            await asyncio.sleep(look_every_s)
            waited_s += look_every_s
            queued_bytes = self.measuring.queued_bytes
            if flush_is_due(waited_s=waited_s, patience_s=patience_s, queued_bytes=queued_bytes):
                await self.measuring.flush()
                waited_s = 0.0
            self._turned_s = self.clock.monotonic_s()

    async def _close_forever(self) -> None:
        watch = ClockWatch(self.clock)
        while True:
            await self.clock.sleep(max(CLOSE_EVERY_S, CLOSE_REAL_S_MIN * self.clock.speed))
            step_ms = watch.step_ms()
            if step_ms:
                log.warning("the clock was set by %d ms", step_ms)
                self.measuring.happened("clock.step", f"the clock was set by {step_ms} ms")
            await self.measuring.close_hours()

    async def _alarms_forever(
        self, equipment: Equipment, desk: AlarmDesk, records: RecordCheck, reloader: Reloader
    ) -> None:
        watch = AlarmWatch(
            desk,
            units=lambda: self.measuring.plan.units,
            pipelines=self.measuring.pipelines,
            posters=self.measuring.posters,
            device_states=self.measuring.device_states,
            progress=self.measuring.progress,
            outbox=equipment.outbox,
            samples=equipment.samples,
            folder=equipment.folder,
            records=records,
            clock=self.clock,
            read_clock=equipment.read_clock,
            monitors=self.measuring.quality.facts,
            refused=lambda: reloader.refused,
        )
        watched: Plan | None = None
        try:
            while True:
                if watched is not self.measuring.plan:
                    watched = self.measuring.plan
                    await watch.begin()
                await self.clock.sleep(max(CLOSE_EVERY_S, ALARMS_REAL_S_MIN * self.clock.speed))
                await watch.look()
        finally:
            watch.end()

    async def _status(
        self, equipment: Equipment, desk: AlarmDesk, started_ms: int, asked: AskStatus, caller: Caller
    ) -> dict[str, object]:
        """How everything is now. Raises StoreError."""
        measuring = self.measuring
        status = gateway_as_dict(
            [await measuring.unit_status(planned, equipment) for planned in measuring.plan.units],
            now_ms=caller.at_ms,
            started_ms=started_ms,
            firmware=firmware_text(),
            key_id=equipment.signer.key_id,
            clock=equipment.read_clock(),
            disk_free_bytes=free_bytes(equipment.folder),
            alarms=await desk.wanting(),
            change_ms=None if self._reloader is None else self._reloader.coming_ms,
        )
        return {asked.ask: status}

    async def _live_forever(self, ledger: Ledger) -> None:
        while True:
            await asyncio.sleep(LIVE_EVERY_S)
            try:
                for unit, pipeline in list(self.measuring.pipelines.items()):
                    await ledger.put_live(unit, pipeline.live())
            except LedgerError as error:
                log.debug("the status page gets no live value: %s", error)

    async def _prune_forever(self, equipment: Equipment) -> None:
        while True:
            await asyncio.sleep(PRUNE_EVERY_S)
            await forget_old(
                equipment,
                [clerk.identity for clerk in self.measuring.clerks.values()],
                retention_days=self.measuring.plan.settings.samples.retention_days,
            )

    async def _watchdog_forever(self) -> None:
        """Feed the watchdog only while every line delivers and samples reach the disk."""
        while True:
            await asyncio.sleep(self._service.watchdog_s or WATCHDOG_EVERY_S)
            stalled = self.measuring.progress.stalled()
            if stalled:
                log.error("no progress on line %s", ", ".join(stalled))
            elif self.clock.monotonic_s() - self._turned_s < STALLED_S:
                self._service.alive(self.measuring.summary())
