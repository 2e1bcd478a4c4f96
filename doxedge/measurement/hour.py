"""Hours one after the other: readings go in as they come, closed hours come out in the order of time.

All times are arguments. What happens when they do not behave:

    late            the hour is closed: a revision of it, or refused when it is closed for too long
    out of order    within an hour that is open: makes no difference
    twice           the same device, the same quantities, the same instant: the first stands
    clock set back  stamps fall into hours that are closed, or on stamps that are there: late, or twice
    clock set on    the time between is a gap; more than `max_gap_hours` is refused (`ClockJump`, `ahead`)

After a restart the caller gives the stored `Carry` and feeds the stored samples of the open hour again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from doxedge.measurement.apportioning import StackHour
from doxedge.measurement.carry import Carry
from doxedge.measurement.collected_hour import CollectedHour, MinuteStep, RunningHour
from doxedge.measurement.emission import NO_DATA, HourGap, HourRecord
from doxedge.measurement.energy import EnergyCounter, EnergyQuality, HourEnergy
from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.monitor_checks import EVERYTHING
from doxedge.measurement.operating import OperatingSignal, Operation
from doxedge.measurement.owners import Owners
from doxedge.measurement.placing import ClockJump, Counters, Placed
from doxedge.measurement.reading import Reading
from doxedge.measurement.tests_in_force import KeptTests, KnownTests
from doxedge.measurement.validity import CalibrationCheck
from doxedge.quantity import HOUR_MS, WattHours

__all__ = [
    "Carry",
    "ClockJump",
    "Counters",
    "HourAssembler",
    "HourSettings",
    "Placed",
    "RunningHour",
]


@dataclass(slots=True)
class _Closed:
    """An hour that was given out and may be revised. `result` is None when it was part of a longer gap."""

    collected: CollectedHour
    operation: Operation
    energy: HourEnergy
    result: HourRecord | HourGap | None
    revisions: int = 0
    changed: bool = False
    revise_at_ms: int | None = None  # one grace time after `close` first saw the change


class HourAssembler:
    """The hours of one unit."""

    __slots__ = (
        "_after",
        "_closed",
        "_counter",
        "_early",
        "_first_ms",
        "_next_ms",
        "_open",
        "_owners",
        "_recalled",
        "_settings",
        "_signals",
        "_tests",
        "counters",
    )

    def __init__(
        self,
        settings: HourSettings,
        *,
        start_ms: int,
        carry: Carry | None = None,
        after: "HourAssembler | None" = None,
        tests: KnownTests | None = None,
    ) -> None:
        """Begin with the hour in which `start_ms` lies, or with the first that `carry` has not closed.

        `after` makes the hours before `start_ms` by other settings: until it has closed them nobody knows what goes
        over, so nothing is closed here before `take_up`. `tests`: what those of the monitors gave.
        """
        self._settings, self._tests = settings, tests or KeptTests()
        self._next_ms = carry.next_start_ms if carry else start_ms - start_ms % HOUR_MS
        self._first_ms = self._next_ms
        self._open: dict[int, CollectedHour] = {}
        self._closed: dict[int, _Closed] = {}
        self._owners = Owners(settings)
        self._after = after
        self._recalled: CollectedHour | None = None
        self._early: list[Reading] | None = None if after is None else []
        self._signals, self._counter = self._followers(carry)
        self.counters = Counters()

    def add(self, readings: Iterable[Reading]) -> Placed:
        """Take the readings of one sample in; refused ones are counted, never guessed about."""
        ours = self._owners.ours(readings)
        self.counters.foreign = self._owners.foreign
        if not ours:
            return Placed.IGNORED
        at_ms = ours[0].at_ms
        start_ms = at_ms - at_ms % HOUR_MS
        if start_ms < self._first_ms:
            self.counters.early += 1
            return Placed.EARLY
        if start_ms < self._next_ms:
            return self._revise(start_ms, ours)
        if start_ms >= self._next_ms + self._settings.max_gap_hours * HOUR_MS:
            self.counters.ahead += 1
            return Placed.AHEAD
        if not self._open_hour(start_ms).add(ours):
            self.counters.duplicate += 1
            return Placed.DUPLICATE
        self._follow(ours)
        return Placed.OPEN

    def recall(self, readings: Sequence[Reading]) -> None:
        """Readings of the hour before the first, after a restart: a slow quantity stands from there, nothing else."""
        ours = self._owners.ours(readings)
        start_ms = self._first_ms - HOUR_MS
        if ours and start_ms <= ours[0].at_ms < self._first_ms:
            if self._recalled is None:
                self._recalled = CollectedHour(start_ms, self._settings, tests=self._tests)
            self._recalled.add(ours)

    def follow(self, readings: Iterable[Reading]) -> None:
        """Readings from behind the last hour of ours: they tell how signal and counter stood at its end."""
        self._follow(self._owners.ours(readings))

    def take_up(self) -> None:
        """The hours before ours are closed: go on from what they carry over. Once, before the first `close`."""
        if self._after is None or self._early is None:
            raise ValueError("there is nothing to take up")
        if self._after.next_ms < self._first_ms:
            raise ValueError(f"the hour at {self._after.next_ms} ms is not closed yet")
        early, self._early = self._early, None
        self._signals, self._counter = self._followers(self._after.carry)
        self._follow(early)

    def forget_after(self) -> None:
        """Let go of whoever made the hours before ours."""
        self._after = None

    def calibration(self, at_ms: int, *, passed: bool, quantity: str = EVERYTHING) -> Placed:
        """A daily zero and span check of a quantity was judged at this instant (40 CFR 60.13(h)(2)(iii) and (iv))."""
        start_ms = at_ms - at_ms % HOUR_MS
        check = CalibrationCheck(at_ms, passed)
        if start_ms >= self._next_ms:
            self._open_hour(start_ms).add_check(check, quantity)
            return Placed.OPEN
        closed = self._closed.get(start_ms)
        if closed is None:
            self.counters.late += 1
            return Placed.LATE
        closed.collected.add_check(check, quantity)
        closed.changed = True
        return Placed.REVISING

    def meter_exchange(
        self, at_ms: int, *, old_wh: Decimal, new_wh: Decimal, only_check: bool = False
    ) -> None:
        """The energy meter was exchanged. Raises ValueError without a counter, or when it does not fit."""
        if self._counter is None:
            raise ValueError(f"unit {self._settings.unit} has no energy counter")
        tell = self._counter.check_exchange if only_check else self._counter.exchange
        tell(at_ms, old_wh=old_wh, new_wh=new_wh)

    def close(self, now_ms: int, *, until_ms: int | None = None) -> tuple[HourRecord | HourGap, ...]:
        """The hours that are due, in the order of time, and revisions of earlier ones before them.

        Hours from `until_ms` on are somebody else's. Raises ClockJump, and changes nothing, when `now_ms` is further
        ahead than is believable.
        """
        due_ms = now_ms - self._settings.grace_ms
        if until_ms is not None:
            due_ms = min(due_ms, until_ms)
        if due_ms - self._next_ms > self._settings.max_gap_hours * HOUR_MS:
            raise ClockJump(from_ms=self._next_ms, now_ms=now_ms, max_gap_hours=self._settings.max_gap_hours)
        results = self._due_revisions(now_ms)
        silent: HourGap | None = None
        while self._next_ms + HOUR_MS <= due_ms:
            results += self._let_go(self._next_ms - self._settings.keep_closed_hours * HOUR_MS)
            closed = self._close_next()
            if closed.result is None:
                silent = self._longer(silent, closed)
                continue
            if silent is not None:
                results.append(silent)
                silent = None
            results.append(closed.result)
        if silent is not None:
            results.append(silent)
        return tuple(results)

    def finish(self) -> tuple[HourRecord | HourGap, ...]:
        """The revisions that are owed, when no more samples can come."""
        return tuple(
            record
            for _, closed in sorted(self._closed.items())
            if closed.changed
            for record in _revise(closed)
        )

    @property
    def next_ms(self) -> int:
        """The first hour that is not closed."""
        return self._next_ms

    def collected(self, start_ms: int) -> CollectedHour | None:
        """What is known of an hour that is open, or closed and still here."""
        closed = self._closed.get(start_ms)
        return self._open.get(start_ms) or (closed.collected if closed is not None else None)

    def preview(self, now_ms: int) -> RunningHour:
        """The hour that runs at `now_ms`, as far as it has come; an empty one when it is not open."""
        start_ms = now_ms - now_ms % HOUR_MS
        collected = self._open.get(start_ms) or CollectedHour(start_ms, self._settings, tests=self._tests)
        return collected.preview(self._operation(start_ms, now_ms), until_ms=now_ms)

    def steps(self, start_ms: int, *, until_ms: int | None = None) -> list[MinuteStep]:
        """A closed hour minute by minute, and with `until_ms` an open one as far; [] for one that is not known."""
        closed = self._closed.get(start_ms)
        if closed is not None:
            return closed.collected.steps(closed.operation)
        opened = self._open.get(start_ms)
        if opened is None or until_ms is None:
            return []
        return opened.steps(self._operation(start_ms, min(until_ms, start_ms + HOUR_MS)))

    @property
    def carry(self) -> Carry:
        """What a restart needs; to be stored after every `close` that gave something out."""
        ran = {unit: signal.state_at(self._next_ms - 1) for unit, signal in self._signals.items()}
        own = ran.pop(self._settings.unit, None)
        mark = self._counter.mark if self._counter is not None else None
        heard = {
            "" if unit == self._settings.unit else unit: at_ms
            for unit, signal in self._signals.items()
            if (at_ms := signal.heard_ms(self._next_ms)) is not None
        }
        return Carry(self._next_ms, own, mark, tuple(sorted(ran.items())), tuple(sorted(heard.items())))

    def _followers(self, carry: Carry | None) -> tuple[dict[str, OperatingSignal], EnergyCounter | None]:
        """Who follows the operating signals and the energy counter from the first open hour on."""
        ran = dict(carry.others) | {self._settings.unit: carry.running} if carry else {}
        heard = dict(carry.heard) if carry else {}
        heard[self._settings.unit] = heard.pop("", self._next_ms - 1)
        signals = {
            unit: OperatingSignal(signal, on=ran.get(unit), at_ms=heard.get(unit, self._next_ms - 1))
            for unit, signal in self._settings.signals.items()
        }
        if self._settings.energy is None:
            return signals, None
        return signals, EnergyCounter(self._settings.energy, mark=carry.energy if carry else None)

    def _follow(self, readings: Iterable[Reading]) -> None:
        if not self._signals and self._counter is None:
            return
        for reading in readings:
            followed = False
            for signal in self._signals.values():
                if reading.quantity == signal.quantity:
                    signal.add(reading)
                    followed = True
            if self._counter is not None and reading.quantity == self._counter.quantity:
                self._counter.add(reading)
                followed = True
            if followed and self._early is not None:
                self._early.append(reading)

    def _open_hour(self, start_ms: int) -> CollectedHour:
        hour = self._open.get(start_ms)
        if hour is None:
            before = self.collected(start_ms - HOUR_MS)
            if before is None and start_ms == self._first_ms:
                before = self._recalled
            if before is None and self._after is not None:
                before = self._after.collected(start_ms - HOUR_MS)
            hour = self._open[start_ms] = CollectedHour(
                start_ms, self._settings, tests=self._tests, before=before
            )
        return hour

    def _revise(self, start_ms: int, readings: list[Reading]) -> Placed:
        closed = self._closed.get(start_ms)
        if closed is None:
            self.counters.late += 1
            return Placed.LATE
        if not closed.collected.add(readings):
            self.counters.duplicate += 1
            return Placed.DUPLICATE
        closed.changed = True
        self.counters.revising += 1
        return Placed.REVISING

    def _close_next(self) -> _Closed:
        start_ms, self._recalled = self._next_ms, None
        collected = self._open.pop(start_ms, None)
        operation = self._operation(start_ms, start_ms + HOUR_MS)
        energy = self._energy(start_ms, collected)
        result = collected.judge(operation, energy) if collected is not None else None
        empty = CollectedHour(start_ms, self._settings, tests=self._tests)
        closed = _Closed(collected or empty, operation, energy, result)
        self._closed[start_ms] = closed
        self._next_ms = start_ms + HOUR_MS
        for signal in self._signals.values():
            signal.forget_before(self._next_ms - 1)
        return closed

    def _operation(self, start_ms: int, end_ms: int) -> Operation:
        shared = self._settings.shared
        if shared is not None:
            return shared.operation(lambda unit: self._signals[unit].operation(start_ms, end_ms))
        if not self._signals:
            return Operation(((start_ms, end_ms),) if end_ms > start_ms else (), 0)
        return self._signals[self._settings.unit].operation(start_ms, end_ms)

    def _energy(self, start_ms: int, collected: CollectedHour | None) -> HourEnergy:
        if self._counter is None:
            return HourEnergy(WattHours(0), EnergyQuality.UNMETERED)
        power = collected.means(self._counter.power_quantity) if collected is not None else []
        return self._counter.close(start_ms, power)

    def _longer(self, gap: HourGap | None, closed: _Closed) -> HourGap:
        """The gap so far and one more hour without any sample."""
        start_ms, shared = closed.collected.start_ms, self._settings.shared
        if gap is not None:
            energy_wh = WattHours(gap.energy_wh + closed.energy.energy_wh)
            return replace(gap, to_ms=start_ms + HOUR_MS, energy_wh=energy_wh)
        return HourGap(
            self._settings.unit,
            start_ms,
            start_ms + HOUR_MS,
            NO_DATA,
            "",
            operating_percent=100,  # nobody knows, and who does not know counts as running
            minutes_valid=0,
            samples=0,
            energy_wh=closed.energy.energy_wh,
            energy_quality=closed.energy.quality.value,
            stack=None if shared is None else StackHour(100, None, None, shared.nobody_knows),
        )

    def _due_revisions(self, now_ms: int) -> list[HourRecord | HourGap]:
        """Closed hours that late samples changed; each hour at most once per grace time, so that a trickle of
        late samples does not become a flood of records."""
        results: list[HourRecord | HourGap] = []
        for _, closed in sorted(self._closed.items()):
            if closed.changed and closed.revise_at_ms is None:
                closed.revise_at_ms = now_ms + self._settings.grace_ms
            if closed.revise_at_ms is not None and closed.revise_at_ms <= now_ms:
                results += _revise(closed)
        return results

    def _let_go(self, start_ms: int) -> list[HourRecord | HourGap]:
        """Drop an hour that can no longer be revised, with the last revision if one is owed."""
        closed = self._closed.pop(start_ms, None)
        if closed is None:
            return []
        results = _revise(closed) if closed.changed else []
        closed.collected.forget_before()
        return results


def _revise(closed: _Closed) -> list[HourRecord | HourGap]:
    """The hour as it is known now, if that is news. Its energy stays: what came late is in the hours after it.

    A gap that is still a gap is no news.
    """
    closed.changed, closed.revise_at_ms = False, None
    result = closed.collected.judge(closed.operation, closed.energy, revision=closed.revisions + 1)
    was_gap = closed.result is None or isinstance(closed.result, HourGap)
    if was_gap and isinstance(result, HourGap):
        return []
    closed.revisions += 1
    closed.result = result
    return [result]
