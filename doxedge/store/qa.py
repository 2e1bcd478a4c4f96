"""The record of quality assurance: checks, tests, standings. Lines are added, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from doxedge.store import qa_rows
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind
from doxedge.store.side_store import SideStore


class QaStore(SideStore):
    """One `qa.db`."""

    schema = "qa"

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
