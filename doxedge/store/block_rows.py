"""The SQL of blocks, names and state. Every function runs inside a transaction of the store's thread."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from doxedge.consensus.header import decode_header
from doxedge.ledger.transaction import open_transaction
from doxedge.signing import tags
from doxedge.signing.merkle import Frontier
from doxedge.store import journal_rows, name_rows
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import BlockRow, Commit, Loaded, Place, StateWrite, StoredBlock, pack, unpack

CHECKSUM_BYTES: Final = 8
_SIZE_BYTES: Final = 8
_HEIGHT_MAX: Final = 2**63 - 1
"""SQLite's largest integer; peers may ask for more."""
_COLUMNS: Final = "b.height, b.block_id, b.header, b.certificate"


def check_channel(connection: sqlite3.Connection, *, path: Path, channel: bytes) -> None:
    """Raise StoreError(FOREIGN) when the file holds another channel."""
    stored = fact(connection, "channel")
    if stored not in (None, channel):
        raise StoreError(
            Kind.FOREIGN,
            path,
            f"this is the ledger of channel {tags.channel_short(stored or b'')}, not of "
            f"{tags.channel_short(channel)}; give each channel its own folder",
        )


def create(
    connection: sqlite3.Connection, *, path: Path, channel: bytes, genesis: bytes, state: Sequence[StateWrite]
) -> None:
    """Write genesis and first state, once."""
    stored = fact(connection, "genesis")
    if stored == genesis:
        return
    if stored is not None or tags.channel_id(genesis) != channel:
        raise StoreError(
            Kind.FOREIGN,
            path,
            f"the genesis begins channel {tags.channel_short(tags.channel_id(genesis))}, the file is for "
            f"{tags.channel_short(channel)}",
        )
    put_fact(connection, "channel", channel)
    put_fact(connection, "genesis", genesis)
    put_fact(connection, "history", pack_frontier(Frontier()))
    _write_state(connection, state)


def append(
    connection: sqlite3.Connection,
    *,
    path: Path,
    channel: bytes,
    commits: Sequence[Commit],
    journal: dict[bytes, bytes | None],
) -> None:
    """Write blocks that follow the head, with all that they change."""
    frontier = _stored_frontier(connection, path)
    height, block_id = frontier.size, _id_at(connection, frontier.size) or channel
    fresh: list[Commit] = []
    for commit in commits:
        block = commit.block
        if block.height <= height:
            _require_same(connection, path, block)
            continue
        _require_follows(path, block, height=height, parent_id=block_id)
        height, block_id = block.height, block.block_id
        frontier.append(block_id)
        fresh.append(commit)
    _write_blocks(connection, [commit.block for commit in fresh])
    _write_state(connection, [write for commit in fresh for write in commit.writes])
    put_fact(connection, "history", pack_frontier(frontier))
    journal_rows.put(connection, records=journal)


def _require_same(connection: sqlite3.Connection, path: Path, block: BlockRow) -> None:
    stored = _id_at(connection, block.height)
    if stored != block.block_id:
        raise StoreError(
            Kind.CONFLICT,
            path,
            f"block {block.block_id.hex()} is given for height {block.height}, where "
            f"{stored.hex() if stored else 'nothing'} is final",
        )


def _require_follows(path: Path, block: BlockRow, *, height: int, parent_id: bytes) -> None:
    header = decode_header(block.header)
    if header.block_id != block.block_id:
        raise StoreError(
            Kind.BROKEN_CHAIN, path, f"block {block.height}: the header does not have the id that is given"
        )
    if block.height != height + 1 or header.height != block.height:
        raise StoreError(
            Kind.BROKEN_CHAIN, path, f"block {block.height} is given, the next one is {height + 1}"
        )
    if header.parent_id != parent_id:
        raise StoreError(
            Kind.BROKEN_CHAIN,
            path,
            f"block {block.height} follows {header.parent_id.hex()}, the head is {parent_id.hex()}",
        )


def _write_blocks(connection: sqlite3.Connection, blocks: Sequence[BlockRow]) -> None:
    block_rows, body_rows, named, wire_ids = [], [], [], []
    for block in blocks:
        transactions = pack(transaction.raw for transaction in block.transactions)
        receipts = pack(transaction.receipt for transaction in block.transactions)
        size = len(transactions) + len(receipts)
        block_rows.append((block.height, block.block_id, block.header, block.certificate, size))
        body_rows.append((block.height, transactions, receipts))
        names = [name_rows.Names(one.tx_id, one.wire_id, one.record_ids) for one in block.transactions]
        named.append((block.height, names))
        wire_ids += [one.wire_id for one in names]
    connection.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?)", block_rows)
    connection.executemany("INSERT INTO body VALUES (?, ?, ?)", body_rows)
    name_rows.put(connection, named)
    journal_rows.release(connection, wire_ids=wire_ids)


def _write_state(connection: sqlite3.Connection, writes: Sequence[StateWrite]) -> None:
    last = {(write.room, write.key): write.value for write in writes}
    connection.executemany(
        "INSERT INTO state (room, key, value, checksum) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET value = excluded.value, checksum = excluded.checksum",
        [
            (room, key, value, state_checksum(room, key, value))
            for (room, key), value in last.items()
            if value is not None
        ],
    )
    connection.executemany(
        "DELETE FROM state WHERE room = ? AND key = ?",
        [name for name, value in last.items() if value is None],
    )


def state_checksum(room: str, key: bytes, value: bytes) -> bytes:
    """Eight bytes that name a changed row; they protect against decay, the certified root against intent."""
    return hashlib.sha256(pack((room.encode(), key, value))).digest()[:CHECKSUM_BYTES]


def load(connection: sqlite3.Connection, *, path: Path) -> Loaded | None:
    """All that a node holds in memory."""
    genesis = fact(connection, "genesis")
    if genesis is None:
        return None
    if fact(connection, "history") is None:
        raise StoreError(Kind.CORRUPT, path, "the tree over the block ids is missing")
    return Loaded(
        genesis=genesis,
        head=head(connection),
        state=connection.execute("SELECT room, key, value FROM state").fetchall(),
        frontier=_stored_frontier(connection, path),
        pool=journal_rows.held(connection),
        journal=journal_rows.journal(connection),
    )


def head(connection: sqlite3.Connection) -> StoredBlock | None:
    """The last block with its body."""
    last = connection.execute("SELECT max(height) FROM block").fetchone()[0]
    if last is None:
        return None
    return blocks(connection, first=last, last=last, bytes_max=0)[0]


def blocks(connection: sqlite3.Connection, *, first: int, last: int, bytes_max: int) -> list[StoredBlock]:
    """Blocks in order of height, the first in any case, further ones while they fit."""
    found: list[StoredBlock] = []
    total = 0
    rows = connection.execute(
        f"SELECT {_COLUMNS}, b.body_bytes, d.transactions, d.receipts "  # noqa: S608 - constants
        "FROM block b LEFT JOIN body d ON d.height = b.height WHERE b.height BETWEEN ? AND ? ORDER BY b.height",
        (first, min(last, _HEIGHT_MAX)),
    )
    for height, block_id, header, certificate, body_bytes, transactions, receipts in rows:
        total += body_bytes + len(header) + len(certificate or b"")
        if found and total > bytes_max:
            break
        found.append(
            StoredBlock(height, block_id, header, certificate, _unpacked(transactions), _unpacked(receipts))
        )
    return found


def headers(connection: sqlite3.Connection, *, first: int, last: int) -> list[StoredBlock]:
    """Blocks without their bodies."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM block b WHERE b.height BETWEEN ? AND ? ORDER BY b.height",  # noqa: S608 - constants
        (first, min(last, _HEIGHT_MAX)),
    )
    return [
        StoredBlock(height, block_id, header, certificate, None, None)
        for height, block_id, header, certificate in rows
    ]


def block_ids(connection: sqlite3.Connection, *, first: int, last: int) -> list[bytes]:
    """In order of height."""
    rows = connection.execute(
        "SELECT block_id FROM block WHERE height BETWEEN ? AND ? ORDER BY height",
        (first, min(last, _HEIGHT_MAX)),
    )
    return [block_id for (block_id,) in rows]


def find(connection: sqlite3.Connection, *, channel: bytes, name: bytes) -> Place | None:
    """The first place whose bytes have this name."""
    for height, index, record in name_rows.find(connection, name):
        row = connection.execute("SELECT transactions FROM body WHERE height = ?", (height,)).fetchone()
        transactions = _unpacked(row[0]) if row else None
        if transactions is None or index >= len(transactions):
            continue
        if _has_name(transactions[index], record, channel=channel, name=name):
            return Place(height, index, max(record, 0))
    return None


def _has_name(raw: bytes, record: int, *, channel: bytes, name: bytes) -> bool:
    if record == name_rows.WIRE_ID:
        return hashlib.sha256(raw).digest() == name
    try:
        opened = open_transaction(raw, channel)
    except ValueError:  # the bytes were changed on the disk; scrub says so
        return False
    if record == name_rows.TX_ID:
        return opened.tx_id == name
    return record < len(opened.record_ids) and opened.record_ids[record] == name


def prune_bodies(
    connection: sqlite3.Connection, *, channel: bytes, below_height: int, blocks_max: int
) -> int:
    """Delete the oldest bodies with the names that lead to them."""
    oldest = connection.execute(
        "SELECT height, transactions FROM body WHERE height < ? ORDER BY height LIMIT ?",
        (below_height, blocks_max),
    ).fetchall()
    if name_rows.has_early(connection):
        for height, packed in oldest:
            opened = [open_transaction(raw, channel) for raw in unpack(packed)]
            names = [name_rows.Names(one.tx_id, one.wire_id, one.record_ids) for one in opened]
            name_rows.drop_early(connection, height=height, names=names)
    if oldest:
        name_rows.drop(connection, to_height=oldest[-1][0])
    connection.executemany("DELETE FROM body WHERE height = ?", [(height,) for height, _ in oldest])
    return len(oldest)


def size_bytes(connection: sqlite3.Connection) -> int:
    """Pages in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def fact(connection: sqlite3.Connection, name: str) -> bytes | None:
    """A named value of the channel."""
    row = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def put_fact(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    """Write a named value of the channel."""
    connection.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))


def _id_at(connection: sqlite3.Connection, height: int) -> bytes | None:
    row = connection.execute("SELECT block_id FROM block WHERE height = ?", (height,)).fetchone()
    return None if row is None else bytes(row[0])


def _unpacked(packed: bytes | None) -> tuple[bytes, ...] | None:
    """None as well for bytes that were changed: nobody is served with them, and scrub names them."""
    if packed is None:
        return None
    try:
        return unpack(packed)
    except ValueError:
        return None


def pack_frontier(frontier: Frontier) -> bytes:
    """Size and peaks."""
    return frontier.size.to_bytes(_SIZE_BYTES, "big") + b"".join(frontier.present_peaks())


def _stored_frontier(connection: sqlite3.Connection, path: Path) -> Frontier:
    """Of all block ids. Raises StoreError: BROKEN_CHAIN before the genesis, CORRUPT for bytes that are none."""
    packed = fact(connection, "history")
    if packed is None:
        raise StoreError(Kind.BROKEN_CHAIN, path, "blocks before the genesis; call create first")
    peaks = packed[_SIZE_BYTES:]
    size = int.from_bytes(packed[:_SIZE_BYTES], "big")
    try:
        return Frontier(size, [peaks[k : k + 32] for k in range(0, len(peaks), 32)])
    except ValueError as error:
        raise StoreError(Kind.CORRUPT, path, f"the tree over the block ids was changed: {error}") from error
