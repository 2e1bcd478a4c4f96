"""A database file of its own beside outbox and samples: opened whole or set aside, closed when all is written."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from doxedge.store import quarantine
from doxedge.store.connection import Database


class SideStore:
    """One file. Get one from `open`, close it, or use it with `async with`."""

    schema: ClassVar[str]
    """The folder of its numbered schema files."""

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
        database, aside = await quarantine.open_or_set_aside(
            path, schema=cls.schema, linger_ms=0, now_ms=now_ms
        )
        return cls(database, quarantined=aside)

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
