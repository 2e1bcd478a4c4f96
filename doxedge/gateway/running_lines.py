"""The lines that are polled now, and how one takes over from another at an instant without a poll lost or made twice.

    (1) lines that end are told the instant ahead: polls that are due before it are theirs, however late they are made
    (2) lines that begin wait for those that hold the same port or ask the same device, then begin with the polls that
        are due from that instant on
    (3) what a device that changes answers on the other side of the instant is nobody's: it was read by other settings

Lines on which nothing changes are not touched.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import DeviceState, Line
from doxedge.gateway.line_plan import PlannedLine, make_line
from doxedge.measurement.sample import Sample

log = logging.getLogger(__name__)

LOOK_REAL_S: Final = 0.01
"""Between two looks whether a line that ends has made its last poll, which takes a time-out at most."""
NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(slots=True, eq=False)
class _Running:
    """One line with its task."""

    planned: PlannedLine
    line: Line = field(init=False)
    task: asyncio.Task[None] | None = None
    from_ms: int | None = None
    """None: it was there from the start."""
    end_ms: int | None = None
    came: frozenset[str] = NOBODY
    """Devices that another line asked before, and that are the same."""
    stay: frozenset[str] = NOBODY
    """Devices that another line asks after it, and that are the same."""

    def takes(self, sample: Sample) -> bool:
        """Duty (3)."""
        if self.end_ms is not None and sample.at_ms >= self.end_ms:
            return sample.device in self.stay
        if self.from_ms is not None and sample.at_ms < self.from_ms:
            return sample.device in self.came
        return True

    def shares(self, other: _Running) -> bool:
        """Whether only one of the two may be polled at a time."""
        mine, theirs = self.planned.address, other.planned.address
        devices = {one.device for one in self.planned.instruments}
        is_one_port = bool(mine.framing and theirs.framing) and mine.socket == theirs.socket
        return is_one_port or any(one.device in devices for one in other.planned.instruments)


class RunningLines:
    """All lines of a gateway."""

    def __init__(
        self,
        planned: Iterable[PlannedLine],
        *,
        clock: Clock,
        chance: Callable[[], float],
        on_sample: Callable[[Sample], None],
        on_state: Callable[[DeviceState], None],
    ) -> None:
        """Nothing runs yet."""
        self._clock, self._chance = clock, chance
        self._on_sample, self._on_state = on_sample, on_state
        self._running = [self._make(line) for line in planned]

    @property
    def lines(self) -> list[Line]:
        """Those that are polled."""
        return [one.line for one in self._running]

    def start(self, group: asyncio.TaskGroup) -> None:
        """Poll, each line in a task of its own."""
        for one in self._running:
            one.task = group.create_task(one.line.run(), name=f"line {one.line.name}")

    async def tell(self, device: str, command: str) -> str | None:
        """Have an instrument take a command of its map; None when it took it, else what went wrong."""
        for line in self.lines:
            if device in line.counters:
                return await line.tell(device, command)
        return f"{device} is on no line"

    async def close(self) -> None:
        """Let go of all endpoints."""
        for line in self.lines:
            await line.close()

    def end_at(
        self, ended: Iterable[PlannedLine], end_ms: int | None, *, stay: frozenset[str] = NOBODY
    ) -> None:
        """Duty (1); None takes it back."""
        for one in self._of(ended):
            one.end_ms, one.stay = end_ms, stay
            one.line.end_at(end_ms)

    async def take_over(
        self,
        group: asyncio.TaskGroup,
        *,
        ended: Iterable[PlannedLine],
        begun: Iterable[PlannedLine],
        from_ms: int,
        came: frozenset[str] = NOBODY,
    ) -> None:
        """Duty (2), once the instant is there; returns when every line that begins is polled."""
        old = self._of(ended)
        new = [self._make(line, from_ms=from_ms, came=came) for line in begun]
        async with asyncio.TaskGroup() as waiting:
            for one in old:
                waiting.create_task(self._let_go(one), name=f"last poll of line {one.line.name}")
            for one in new:
                before = [other for other in old if one.shares(other)]
                waiting.create_task(
                    self._begin(one, before, group), name=f"first poll of line {one.line.name}"
                )

    async def _begin(self, one: _Running, before: list[_Running], group: asyncio.TaskGroup) -> None:
        tasks = [other.task for other in before if other.task is not None]
        if tasks:
            await asyncio.wait(tasks)
        one.task = group.create_task(one.line.run(from_ms=one.from_ms), name=f"line {one.line.name}")
        self._running.append(one)
        log.info("line %s is polled", one.line.name)

    async def _let_go(self, one: _Running) -> None:
        """Its last answer is waited for; between two polls it may be stopped at once."""
        while not one.line.has_done_its_part:  # noqa: ASYNC110 - the line is not made slower by telling
            await asyncio.sleep(LOOK_REAL_S)
        if one.task is not None:
            one.task.cancel()
            await asyncio.wait({one.task})
        self._running.remove(one)
        log.info("line %s is polled no more", one.line.name)

    def _of(self, planned: Iterable[PlannedLine]) -> list[_Running]:
        wanted = list(planned)
        return [one for one in self._running if any(one.planned.is_same(line) for line in wanted)]

    def _make(
        self, planned: PlannedLine, *, from_ms: int | None = None, came: frozenset[str] = NOBODY
    ) -> _Running:
        one = _Running(planned, from_ms=from_ms, came=came)
        one.line = make_line(
            planned,
            clock=self._clock,
            chance=self._chance,
            on_sample=functools.partial(self._route, one),
            on_state=self._on_state,
        )
        return one

    def _route(self, one: _Running, sample: Sample) -> None:
        if one.takes(sample):
            self._on_sample(sample)
        else:
            log.debug("%s was read at %d by settings of another time", sample.device, sample.at_ms)
