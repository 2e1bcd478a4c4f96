"""The record of a gateway's alarms: raised, over, acknowledged by whom and why. Lines are added, never changed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Self

from doxedge.measurement.alarms import Acknowledgement, Alarm, Sighting
from doxedge.store import alarm_rows, quarantine
from doxedge.store.alarm_rows import AlarmEntry
from doxedge.store.connection import Database


class AlarmStore:
    """One `alarms.db`. Get one from `open`, close it, or use it with `async with`."""

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
            path, schema="alarms", linger_ms=0, now_ms=now_ms
        )
        return cls(database, quarantined=aside)

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def raise_alarm(self, sighting: Sighting, *, at_ms: int) -> Alarm:
        """A new alarm, on the disk; the standing one when its condition has one already. Raises StoreError."""
        return await self._database.write(partial(alarm_rows.raise_alarm, sighting=sighting, at_ms=at_ms))

    async def clear_alarm(self, number: int, *, text: str, at_ms: int) -> None:
        """It is over; saying so again changes nothing. Raises StoreError."""
        await self._database.write(partial(alarm_rows.clear_alarm, number=number, text=text, at_ms=at_ms))

    async def acknowledge(self, number: int, said: Acknowledgement) -> Alarm | None:
        """Somebody has seen it: the alarm with that; None when there is no such alarm.

        Raises StoreError: CONFLICT when somebody had acknowledged it before, and for the disk.
        """
        return await self._database.write(
            partial(alarm_rows.acknowledge, path=self._database.path, number=number, said=said)
        )

    async def wanting(self) -> list[Alarm]:
        """Alarms that are not over or not acknowledged, oldest first."""
        return await self._database.read(alarm_rows.wanting)

    async def entries_since(self, since_ms: int) -> list[AlarmEntry]:
        """The lines from `since_ms` on, in the order in which they were written."""
        return await self._database.read(partial(alarm_rows.entries_since, since_ms=since_ms))
