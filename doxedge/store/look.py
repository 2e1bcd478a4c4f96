"""What a gateway has on record, for a person who asks beside it: nothing here writes or waits for the service."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doxedge.measurement.alarms import Alarm
from doxedge.measurement.hour_history import KnownHour
from doxedge.signing.merkle import Frontier
from doxedge.store import alarm_rows, hour_rows, hour_tree, import_rows, qa_rows, sample_rows, schema_files
from doxedge.store.examine import reading
from doxedge.store.hour_rows import StoredHour
from doxedge.store.import_rows import ImportedFile
from doxedge.store.qa_rows import QaEntry, QaKind
from doxedge.store.rows import StoredSample

RECORDS_AT_ONCE: Final = 500
FILES_SINCE_FORM: Final = 2


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """One signed record of the outbox."""

    row_id: int
    """Grows with every record; a later look begins after it."""
    source: bytes
    seq: int
    kind: str
    state: str
    """`pending`, `final` or `refused`: by the ledger, at admission, or with a receipt that says so."""
    clause: str | None
    envelope: bytes


def records(
    path: Path, kinds: Sequence[str], *, after: int = 0, source: bytes | None = None
) -> list[KeptRecord]:
    """The next records of these kinds in the order of their signing; [] at the end. Raises StoreError.

    `source` None: of all sources.
    """
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="outbox")
        rows = connection.execute(
            "SELECT e.id, s.source, e.seq, e.kind, e.state, e.outcome, e.clause, e.envelope FROM entry e "
            "JOIN source s ON s.id = e.source_id WHERE e.id > ?1 AND e.kind IN (SELECT value FROM json_each(?2)) "
            "AND (?3 IS NULL OR s.source = ?3) ORDER BY e.id LIMIT ?4",
            (after, json.dumps([*kinds]), source, RECORDS_AT_ONCE),
        ).fetchall()
    return [
        KeptRecord(row_id, source, seq, kind, _state(state, outcome), clause, envelope)
        for row_id, source, seq, kind, state, outcome, clause, envelope in rows
    ]


def hour_leaves(path: Path, unit: str, start_ms: int, *, samples: int, root: bytes) -> list[bytes] | None:
    """The leaves under a root that an hour states, None when they are not there any more. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="samples")
        roots = hour_tree.stored_roots(connection, unit=unit, start_ms=start_ms)
        stored = next((one for one in roots if (one.samples, one.root) == (samples, root)), None)
        if stored is None:
            return None
        rows = hour_tree.leaves(
            connection, unit=unit, start_ms=start_ms, revision=stored.revision, after=0, limit=samples + 1
        )
    frontier, leaves = Frontier(), [hour_tree.leaf(row) for row in rows]
    for leaf in leaves:
        frontier.append(leaf)
    return leaves if (frontier.size, frontier.root()) == (samples, root) else None


def samples(
    path: Path, *, from_ms: int, to_ms: int, devices: Sequence[str], after: int = 0, limit: int
) -> list[StoredSample]:
    """As `SampleStore.between`. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="samples")
        return sample_rows.read(
            connection, from_ms=from_ms, to_ms=to_ms, devices=devices, after=after, limit=limit
        )


def standings(path: Path, unit: str) -> list[QaEntry]:
    """How the monitors of a unit stood, in the order in which that changed. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="qa")
        return qa_rows.since(connection, kind=QaKind.STANDING, unit=unit, from_ms=0)


def alarms(path: Path, *, newest: int | None = None) -> list[Alarm]:
    """The alarms that are not over or not acknowledged, or the newest whatever became of them. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="alarms")
        if newest is not None:
            return alarm_rows.newest(connection, limit=newest)
        return alarm_rows.wanting(connection)


def units(path: Path) -> dict[str, int]:
    """Units whose hours are known, with the beginning of each history. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="hours")
        return dict(connection.execute("SELECT unit, began_ms FROM unit ORDER BY unit"))


def hours(path: Path, unit: str, *, from_ms: int = 0, to_ms: int = 2**62) -> list[StoredHour]:
    """The history of a unit: the hours that begin in [from_ms, to_ms), in the order of time. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="hours")
        return hour_rows.between(connection, unit=unit, from_ms=from_ms, to_ms=to_ms)


def operation(path: Path, unit: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of the hours that begin in each [from_ms, to_ms): (known, with operation). Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="hours")
        count = import_rows.operation if _knows_files(connection) else hour_rows.operation
        return [count(connection, unit=unit, from_ms=begin, to_ms=end) for begin, end in spans]


def tests(path: Path) -> list[QaEntry]:
    """All tests and events that were entered, oldest first. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="qa")
        return qa_rows.tests(connection)


def imported_files(path: Path, unit: str) -> list[ImportedFile]:
    """The files of another system that were imported for a unit. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="hours")
        return import_rows.files(connection, unit=unit) if _knows_files(connection) else []


def imported_hours(path: Path, unit: str, *, sources: Collection[str] | None = None) -> list[KnownHour]:
    """Their hours: of those in force, or of `sources`, whatever became of them. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="hours")
        if not _knows_files(connection):
            return []
        return import_rows.hours(connection, unit=unit, from_ms=0, sources=sources)


def imported_units(path: Path) -> list[str]:
    """Units for which a file was imported. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="hours")
        return import_rows.units(connection) if _knows_files(connection) else []


def _knows_files(connection: sqlite3.Connection) -> bool:
    """A gateway that is older than we are and has not been started since has a file of the first form."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= FILES_SINCE_FORM


def quality(
    path: Path, *, kind: str | None = None, unit: str | None = None, newest: int, number: int | None = None
) -> list[QaEntry]:
    """The newest lines of quality assurance, or the one of a number. Raises StoreError."""
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema="qa")
        if number is not None:
            return qa_rows.numbered(connection, number=number)
        return qa_rows.newest(
            connection, kind=None if kind is None else QaKind(kind), unit=unit, limit=newest
        )


def _state(state: int, outcome: int | None) -> str:
    if state == 0:
        return "pending"
    return "final" if state == 1 and outcome == 0 else "refused"
