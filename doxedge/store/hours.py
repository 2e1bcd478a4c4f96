"""The history of hours: what was measured, what stands for what was not. Three years, and a month more.

A row is small (some 60 bytes, 300 with a recipe) and there is one for each hour of a unit, so the file of a unit stays
below some megabytes. What is let go can never matter again: no rule looks back further than three years.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Final

from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.imported_hours import TakenHours
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store import hour_rows, import_rows
from doxedge.store.hour_rows import HourStatement, StoredHour
from doxedge.store.import_rows import ImportedFile
from doxedge.store.side_store import SideStore

MONDAY_MS: Final = 4 * DAY_MS
"""1970-01-05, from which weeks are counted."""
KEEP_HOURS: Final = 26_280 + 31 * 24
"""Three years, and the longest gap that may be stated at once (contracts.hours, GAP_HOURS_MAX)."""
KEEP_HOURS_MAX: Final = 2 * 26_280
"""While a gap lasts its look-back is kept, up to this."""


class HourStore(SideStore):
    """One `hours.db`."""

    schema = "hours"

    async def began_ms(self, unit: str) -> int | None:
        """When the gateway's own hours of a unit began; None for a unit that is not known."""
        return await self._database.read(partial(hour_rows.began_ms, unit=unit))

    async def begin(self, unit: str, *, began_ms: int) -> None:
        """A unit is known from here on; one that is known already keeps its beginning. Raises StoreError."""
        await self._database.write(partial(hour_rows.begin_unit, unit=unit, began_ms=began_ms))

    async def put(self, unit: str, hours: Iterable[KnownHour], *, owed: bool) -> int:
        """Write closed hours; how many were new or different. Raises StoreError.

        `owed`: what is missing among them gets a substitute.
        """
        rows = tuple(hours)
        return await self._database.write(partial(hour_rows.put, unit=unit, hours=rows, owed=owed))

    async def fill(self, unit: str, hours: Sequence[StoredHour]) -> None:
        """Write the whole history of a unit that has none, all or nothing. Raises StoreError."""
        rows = tuple(hours)
        await self._database.write(partial(hour_rows.fill, unit=unit, hours=rows))

    async def note_statement(
        self,
        unit: str,
        start_ms: int,
        stated: HourStatement,
        *,
        statements: int,
        first_record: bytes,
        is_open: bool,
    ) -> None:
        """A substitute is signed: this many are now. `is_open`: it may have to be revised. Raises StoreError."""
        await self._database.write(
            partial(
                hour_rows.note_statement,
                unit=unit,
                start_ms=start_ms,
                stated=stated,
                statements=statements,
                first_record=first_record,
                is_open=is_open,
            )
        )

    async def settle(self, unit: str, starts_ms: Iterable[int]) -> None:
        """What is signed for these hours stands. Raises StoreError."""
        for start_ms in starts_ms:
            await self._database.write(partial(hour_rows.settle, unit=unit, start_ms=start_ms))

    async def open_hours(self, unit: str) -> list[StoredHour]:
        """Hours whose substitute is owed or may change, in the order of time."""
        return await self._database.read(partial(hour_rows.open_hours, unit=unit))

    async def between(self, unit: str, *, from_ms: int, to_ms: int) -> list[StoredHour]:
        """The hours that begin in [from_ms, to_ms), in the order of time."""
        return await self._database.read(partial(hour_rows.between, unit=unit, from_ms=from_ms, to_ms=to_ms))

    async def gap_begins_ms(self, unit: str, start_ms: int) -> int:
        """The first missing hour of the gap in which an hour lies."""
        return await self._database.read(partial(import_rows.gap_begins_ms, unit=unit, start_ms=start_ms))

    async def history(
        self, unit: str, *, from_ms: int, sources: Collection[str] | None = None
    ) -> list[KnownHour]:
        """What is known of the hours from `from_ms` on: those of files, then the gateway's own.

        `sources`: of these files, whatever became of them; None: of those that are in force.
        """
        return await self._database.read(
            partial(import_rows.history, unit=unit, from_ms=from_ms, sources=sources)
        )

    async def import_file(
        self,
        unit: str,
        taken: TakenHours,
        *,
        called: str,
        imported_ms: int,
        said: str,
        replaces: Iterable[int] = (),
    ) -> None:
        """Take the hours of another system's file up, all or nothing. Raises StoreError.

        `said` is what the regulator is to be told; `replaces` are numbers of files that count no longer.
        """
        numbers = tuple(replaces)
        await self._database.write(
            partial(
                import_rows.add,
                unit=unit,
                called=called,
                taken=taken,
                imported_ms=imported_ms,
                said=said,
                replaces=numbers,
            )
        )

    async def imported(self, unit: str) -> list[ImportedFile]:
        """The files that were imported for a unit, in the order of their import."""
        return await self._database.read(partial(import_rows.files, unit=unit))

    async def note_told(self, files: Iterable[ImportedFile]) -> None:
        """The regulator has been told of these: their events are signed and durable. Raises StoreError."""
        numbers = [file.number for file in files]
        await self._database.write(partial(import_rows.note_told, numbers=numbers))

    async def operation(self, unit: str, *, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Of the hours that begin in [from_ms, to_ms): how many are known, and in how many of these the unit ran."""
        return await self._database.read(
            partial(import_rows.operation, unit=unit, from_ms=from_ms, to_ms=to_ms)
        )

    async def weeks(self, unit: str, word: str, *, from_ms: int, to_ms: int) -> list[tuple[int, int, int]]:
        """(week since the first Monday of 1970, measured hours of operation, of these with the remark `word`)."""
        return await self._database.read(
            partial(hour_rows.weeks, unit=unit, word=word, from_ms=from_ms, to_ms=to_ms, first_ms=MONDAY_MS)
        )

    async def prune(self, unit: str, *, now_ms: int) -> int:
        """Let go of what no rule looks at any more; how many hours. Raises StoreError."""
        oldest_ms, pruned = now_ms, 0
        for hour in (await self.open_hours(unit))[:1]:
            oldest_ms = await self.gap_begins_ms(unit, hour.known.start_ms)
        before_ms = max(oldest_ms - KEEP_HOURS * HOUR_MS, now_ms - KEEP_HOURS_MAX * HOUR_MS)
        for rows in (import_rows, hour_rows):
            pruned += await self._database.write(partial(rows.prune, unit=unit, before_ms=before_ms))
        return pruned
