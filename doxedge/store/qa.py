"""The record of quality assurance: checks, tests, standings. Lines are added, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Self

from doxedge.store import qa_rows, quarantine
from doxedge.store.connection import Database
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind


class QaStore:
    """One `qa.db`. Get one from `open`, close it, or use it with `async with`."""

    def __init__(self, database: Database, *, quarantined: Path | None) -> None:
        """For `open` only."""
        self._database = database
        self.quarantined = quarantined
        """Where the damaged file is, when there was one."""

    @classmethod
    async def open(cls, path: Path, *, now_ms: int) -> Self:
        """Open the file, making it when it is missing; a damaged one is set aside.

        Raises StoreError: LOCKED, FOREIGN, NEWER, PERMISSION, FULL, IO.
        """
        database, aside = await quarantine.open_or_set_aside(path, schema="qa", linger_ms=0, now_ms=now_ms)
        return cls(database, quarantined=aside)

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def append(self, drafts: Iterable[QaDraft]) -> list[QaEntry]:
        """All of them on the disk, or none. A check that has ended keeps its first end. Raises StoreError."""
        return await self._database.write(partial(qa_rows.append, drafts=tuple(drafts)))

    async def since(self, kind: QaKind, unit: str, from_ms: int) -> list[QaEntry]:
        """What happened from an instant on, oldest first."""
        return await self._database.read(partial(qa_rows.since, kind=kind, unit=unit, from_ms=from_ms))

    async def newest(self, kind: QaKind | None, unit: str | None, limit: int) -> list[QaEntry]:
        """The last so many entries, oldest first."""
        return await self._database.read(partial(qa_rows.newest, kind=kind, unit=unit, limit=limit))

    async def last(self, kind: QaKind, unit: str, quantity: str) -> QaEntry | None:
        """The newest entry of a kind about a monitor."""
        return await self._database.read(partial(qa_rows.last, kind=kind, unit=unit, quantity=quantity))

    async def unfinished(self, unit: str) -> list[QaEntry]:
        """The checks that began and did not end."""
        return await self._database.read(partial(qa_rows.unfinished, unit=unit))
