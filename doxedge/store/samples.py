"""Raw samples of the analysers, kept so that every signed hour can be computed again.

An hour on the ledger carries the Merkle root over its samples. The root is computed once, from the rows on the disk;
rows that arrive later belong to the next revision of the hour. Samples are many and may be given up: when the budget,
the retention or the disk demands it, the oldest go first, and a tombstone says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Self

from doxedge.quantity import DAY_MS
from doxedge.store import hour_tree, quarantine, sample_rows
from doxedge.store.connection import Database
from doxedge.store.hour_tree import Fold
from doxedge.store.rows import Dropped, HourRoot, SampleRow, StoredSample
from doxedge.store.sample_rows import Cause, Deleted

MEBIBYTE: Final = 1024 * 1024
FOLDS_MAX: Final = 3
"""Tries to read an hour beside the writer while late samples keep arriving; then the writer does it alone."""


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """What the operator allows."""

    bytes_max: int = 2 * 1024 * MEBIBYTE
    """Room for the file: 35 days of one sample of 600 bytes a second."""
    keep_ms: int = 35 * DAY_MS
    """A month's report, with some days to answer questions about it."""
    free_floor_bytes: int = 64 * MEBIBYTE
    """Room that is left on the disk for the outbox and the ledger: below it, samples go."""


@dataclass(slots=True)
class SampleCounters:
    """Since the start."""

    appended: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Gathering:
    """Samples of several units on their way to the disk."""

    rows: list[SampleRow] = field(default_factory=list)
    written: asyncio.Task[None] | None = None


class SampleStore:
    """One `samples.db`. Get one from `open`, close it, or use it with `async with`."""

    def __init__(self, database: Database, *, now_ms: Callable[[], int], settings: SampleSettings) -> None:
        """For `open` only."""
        self._database = database
        self._now_ms = now_ms
        self._settings = settings
        self._folds: list[Fold] = []
        self._gathering: _Gathering | None = None
        self.counters = SampleCounters()
        self.quarantined: Path | None = None
        """Where the damaged file is, when there was one."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        now_ms: Callable[[], int],
        settings: SampleSettings | None = None,
        linger_ms: int = 100,
    ) -> Self:
        """Open the file, making it when it is missing; a damaged one is set aside.

        `linger_ms` collects the samples of that time into one commit. Raises StoreError: LOCKED, FOREIGN, NEWER,
        PERMISSION, FULL, IO.
        """
        database, aside = await quarantine.open_or_set_aside(
            path, schema="samples", linger_ms=linger_ms, now_ms=now_ms()
        )
        store = cls(database, now_ms=now_ms, settings=settings or SampleSettings())
        store.quarantined = aside
        return store

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        if self._gathering is not None and self._gathering.written is not None:
            await asyncio.wait({self._gathering.written})
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # In

    async def append(self, rows: Sequence[SampleRow]) -> None:
        """Keep samples; when this returns they are on the disk. Near a limit the oldest are dropped first.

        Units that come at the same moment share one look for the places of their samples.
        Raises StoreError(FULL), and ValueError for a row that cannot be kept.
        """
        sample_rows.check(rows)
        if self._gathering is None:
            self._gathering = gathering = _Gathering()
            gathering.written = asyncio.create_task(self._write(gathering), name="samples to the disk")
        self._gathering.rows += rows
        assert self._gathering.written is not None  # noqa: S101 - set with the rows
        await asyncio.shield(self._gathering.written)

    async def _write(self, gathering: _Gathering) -> None:
        # Whoever wants to append at this moment has had his turn when this goes on.
        await asyncio.sleep(0)
        self._gathering = None
        deleted = await self._database.write(
            partial(
                sample_rows.append,
                rows=gathering.rows,
                notice=self._notice,
                folder=self._database.path.parent,
                bytes_max=self._settings.bytes_max,
                free_floor_bytes=self._settings.free_floor_bytes,
                now_ms=self._now_ms(),
            )
        )
        self.counters.appended += len(gathering.rows)
        if deleted is not None:
            self.counters.dropped += deleted.samples
            if deleted.cause is Cause.DISK:
                await self._database.give_back()

    def change(self, settings: SampleSettings) -> None:
        """From now on keep so much."""
        self._settings = settings

    # Out

    async def between(
        self,
        from_ms: int,
        to_ms: int,
        *,
        devices: Sequence[str] | None = None,
        after: int = 0,
        limit: int = 10_000,
    ) -> list[StoredSample]:
        """Samples of [from, to), by time and then by arrival; `after` is the row id of the last one already seen."""
        return await self._database.read(
            partial(
                sample_rows.read,
                from_ms=from_ms,
                to_ms=to_ms,
                devices=devices,
                after=after,
                limit=limit,
            )
        )

    # Hours

    async def hour_root(
        self, unit: str, devices: Sequence[str], start_ms: int, *, revision: int = 0
    ) -> HourRoot:
        """The root over a unit's samples of the hour that begins at `start_ms`: computed at the first call, then kept.

        Leaves are canonical `[device, at_ms, raw]`, in the order of time and then of arrival. A revision contains all
        that arrived before it was computed; later samples belong to the next one.
        """
        stored = await self._database.read(
            partial(hour_tree.stored_root, unit=unit, start_ms=start_ms, revision=revision)
        )
        if stored is not None:
            return stored.root
        fold = Fold(unit, tuple(sorted(set(devices))), start_ms, revision)
        self._folds.append(fold)
        try:
            for _ in range(FOLDS_MAX):
                # In the writer, so that all samples noticed before are on the disk and seen by the reader.
                await self._database.write(fold.restart)
                while await self._database.read(fold.step):
                    pass
                if not fold.disturbed:
                    break
            return await self._database.write(partial(hour_tree.seal, fold=fold))
        finally:
            self._folds.remove(fold)

    async def hour_roots(self, unit: str, start_ms: int) -> list[HourRoot]:
        """The roots that were computed for an hour, one for each revision; [] when there is none any more."""
        return await self._database.read(partial(hour_tree.stored_roots, unit=unit, start_ms=start_ms))

    async def hour_samples(
        self, unit: str, start_ms: int, *, revision: int = 0, after: int = 0, limit: int = 10_000
    ) -> list[StoredSample]:
        """The samples under a root, in the order of its leaves; [] when there is no such root."""
        return await self._database.read(
            partial(
                hour_tree.leaves, unit=unit, start_ms=start_ms, revision=revision, after=after, limit=limit
            )
        )

    async def check_hour(self, unit: str, start_ms: int, *, revision: int = 0) -> bool | None:
        """Whether the stored samples still give the root; None when there is no root, or samples were dropped."""
        stored = await self._database.read(
            partial(hour_tree.stored_root, unit=unit, start_ms=start_ms, revision=revision)
        )
        if stored is None:
            return None
        dropped_to_ms = await self._database.read(sample_rows.dropped_to_ms)
        if dropped_to_ms is not None and dropped_to_ms >= start_ms:
            return None
        fold = Fold(unit, stored.devices, start_ms, revision)
        while await self._database.read(fold.step):
            pass
        return (fold.frontier.size, fold.frontier.root()) == (stored.root.samples, stored.root.root)

    def _notice(self, device: str, at_ms: int) -> None:
        """The writer is about to add a sample: roots in the making must know."""
        for fold in tuple(self._folds):
            fold.notice(device, at_ms)

    # Giving room

    async def prune(self) -> Dropped | None:
        """Delete samples past their retention, in small steps; what went. New samples take their room in the file."""
        before_ms = self._now_ms() - self._settings.keep_ms
        total: Deleted | None = None
        while True:
            deleted = await self._database.write(
                partial(sample_rows.delete_before, before_ms=before_ms, now_ms=self._now_ms())
            )
            if deleted is None:
                break
            total = deleted.joined_to(total)
        return None if total is None else total.as_dropped()

    async def make_room(self, room_bytes: int) -> Dropped | None:
        """Delete the oldest samples until about so many bytes are free again; None when there are none left.

        In small steps, because a full disk has little room to write down what is deleted.
        """
        total: Deleted | None = None
        while room_bytes > 0:
            deleted = await self._database.write(
                partial(sample_rows.delete_oldest, cause=Cause.DISK, now_ms=self._now_ms())
            )
            if deleted is None:
                break
            room_bytes -= deleted.bytes
            total = deleted.joined_to(total)
        if total is None:
            return None
        self.counters.dropped += total.samples
        await self._database.give_back()
        return total.as_dropped()

    async def dropped(self) -> list[Dropped]:
        """What was given up for lack of room, oldest first. The end of the retention is not among it."""
        return await self._database.read(sample_rows.tombstones)
