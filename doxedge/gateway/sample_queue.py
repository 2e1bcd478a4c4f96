"""The raw samples of a unit on their way to the disk: together, and never lost while there is room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import SampleRow
from doxedge.store.samples import SampleStore

log = logging.getLogger(__name__)

QUEUE_SAMPLES: Final = 20_000
"""Samples waiting for the disk: ten minutes of ten instruments at 300 ms. Beyond it the oldest are dropped, loudly."""

GROUP_BYTES: Final = 64 * 1024
"""So many bytes of samples wait for no more company: pages are well filled, and little is lost in a power cut."""

LAST_WRITE_S: Final = 5.0
"""A stopping gateway waits so long for a write that has begun."""


class SampleQueue:
    """Of one unit. Putting never waits; one task at a time writes."""

    def __init__(self, unit: str, samples: SampleStore, *, make_room: Callable[[], Awaitable[bool]]) -> None:
        """`make_room` gives up the oldest raw samples of a full disk; False when there are none."""
        self.dropped = 0
        """Samples that were given up because the disk was too slow."""
        self._unit, self._samples, self._make_room = unit, samples, make_room
        self._rows: list[SampleRow] = []
        self._flushing = asyncio.Lock()
        self._disk_trouble = False

    def put(self, row: SampleRow) -> None:
        """One more; of too many the oldest go."""
        if len(self._rows) >= QUEUE_SAMPLES:
            self.dropped += QUEUE_SAMPLES // 10
            del self._rows[: QUEUE_SAMPLES // 10]
            log.error("unit %s: the disk is too slow, raw samples were dropped", self._unit)
        self._rows.append(row)

    @property
    def bytes(self) -> int:
        """Of what waits."""
        return sum(len(row.raw) for row in self._rows)

    async def flush(self) -> int:
        """Write the queued samples. On a full disk the oldest raw samples make room, and what does not fit stays."""
        async with self._flushing:
            rows, self._rows = self._rows, []
            if not rows:
                return 0
            writing = asyncio.create_task(self.write(rows), name=f"samples of {self._unit}")
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # What the disk has begun is waited for: written once more it would be two leaves of the hour.
                await asyncio.wait({writing}, timeout=LAST_WRITE_S)
                raise
            except StoreError as error:
                self._rows = rows + self._rows
                if error.kind not in (Kind.FULL, Kind.BUDGET):
                    raise
                if not self._disk_trouble:
                    log.error("unit %s: %d samples wait: %s", self._unit, len(self._rows), error)
                self._disk_trouble = True
                return 0
            self._disk_trouble = False
            return len(rows)

    async def write(self, rows: list[SampleRow]) -> None:
        """Write these now, before what waits. Raises StoreError."""
        try:
            await self._samples.append(rows)
        except StoreError as error:
            if error.kind is not Kind.FULL or not await self._make_room():
                raise
            await self._samples.append(rows)


def flush_is_due(*, waited_s: float, patience_s: float, queued_bytes: int) -> bool:
    """Whether samples that have waited so long, and are so many, go to the disk now.

    Each commit writes whole pages, whatever it holds, and flash wears out by pages.
    """
    return waited_s >= patience_s or queued_bytes >= GROUP_BYTES
