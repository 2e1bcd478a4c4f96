"""One unit: samples come in from the lines, closed hours go out to the desk that signs them.

Order of duties, so that a power cut at any instant loses nothing that was acknowledged:

    (1) samples are on the disk before their hour closes
    (2) the hour is in the outbox, signed, and in the history, before the unit's memory says that it is closed
    (3) a restart reads the memory, feeds the stored samples of the open hours again, and goes on
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from doxedge.fieldbus.clock import Clock
from doxedge.gateway import sample_rows
from doxedge.gateway.clock_state import ClockReading, is_sure, state_of
from doxedge.gateway.doubted_hours import Doubt, DoubtedHours
from doxedge.gateway.dropped_samples import DroppedSamples
from doxedge.gateway.exchange_book import ExchangeBook
from doxedge.gateway.hour_border import Border, HourBorder
from doxedge.gateway.live_values import live_values
from doxedge.gateway.meter_exchange import CODE, MeterExchange, NotExchanged
from doxedge.gateway.missing_data import MissingData
from doxedge.gateway.record_desk import Happening, RecordDesk, UnitIdentity
from doxedge.gateway.restatement import Restatement
from doxedge.gateway.sample_queue import SampleQueue
from doxedge.gateway.samples_again import SamplesAgain
from doxedge.gateway.setup_words import ToldSetup
from doxedge.gateway.together import Together
from doxedge.gateway.unit_memory import UnitMemory, read_memory, write_memory
from doxedge.gateway.unit_setup import QualityAssurance, SetupChange, UnitJudge, UnitSetup
from doxedge.gateway.unit_stores import UnitStores
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.emission_limit import LimitCourse
from doxedge.measurement.hour import Carry, RunningHour
from doxedge.measurement.hour_sequence import HourSequence
from doxedge.measurement.limit_courses import limit_courses
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Sample
from doxedge.measurement.tests_in_force import KeptTests
from doxedge.quantity import HOUR_MS
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record
from doxedge.store.rows import SampleRow

log = logging.getLogger(__name__)


class UnitPipeline:
    """Assesses, keeps and averages for one unit."""

    def __init__(
        self,
        identity: UnitIdentity,
        *,
        setup: UnitSetup,
        stores: UnitStores,
        seal: Callable[[Record], Envelope],
        clock: Clock,
        read_clock: Callable[[], ClockReading],
        on_stored: Callable[[], None],
        quality: QualityAssurance | None = None,
        together: Together | None = None,
        tests: KeptTests | None = None,
    ) -> None:
        """`seal` signs; `on_stored` is called when a new record is durable; `quality` None: nothing is checked.

        `together` are the units that share its stack; None: it is alone there. `tests` knows what tests of the monitors
        gave; None: there are none.
        """
        self._tests = KeptTests() if tests is None else tests
        self.identity = identity
        self._setup, self._told = setup, ToldSetup(setup)
        self._judge = UnitJudge(setup, quality=quality)
        self._memory_file = stores.folder / f"{identity.unit}.memory.json"
        self._clock, self._read_clock = clock, read_clock
        self.desk = RecordDesk(
            identity,
            setup_at=self._judge.setup_at,
            outbox=stores.outbox,
            samples=stores.samples,
            seal=seal,
            now_ms=clock.now_ms,
            read_clock=read_clock,
            gap_cause=self._judge.gap_cause,
            on_stored=on_stored,
        )
        self.missing_data = MissingData(
            identity,
            setup_at=self._judge.setup_at,
            hours=stores.hours,
            outbox=stores.outbox,
            clock_is_sure=lambda: is_sure(read_clock()),
        )
        self._outbox_file = stores.folder / "outbox.db"
        self._doubted = DoubtedHours(identity, outbox=self._outbox_file)
        self._restatement = Restatement(
            identity, outbox=self._outbox_file, tests=self._tests, setup_at=self._judge.setup_at
        )
        self._packer = sample_rows.Packer()
        self._queue = SampleQueue(identity.unit, stores.samples, make_room=self.desk.make_room)
        self._exchanges = ExchangeBook(
            lambda said: self.desk.hand_in([Happening(CODE, said.at_ms, said.text)])
        )
        self._again = SamplesAgain(
            identity.unit, judge=self._judge, samples=stores.samples, exchanges=self._exchanges
        )
        self._together = together or Together()
        self._together.join(self)
        self._closed: list[HourRecord | HourGap] = []
        """Closed together with those of other units, and not at the desk yet."""
        self._hours: HourSequence | None = None
        self._unsaved = False
        self._border = HourBorder(identity.unit, memory_file=self._memory_file, monotonic_s=clock.monotonic_s)
        self._dropped = DroppedSamples(stores.samples)
        self._clock_state = state_of(read_clock())

    async def restore(self, *, before: UnitSetup | None = None, change: SetupChange | None = None) -> None:
        """Continue where the last run stopped, and tell the desk what is new about this run.

        `before` made the hours until `change`, of which some may be open still.
        """
        memory = await asyncio.to_thread(read_memory, self._memory_file)
        now_ms = self._clock.now_ms()
        if memory is None:
            self._hours = HourSequence(self._setup.hour, start_ms=now_ms, tests=self._tests)
            if self._setup.hour.shared is not None:
                # The others may have measured the stack in this hour already.
                await self._feed_again(self._hours, now_ms)
            await self._save()
        else:
            again = await self._continue(memory.carry, now_ms, before, change)
            where = self.identity.unit, memory.carry.next_start_ms, again
            log.info("unit %s: continues at hour %d with %d stored samples", *where)
        remembered = None if memory is None else (memory.profile_hash, memory.rules_hash)
        words = self._told.start(self._setup, now_ms=now_ms, remembered=remembered, change=change)
        self._unsaved = self._unsaved or len(words) > 1
        if memory is None and await self.desk.has_spoken():
            words.append(
                Happening(
                    "memory.lost", now_ms, "where the hours stood is not known; they go on with this one"
                )
            )
        self.desk.hand_in(words)
        rebuilt = await self.missing_data.restore(self._outbox_file)
        if rebuilt is not None:
            self.happened("history.rebuilt", rebuilt)
        self.desk.hand_in(await self.missing_data.untold())

    async def _continue(
        self, carry: Carry, now_ms: int, before: UnitSetup | None, change: SetupChange | None
    ) -> int:
        """Take up the hours that are not closed; how many stored samples they have."""
        if before is None or change is None or change.from_ms <= carry.next_start_ms:
            hour = self._setup.hour
            self._hours = HourSequence(hour, start_ms=carry.next_start_ms, carry=carry, tests=self._tests)
        else:
            self._judge.begin_with(before, change)
            start_ms = carry.next_start_ms
            self._hours = HourSequence(before.hour, start_ms=start_ms, carry=carry, tests=self._tests)
            self._hours.change(change.setup.hour, from_ms=change.from_ms, kept=change.kept)
        return await self._feed_again(self._hours, now_ms)

    async def _feed_again(self, hours: HourSequence, now_ms: int) -> int:
        return await self._again.feed(hours, now_ms=now_ms, clock=self._clock_state)

    def change(self, change: SetupChange) -> None:
        """Another setup from the border of an hour on; told before it. Raises ValueError when that hour has begun."""
        if self._hours is None:
            raise ValueError(f"unit {self.identity.unit} is not measured yet")
        self._hours.change(change.setup.hour, from_ms=change.from_ms, kept=change.kept)
        self._judge.change(change)
        self._setup = change.setup

    def take_back(self, change: SetupChange) -> None:
        """That change is not to come. Raises ValueError when its hour has begun."""
        if self._hours is not None:
            self._hours.take_back(from_ms=change.from_ms)
            self._judge.take_back()
            self._setup = self._judge.setup_at(change.from_ms)

    def end(self, end_ms: int | None) -> None:
        """Make no hour from `end_ms` on; None: go on for ever."""
        if self._hours is not None:
            self._hours.end(end_ms)

    async def has_ended(self) -> bool:
        """Whether everything before the end is signed, so that nothing is left to be done here."""
        if self._hours is None or not self._hours.has_ended:
            return False
        last = self._hours.finish()
        self.desk.hand_in(last)
        self.missing_data.note(last)
        await self.close_hours()
        return not (self._closed or self.desk.waiting or self.missing_data.is_behind or self._unsaved)

    def leave(self) -> None:
        """It has ended: whoever shares its stack waits for it no more."""
        self._together.leave(self)

    @property
    def latest(self) -> Mapping[str, Reading]:
        """The last reading of every quantity of its own instruments."""
        if self._setup.hour.shared is None:
            return self._judge.latest
        own = f"{self.identity.unit}."
        plain = {name.removeprefix(own): reading for name, reading in self._judge.latest.items()}
        return {name: replace(reading, quantity=name) for name, reading in plain.items()}

    @property
    def flags(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """What the instruments say of themselves now, by device and the first value of the group."""
        return self._judge.flags

    @property
    def quality(self) -> QualityAssurance | None:
        """Who knows which monitors are in control."""
        return self._judge.quality

    @quality.setter
    def quality(self, quality: QualityAssurance | None) -> None:
        self._judge.quality = quality

    def take(self, sample: Sample) -> None:
        """A sample from a line: judge it, give it to the running hour, queue it for the disk. Never waits."""
        self._take_in(sample)
        # Groups of a device are polled apart; the first value names the group.
        self._judge.flags[sample.device, next(iter(sample.values), "")] = sample.flags
        self._queue.put(SampleRow(sample.device, sample.at_ms, self._packer.pack(sample)))
        self._together.tell(sample, of=self)

    def overhear(self, sample: Sample) -> None:
        """A sample of another unit on the stack, which keeps it."""
        if sample.device in self._judge.setup_at(sample.at_ms).devices:
            self._take_in(sample)

    def _take_in(self, sample: Sample) -> None:
        judged = self._judge.judge(sample, clock=self._clock_state)
        if self._judge.quality is not None:
            self._judge.quality.see(judged)
        if self._hours is not None:
            self._hours.add(judged)

    @property
    def queued_bytes(self) -> int:
        """Of the samples that wait for the disk."""
        return self._queue.bytes

    @property
    def dropped_samples(self) -> int:
        """Given up because the disk was too slow."""
        return self._queue.dropped

    async def flush(self) -> int:
        """Write the queued samples. On a full disk the oldest raw samples make room, and what does not fit stays."""
        return await self._queue.flush()

    async def close_hours(self) -> int:
        """Close what is due, and sign what waits. Returns how many records are new and durable.

        One at a time: between closing and signing, another would remember as closed what is not signed yet.
        """
        if self._hours is None:
            return 0
        async with self._together.lock:
            if self._look_at_border(self._hours, self._clock.now_ms()) is Border.ANEW:
                await self._begin_anew(self._hours)
            return await self._close_hours()

    def collect(self, now_ms: int) -> None:
        """Close what is due, without waiting for anything; the next `close_hours` signs it."""
        if self._hours is not None and self._look_at_border(self._hours, now_ms) is Border.CLOSE:
            # A longer gap is stated in parts, one at each look.
            gap_ms_max = self._setup.hour.max_gap_hours * HOUR_MS
            self._closed += self._hours.close(min(now_ms, self.open_from_ms + gap_ms_max))

    async def _close_hours(self) -> int:
        self._clock_state = state_of(self._read_clock())
        self._settle()
        self._together.collect(self._clock.now_ms())
        closed, self._closed = self._closed, []
        if closed:
            self._unsaved = True
            await self._together.flush()  # duty (1)
            self.desk.hand_in(closed)
            self.missing_data.note(closed)
        self.desk.hand_in(await self._dropped.news(self._clock.now_ms()))
        new = await self.desk.sign()
        if self._hours is not None and not self.desk.waiting:
            new += await self.missing_data.follow(self.desk)
            new += await self._doubted.follow(self.desk, self.missing_data, remembers=self._hours.remembers)
        if not self.desk.waiting:
            new += await self._restatement.follow(
                self.desk, self.missing_data, open_from_ms=self.open_from_ms
            )
        if self._unsaved and not self.desk.waiting and not self.missing_data.is_behind:
            await self._save()  # duty (2)
        return new

    def happened(self, code: str, text: str) -> None:
        """Have it signed, with the next hours that close, that something happened now."""
        self.desk.hand_in([Happening(code, self._clock.now_ms(), text)])

    def hand_in(self, happenings: Iterable[Happening]) -> None:
        """Have these signed with the next hours that close."""
        self.desk.hand_in(happenings)

    def calibration(self, at_ms: int, *, passed: bool, quantity: str) -> None:
        """A check of something that the mass needs, or of its backup, was judged; of a shared stack all units know."""
        self._together.checked(at_ms, passed=passed, quantity=quantity)

    def doubt(self, doubt: Doubt) -> None:
        """A check that failed takes hours away that are over; of a shared stack all units know."""
        self._together.doubted(doubt)

    def doubted(self, doubt: Doubt) -> None:
        """Hours of this unit may rest on it."""
        self._doubted.put(doubt)

    def checked(self, at_ms: int, *, passed: bool, quantity: str) -> None:
        """A check of something that this unit's mass needs was judged."""
        if self._hours is not None:
            self._hours.calibration(at_ms, passed=passed, quantity=quantity)

    async def exchange_meter(self, said: MeterExchange) -> None:
        """The energy meter was exchanged in an hour that is open. When this returns it is on the disk.

        Raises NotExchanged, StoreError.
        """
        async with self._together.lock:
            if (hours := self._hours) is None:
                raise NotExchanged("the unit is not measured yet")
            await self._exchanges.told(said, hours, keep=self._queue.write)
            await self.desk.sign()

    def rule_set_at(self, at_ms: int) -> str:
        """By whose rules an hour is judged, as it is signed."""
        return self._judge.setup_at(at_ms).hour.rules.stamp

    @property
    def open_from_ms(self) -> int:
        """The first hour that is not closed."""
        return 0 if self._hours is None else self._hours.carry.next_start_ms

    def running_hour(self) -> RunningHour | None:
        """The hour that is being measured, for the status page."""
        return None if self._hours is None else self._hours.preview(self._clock.now_ms())

    def limit_courses(self) -> list[LimitCourse]:
        """How its stacks stand to their emission limits now."""
        now_ms = self._clock.now_ms()
        setup = self._judge.setup_at(now_ms)
        if self._hours is None or not setup.emission_limits:
            return []
        return limit_courses(setup.emission_limits, setup.hour, self._hours.steps, now_ms)

    @property
    def is_running(self) -> bool:
        """Whether the unit runs, or any that shares its stack, by the operating signals; true where nobody can say."""
        return self._judge.running

    @property
    def unit_runs(self) -> bool:
        """Whether the unit itself runs."""
        return self._judge.unit_runs

    def live(self) -> Mapping[str, object]:
        """What the status page shows; not signed, not stored."""
        return live_values(self.latest, self._judge.flags.values(), self.running_hour())

    @property
    def clock_doubt(self) -> str:
        """Why no hour closes until somebody acts; empty while they do."""
        return self._border.doubt

    def _look_at_border(self, hours: HourSequence, now_ms: int) -> Border:
        return self._border.look(
            open_from_ms=hours.carry.next_start_ms,
            now_ms=now_ms,
            reading=self._read_clock(),
            gap_ms_max=self._setup.hour.max_gap_hours * HOUR_MS,
        )

    async def _begin_anew(self, hours: HourSequence) -> None:
        """Let go of hours in a time that is not; go on with the present one, and what is stored of it."""
        now_ms = self._clock.now_ms()
        setup = self._judge.setup_at(now_ms)
        self.happened("hours.anew", self._border.anew(open_from_ms=hours.carry.next_start_ms, now_ms=now_ms))
        self._hours = HourSequence(setup.hour, start_ms=now_ms, tests=self._tests)
        await self._together.flush()
        await self._feed_again(self._hours, now_ms)
        self._unsaved = True

    def _settle(self) -> None:
        """A border is over: the change is told, and what cannot be revised any more is forgotten."""
        change = self._judge.settle(self._clock.now_ms())
        if change is not None:
            words = self._told.change(change)
            self._unsaved = self._unsaved or bool(words)
            self.desk.hand_in(words)
        if self._hours is not None:
            self._judge.forget_before(self._hours.first_ms)

    async def _save(self) -> None:
        if self._hours is None:
            return
        memory = UnitMemory(self._hours.carry, *self._told.hashes)
        try:
            await asyncio.to_thread(write_memory, self._memory_file, memory)
        except OSError as error:
            # A restart closes these hours again from the samples, under the same keys: nothing is lost or doubled.
            log.error("unit %s: its memory cannot be written: %s", self.identity.unit, error)
            self._unsaved = True
            return
        self._unsaved = False
