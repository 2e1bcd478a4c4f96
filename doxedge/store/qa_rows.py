"""The SQL of quality assurance. Every function runs inside a transaction, or on a connection that only reads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_SELECT: Final = "SELECT id, kind, begun, unit, quantity, at_ms, body FROM entry "


class QaKind(StrEnum):
    """What an entry is about. The words are stored."""

    BEGUN = "begun"
    """A check began."""
    CHECK = "check"
    """It ended."""
    HOUR = "hour"
    """A clock hour is over for a monitor; with all that the next one depends on."""
    STANDING = "standing"
    """A monitor came into control, or went out of it."""
    TEST = "test"
    """A linearity check, RATA, QAL2, AST or QAL3 was entered, or an event after which a check must pass."""
    CHART = "chart"
    """One reading on a QAL3 chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QaDraft:
    """An entry that is not on the disk yet."""

    kind: QaKind
    unit: str
    quantity: str
    at_ms: int
    body: Mapping[str, Any]
    """Plain values for JSON; what was measured is a decimal string."""
    begun: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QaEntry(QaDraft):
    """One line of the record."""

    number: int


def append(connection: sqlite3.Connection, *, drafts: Iterable[QaDraft]) -> list[QaEntry]:
    """All of them or none. Safe to repeat: a check that has begun or ended already has no second beginning or end."""
    return [_append(connection, draft) for draft in drafts]


def newest(
    connection: sqlite3.Connection, *, kind: QaKind | None = None, unit: str | None = None, limit: int
) -> list[QaEntry]:
    """The last so many entries, of one kind and unit if these are given, oldest first."""
    rows = connection.execute(
        _SELECT + "WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR unit = ?2) ORDER BY id DESC LIMIT ?3",
        (kind, unit, limit),
    ).fetchall()
    return [_entry(row) for row in rows][::-1]


def numbered(connection: sqlite3.Connection, *, number: int) -> list[QaEntry]:
    """The entry of a number, if there is one."""
    return [_entry(row) for row in connection.execute(_SELECT + "WHERE id = ?", (number,))]


def since(connection: sqlite3.Connection, *, kind: QaKind, unit: str, from_ms: int) -> list[QaEntry]:
    """The entries of a kind that happened from an instant on, oldest first."""
    rows = connection.execute(
        _SELECT + "WHERE kind = ? AND unit = ? AND at_ms >= ? ORDER BY id", (kind, unit, from_ms)
    )
    return [_entry(row) for row in rows]


def tests(connection: sqlite3.Connection) -> list[QaEntry]:
    """All tests and events that were entered, of all units, oldest first."""
    return [_entry(row) for row in connection.execute(_SELECT + "WHERE kind = 'test' ORDER BY id")]


def last(connection: sqlite3.Connection, *, kind: QaKind, unit: str, quantity: str) -> QaEntry | None:
    """The newest entry of a kind about a monitor."""
    row = connection.execute(
        _SELECT + "WHERE kind = ? AND unit = ? AND quantity = ? ORDER BY id DESC LIMIT 1",
        (kind, unit, quantity),
    ).fetchone()
    return None if row is None else _entry(row)


def unfinished(connection: sqlite3.Connection, *, unit: str) -> list[QaEntry]:
    """The checks of a unit that began and did not end, oldest first."""
    rows = connection.execute(
        "SELECT id, kind, begun, unit, quantity, at_ms, body FROM entry WHERE kind = 'begun' AND unit = ? "
        "AND id NOT IN (SELECT begun FROM entry WHERE begun IS NOT NULL) ORDER BY id",
        (unit,),
    )
    return [_entry(row) for row in rows]


def _append(connection: sqlite3.Connection, draft: QaDraft) -> QaEntry:
    if draft.begun is not None:
        row = connection.execute(_SELECT + "WHERE begun = ?", (draft.begun,)).fetchone()
        if row is not None:
            return _entry(row)
    body = json.dumps(draft.body, ensure_ascii=False, sort_keys=True)
    if draft.kind is QaKind.BEGUN:
        about = (draft.unit, draft.quantity, draft.at_ms, body)
        row = connection.execute(
            _SELECT + "WHERE kind = 'begun' AND unit = ? AND quantity = ? AND at_ms = ? AND body = ?", about
        ).fetchone()
        if row is not None:
            return _entry(row)
    number = connection.execute(
        "INSERT INTO entry (kind, begun, unit, quantity, at_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
        (draft.kind, draft.begun, draft.unit, draft.quantity, draft.at_ms, body),
    ).lastrowid
    assert number is not None  # noqa: S101 - a row was inserted
    return _entry((number, draft.kind, draft.begun, draft.unit, draft.quantity, draft.at_ms, body))


def _entry(row: tuple[Any, ...]) -> QaEntry:
    number, kind, begun, unit, quantity, at_ms, body = row
    return QaEntry(
        number=number,
        kind=QaKind(kind),
        begun=begun,
        unit=unit,
        quantity=quantity,
        at_ms=at_ms,
        body=json.loads(body),
    )
