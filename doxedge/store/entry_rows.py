"""The SQL of the outbox. Every function runs inside a transaction of the store's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from doxedge.signing import record as records
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record
from doxedge.signing.tags import ZERO_HASH
from doxedge.store.block_rows import size_bytes
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import Appended, Closing, Counts, Draft, Entry, EntryState, Queue, SourceHead

PENDING: Final = 0
CLOSED: Final = 1
REFUSED: Final = 2
_STATE_NAMES: Final[dict[int, EntryState]] = {
    PENDING: "pending",
    CLOSED: "closed",
    REFUSED: "refused_at_admission",
}
PRUNED_AT_ONCE_MAX: Final = 512
"""Entries deleted in one transaction, so that a purge never holds up an append."""
EARLY_AT_ONCE: Final = 24
"""Proved records that go together when there is no room: a day of one unit, and not more than is needed by much."""
KEY_CHARACTERS_MAX: Final = 256
_SELECT: Final = (
    "SELECT e.record_id, s.channel, s.source, e.seq, e.kind, e.key, e.envelope, e.state, e.stored_ms, e.closed_ms, "
    "e.outcome, e.clause, e.reason, p.data FROM entry e JOIN source s ON s.id = e.source_id "
    "LEFT JOIN proof p ON p.id = e.proof_id "
)


def begin(connection: sqlite3.Connection, *, path: Path, head: SourceHead, now_ms: int) -> SourceHead:
    """Agree with the ledger on the last number of a source."""
    if (head.seq == 0) != (head.prev == ZERO_HASH):
        raise ValueError(f"record {head.seq} has no id of zeros, and before record 1 there is none")
    found = _source(connection, head.channel, head.source)
    if found is None:
        connection.execute(
            "INSERT INTO source (channel, source, seq, prev, anchor_seq, anchor_prev) VALUES (?, ?, ?, ?, ?, ?)",
            (head.channel, head.source, head.seq, head.prev, head.seq, head.prev),
        )
        return replace(head, adopted=head.seq > 0)
    source_id, seq, prev = found
    if head.seq > seq:
        note_gap(connection, source_id, after_seq=seq, to_seq=head.seq, to_prev=head.prev, now_ms=now_ms)
        _set_head(connection, source_id, head.seq, head.prev)
        return replace(head, adopted=True)
    known = prev if head.seq == seq else _record_id_at(connection, source_id, head.seq)
    if head.seq and known not in (None, head.prev):
        raise StoreError(
            Kind.CONFLICT,
            path,
            f"record {head.seq} of source {head.source.hex()} is {head.prev.hex()} on the ledger and {known.hex()} "
            "here: another gateway signs with this key, or this file is an old copy; ask the regulator",
        )
    return SourceHead(head.channel, head.source, seq, prev)


def append(
    connection: sqlite3.Connection,
    *,
    path: Path,
    channel: bytes,
    source: bytes,
    drafts: Sequence[Draft],
    seal: Callable[[Record], Envelope],
    now_ms: int,
    closed_keep_ms: int,
    bytes_max: int,
) -> tuple[list[Appended], int]:
    """Number, seal and insert the drafts that are new; and how many proved records had to go early for it."""
    found = _source(connection, channel, source)
    if found is None:
        raise StoreError(
            Kind.BROKEN_CHAIN, path, f"source {source.hex()} has no first number yet; call begin first"
        )
    source_id, seq, prev = found
    appended: list[Appended] = []
    for draft in drafts:
        if not 0 < len(draft.key) <= KEY_CHARACTERS_MAX:
            raise ValueError(f"an idempotency key has 1 to {KEY_CHARACTERS_MAX} characters")
        standing = connection.execute(
            "SELECT record_id, seq FROM entry WHERE source_id = ? AND key = ?", (source_id, draft.key)
        ).fetchone()
        if standing is not None:
            appended.append(Appended(standing[0], standing[1], new=False))
            continue
        record = records.checked(kind=draft.kind, source=source, seq=seq + 1, prev=prev, body=draft.body)
        sealed = seal(record)
        if sealed.payload != record.payload():
            raise ValueError("the seal covers another record than the one that was numbered")
        seq, prev = record.seq, record.record_id(channel)
        connection.execute(
            "INSERT INTO entry (source_id, seq, record_id, kind, key, state, stored_ms, envelope) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (source_id, seq, prev, draft.kind, draft.key, PENDING, now_ms, sealed.encode()),
        )
        appended.append(Appended(prev, seq, new=True))
    if any(one.new for one in appended):
        _set_head(connection, source_id, seq, prev)
        return appended, _keep_within(connection, path, bytes_max, closed_before_ms=now_ms - closed_keep_ms)
    return appended, 0


def _keep_within(connection: sqlite3.Connection, path: Path, bytes_max: int, *, closed_before_ms: int) -> int:
    """Give up proved records when the budget is used up, before their time where that must be; how many of these.

    Raises StoreError(BUDGET) when that is not enough.
    """
    early = 0
    while size_bytes(connection) > bytes_max:
        if prune(connection, closed_before_ms=closed_before_ms):
            continue
        first = _first_to_go(connection)
        if first is not None:
            early += _forget(connection, first[0], closed_before_ms=None, limit=EARLY_AT_ONCE)
        else:
            raise StoreError(
                Kind.BUDGET,
                path,
                f"the outbox holds its {bytes_max} bytes of records that are not final; is the ledger reachable? "
                "Allow it more room, nothing in it may be dropped",
            )
    return early


def _first_to_go(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """(source, when it was proved) of the record that was proved first, of those that begin their source's rest."""
    found: tuple[int, int] | None = None
    for (source_id,) in connection.execute("SELECT id FROM source").fetchall():
        row = connection.execute(
            "SELECT state, closed_ms FROM entry WHERE source_id = ? ORDER BY seq LIMIT 1", (source_id,)
        ).fetchone()
        if row is not None and row[0] == CLOSED and (found is None or row[1] < found[1]):
            found = source_id, row[1]
    return found


def room(connection: sqlite3.Connection) -> tuple[int, int | None]:
    """(bytes in use, when the record was proved that would go first). Quick, however many are kept."""
    first = _first_to_go(connection)
    return size_bytes(connection), None if first is None else first[1]


def pending(
    connection: sqlite3.Connection, *, channel: bytes, source: bytes, after_seq: int, limit: int
) -> list[Entry]:
    """In the order of their numbers; the partial index makes a long backlog as fast as a short one."""
    found = _source(connection, channel, source)
    if found is None:
        return []
    return _entries(
        connection,
        "WHERE e.source_id = ? AND e.state = 0 AND e.seq > ? ORDER BY e.seq LIMIT ?",
        (found[0], after_seq, limit),
    )


def pending_sources(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    """Those with something to send."""
    return connection.execute(
        "SELECT channel, source FROM source s WHERE EXISTS "
        "(SELECT 1 FROM entry WHERE source_id = s.id AND state = 0) ORDER BY id"
    ).fetchall()


def by_record_id(connection: sqlite3.Connection, *, record_id: bytes) -> Entry | None:
    """One entry."""
    return next(iter(_entries(connection, "WHERE e.record_id = ?", (record_id,))), None)


def by_key(connection: sqlite3.Connection, *, channel: bytes, source: bytes, key: str) -> Entry | None:
    """One entry."""
    found = _entries(connection, "WHERE s.channel = ? AND s.source = ? AND e.key = ?", (channel, source, key))
    return next(iter(found), None)


def counts(connection: sqlite3.Connection) -> Counts:
    """By state."""
    by_state = dict(connection.execute("SELECT state, count(*) FROM entry GROUP BY state").fetchall())
    return Counts(
        pending=by_state.get(PENDING, 0),
        closed=by_state.get(CLOSED, 0),
        refused=by_state.get(REFUSED, 0),
        bytes=size_bytes(connection),
    )


def queue(connection: sqlite3.Connection, *, channel: bytes, source: bytes) -> Queue:
    """Of one source; the indices make it quick however many entries are kept."""
    found = _source(connection, channel, source)
    if found is None:
        return Queue(0, None, None, 0)
    pending = connection.execute(
        "SELECT count(*) FROM entry WHERE source_id = ? AND state = 0", found[:1]
    ).fetchone()[0]
    oldest = connection.execute(
        "SELECT seq, stored_ms FROM entry WHERE source_id = ? AND state = 0 ORDER BY seq LIMIT 1", found[:1]
    ).fetchone() or (None, None)
    final = connection.execute(
        "SELECT seq FROM entry WHERE source_id = ? AND state = 1 ORDER BY seq DESC LIMIT 1", found[:1]
    ).fetchone()
    return Queue(int(pending), oldest[0], oldest[1], int(final[0]) if final else 0)


def refused(connection: sqlite3.Connection, *, channel: bytes, source: bytes) -> int:
    """How many records of a source wait for the operator. Looks at every entry of the source."""
    found = _source(connection, channel, source)
    if found is None:
        return 0
    query = "SELECT count(*) FROM entry WHERE source_id = ? AND state = 2"
    return int(connection.execute(query, found[:1]).fetchone()[0])


def close_entries(connection: sqlite3.Connection, *, closings: Sequence[Closing], now_ms: int) -> int:
    """The first proof of a record stands; a proof of many records is kept once."""
    by_proof: dict[bytes, list[Closing]] = {}
    for one in closings:
        by_proof.setdefault(one.proof, []).append(one)
    closed = 0
    for proof, proved in by_proof.items():
        proof_id = connection.execute("INSERT INTO proof (data) VALUES (?)", (proof,)).lastrowid
        news = connection.executemany(
            "UPDATE entry SET state = 1, closed_ms = ?, outcome = ?, clause = ?, reason = NULL, proof_id = ? "
            "WHERE record_id = ? AND state <> 1",
            [(now_ms, one.outcome, one.clause, proof_id, one.record_id) for one in proved],
        ).rowcount
        if not news:
            connection.execute("DELETE FROM proof WHERE id = ?", (proof_id,))
        closed += news
    return closed


def mark_refused(
    connection: sqlite3.Connection, *, record_id: bytes, clause: str | None, reason: str
) -> None:
    """Only what is pending can be refused."""
    connection.execute(
        "UPDATE entry SET state = 2, clause = ?, reason = ? WHERE record_id = ? AND state = 0",
        (clause, reason, record_id),
    )


def reopen(connection: sqlite3.Connection, *, record_id: bytes) -> None:
    """Only what was refused can be sent again."""
    connection.execute(
        "UPDATE entry SET state = 0, clause = NULL, reason = NULL WHERE record_id = ? AND state = 2",
        (record_id,),
    )


def prune(connection: sqlite3.Connection, *, closed_before_ms: int) -> int:
    """Delete the oldest entries of each source up to the first that must stay; move the anchor behind them."""
    deleted = 0
    for (source_id,) in connection.execute("SELECT id FROM source").fetchall():
        limit = PRUNED_AT_ONCE_MAX - deleted
        deleted += _forget(connection, source_id, closed_before_ms=closed_before_ms, limit=limit)
    return deleted


def _forget(
    connection: sqlite3.Connection, source_id: int, *, closed_before_ms: int | None, limit: int
) -> int:
    """The same of one source, at most so many; `closed_before_ms` None: whenever they were proved."""
    last: tuple[int, bytes] | None = None
    rows = connection.execute(
        "SELECT seq, record_id, state, closed_ms FROM entry WHERE source_id = ? ORDER BY seq LIMIT ?",
        (source_id, limit),
    )
    for seq, record_id, state, closed_ms in rows.fetchall():
        if state != CLOSED or (closed_before_ms is not None and closed_ms >= closed_before_ms):
            break
        last = seq, record_id
    if last is None:
        return 0
    proofs = connection.execute(
        "SELECT DISTINCT proof_id FROM entry WHERE source_id = ? AND seq <= ?", (source_id, last[0])
    ).fetchall()
    deleted = connection.execute(
        "DELETE FROM entry WHERE source_id = ? AND seq <= ?", (source_id, last[0])
    ).rowcount
    connection.executemany(
        "DELETE FROM proof WHERE id = ? AND NOT EXISTS (SELECT 1 FROM entry WHERE proof_id = proof.id)",
        proofs,
    )
    connection.execute("DELETE FROM gap WHERE source_id = ? AND to_seq <= ?", (source_id, last[0]))
    connection.execute("UPDATE source SET anchor_seq = ?, anchor_prev = ? WHERE id = ?", (*last, source_id))
    return deleted


def head(connection: sqlite3.Connection, *, channel: bytes, source: bytes) -> SourceHead | None:
    """Of one source."""
    found = _source(connection, channel, source)
    return None if found is None else SourceHead(channel, source, found[1], found[2])


def heads(connection: sqlite3.Connection) -> list[SourceHead]:
    """Of all sources, in the order of their first use."""
    rows = connection.execute("SELECT channel, source, seq, prev FROM source ORDER BY id")
    return [SourceHead(*row) for row in rows]


def note_gap(
    connection: sqlite3.Connection,
    source_id: int,
    *,
    after_seq: int,
    to_seq: int,
    to_prev: bytes,
    now_ms: int,
) -> None:
    """Numbers that were used and are not here."""
    connection.execute(
        "INSERT INTO gap (source_id, after_seq, to_seq, to_prev, noticed_ms) VALUES (?, ?, ?, ?, ?)",
        (source_id, after_seq, to_seq, to_prev, now_ms),
    )


def _source(connection: sqlite3.Connection, channel: bytes, source: bytes) -> tuple[int, int, bytes] | None:
    row: tuple[int, int, bytes] | None = connection.execute(
        "SELECT id, seq, prev FROM source WHERE channel = ? AND source = ?", (channel, source)
    ).fetchone()
    return row


def _set_head(connection: sqlite3.Connection, source_id: int, seq: int, prev: bytes) -> None:
    connection.execute("UPDATE source SET seq = ?, prev = ? WHERE id = ?", (seq, prev, source_id))


def _record_id_at(connection: sqlite3.Connection, source_id: int, seq: int) -> bytes | None:
    row = connection.execute(
        "SELECT record_id FROM entry WHERE source_id = ? AND seq = ?", (source_id, seq)
    ).fetchone()
    return None if row is None else bytes(row[0])


def _entries(connection: sqlite3.Connection, where: str, parameters: tuple[Any, ...]) -> list[Entry]:
    found = []
    for row in connection.execute(_SELECT + where, parameters):
        columns: list[Any] = [*row[:7], _STATE_NAMES[row[7]], *row[8:]]
        found.append(Entry(*columns))
    return found
