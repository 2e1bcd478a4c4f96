"""Where a transaction or a record stands: the first bytes of its names, and the place to which they lead.

Names are hashes, so a table in their order has a new row on every page of it, and each commit writes all those pages
again. Here the names of a block are one row; many such rows are folded into the current run, which is 256 pages by the
first byte of the name; a full run is never touched again. Who looks for a name reads one page of each run. Eight bytes
suffice to look, the stored transactions decide.

Every function runs inside a transaction of the store's thread.
"""

from __future__ import annotations

import sqlite3
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Final, NamedTuple

WIRE_ID: Final = -1
TX_ID: Final = -2
"""In the place of a record's number in its batch, which counts from 0."""
PREFIX_BYTES: Final = 8
YOUNG_ROWS_MAX: Final = 256
YOUNG_NAMES_MAX: Final = 32_768
"""So many wait at most before they are folded: what a look-up reads whole."""
RUN_NAMES_MAX: Final = 131_072
"""A run that holds so many is closed: its pages have some 8 KiB."""
_PAGES: Final = 256
_ENTRY_BYTES: Final = 16
_OWN_NAMES: Final = 2
"""Of a transaction itself, before those of its records: tx_id and wire_id."""
_HEIGHT_MAX: Final = 2**40 - 1
_POSITION_MAX: Final = 2**16 - 1
_RECORDS_MAX: Final = 2**8 - 1 - _OWN_NAMES
_ONE_BYTE: Final = "latin-1"
"""Characters for bytes: Python sorts text of one byte each four times as fast as bytes."""


class Found(NamedTuple):
    """A place that a name may lead to."""

    height: int
    position: int
    """Of the transaction in the block."""
    record: int
    """WIRE_ID, TX_ID, or the number of the record in the transaction."""


class Names(NamedTuple):
    """Of one transaction."""

    tx_id: bytes
    wire_id: bytes
    record_ids: Sequence[bytes]


def put(connection: sqlite3.Connection, blocks: Iterable[tuple[int, Sequence[Names]]]) -> None:
    """Write the names of blocks, given as heights with their transactions in order. ValueError beyond the format."""
    connection.executemany(
        "INSERT INTO name_young VALUES (?, ?, ?)",
        [(height, *_packed(height, transactions)) for height, transactions in blocks],
    )
    rows, size = connection.execute(
        "SELECT count(*), ifnull(sum(length(prefixes)), 0) FROM name_young"
    ).fetchone()
    if rows >= YOUNG_ROWS_MAX or size >= YOUNG_NAMES_MAX * PREFIX_BYTES:
        _fold(connection)


def find(connection: sqlite3.Connection, name: bytes) -> list[Found]:
    """The places whose names begin like this one, in the order of the chain; [] for one that is too short."""
    prefix = name[:PREFIX_BYTES]
    if len(prefix) < PREFIX_BYTES:
        return []
    found = [
        Found(*row)
        for row in connection.execute(
            "SELECT height, position, record FROM name WHERE prefix = ?", (signed_prefix(name),)
        )
    ]
    for (page,) in connection.execute(
        "SELECT p.names FROM name_run r JOIN name_page p ON p.id = r.id * ? + ?", (_PAGES, prefix[0])
    ):
        found += [_unpacked(page, at) for at in _places(page, prefix, _ENTRY_BYTES)]
    for height, records, prefixes in connection.execute(
        "SELECT height, records, prefixes FROM name_young WHERE instr(prefixes, ?)", (prefix,)
    ):
        found += [_stands_at(height, records, at) for at in _places(prefixes, prefix, PREFIX_BYTES)]
    return sorted(found)


def leads_to(connection: sqlite3.Connection, name: bytes, place: Found) -> bool:
    """Whether a name is kept for a place; only what holds the names of its height is read."""
    prefix = name[:PREFIX_BYTES]
    row = connection.execute(
        "SELECT records, prefixes FROM name_young WHERE height = ?", (place.height,)
    ).fetchone()
    if row is not None:
        places = _places(row[1], prefix, PREFIX_BYTES)
        return any(_stands_at(place.height, row[0], at) == place for at in places)
    page = connection.execute(
        "SELECT p.names FROM (SELECT id FROM name_run WHERE last_height >= ? ORDER BY id LIMIT 1) r "
        "JOIN name_page p ON p.id = r.id * ? + ?",
        (place.height, _PAGES, prefix[0]),
    ).fetchone()
    if page is not None and any(
        _unpacked(page[0], at) == place for at in _places(page[0], prefix, _ENTRY_BYTES)
    ):
        return True
    early = "SELECT 1 FROM name WHERE prefix = ? AND height = ? AND position = ? AND record = ?"
    return connection.execute(early, (signed_prefix(name), *place)).fetchone() is not None


def drop(connection: sqlite3.Connection, *, to_height: int) -> None:
    """Forget the names of the oldest blocks, up to a height; a run that newer ones share stays until they go."""
    connection.execute("DELETE FROM name_young WHERE height <= ?", (to_height,))
    for (run,) in connection.execute(
        "SELECT id FROM name_run WHERE last_height <= ?", (to_height,)
    ).fetchall():
        connection.execute("DELETE FROM name_page WHERE id BETWEEN ? AND ?", _ids(run))
        connection.execute("DELETE FROM name_run WHERE id = ?", (run,))


def drop_early(connection: sqlite3.Connection, *, height: int, names: Sequence[Names]) -> None:
    """Forget what an earlier version of this software wrote of a block."""
    connection.executemany(
        "DELETE FROM name WHERE prefix = ? AND height = ? AND position = ? AND record = ?",
        sorted(
            (signed_prefix(name), height, position, record)
            for position, (tx_id, wire_id, record_ids) in enumerate(names)
            for record, name in enumerate((tx_id, wire_id, *record_ids), TX_ID)
        ),
    )


def has_early(connection: sqlite3.Connection) -> bool:
    """Whether an earlier version of this software has left names."""
    return connection.execute("SELECT 1 FROM name LIMIT 1").fetchone() is not None


def signed_prefix(name: bytes) -> int:
    """The first eight bytes as SQLite's signed integer."""
    return int.from_bytes(name[:PREFIX_BYTES], "big", signed=True)


def _packed(height: int, transactions: Sequence[Names]) -> tuple[bytes, bytes]:
    counts = [len(one.record_ids) for one in transactions]
    if height > _HEIGHT_MAX or len(counts) > _POSITION_MAX + 1 or max(counts, default=0) > _RECORDS_MAX:
        raise ValueError(
            f"block {height} with {len(counts)} transactions, up to {max(counts, default=0)} records in one"
        )
    names = chain.from_iterable((tx_id, wire_id, *records) for tx_id, wire_id, records in transactions)
    return struct.pack(f">{len(counts)}H", *counts), b"".join([name[:PREFIX_BYTES] for name in names])


def _fold(connection: sqlite3.Connection) -> None:
    """Move what is young to the current run, and begin another when it is full."""
    entries: list[str] = []
    heights: list[int] = []
    for height, records, prefixes in connection.execute(
        "SELECT height, records, prefixes FROM name_young ORDER BY height"
    ):
        starts, places = prefixes.decode(_ONE_BYTE), _all_places(height, records).decode(_ONE_BYTE)
        # A row that was changed on the disk has more of the one than of the other: scrub tells which names are lost.
        whole = min(len(starts), len(places)) // PREFIX_BYTES * PREFIX_BYTES
        entries += [
            starts[at : at + PREFIX_BYTES] + places[at : at + PREFIX_BYTES]
            for at in range(0, whole, PREFIX_BYTES)
        ]
        heights.append(height)
    entries.sort()
    run = _current_run(connection)
    pages = dict(connection.execute("SELECT id, names FROM name_page WHERE id BETWEEN ? AND ?", _ids(run)))
    cuts = [bisect_left(entries, chr(byte)) for byte in range(_PAGES)] + [len(entries)]
    for byte, (first, end) in enumerate(pairwise(cuts)):
        if first < end:
            page = run * _PAGES + byte
            pages[page] = pages.get(page, b"") + "".join(entries[first:end]).encode(_ONE_BYTE)
    connection.executemany("INSERT OR REPLACE INTO name_page VALUES (?, ?)", pages.items())
    connection.execute(
        "UPDATE name_run SET last_height = ?, names = names + ? WHERE id = ?",
        (heights[-1], len(entries), run),
    )
    connection.execute("DELETE FROM name_young")


def _current_run(connection: sqlite3.Connection) -> int:
    """The run that has room, or a new one."""
    row = connection.execute("SELECT id, names FROM name_run ORDER BY id DESC LIMIT 1").fetchone()
    if row is not None and row[1] < RUN_NAMES_MAX:
        return int(row[0])
    run = 0 if row is None else int(row[0]) + 1
    connection.execute("INSERT INTO name_run VALUES (?, 0, 0)", (run,))
    return run


def _ids(run: int) -> tuple[int, int]:
    """Of its first and last page."""
    return run * _PAGES, run * _PAGES + _PAGES - 1


def _all_places(height: int, records: bytes) -> bytes:
    """Eight bytes for each name of a block."""
    first = height << 24
    places = [
        first | position << 8 | name
        for position, count in enumerate(_counts(records))
        for name in range(_OWN_NAMES + count)
    ]
    return struct.pack(f">{len(places)}Q", *places)


def _unpacked(page: bytes, index: int) -> Found:
    start = index * _ENTRY_BYTES + PREFIX_BYTES
    place = int.from_bytes(page[start : start + PREFIX_BYTES], "big")
    return Found(place >> 24, place >> 8 & 0xFFFF, (place & 0xFF) + TX_ID)


def _stands_at(height: int, records: bytes, index: int) -> Found:
    """Which name of a block the one with this index is."""
    starts = [0, *accumulate(_OWN_NAMES + count for count in _counts(records))]
    position = bisect_right(starts, index) - 1
    return Found(height, position, index - starts[position] + TX_ID)


def _counts(records: bytes) -> tuple[int, ...]:
    """Of each transaction of a block, how many records it has."""
    count = len(records) // 2
    return struct.unpack(f">{count}H", records[: 2 * count])


def _places(data: bytes, prefix: bytes, stride: int) -> Iterator[int]:
    """Which of the entries of `data` begin with the prefix."""
    at = data.find(prefix)
    while at >= 0:
        if at % stride == 0:
            yield at // stride
        at = data.find(prefix, at + 1)
