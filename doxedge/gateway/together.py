"""Units on one stack close the same hour at the same instant, so that their parts are parts of one mass.

Each makes the hour of the whole stack from the same samples. What one has taken in when its hour closes, all have; and
all samples are on the disk before any of their hours is signed.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from doxedge.gateway.doubted_hours import Doubt
from doxedge.measurement.sample import Sample


class Closing(Protocol):
    """The pipeline of a unit."""

    def collect(self, now_ms: int) -> None:
        """Close what is due, without waiting for anything; it is signed later."""
        ...

    def overhear(self, sample: Sample) -> None:
        """A sample of another unit, which keeps it."""
        ...

    def checked(self, at_ms: int, *, passed: bool, quantity: str) -> None:
        """A check of something that the mass needs was judged."""
        ...

    def doubted(self, doubt: Doubt) -> None:
        """What a monitor measured in some hours that are over is invalid."""
        ...

    async def flush(self) -> int:
        """Write the queued samples."""
        ...


class Together:
    """The units of one stack; of most stacks there is one."""

    def __init__(self) -> None:
        """Nobody is there yet."""
        self.lock = asyncio.Lock()
        """Held while hours close, and by whoever needs that none does."""
        self._pipelines: list[Closing] = []

    def join(self, pipeline: Closing) -> None:
        """One more unit."""
        self._pipelines.append(pipeline)

    def leave(self, pipeline: Closing) -> None:
        """A unit that is not measured any more."""
        self._pipelines.remove(pipeline)

    def tell(self, sample: Sample, *, of: Closing) -> None:
        """Let the other units have a sample that one of them has taken."""
        for pipeline in self._pipelines:
            if pipeline is not of:
                pipeline.overhear(sample)

    def collect(self, now_ms: int) -> None:
        """Close what is due of all units; nothing comes between."""
        for pipeline in self._pipelines:
            pipeline.collect(now_ms)

    def checked(self, at_ms: int, *, passed: bool, quantity: str) -> None:
        """Let all units know of a check."""
        for pipeline in self._pipelines:
            pipeline.checked(at_ms, passed=passed, quantity=quantity)

    def doubted(self, doubt: Doubt) -> None:
        """Let all units know what is invalid."""
        for pipeline in self._pipelines:
            pipeline.doubted(doubt)

    async def flush(self) -> None:
        """Write the queued samples of all units."""
        for pipeline in self._pipelines:
            await pipeline.flush()
