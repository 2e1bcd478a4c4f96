"""The SQL of the alarms. Every function runs inside a transaction, or on a connection that only reads."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doxedge.measurement.alarms import Acknowledgement, Alarm, Change, Sighting
from doxedge.store.errors import Kind, StoreError

_SELECT: Final = (
    "SELECT r.id, r.code, r.subject, r.text, r.at_ms, c.at_ms, a.name, a.text, a.at_ms, a.user FROM entry r "
    "LEFT JOIN entry c ON c.alarm = r.id AND c.change = 'cleared' "
    "LEFT JOIN entry a ON a.alarm = r.id AND a.change = 'acknowledged' "
)


@dataclass(frozen=True, slots=True)
class AlarmEntry:
    """One line of the record."""

    number: int
    """Of the alarm it is about."""
    change: Change
    code: str
    subject: str
    at_ms: int
    text: str
    raised_ms: int
    """When the alarm was raised: with code and subject it names the occurrence, also after this file was lost."""


def raise_alarm(connection: sqlite3.Connection, *, sighting: Sighting, at_ms: int) -> Alarm:
    """A new alarm; the standing one when its condition has one already."""
    standing = _alarms(
        connection,
        "WHERE r.change = 'raised' AND c.id IS NULL AND r.code = ? AND r.subject = ?",
        (sighting.code, sighting.subject),
    )
    if standing:
        return standing[0]
    number = connection.execute(
        "INSERT INTO entry (alarm, change, code, subject, at_ms, text, name, user) "
        "VALUES (NULL, 'raised', ?, ?, ?, ?, '', '')",
        (sighting.code, sighting.subject, at_ms, sighting.text),
    ).lastrowid
    assert number is not None  # noqa: S101 - a row was inserted
    return Alarm(number, sighting.code, sighting.subject, sighting.text, at_ms)


def clear_alarm(connection: sqlite3.Connection, *, number: int, text: str, at_ms: int) -> None:
    """It is over; saying so again changes nothing."""
    connection.execute(
        "INSERT INTO entry (alarm, change, code, subject, at_ms, text, name, user) "
        "SELECT id, 'cleared', code, subject, ?, ?, '', '' FROM entry WHERE id = ? AND change = 'raised' "
        "ON CONFLICT (alarm, change) DO NOTHING",
        (at_ms, text, number),
    )


def acknowledge(
    connection: sqlite3.Connection, *, path: Path, number: int, said: Acknowledgement
) -> Alarm | None:
    """Somebody has seen it; the alarm with that, None when there is no such alarm. CONFLICT when somebody had."""
    alarm = find(connection, number=number)
    if alarm is None:
        return None
    if alarm.acknowledged is not None:
        text = f"alarm {number} was acknowledged by {alarm.acknowledged.name}: {alarm.acknowledged.reason}"
        raise StoreError(Kind.CONFLICT, path, text)
    connection.execute(
        "INSERT INTO entry (alarm, change, code, subject, at_ms, text, name, user) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            Change.ACKNOWLEDGED,
            alarm.code,
            alarm.subject,
            said.at_ms,
            said.reason,
            said.name,
            said.user,
        ),
    )
    return find(connection, number=number)


def find(connection: sqlite3.Connection, *, number: int) -> Alarm | None:
    """One alarm."""
    return next(iter(_alarms(connection, "WHERE r.id = ? AND r.change = 'raised'", (number,))), None)


def wanting(connection: sqlite3.Connection) -> list[Alarm]:
    """Alarms that are not over or not acknowledged, oldest first."""
    return _alarms(
        connection, "WHERE r.change = 'raised' AND (c.id IS NULL OR a.id IS NULL) ORDER BY r.id", ()
    )


def newest(connection: sqlite3.Connection, *, limit: int) -> list[Alarm]:
    """The last so many alarms, whatever became of them, oldest first."""
    return _alarms(connection, "WHERE r.change = 'raised' ORDER BY r.id DESC LIMIT ?", (limit,))[::-1]


def entries_since(connection: sqlite3.Connection, *, since_ms: int) -> list[AlarmEntry]:
    """The lines from `since_ms` on, in the order in which they were written."""
    rows = connection.execute(
        "SELECT r.id, e.change, e.code, e.subject, e.at_ms, e.text, r.at_ms FROM entry e "
        "JOIN entry r ON r.id = coalesce(e.alarm, e.id) WHERE e.at_ms >= ? ORDER BY e.id",
        (since_ms,),
    )
    return [AlarmEntry(row[0], Change(row[1]), *row[2:]) for row in rows]


def _alarms(connection: sqlite3.Connection, condition: str, values: tuple[int | str, ...]) -> list[Alarm]:
    found = []
    for row in connection.execute(_SELECT + condition, values):
        number, code, subject, text, raised_ms, cleared_ms, name, reason, at_ms, user = row
        said = None if name is None else Acknowledgement(name, reason, at_ms, user)
        found.append(Alarm(number, code, subject, text, raised_ms, cleared_ms, said))
    return found
