"""The acquisition daemon: lines, pipelines and posters in one task group."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Callable
from typing import Final

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import Ledger, LedgerError
from doxedge.backends.remote import RemoteLedger
from doxedge.backends.service import ServiceManager
from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import DeviceState
from doxedge.gateway import numbering
from doxedge.gateway.alarm_desk import AlarmDesk, AskAcknowledge
from doxedge.gateway.alarm_watch import AlarmWatch, free_bytes
from doxedge.gateway.bodies import Provenance, firmware_text
from doxedge.gateway.clock_state import ClockReading, boot_id, read_clock
from doxedge.gateway.clock_watch import ClockWatch
from doxedge.gateway.line_progress import LineProgress
from doxedge.gateway.operator_door import SOCKET_NAME, Answers, Caller, OperatorDoor
from doxedge.gateway.pipeline import UnitPipeline, UnitStores
from doxedge.gateway.plant import longest_period_ms, make_lines, plan_units, unit_of_device
from doxedge.gateway.poster import Poster
from doxedge.gateway.record_check import RecordCheck
from doxedge.gateway.record_desk import Happening, UnitIdentity
from doxedge.gateway.sample_clerk import SampleClerk, answer_forever
from doxedge.gateway.settings import GatewaySettings
from doxedge.gateway.status import AskStatus, UnitStatus, gateway_as_dict
from doxedge.keystore.keys import open_signer
from doxedge.measurement.quality import Assessor
from doxedge.measurement.sample import Sample
from doxedge.quantity import DAY_MS
from doxedge.signing import algorithms, envelope
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer
from doxedge.store.alarms import AlarmStore
from doxedge.store.outbox import Outbox
from doxedge.store.samples import SampleSettings, SampleStore

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
STALLED_S: Final = 45.0
"""Real seconds without a turn of the flush loop after which the watchdog is no longer fed."""
AGREE_EVERY_S: Final = 2.0
"""Real seconds between two questions where the numbering stands, while the node does not answer."""


class Gateway:
    """Everything one gateway process holds. `run` lives until it is cancelled."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        source: str,
        clock: Clock,
        ledger: Ledger | None = None,
        service: ServiceManager | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Plan everything; raises ConfigError before anything is opened. `source` names the settings' file.

        `ledger` stands in for the node that the settings name; who gives it closes it.
        """
        self.settings, self.clock = settings, clock
        self.units = plan_units(settings, source=source, clock=clock)
        self.lines = make_lines(
            self.units, clock=clock, chance=chance, on_sample=self._route, on_state=self._note_state
        )
        self.pipelines: dict[str, UnitPipeline] = {}
        self.posters: dict[str, Poster] = {}
        self.clerks: dict[str, SampleClerk] = {}
        self.device_states: dict[str, DeviceState] = {}
        self._ledger, self._chance = ledger, chance
        self._service = service or ServiceManager(None)
        self._progress = LineProgress(
            self.lines, longest_period_ms=longest_period_ms(self.units), clock=clock
        )
        self._turned_s = clock.monotonic_s()

    async def run(self, *, started: Callable[[], None] | None = None) -> None:
        """Open the stores, measure and post until cancelled; what was measured is flushed before the end."""
        algorithms.self_test()
        signer = await asyncio.to_thread(open_signer, self.settings.key)
        folder = self.settings.state_dir / "gateway"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            outbox = await Outbox.open(folder / "outbox.db", now_ms=self.clock.now_ms)
            stack.push_async_callback(outbox.close)
            samples = await SampleStore.open(
                folder / "samples.db",
                now_ms=self.clock.now_ms,
                settings=SampleSettings(
                    bytes_max=self.settings.samples.budget_mb * 1024 * 1024,
                    keep_ms=self.settings.samples.retention_days * DAY_MS,
                ),
            )
            stack.push_async_callback(samples.close)
            alarms = await AlarmStore.open(folder / "alarms.db", now_ms=self.clock.now_ms())
            stack.push_async_callback(alarms.close)
            ledger = self._ledger
            if ledger is None:
                ledger = self._remote()
                stack.push_async_callback(ledger.close)
            stores = UnitStores(outbox, samples, folder)
            await self._prepare(stores, ledger, signer)
            desk = AlarmDesk(alarms, post=self._have_signed)
            await desk.restore(now_ms=self.clock.now_ms())
            if alarms.quarantined is not None:
                text = f"{alarms.quarantined.name} was moved aside and a fresh file begun"
                self._have_signed("", Happening("store.damaged", self.clock.now_ms(), text))
            await self._measure_and_post(stores, ledger, desk, signer, started)

    async def _prepare(self, stores: UnitStores, ledger: Ledger, signer: Signer) -> None:
        for unit in self.units:
            channel, source = bytes.fromhex(unit.table.channel), bytes.fromhex(unit.table.source)
            poster = Poster(
                channel=channel,
                source=source,
                outbox=stores.outbox,
                ledger=ledger,
                signer=signer,
                clock=self.clock,
                chance=self._chance,
            )
            pipeline = UnitPipeline(
                UnitIdentity(unit.table.name, channel, source, unit.devices),
                settings=unit.hour,
                assessor=Assessor(unit.assessment),
                provenance=Provenance(unit.profile_hash, unit.rules_hash, boot_id(), firmware_text()),
                stores=stores,
                seal=functools.partial(_seal, channel=channel, signer=signer),
                clock=self.clock,
                read_clock=self._read_clock,
                on_stored=poster.wake.set,
            )
            await pipeline.restore()
            for other in (stores.outbox.quarantined, stores.samples.quarantined):
                if other is not None:
                    pipeline.happened("store.damaged", f"{other.name} was moved aside and a fresh file begun")
            self.pipelines[unit.table.name] = pipeline
            self.posters[unit.table.name] = poster
            self.clerks[unit.table.name] = SampleClerk(
                pipeline.desk,
                samples=stores.samples,
                outbox=stores.outbox,
                ledger=ledger,
                folder=stores.folder,
            )

    async def _measure_and_post(
        self,
        stores: UnitStores,
        ledger: Ledger,
        desk: AlarmDesk,
        signer: Signer,
        started: Callable[[], None] | None,
    ) -> None:
        outbox, samples = stores.outbox, stores.samples
        records = RecordCheck(outbox, signer)
        answers = Answers()
        answers.add(AskStatus, functools.partial(self._status, stores, desk, signer, self.clock.now_ms()))
        answers.add(AskAcknowledge, desk.answer)
        door = OperatorDoor(stores.folder / SOCKET_NAME, answers, now_ms=self.clock.now_ms)
        try:
            async with asyncio.TaskGroup() as group:
                for line in self.lines:
                    group.create_task(line.run(), name=f"line {line.name}")
                for unit, poster in self.posters.items():
                    group.create_task(
                        self._number_and_post(unit, poster, outbox, ledger), name=f"poster {unit}"
                    )
                group.create_task(self._flush_forever(), name="flush")
                group.create_task(self._close_forever(), name="hours")
                group.create_task(records.run(), name="records on the disk")
                group.create_task(self._alarms_forever(stores, desk, records), name="alarms")
                group.create_task(door.serve(), name="operator door")
                group.create_task(self._live_forever(ledger), name="live")
                group.create_task(answer_forever(self.clerks, self.clock), name="answers")
                group.create_task(self._prune_forever(outbox, samples), name="prune")
                group.create_task(self._watchdog_forever(), name="watchdog")
                log.info("measuring %d units over %d lines", len(self.units), len(self.lines))
                self._service.ready(f"measuring {len(self.units)} units")
                if started is not None:
                    started()
        finally:
            self._service.stopping()
            for pipeline in self.pipelines.values():
                await pipeline.flush()

    async def _number_and_post(self, unit: str, poster: Poster, outbox: Outbox, ledger: Ledger) -> None:
        """First agree on the next number, then post for ever."""
        agree = functools.partial(
            numbering.agree, outbox, ledger, channel=poster.channel, source=poster.source,
            on_conflict=poster.note_suspended,
        )  # fmt: skip
        while not await agree():  # noqa: ASYNC110 - it is the node that is asked again
            await asyncio.sleep(AGREE_EVERY_S)
        pipeline = self.pipelines[unit]
        pipeline.desk.numbered = True
        await pipeline.close_hours()
        await poster.run()

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

    def _have_signed(self, subject: str, happening: Happening) -> None:
        """Into the records of the unit that it is about; what concerns the machine, into those of every unit."""
        unit = unit_of_device(subject)
        for name, pipeline in self.pipelines.items():
            if unit in ("", name):
                pipeline.desk.hand_in([happening])

    def _read_clock(self) -> ClockReading:
        return read_clock() if self.clock.speed == 1 else ClockReading("simulated", 0)

    def _remote(self) -> RemoteLedger:
        node = self.settings.node
        return RemoteLedger(
            NodeAddress.parse(node.url, token_file=node.token_file), answer_timeout_ms=node.timeout_ms
        )

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(max(0.02, self.settings.group_commit_ms / 1_000))
            # Together, so that they share a commit: one after the other each would wait for a flush of its own.
            async with asyncio.TaskGroup() as group:
                for unit, pipeline in self.pipelines.items():
                    group.create_task(pipeline.flush(), name=f"samples of {unit}")
            self._turned_s = self.clock.monotonic_s()

    async def _close_forever(self) -> None:
        watch = ClockWatch(self.clock)
        while True:
            await self.clock.sleep(max(CLOSE_EVERY_S, CLOSE_REAL_S_MIN * self.clock.speed))
            step_ms = watch.step_ms()
            if step_ms:
                log.warning("the clock was set by %d ms", step_ms)
            for pipeline in self.pipelines.values():
                if step_ms:
                    pipeline.happened("clock.step", f"the clock was set by {step_ms} ms")
                await pipeline.close_hours()

    async def _alarms_forever(self, stores: UnitStores, desk: AlarmDesk, records: RecordCheck) -> None:
        watch = AlarmWatch(
            desk,
            units=self.units,
            pipelines=self.pipelines,
            posters=self.posters,
            device_states=self.device_states,
            progress=self._progress,
            outbox=stores.outbox,
            samples=stores.samples,
            folder=stores.folder,
            records=records,
            clock=self.clock,
            read_clock=self._read_clock,
        )
        await watch.begin()
        while True:
            await self.clock.sleep(max(CLOSE_EVERY_S, ALARMS_REAL_S_MIN * self.clock.speed))
            await watch.look()

    async def _status(
        self,
        stores: UnitStores,
        desk: AlarmDesk,
        signer: Signer,
        started_ms: int,
        asked: AskStatus,
        caller: Caller,
    ) -> dict[str, object]:
        """How everything is now. Raises StoreError."""
        units = []
        for planned in self.units:
            pipeline, poster = self.pipelines[planned.table.name], self.posters[planned.table.name]
            units.append(
                UnitStatus(
                    unit=planned.table.name,
                    running=pipeline.is_running,
                    hour=pipeline.running_hour(),
                    latest=pipeline.latest,
                    devices=planned.devices,
                    device_states=self.device_states,
                    queue=await stores.outbox.queue(poster.channel, poster.source),
                    poster=poster.state,
                    numbered=pipeline.desk.numbered,
                    waiting=pipeline.desk.waiting,
                )
            )
        status = gateway_as_dict(
            units,
            now_ms=caller.at_ms,
            started_ms=started_ms,
            firmware=firmware_text(),
            key_id=signer.key_id,
            clock=self._read_clock(),
            disk_free_bytes=free_bytes(stores.folder),
            alarms=await desk.wanting(),
        )
        return {asked.ask: status}

    async def _live_forever(self, ledger: Ledger) -> None:
        while True:
            await asyncio.sleep(LIVE_EVERY_S)
            try:
                for unit, pipeline in self.pipelines.items():
                    await ledger.put_live(unit, pipeline.live())
            except LedgerError as error:
                log.debug("the status page gets no live value: %s", error)

    async def _prune_forever(self, outbox: Outbox, samples: SampleStore) -> None:
        while True:
            await asyncio.sleep(PRUNE_EVERY_S)
            await outbox.prune()
            await samples.prune()

    async def _watchdog_forever(self) -> None:
        """Feed the watchdog only while every line delivers and samples reach the disk."""
        while True:
            await asyncio.sleep(self._service.watchdog_s or WATCHDOG_EVERY_S)
            stalled = self._progress.stalled()
            if stalled:
                log.error("no progress on line %s", ", ".join(stalled))
            elif self.clock.monotonic_s() - self._turned_s < STALLED_S:
                away = sum(not state.up for state in self.device_states.values())
                waiting = sum(pipeline.desk.waiting for pipeline in self.pipelines.values())
                self._service.alive(f"{len(self.units)} units, {away} devices away, {waiting} records wait")


def _seal(record: Record, *, channel: bytes, signer: Signer) -> envelope.Envelope:
    return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=signer)
