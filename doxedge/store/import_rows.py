"""The SQL of hours that come from another system's file. Every function runs inside a transaction, or only reads.

They lie in tables of their own: what the gateway signed and what it was told can never be mistaken for each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.imported_hours import TakenHours
from doxedge.store import hour_rows

FILES_MAX: Final = 16
"""Of a unit, the replaced ones included."""
FILES_IN_FORCE_MAX: Final = 8
"""A recipe names each, and has a bound (`substitute_recipe.RECIPE_BYTES_MAX`)."""
_HOUR: Final = "start_ms, operating_percent, nox_g, energy_wh, is_load_known, quality_assured"
_FILE: Final = (
    "id, source, called, first_ms, end_ms, operating, quality_assured, imported_ms, said, "
    "is_told, is_replaced"
)


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file of which hours were taken."""

    number: int
    """Counts the imports of all units."""
    source: str
    """`imported_hours.source_name`."""
    called: str
    """What the file calls the unit."""
    first_ms: int
    end_ms: int
    """Beginning of the first hour, end of the last."""
    operating: int
    quality_assured: int
    imported_ms: int
    said: str
    """What the regulator is told."""
    is_told: bool
    is_replaced: bool
    """Another file took its place; recipes that were signed before name it still."""


def files(connection: sqlite3.Connection, *, unit: str) -> list[ImportedFile]:
    """All that were imported for a unit, in the order of their import."""
    rows = connection.execute(f"SELECT {_FILE} FROM imported_file WHERE unit = ? ORDER BY id", (unit,))  # noqa: S608
    return [
        ImportedFile(
            number,
            source,
            called,
            first_ms,
            end_ms,
            operating,
            assured,
            imported_ms,
            said,
            bool(told),
            bool(gone),
        )
        for number, source, called, first_ms, end_ms, operating, assured, imported_ms, said, told, gone in rows
    ]


def units(connection: sqlite3.Connection) -> list[str]:
    """Units for which a file was imported."""
    return [row[0] for row in connection.execute("SELECT DISTINCT unit FROM imported_file ORDER BY unit")]


def add(
    connection: sqlite3.Connection,
    *,
    unit: str,
    called: str,
    taken: TakenHours,
    imported_ms: int,
    said: str,
    replaces: Iterable[int],
) -> None:
    """The hours of a file, and that other files are replaced by it; all or nothing."""
    connection.executemany(
        "UPDATE imported_file SET is_replaced = 1 WHERE id = ?", [(number,) for number in replaces]
    )
    number = connection.execute(
        "INSERT INTO imported_file (unit, source, called, first_ms, end_ms, operating, quality_assured, imported_ms, "
        "said, is_told, is_replaced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        (
            unit, taken.source, called, taken.first_ms, taken.end_ms, taken.operating, taken.quality_assured,
            imported_ms, said,
        ),
    ).lastrowid  # fmt: skip
    connection.executemany(
        f"INSERT INTO imported_hour (file, {_HOUR}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            (
                number, hour.start_ms, hour.operating_percent, hour.nox_g, hour.energy_wh, hour.is_load_known,
                hour.quality_assured,
            )
            for hour in taken.hours
        ),
    )  # fmt: skip


def note_told(connection: sqlite3.Connection, *, numbers: Collection[int]) -> None:
    """The events of these imports are signed and durable."""
    connection.executemany(
        "UPDATE imported_file SET is_told = 1 WHERE id = ?", [(number,) for number in numbers]
    )


def hours(
    connection: sqlite3.Connection, *, unit: str, from_ms: int, sources: Collection[str] | None = None
) -> list[KnownHour]:
    """The hours of files from `from_ms` on, in the order of time.

    Of those in force; or of `sources`, whatever became of them. Never one in the time of the gateway's own hours.
    """
    wanted = {
        file.source: file.number  # The same file, imported once more, has the same hours.
        for file in files(connection, unit=unit)
        if (not file.is_replaced if sources is None else file.source in sources)
    }
    own_ms = hour_rows.began_ms(connection, unit=unit)
    found: list[KnownHour] = []
    for source, number in wanted.items():
        rows = connection.execute(
            f"SELECT {_HOUR} FROM imported_hour WHERE file = ? AND start_ms >= ? AND start_ms < ?",  # noqa: S608
            (number, from_ms, 2**62 if own_ms is None else own_ms),
        )
        found += [_known(row, source) for row in rows]
    return sorted(found, key=lambda hour: hour.start_ms)


def history(
    connection: sqlite3.Connection, *, unit: str, from_ms: int, sources: Collection[str] | None = None
) -> list[KnownHour]:
    """What is known of the hours from `from_ms` on: those of files (as `hours`), then the gateway's own."""
    told = hours(connection, unit=unit, from_ms=from_ms, sources=sources)
    return told + hour_rows.history(connection, unit=unit, from_ms=from_ms)


def operation(connection: sqlite3.Connection, *, unit: str, from_ms: int, to_ms: int) -> tuple[int, int]:
    """As `hour_rows.operation`, with the hours of files that are in force, of which no two have an hour in common."""
    own_ms = hour_rows.began_ms(connection, unit=unit)
    known, ran = connection.execute(
        "SELECT count(*), coalesce(sum(operating_percent > 0), 0) FROM imported_hour "
        "WHERE file IN (SELECT id FROM imported_file WHERE unit = ? AND is_replaced = 0) "
        "AND start_ms >= ? AND start_ms < ?",
        (unit, from_ms, to_ms if own_ms is None else min(to_ms, own_ms)),
    ).fetchone()
    own_known, own_ran = hour_rows.operation(connection, unit=unit, from_ms=from_ms, to_ms=to_ms)
    return int(known) + own_known, int(ran) + own_ran


def gap_begins_ms(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> int:
    """The first missing hour of the gap in which an hour lies, which may be in another system's time."""
    begins_ms = hour_rows.gap_begins_ms(connection, unit=unit, start_ms=start_ms)
    if hour_rows.is_assured_before(connection, unit=unit, start_ms=start_ms):
        return begins_ms
    for hour in reversed(hours(connection, unit=unit, from_ms=0)):
        if hour.quality_assured:
            break
        if hour.is_missing:
            begins_ms = hour.start_ms
    return begins_ms


def prune(connection: sqlite3.Connection, *, unit: str, before_ms: int) -> int:
    """Let the hours before an instant go; how many. That they were imported stays on record."""
    return connection.execute(
        "DELETE FROM imported_hour WHERE start_ms < ? AND file IN (SELECT id FROM imported_file WHERE unit = ?)",
        (before_ms, unit),
    ).rowcount


def _known(row: Sequence[int | None], source: str) -> KnownHour:
    start_ms, percent, nox_g, energy_wh, is_load_known, assured = row
    return KnownHour(
        int(start_ms or 0),
        int(percent or 0),
        nox_g,
        int(energy_wh or 0),
        bool(is_load_known),
        "",
        quality_assured=bool(assured),
        source=source,
    )
