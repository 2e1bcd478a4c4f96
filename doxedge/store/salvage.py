"""What a damaged outbox still holds: every entry proves itself, so the sound ones are brought over.

Acknowledged measurements are not lost with a page of the file. Entries whose envelope no longer gives their record id
are left behind, and the numbers that are missing are noted, so that the chain shows where it was broken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from doxedge.store import entry_check, entry_rows

_COLUMNS: Final = "seq, record_id, kind, key, state, stored_ms, closed_ms, outcome, clause, reason, envelope"
_IDS_A_STEP: Final = 64
_SEQ, _RECORD_ID, _KIND, _STATE, _ENVELOPE = 0, 1, 2, 4, 10


@dataclass(slots=True)
class SalvagedSource:
    """One source of the damaged file and its sound entries, by number."""

    channel: bytes
    source: bytes
    seq: int
    prev: bytes
    anchor_seq: int
    anchor_prev: bytes
    entries: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    proofs: dict[int, int] = field(default_factory=dict)
    """By number of the entry: the damaged file's name of its proof."""
    proof_data: dict[int, bytes] = field(default_factory=dict)
    """Those proofs that can be read."""


def read_entries(path: Path) -> list[SalvagedSource]:
    """All that can be read and proves itself; [] when the file gives nothing."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            sources = _sources(connection)
            for source_id, proof_id, *entry in _readable_rows(connection):
                if source_id in sources:
                    _take_if_sound(sources[source_id], tuple(entry), proof_id)
            for source in sources.values():
                source.proof_data = _readable_proofs(connection, set(source.proofs.values()))
    except sqlite3.Error:
        return []
    return list(sources.values())


def _sources(connection: sqlite3.Connection) -> dict[int, SalvagedSource]:
    rows = connection.execute("SELECT id, channel, source, seq, prev, anchor_seq, anchor_prev FROM source")
    return {row[0]: SalvagedSource(*row[1:]) for row in rows}


def _readable_rows(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Rows in steps; where a step meets a damaged page, one by one."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").fetchone()
    for first in range(1, (last[0] if last else 0) + 1, _IDS_A_STEP):
        try:
            yield from _rows_between(connection, first, first + _IDS_A_STEP - 1)
        except sqlite3.DatabaseError:
            for number in range(first, first + _IDS_A_STEP):
                try:
                    yield from _rows_between(connection, number, number)
                except sqlite3.DatabaseError:
                    continue


def _rows_between(connection: sqlite3.Connection, first: int, last: int) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"SELECT source_id, proof_id, {_COLUMNS} FROM entry WHERE id BETWEEN ? AND ?",  # noqa: S608 - constants
        (first, last),
    ).fetchall()


def _readable_proofs(connection: sqlite3.Connection, proof_ids: Iterable[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for proof_id in sorted(proof_ids):
        try:
            row = connection.execute("SELECT data FROM proof WHERE id = ?", (proof_id,)).fetchone()
        except sqlite3.DatabaseError:
            continue
        if row is not None and isinstance(row[0], bytes):
            found[proof_id] = row[0]
    return found


def _take_if_sound(source: SalvagedSource, entry: tuple[Any, ...], proof_id: object) -> None:
    try:
        record, reasons = entry_check.reasons_against(
            channel=source.channel,
            source=source.source,
            seq=entry[_SEQ],
            record_id=entry[_RECORD_ID],
            kind=entry[_KIND],
            sealed=entry[_ENVELOPE],
        )
    except TypeError:  # a column of another type: the page was damaged
        return
    if record is not None and not reasons:
        source.entries[record.seq] = entry
        if isinstance(proof_id, int):
            source.proofs[record.seq] = proof_id


def write_entries(connection: sqlite3.Connection, *, found: Sequence[SalvagedSource], now_ms: int) -> int:
    """Put them into the fresh file, note the numbers that are missing, and continue after the highest one known."""
    written = 0
    for source in found:
        source_id = connection.execute(
            "INSERT INTO source (channel, source, seq, prev, anchor_seq, anchor_prev) VALUES (?, ?, ?, ?, ?, ?)",
            (source.channel, source.source, source.seq, source.prev, source.anchor_seq, source.anchor_prev),
        ).lastrowid
        assert source_id is not None  # noqa: S101 - a row was inserted
        proof_ids: dict[int | None, int | None] = {
            name: connection.execute("INSERT INTO proof (data) VALUES (?)", (data,)).lastrowid
            for name, data in source.proof_data.items()
        }
        seq, prev = source.anchor_seq, source.anchor_prev
        for number in sorted(source.entries):
            entry = source.entries[number]
            record, _ = entry_check.reasons_against(
                channel=source.channel,
                source=source.source,
                seq=number,
                record_id=entry[_RECORD_ID],
                kind=entry[_KIND],
                sealed=entry[_ENVELOPE],
            )
            if number > seq + 1 and record is not None:
                entry_rows.note_gap(
                    connection,
                    source_id,
                    after_seq=seq,
                    to_seq=number - 1,
                    to_prev=record.prev,
                    now_ms=now_ms,
                )
            _write_entry(connection, source_id, entry, proof_ids.get(source.proofs.get(number)))
            seq, prev = number, entry[_RECORD_ID]
            written += 1
        if seq < source.seq:
            entry_rows.note_gap(
                connection, source_id, after_seq=seq, to_seq=source.seq, to_prev=source.prev, now_ms=now_ms
            )
        elif seq > source.seq:
            connection.execute("UPDATE source SET seq = ?, prev = ? WHERE id = ?", (seq, prev, source_id))
    return written


def _write_entry(
    connection: sqlite3.Connection, source_id: int, entry: tuple[Any, ...], proof_id: int | None
) -> None:
    """One sound entry. Without its proof it is not closed any more: the ledger is asked for the proof again."""
    connection.execute(
        f"INSERT INTO entry (source_id, proof_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (source_id, proof_id, *entry),
    )
    if entry[_STATE] == entry_rows.CLOSED and proof_id is None:
        connection.execute(
            "UPDATE entry SET state = ?, closed_ms = NULL, outcome = NULL, clause = NULL WHERE record_id = ?",
            (entry_rows.PENDING, entry[_RECORD_ID]),
        )
