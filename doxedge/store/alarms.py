"""The record of a gateway's alarms: raised, over, acknowledged by whom and why. Lines are added, never changed."""

from __future__ import annotations

from functools import partial

from doxedge.measurement.alarms import Acknowledgement, Alarm, Sighting
from doxedge.store import alarm_rows
from doxedge.store.alarm_rows import AlarmEntry
from doxedge.store.side_store import SideStore


class AlarmStore(SideStore):
    """One `alarms.db`."""

    schema = "alarms"

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
