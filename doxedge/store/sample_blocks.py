"""Samples of one device in blocks: what one commit writes of them lies together, compressed.

A row for each sample cost pages: some 20 bytes beside each, and five pages of the log for two kilobytes of samples. The
bytes of a sample are the same when they come out again, so nothing that is signed knows of blocks.

    packed  form 1, then deflated: n, n ids of 8 bytes, n lengths, the samples one behind the other (little-endian,
            numbers of 4 bytes)
"""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from doxedge.quantity import MINUTE_MS

ID_BITS: Final = 20
"""A sample's id is its millisecond times 2^20 plus its order of arrival; 43 bits of time last until the year 2248."""
RAW_BYTES_MAX: Final = 64 * 1024
BLOCK_BYTES_MAX: Final = 64 * 1024
"""A block takes no further sample beyond it: what a reader must unpack for one sample stays small."""
BLOCK_SAMPLES_MAX: Final = 1_024
BLOCK_IDS: Final = MINUTE_MS << ID_BITS
"""First and last id of a block lie closer together, so that a reader knows how far back to begin."""
FORM: Final = b"\x01"
_LEVEL: Final = 1
"""Of zlib: the others cost several times as much for a tenth less."""
_HEAD_BYTES: Final = 4
_ENTRY_BYTES: Final = 12
_UNPACKED_MAX: Final = _HEAD_BYTES + BLOCK_SAMPLES_MAX * _ENTRY_BYTES + BLOCK_BYTES_MAX + RAW_BYTES_MAX


class Placed(NamedTuple):
    """A sample at its place."""

    row_id: int
    device_id: int
    raw: bytes


def first_id(at_ms: int) -> int:
    """The smallest id of a millisecond."""
    return at_ms << ID_BITS


def pack(ids: Sequence[int], raws: Sequence[bytes]) -> bytes:
    """One block."""
    n = len(ids)
    head = struct.pack(f"<I{n}Q{n}I", n, *ids, *map(len, raws))
    return FORM + zlib.compress(head + b"".join(raws), _LEVEL)


def unpack(packed: bytes) -> list[tuple[int, bytes]]:
    """The ids and samples of a block. Raises sqlite3.DatabaseError, as a damaged page does, when it is none of ours."""
    try:
        return _parse(packed)
    except (ValueError, zlib.error, struct.error) as error:
        damaged = sqlite3.DatabaseError(f"a block of samples is damaged: {error}")
        damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damaged from error


def insert(
    connection: sqlite3.Connection, device_id: int, revision: int, samples: Iterable[tuple[int, bytes]]
) -> None:
    """Add samples of one device and revision, in the order of their ids."""
    connection.executemany(
        "INSERT INTO block (id, last_id, device_id, revision, samples, packed) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (ids[0], ids[-1], device_id, revision, len(ids), pack(ids, raws))
            for ids, raws in _portions(samples)
        ),
    )


def last_id(connection: sqlite3.Connection) -> int:
    """The highest id of all; 0 when there is none."""
    found = connection.execute(
        "SELECT max(last_id) FROM block WHERE id > (SELECT max(id) FROM block) - ?", (BLOCK_IDS,)
    ).fetchone()[0]
    return found or 0


def scan(
    connection: sqlite3.Connection,
    first: int,
    last: int,
    *,
    device_ids: Iterable[int],
    revision_max: int,
) -> Iterator[Placed]:
    """The samples with ids of [first, last], in the order of ids.

    Blocks overlap, because each device has its own: a sample is given out when no later block can come before it.
    """
    blocks = connection.execute(
        "SELECT id, device_id, packed FROM block WHERE id BETWEEN ? AND ? AND last_id >= ? AND revision <= ? "
        "AND device_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (first - BLOCK_IDS, last, first, revision_max, json.dumps([*device_ids])),
    )
    held: list[Placed] = []
    for block_id, device_id, packed in blocks:
        due = bisect_left(held, block_id, key=_id_of)
        if due:
            yield from held[:due]
            del held[:due]
        held += [Placed(row_id, device_id, raw) for row_id, raw in unpack(packed) if first <= row_id <= last]
        held.sort(key=_id_of)
    yield from held


def _parse(packed: bytes) -> list[tuple[int, bytes]]:
    if packed[:1] != FORM:
        raise ValueError(f"unknown form {packed[:1].hex()}")
    inflating = zlib.decompressobj()
    data = inflating.decompress(packed[1:], _UNPACKED_MAX)
    if not inflating.eof or inflating.unused_data:
        raise ValueError("it is cut, or too long")
    (n,) = struct.unpack_from("<I", data)
    numbers = struct.unpack_from(f"<{n}Q{n}I", data, _HEAD_BYTES)
    samples, at = [], _HEAD_BYTES + n * _ENTRY_BYTES
    for row_id, length in zip(numbers[:n], numbers[n:], strict=True):
        samples.append((row_id, data[at : at + length]))
        at += length
    if at != len(data):
        raise ValueError(f"{len(data)} bytes where {at} are stated")
    return samples


def _id_of(sample: Placed) -> int:
    return sample.row_id


def _portions(samples: Iterable[tuple[int, bytes]]) -> Iterator[tuple[list[int], list[bytes]]]:
    """Samples cut into blocks that keep the bounds."""
    ids: list[int] = []
    raws: list[bytes] = []
    size = 0
    for row_id, raw in samples:
        is_full = size >= BLOCK_BYTES_MAX or len(ids) == BLOCK_SAMPLES_MAX
        if ids and (is_full or row_id - ids[0] >= BLOCK_IDS):
            yield ids, raws
            ids, raws, size = [], [], 0
        ids.append(row_id)
        raws.append(raw)
        size += len(raw)
    if ids:
        yield ids, raws
