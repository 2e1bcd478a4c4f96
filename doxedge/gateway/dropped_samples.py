"""Raw samples that were given up for lack of room are told to the regulator."""

from __future__ import annotations

from doxedge.gateway.record_desk import Happening
from doxedge.quantity import HOUR_MS
from doxedge.store.samples import SampleStore


class DroppedSamples:
    """What was told of them: at once, and then once an hour while it goes on."""

    def __init__(self, samples: SampleStore) -> None:
        self._samples = samples
        self._dropped = 0
        self._told_ms = -HOUR_MS

    async def news(self, now_ms: int) -> list[Happening]:
        """What is to be signed; nothing where no more were given up, or it was told within the hour."""
        dropped = self._samples.counters.dropped
        if dropped == self._dropped or abs(now_ms - self._told_ms) < HOUR_MS:
            return []
        tombstones = await self._samples.dropped()
        self._dropped, self._told_ms = dropped, now_ms
        if not tombstones:
            return []
        samples = sum(tombstone.samples for tombstone in tombstones)
        to_ms = max(tombstone.to_ms for tombstone in tombstones)
        text = f"{samples} raw samples up to {to_ms} were dropped for lack of room, all told"
        return [Happening("samples.dropped", now_ms, text, key=str(samples))]
