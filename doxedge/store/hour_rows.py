"""The SQL of the history of hours. Every function runs inside a transaction, or on a connection that only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from doxedge.measurement.apportioning import UnitShare, is_of_stack, weights_in, weights_in_words
from doxedge.measurement.hour_history import KnownHour

_KNOWN: Final = (
    "start_ms, operating_percent, nox_g, energy_wh, is_load_known, method_code, quality_assured, "
    "minutes_valid, remarks"
)
_COLUMNS: Final = f"{_KNOWN}, is_open, statements, stated_g, stated_code, stated_recipe, first_record"

SHARE: Final = "unit"
"""Begins the last of the remarks in a row of a unit that shares its stack: `unit:NAME:PERCENT:WH`."""


@dataclass(frozen=True, slots=True)
class HourStatement:
    """What the signed records say stands for an hour."""

    nox_g: int
    method_code: str
    recipe: bytes
    """Canonical CBOR; of the form of `measurement.substitute_recipe`."""


@dataclass(frozen=True, slots=True)
class StoredHour:
    """One hour of the history."""

    known: KnownHour
    is_open: bool
    """A substitute is owed, or the one that is signed may have to be revised."""
    statements: int
    """Substitutes that are signed for it."""
    stated: HourStatement | None
    """The last of them; None when a measurement was signed since."""
    first_record: bytes | None


def begin_unit(connection: sqlite3.Connection, *, unit: str, began_ms: int) -> None:
    """A unit is known from here on; one that is known already keeps its beginning."""
    connection.execute(
        "INSERT INTO unit (unit, began_ms) VALUES (?, ?) ON CONFLICT DO NOTHING", (unit, began_ms)
    )


def began_ms(connection: sqlite3.Connection, *, unit: str) -> int | None:
    """When the history of a unit began; None for a unit that is not known."""
    found = connection.execute("SELECT began_ms FROM unit WHERE unit = ?", (unit,)).fetchone()
    return None if found is None else int(found[0])


def put(connection: sqlite3.Connection, *, unit: str, hours: Iterable[KnownHour], owed: bool) -> int:
    """Write closed hours; how many were new or different. `owed`: those without a measurement get a substitute.

    An hour that changes opens the gap beside it again: its neighbours, its length or its end are not what they were.
    """
    changed = 0
    for hour in hours:
        before = _find(connection, unit=unit, start_ms=hour.start_ms)
        if before is not None and before.known == hour:
            continue
        changed += 1
        connection.execute(
            f"INSERT INTO hour (unit, {_KNOWN}, is_open, statements) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET "
            "operating_percent = excluded.operating_percent, nox_g = excluded.nox_g, energy_wh = excluded.energy_wh, "
            "is_load_known = excluded.is_load_known, method_code = excluded.method_code, "
            "quality_assured = excluded.quality_assured, minutes_valid = excluded.minutes_valid, "
            "remarks = excluded.remarks, is_open = excluded.is_open, "
            # A measurement takes the place of what was substituted; the next substitute is a statement of its own.
            "stated_g = iif(excluded.quality_assured, NULL, stated_g), "
            "stated_code = iif(excluded.quality_assured, NULL, stated_code), "
            "stated_recipe = iif(excluded.quality_assured, NULL, stated_recipe)",
            (
                unit, hour.start_ms, hour.operating_percent, hour.nox_g, hour.energy_wh, hour.is_load_known,
                hour.method_code, hour.quality_assured, hour.minutes_valid, _lines(hour),
                owed and hour.is_missing,
            ),
        )  # fmt: skip
        if before is not None:
            _open_gaps_beside(connection, unit=unit, start_ms=hour.start_ms)
    return changed


def fill(connection: sqlite3.Connection, *, unit: str, hours: Sequence[StoredHour]) -> None:
    """The whole history of a unit that has none, in the order of time."""
    begin_unit(connection, unit=unit, began_ms=hours[0].known.start_ms)
    put(connection, unit=unit, hours=[hour.known for hour in hours], owed=False)
    for hour in hours:
        stated = hour.stated
        said = (None,) * 3 if stated is None else (stated.nox_g, stated.method_code, stated.recipe)
        connection.execute(
            "UPDATE hour SET statements = ?, stated_g = ?, stated_code = ?, stated_recipe = ?, first_record = ?, "
            "is_open = ? WHERE unit = ? AND start_ms = ?",
            (
                hour.statements, *said,
                hour.first_record, hour.is_open, unit, hour.known.start_ms,
            ),
        )  # fmt: skip


def note_statement(
    connection: sqlite3.Connection,
    *,
    unit: str,
    start_ms: int,
    stated: HourStatement,
    statements: int,
    first_record: bytes,
    is_open: bool,
) -> None:
    """A substitute is signed: this many are now."""
    connection.execute(
        "UPDATE hour SET statements = ?, stated_g = ?, stated_code = ?, stated_recipe = ?, "
        "first_record = coalesce(first_record, ?), is_open = ? WHERE unit = ? AND start_ms = ?",
        (
            statements, stated.nox_g, stated.method_code, stated.recipe, first_record, is_open, unit, start_ms,
        ),
    )  # fmt: skip


def settle(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> None:
    """What is signed for an hour stands."""
    connection.execute("UPDATE hour SET is_open = 0 WHERE unit = ? AND start_ms = ?", (unit, start_ms))


def open_hours(connection: sqlite3.Connection, *, unit: str) -> list[StoredHour]:
    """Hours whose substitute is owed or may change, in the order of time."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM hour WHERE unit = ? AND is_open = 1 ORDER BY start_ms",  # noqa: S608
        (unit,),
    )
    return [_stored(row) for row in rows]


def is_assured_before(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> bool:
    """Whether a quality-assured hour of the gateway's own lies before an hour."""
    found = connection.execute(
        "SELECT 1 FROM hour WHERE unit = ? AND start_ms < ? AND quality_assured = 1 AND operating_percent > 0 LIMIT 1",
        (unit, start_ms),
    ).fetchone()
    return found is not None


def gap_begins_ms(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> int:
    """The first missing hour of the gap in which an hour lies; the hour itself when it begins one."""
    (before,) = connection.execute(
        "SELECT max(start_ms) FROM hour WHERE unit = ? AND start_ms < ? AND quality_assured = 1 "
        "AND operating_percent > 0",
        (unit, start_ms),
    ).fetchone()
    (first,) = connection.execute(
        "SELECT min(start_ms) FROM hour WHERE unit = ? AND start_ms > ? AND quality_assured = 0 "
        "AND operating_percent > 0",
        (unit, -1 if before is None else before),
    ).fetchone()
    return start_ms if first is None else int(first)


def between(connection: sqlite3.Connection, *, unit: str, from_ms: int, to_ms: int) -> list[StoredHour]:
    """The hours that begin in [from_ms, to_ms), in the order of time."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM hour WHERE unit = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms",  # noqa: S608
        (unit, from_ms, to_ms),
    )
    return [_stored(row) for row in rows]


def history(connection: sqlite3.Connection, *, unit: str, from_ms: int) -> list[KnownHour]:
    """What is known of the hours from `from_ms` on."""
    rows = connection.execute(
        f"SELECT {_KNOWN} FROM hour WHERE unit = ? AND start_ms >= ? ORDER BY start_ms",  # noqa: S608
        (unit, from_ms),
    )
    return [_known(row) for row in rows]


def operation(connection: sqlite3.Connection, *, unit: str, from_ms: int, to_ms: int) -> tuple[int, int]:
    """Of the hours that begin in [from_ms, to_ms): how many are known, and in how many of these the unit ran.

    Where units share a stack an hour counts in which any of them ran.
    """
    known, ran = connection.execute(
        "SELECT count(*), coalesce(sum(operating_percent > 0), 0) FROM hour "
        "WHERE unit = ? AND start_ms >= ? AND start_ms < ?",
        (unit, from_ms, to_ms),
    ).fetchone()
    return int(known), int(ran)


def weeks(
    connection: sqlite3.Connection, *, unit: str, word: str, from_ms: int, to_ms: int, first_ms: int
) -> list[tuple[int, int, int]]:
    """(week since `first_ms`, measured hours of operation, of these with the remark `word`) in [from_ms, to_ms)."""
    rows = connection.execute(
        "SELECT (start_ms - ?1) / 604800000 AS week, count(*), "
        "sum(instr(char(10) || remarks || char(10), char(10) || ?2 || char(10)) > 0) FROM hour "
        "WHERE unit = ?3 AND start_ms >= ?4 AND start_ms < ?5 AND nox_g IS NOT NULL AND operating_percent > 0 "
        "GROUP BY week ORDER BY week",
        (first_ms, word, unit, from_ms, to_ms),
    )
    return [(int(week), int(hours), int(outside)) for week, hours, outside in rows]


def prune(connection: sqlite3.Connection, *, unit: str, before_ms: int) -> int:
    """Let the hours before an instant go; how many."""
    return connection.execute("DELETE FROM hour WHERE unit = ? AND start_ms < ?", (unit, before_ms)).rowcount


def _find(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> StoredHour | None:
    return next(iter(between(connection, unit=unit, from_ms=start_ms, to_ms=start_ms + 1)), None)


def _open_gaps_beside(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> None:
    """From the last quality-assured hour before an hour on, what is substituted may change."""
    connection.execute(
        "UPDATE hour SET is_open = 1 WHERE unit = ?1 AND statements > 0 AND quality_assured = 0 "
        "AND start_ms > coalesce((SELECT max(start_ms) FROM hour WHERE unit = ?1 AND start_ms < ?2 "
        "AND quality_assured = 1 AND operating_percent > 0), -1)",
        (unit, start_ms),
    )


def _known(row: Sequence[Any]) -> KnownHour:
    start_ms, percent, nox_g, energy_wh, is_load_known, code, assured, minutes, remarks = row
    said, share = _share_in(remarks.split("\n") if remarks else [])
    return KnownHour(
        start_ms, percent, nox_g, energy_wh, bool(is_load_known), code, bool(assured), minutes, said, share
    )


def _lines(hour: KnownHour) -> str:
    """The remarks, and what is the unit's of the hour of a shared stack."""
    share = hour.share
    if share is None:
        return "\n".join(hour.remarks)
    own = f"{SHARE}:{share.unit}:{share.operating_percent}:{share.energy_wh}"
    return "\n".join((*hour.remarks, *weights_in_words(share.apportioning), own))


def _share_in(lines: list[str]) -> tuple[tuple[str, ...], UnitShare | None]:
    if not lines or not lines[-1].startswith(f"{SHARE}:"):
        return tuple(lines), None
    how = weights_in(lines)
    _, unit, percent, energy_wh = lines[-1].split(":")
    if how is None:
        raise ValueError(f"of unit {unit}: the history does not say how an hour was divided")
    said = tuple(line for line in lines[:-1] if not is_of_stack(line))
    return said, UnitShare(unit, int(percent), int(energy_wh), how)


def _stored(row: Sequence[Any]) -> StoredHour:
    is_open, statements, nox_g, code, recipe, first_record = row[9:]
    stated = None if nox_g is None else HourStatement(nox_g, code, recipe)
    return StoredHour(_known(row[:9]), bool(is_open), statements, stated, first_record)
