"""The hours of a unit whose settings change: each hour is made whole by one set of settings, the change is at a border.

Between the border and the end of the grace time two sets are at work: late readings still go into the last hour of the
old ones, the hours of the new ones are collected and close after it. What the last old hour carries over (whether the
unit ran, where its energy counter stood) is taken up by the first new one as after a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.measurement.collected_hour import MinuteStep, RunningHour
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.hour import Carry, HourAssembler, Placed
from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.monitor_checks import EVERYTHING
from doxedge.measurement.reading import Reading
from doxedge.measurement.tests_in_force import KnownTests
from doxedge.quantity import HOUR_MS

NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class _Part:
    """The hours from an instant on that are made by one set of settings."""

    from_ms: int
    assembler: HourAssembler
    settings: HourSettings
    kept: frozenset[str]
    """Devices that the part before had as well, unchanged."""
    has_begun: bool
    """Whether it has taken up what the part before carries over."""


class HourSequence:
    """Assembles hours as `HourAssembler` does, which it is while nothing changes."""

    __slots__ = ("_end_ms", "_parts", "_tests")

    def __init__(
        self,
        settings: HourSettings,
        *,
        start_ms: int,
        carry: Carry | None = None,
        tests: KnownTests | None = None,
    ) -> None:
        """Begin with the hour in which `start_ms` lies, or with the first that `carry` has not closed.

        `tests` knows what tests of the monitors gave; None: there are none.
        """
        self._tests = tests
        assembler = HourAssembler(settings, start_ms=start_ms, carry=carry, tests=tests)
        self._parts = [_Part(assembler.next_ms, assembler, settings, NOTHING, has_begun=True)]
        self._end_ms: int | None = None

    def change(self, settings: HourSettings, *, from_ms: int, kept: frozenset[str] = NOTHING) -> None:
        """Make the hours from `from_ms` on by other settings; told before that hour begins.

        `kept` are the devices that stay as they are. Raises ValueError for what is no border ahead.
        """
        last = self._parts[-1]
        if from_ms % HOUR_MS or from_ms <= last.from_ms:
            raise ValueError(f"{from_ms} ms is no start of an hour after {last.from_ms} ms")
        if last.assembler.next_ms > from_ms or last.assembler.collected(from_ms) is not None:
            raise ValueError(f"the hour at {from_ms} ms has begun")
        assembler = HourAssembler(settings, start_ms=from_ms, after=last.assembler, tests=self._tests)
        self._parts.append(_Part(from_ms, assembler, settings, kept, has_begun=False))

    def take_back(self, *, from_ms: int) -> None:
        """The change of `from_ms` is not to come. Raises ValueError when its hour has begun."""
        last = self._parts[-1]
        if len(self._parts) == 1 or last.from_ms != from_ms or last.assembler.collected(from_ms) is not None:
            raise ValueError(f"no change at {from_ms} ms can be taken back")
        self._parts.pop()

    def end(self, end_ms: int | None) -> None:
        """No hour from `end_ms` on is made; None: there is no end."""
        self._end_ms = end_ms

    @property
    def has_ended(self) -> bool:
        """Whether every hour before the end is closed."""
        return self._end_ms is not None and self._parts[-1].assembler.next_ms >= self._end_ms

    def add(self, readings: Sequence[Reading]) -> Placed:
        """Take the readings of one sample in."""
        if len(self._parts) == 1:
            return self._parts[0].assembler.add(readings)
        index = self._index_of(readings[0].at_ms) if readings else 0
        part = self._parts[index]
        if index and not part.has_begun:
            known = [reading for reading in readings if reading.device in part.kept]
            self._parts[index - 1].assembler.follow(known)
        return part.assembler.add(readings)

    def recall(self, readings: Sequence[Reading]) -> None:
        """Readings of the hour before the first that is open, after a restart."""
        self._parts[0].assembler.recall(readings)

    def calibration(self, at_ms: int, *, passed: bool, quantity: str = EVERYTHING) -> Placed:
        """A daily zero and span check of a quantity was judged at this instant."""
        part = self._parts[self._index_of(at_ms)]
        return part.assembler.calibration(at_ms, passed=passed, quantity=quantity)

    def meter_exchange(
        self, at_ms: int, *, old_wh: Decimal, new_wh: Decimal, only_check: bool = False
    ) -> None:
        """The energy meter was exchanged. Raises ValueError as `HourAssembler.meter_exchange` does."""
        index = self._index_of(at_ms)
        part = self._parts[index]
        if index and not part.has_begun:
            raise ValueError(
                "other settings begin with this hour, and the one before is not closed: say it again then"
            )
        part.assembler.meter_exchange(at_ms, old_wh=old_wh, new_wh=new_wh, only_check=only_check)

    def close(self, now_ms: int) -> tuple[HourRecord | HourGap, ...]:
        """The hours that are due, in the order of time; those after a change wait until those before it are given out.

        Raises ClockJump, and changes nothing, as `HourAssembler.close` does.
        """
        for part, following in zip(self._parts, [*self._parts[1:], None], strict=True):
            until_ms = self._end_ms if following is None else following.from_ms
            closed = part.assembler.close(now_ms, until_ms=until_ms)
            if closed or following is None or part.assembler.next_ms < following.from_ms:
                return closed
            if not following.has_begun:
                following.assembler.take_up()
                following.has_begun = True
            if (
                following.assembler.next_ms
                >= following.from_ms + following.settings.keep_closed_hours * HOUR_MS
            ):
                return self._let_first_go()
        raise AssertionError("there is no sequence without a part")

    def finish(self) -> tuple[HourRecord | HourGap, ...]:
        """The revisions that are owed, when no more samples can come."""
        return tuple(record for part in self._parts for record in part.assembler.finish())

    def preview(self, now_ms: int) -> RunningHour:
        """The hour that runs at `now_ms`, as far as it has come."""
        return self._parts[self._index_of(now_ms)].assembler.preview(now_ms)

    def remembers(self, start_ms: int) -> bool:
        """Whether an hour is open, or closed and can still be judged anew."""
        return self._parts[self._index_of(start_ms)].assembler.collected(start_ms) is not None

    def steps(self, start_ms: int, until_ms: int) -> list[MinuteStep]:
        """An hour minute by minute, an open one as far; [] for one that is not known."""
        return self._parts[self._index_of(start_ms)].assembler.steps(start_ms, until_ms=until_ms)

    @property
    def carry(self) -> Carry:
        """What a restart needs: that of the first part which has an open hour."""
        for part, following in zip(self._parts, [*self._parts[1:], None], strict=True):
            if following is None or not following.has_begun:
                return part.assembler.carry
        raise AssertionError("there is no sequence without a part")

    @property
    def first_ms(self) -> int:
        """The first instant whose settings are still here."""
        return self._parts[0].from_ms

    def _index_of(self, at_ms: int) -> int:
        for index in range(len(self._parts) - 1, 0, -1):
            if at_ms >= self._parts[index].from_ms:
                return index
        return 0

    def _let_first_go(self) -> tuple[HourRecord | HourGap, ...]:
        """Nothing can revise the hours before the first change any more."""
        owed = self._parts.pop(0).assembler.finish()
        self._parts[0].assembler.forget_after()
        return owed
