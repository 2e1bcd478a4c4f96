"""One unit: samples come in from the lines, closed hours go out to the desk that signs them.

Order of duties, so that a power cut at any instant loses nothing that was acknowledged:

    (1) samples are on the disk before their hour closes
    (2) the hour is in the outbox, signed, before the unit's memory says that it is closed
    (3) a restart reads the memory, feeds the stored samples of the open hours again, and goes on
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from doxedge.fieldbus.clock import Clock
from doxedge.gateway import sample_rows
from doxedge.gateway.bodies import Provenance
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.gap_causes import GapCauses
from doxedge.gateway.record_desk import Happening, RecordDesk, UnitIdentity
from doxedge.gateway.unit_memory import UnitMemory, read_memory, write_memory
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.hour import Carry, ClockJump, HourAssembler, HourSettings, RunningHour
from doxedge.measurement.quality import Assessor, ClockState, clock_state
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Sample
from doxedge.quantity import HOUR_MS
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record
from doxedge.store.errors import Kind, StoreError
from doxedge.store.outbox import Outbox
from doxedge.store.rows import SampleRow
from doxedge.store.samples import SampleStore

log = logging.getLogger(__name__)

QUEUE_SAMPLES: Final = 20_000
"""Samples waiting for the disk: ten minutes of ten instruments at 300 ms. Beyond it the oldest are dropped, loudly."""

LAST_WRITE_S: Final = 5.0
"""A stopping gateway waits so long for a write that has begun."""


@dataclass(frozen=True, slots=True)
class UnitStores:
    """What a pipeline writes to."""

    outbox: Outbox
    samples: SampleStore
    folder: Path
    """Where each unit's memory lies."""


class QualityAssurance(Protocol):
    """Who knows which monitors are in control (`qa_desk`)."""

    def standing(self, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """The readings, those out of control made bad."""
        ...

    def see(self, readings: Iterable[Reading]) -> None:
        """New readings of this moment."""
        ...


class UnitPipeline:
    """Assesses, keeps and averages for one unit."""

    def __init__(
        self,
        identity: UnitIdentity,
        *,
        settings: HourSettings,
        assessor: Assessor,
        provenance: Provenance,
        stores: UnitStores,
        seal: Callable[[Record], Envelope],
        clock: Clock,
        read_clock: Callable[[], ClockReading],
        on_stored: Callable[[], None],
        quality: QualityAssurance | None = None,
    ) -> None:
        """`seal` signs; `on_stored` is called when a new record is durable; `quality` None: nothing is checked."""
        self.identity = identity
        self.latest: dict[str, Reading] = {}
        self._flags: dict[tuple[str, str], frozenset[str]] = {}
        self.dropped_samples = 0
        self._settings, self._assessor, self._provenance = settings, assessor, provenance
        self._samples, self._memory_file = stores.samples, stores.folder / f"{identity.unit}.memory.json"
        self._clock, self._read_clock = clock, read_clock
        self._quality = quality
        self._causes = GapCauses(settings.emission.measured)
        self.desk = RecordDesk(
            identity,
            provenance=provenance,
            outbox=stores.outbox,
            samples=stores.samples,
            seal=seal,
            now_ms=clock.now_ms,
            read_clock=read_clock,
            gap_cause=self._causes.cause,
            on_stored=on_stored,
        )
        self._queue: list[SampleRow] = []
        self._flushing = asyncio.Lock()
        self._closing = asyncio.Lock()
        self._assembler: HourAssembler | None = None
        self._unsaved = False
        self._running = True
        self._jump: str | None = None
        self._disk_trouble = False
        self._dropped = 0
        self._told_dropped_ms = -HOUR_MS
        self._clock_state = _state_of(read_clock())

    async def restore(self) -> None:
        """Continue where the last run stopped, and tell the desk what is new about this run."""
        memory = await asyncio.to_thread(read_memory, self._memory_file)
        now_ms = self._clock.now_ms()
        if memory is None:
            self._assembler = HourAssembler(self._settings, start_ms=now_ms)
            await self._save()
        else:
            self._assembler = HourAssembler(
                self._settings, start_ms=memory.carry.next_start_ms, carry=memory.carry
            )
            again = await self._feed_again(memory.carry, now_ms)
            log.info(
                "unit %s: continues at hour %d with %d stored samples",
                self.identity.unit,
                memory.carry.next_start_ms,
                again,
            )
        self.desk.hand_in(self._first_words(memory, now_ms))

    def take(self, sample: Sample) -> None:
        """A sample from a line: judge it, give it to the running hour, queue it for the disk. Never waits."""
        readings = self._judge(sample)
        if self._quality is not None:
            self._quality.see(readings)
        # Groups of a device are polled apart; the first value names the group.
        self._flags[sample.device, next(iter(sample.values), "")] = sample.flags
        if self._assembler is not None:
            self._assembler.add(readings)
        if len(self._queue) >= QUEUE_SAMPLES:
            self.dropped_samples += QUEUE_SAMPLES // 10
            del self._queue[: QUEUE_SAMPLES // 10]
            log.error("unit %s: the disk is too slow, raw samples were dropped", self.identity.unit)
        self._queue.append(SampleRow(sample.device, sample.at_ms, sample_rows.pack(sample)))

    async def flush(self) -> int:
        """Write the queued samples. On a full disk the oldest raw samples make room, and what does not fit stays."""
        async with self._flushing:
            rows, self._queue = self._queue, []
            if not rows:
                return 0
            writing = asyncio.create_task(self._append(rows), name=f"samples of {self.identity.unit}")
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # What the disk has begun is waited for: written once more it would be two leaves of the hour.
                await asyncio.wait({writing}, timeout=LAST_WRITE_S)
                raise
            except StoreError as error:
                self._queue = rows + self._queue
                if error.kind not in (Kind.FULL, Kind.BUDGET):
                    raise
                if not self._disk_trouble:
                    log.error("unit %s: %d samples wait: %s", self.identity.unit, len(self._queue), error)
                self._disk_trouble = True
                return 0
            self._disk_trouble = False
            return len(rows)

    async def close_hours(self) -> int:
        """Close what is due, and sign what waits. Returns how many records are new and durable.

        One at a time: between closing and signing, another would remember as closed what is not signed yet.
        """
        if self._assembler is None:
            return 0
        async with self._closing:
            return await self._close_hours(self._assembler)

    async def _close_hours(self, assembler: HourAssembler) -> int:
        self._clock_state = _state_of(self._read_clock())
        closed = self._due(assembler)
        if closed:
            self._unsaved = True
            await self.flush()  # duty (1)
            self.desk.hand_in(closed)
        await self._tell_dropped()
        new = await self.desk.sign()
        if self._unsaved and not self.desk.waiting:
            await self._save()  # duty (2)
        return new

    def happened(self, code: str, text: str) -> None:
        """Have it signed, with the next hours that close, that something happened now."""
        self.desk.hand_in([Happening(code, self._clock.now_ms(), text)])

    def hand_in(self, happenings: Iterable[Happening]) -> None:
        """Have these signed with the next hours that close."""
        self.desk.hand_in(happenings)

    def calibration(self, at_ms: int, *, passed: bool) -> None:
        """A check of something that the mass needs was judged."""
        if self._assembler is not None:
            self._assembler.calibration(at_ms, passed=passed)

    @property
    def open_from_ms(self) -> int:
        """The first hour that is not closed."""
        return 0 if self._assembler is None else self._assembler.carry.next_start_ms

    def running_hour(self) -> RunningHour | None:
        """The hour that is being measured, for the status page."""
        return None if self._assembler is None else self._assembler.preview(self._clock.now_ms())

    @property
    def is_running(self) -> bool:
        """Whether the unit runs, by its operating signal; true where nobody can say."""
        return self._running

    def live(self) -> Mapping[str, object]:
        """What the status page shows; not signed, not stored."""
        running = self.running_hour()
        values = {name: None if r.value is None else str(r.value) for name, r in sorted(self.latest.items())}
        qualities = {reading.quality for reading in self.latest.values()}
        worst = next((q for q in (Quality.BAD, Quality.UNCERTAIN) if q in qualities), Quality.GOOD)
        return {
            "at_ms": max((r.at_ms for r in self.latest.values()), default=0),
            "hour_start_ms": running.start_ms if running else 0,
            "minutes_valid": running.minutes_valid if running else 0,
            "nox_g_running": running.nox_g if running else None,
            "values": values,
            "quality": worst.value if qualities else Quality.BAD.value,
            "flags": sorted(frozenset().union(*self._flags.values())),
        }

    def _judge(self, sample: Sample) -> tuple[Reading, ...]:
        readings = self._assessor.assess(sample, clock=self._clock_state, running=self._running)
        if self._quality is not None:
            readings = self._quality.standing(readings)
        operating = self._settings.operating
        for reading in readings:
            self.latest[reading.quantity] = reading
            if reading.quality is Quality.BAD:
                self._causes.note(reading)
            if operating is not None and reading.quantity == operating.quantity:
                self._note_running(reading)
        return readings

    def _note_running(self, reading: Reading) -> None:
        """Whether a value that stands still is suspicious; between the thresholds nothing changes."""
        operating = self._settings.operating
        self._running = operating is None or operating.runs_now(reading.value, before=self._running)

    def _due(self, assembler: HourAssembler) -> tuple[HourRecord | HourGap, ...]:
        try:
            closed = assembler.close(self._clock.now_ms())
        except ClockJump as jump:
            if self._jump is None:
                log.error(
                    "unit %s: %s; correct the clock, or stop the gateway and delete %s to begin anew",
                    self.identity.unit,
                    jump,
                    self._memory_file,
                )
            self._jump = str(jump)
            return ()
        self._jump = None
        return closed

    async def _append(self, rows: list[SampleRow]) -> None:
        try:
            await self._samples.append(rows)
        except StoreError as error:
            if error.kind is not Kind.FULL or not await self.desk.make_room():
                raise
            await self._samples.append(rows)

    async def _tell_dropped(self) -> None:
        """Have it signed that raw samples were given up: at once, and then once an hour while it goes on."""
        now_ms, dropped = self._clock.now_ms(), self._samples.counters.dropped
        if dropped == self._dropped or abs(now_ms - self._told_dropped_ms) < HOUR_MS:
            return
        tombstones = await self._samples.dropped()
        if tombstones:
            samples = sum(tombstone.samples for tombstone in tombstones)
            to_ms = max(tombstone.to_ms for tombstone in tombstones)
            text = f"{samples} raw samples up to {to_ms} were dropped for lack of room, all told"
            self.desk.hand_in([Happening("samples.dropped", now_ms, text, key=str(samples))])
        self._dropped, self._told_dropped_ms = dropped, now_ms

    async def _feed_again(self, carry: Carry, now_ms: int) -> int:
        """The stored samples of the hours that are not closed. Those of one restart fit in memory: they did before."""
        assembler, after, again = self._assembler, 0, 0
        while assembler is not None:
            rows = await self._samples.between(
                carry.next_start_ms, now_ms + HOUR_MS, devices=self.identity.devices, after=after
            )
            if not rows:
                break
            for row in rows:
                assembler.add(self._judge(sample_rows.unpack(row.device, row.at_ms, row.raw)))
                after = row.row_id
            again += len(rows)
        return again

    def _first_words(self, memory: UnitMemory | None, now_ms: int) -> list[Happening]:
        """What a regulator wants to know about a new run of the gateway."""
        made_by = self._provenance
        words = [Happening("gateway.start", now_ms, f"{made_by.firmware}, boot {made_by.boot_id.hex()}")]
        if memory is None:
            return words
        for code, before, now in (
            ("profile.changed", memory.profile_hash, made_by.profile_hash),
            ("rules.changed", memory.rules_hash, made_by.rules_hash),
        ):
            if before != now:
                words.append(Happening(code, now_ms, f"{before.hex()} was replaced by {now.hex()}"))
                self._unsaved = True
        return words

    async def _save(self) -> None:
        if self._assembler is None:
            return
        memory = UnitMemory(self._assembler.carry, self._provenance.profile_hash, self._provenance.rules_hash)
        try:
            await asyncio.to_thread(write_memory, self._memory_file, memory)
        except OSError as error:
            # A restart closes these hours again from the samples, under the same keys: nothing is lost or doubled.
            log.error("unit %s: its memory cannot be written: %s", self.identity.unit, error)
            self._unsaved = True
            return
        self._unsaved = False


def _state_of(reading: ClockReading) -> ClockState:
    if reading.state == "unknown":
        return ClockState.UNKNOWN
    return clock_state(reading.offset_ms)
