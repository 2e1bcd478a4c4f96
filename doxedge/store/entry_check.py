"""Whether the outbox holds what was put in: every record is decoded again and must follow the one before it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from doxedge.signing import envelope
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record, decode_payload
from doxedge.store.connection import Database
from doxedge.store.rows import Break

ENTRIES_A_STEP: Final = 256
SignatureHolds = Callable[[bytes, Envelope], bool]
"""(channel, envelope) -> whether the signature is that of the source's key."""


@dataclass(frozen=True, slots=True)
class ChainStart:
    """A source, and between which records its entries stand."""

    source_id: int
    channel: bytes
    source: bytes
    anchor_seq: int
    anchor_prev: bytes


StoredEntry = tuple[int, bytes, str, bytes]
"""seq, record id, kind, envelope."""


def chain_starts(connection: sqlite3.Connection) -> list[ChainStart]:
    """All sources."""
    rows = connection.execute("SELECT id, channel, source, anchor_seq, anchor_prev FROM source ORDER BY id")
    return [ChainStart(*row) for row in rows]


def known_gaps(connection: sqlite3.Connection) -> list[Break]:
    """Of all sources."""
    rows = connection.execute(
        "SELECT s.channel, s.source, g.after_seq, g.to_seq, g.noticed_ms FROM gap g "
        "JOIN source s ON s.id = g.source_id ORDER BY s.id, g.after_seq"
    )
    return [
        Break(
            channel,
            source,
            after + 1,
            f"records {after + 1} to {to_seq} are not here (noticed at {noticed_ms} ms)",
        )
        for channel, source, after, to_seq, noticed_ms in rows
    ]


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far along the records of a source we are."""

    seq: int
    prev: bytes
    breaks: tuple[Break, ...] = ()
    is_over: bool = False


async def verify_source(
    database: Database, start: ChainStart, signature_holds: SignatureHolds | None
) -> list[Break]:
    """Walk along the records of one source, a few hundred at a time, in the thread that reads."""
    walk = _Walk(start.anchor_seq, start.anchor_prev)
    while not walk.is_over:
        walk = await database.read(partial(_step, start=start, walk=walk, signature_holds=signature_holds))
    return list(walk.breaks)


def verify_all(connection: sqlite3.Connection) -> list[Break]:
    """The same for all sources at once, without their signatures: nobody's key is at hand."""
    breaks: list[Break] = []
    for start in chain_starts(connection):
        walk = _Walk(start.anchor_seq, start.anchor_prev)
        while not walk.is_over:
            walk = _step(connection, start=start, walk=walk, signature_holds=None)
        breaks += walk.breaks
    return breaks


def _step(
    connection: sqlite3.Connection, *, start: ChainStart, walk: _Walk, signature_holds: SignatureHolds | None
) -> _Walk:
    """The next few hundred records; after the last one the chain must end where the numbering stands."""
    breaks = list(walk.breaks)

    def note(at: int, reason: str) -> None:
        breaks.append(Break(start.channel, start.source, at, reason))

    gaps = _gaps(connection, start=start)
    seq, prev = walk.seq, walk.prev
    entries, head, anchor = _entries_after(connection, start=start, seq=seq)
    if anchor[0] > seq:  # entries were pruned meanwhile
        seq, prev = anchor
    for entry in entries:
        at, stored_id = entry[:2]
        while seq in gaps and at > seq + 1:
            seq, prev = gaps[seq]
        if at != seq + 1:
            note(seq + 1, f"records {seq + 1} to {at - 1} are missing")
        for reason in _reasons_against(entry, start, signature_holds, prev=prev if at == seq + 1 else None):
            note(at, reason)
        seq, prev = at, stored_id
    if entries:
        return _Walk(seq, prev, tuple(breaks))
    while seq in gaps:
        seq, prev = gaps[seq]
    if (seq, prev) != head:
        note(
            seq + 1,
            f"the last record that was given a number is {head[0]} ({head[1].hex()}), here ends {seq}",
        )
    return _Walk(seq, prev, tuple(breaks), is_over=True)


def reasons_against(
    *, channel: bytes, source: bytes, seq: int, record_id: bytes, kind: str, sealed: bytes
) -> tuple[Record | None, list[str]]:
    """What is wrong with one entry by itself, and the record in its envelope when there is one."""
    try:
        record = decode_payload(envelope.decode(sealed).payload)
    except ValueError as error:
        return None, [f"the envelope was altered: {error}"]
    reasons = []
    if (record.source, record.seq, record.kind) != (source, seq, kind):
        reasons.append(f"the envelope holds record {record.seq} ({record.kind}) of {record.source.hex()}")
    if record.record_id(channel) != record_id:
        reasons.append(f"the envelope holds record {record.record_id(channel).hex()}, not {record_id.hex()}")
    return record, reasons


def _reasons_against(
    entry: StoredEntry,
    start: ChainStart,
    signature_holds: SignatureHolds | None,
    *,
    prev: bytes | None,
) -> list[str]:
    seq, record_id, kind, sealed = entry
    record, reasons = reasons_against(
        channel=start.channel, source=start.source, seq=seq, record_id=record_id, kind=kind, sealed=sealed
    )
    if record is not None and prev is not None and record.prev != prev:
        reasons.append(f"it follows {record.prev.hex()}, the record before it is {prev.hex()}")
    if (
        record is not None
        and signature_holds is not None
        and not signature_holds(start.channel, envelope.decode(sealed))
    ):
        reasons.append("the signature does not hold")
    return reasons


def _entries_after(
    connection: sqlite3.Connection, *, start: ChainStart, seq: int
) -> tuple[list[StoredEntry], tuple[int, bytes], tuple[int, bytes]]:
    entries = connection.execute(
        "SELECT seq, record_id, kind, envelope FROM entry WHERE source_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (start.source_id, seq, ENTRIES_A_STEP),
    ).fetchall()
    row = connection.execute(
        "SELECT seq, prev, anchor_seq, anchor_prev FROM source WHERE id = ?", (start.source_id,)
    ).fetchone()
    return entries, row[:2], row[2:]


def _gaps(connection: sqlite3.Connection, *, start: ChainStart) -> dict[int, tuple[int, bytes]]:
    rows = connection.execute(
        "SELECT after_seq, to_seq, to_prev FROM gap WHERE source_id = ?", (start.source_id,)
    )
    return {after: (to_seq, to_prev) for after, to_seq, to_prev in rows}
