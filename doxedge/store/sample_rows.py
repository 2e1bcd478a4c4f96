"""The SQL of raw samples. Every function runs inside a transaction of the store's thread.

A sample's id is its time and its order of arrival within the millisecond: the order in which samples are read, hashed
and dropped. They lie in blocks (`sample_blocks`); those of earlier versions lie in a table with a row for each.
"""

from __future__ import annotations

import heapq
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path
from typing import Final

from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.signing import canonical
from doxedge.store import sample_blocks
from doxedge.store.block_rows import size_bytes
from doxedge.store.rows import Dropped, SampleRow, StoredSample
from doxedge.store.sample_blocks import BLOCK_IDS, ID_BITS, RAW_BYTES_MAX, Placed, first_id

ALL_REVISIONS: Final = 2**31
AT_MS_MAX: Final = 2 ** (63 - ID_BITS) - 1
DELETED_AT_ONCE_MAX: Final = 512
_BUDGET_SLACK: Final = 64
"""One part in so many of the budget is freed at a time, so that not every sample has to drop one."""
_BLOCKS_SINCE: Final = 2
"""Form of the file (PRAGMA user_version); one that was not opened for writing since has no blocks."""


class Cause(StrEnum):
    """Why samples were deleted. The words are stored."""

    RETENTION = "retention"
    BUDGET = "budget"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Deleted:
    """Samples that went in one step."""

    from_ms: int
    to_ms: int
    samples: int
    bytes: int
    cause: Cause

    def joined_to(self, earlier: Deleted | None) -> Deleted:
        """Both steps as one."""
        if earlier is None:
            return self
        return Deleted(
            min(self.from_ms, earlier.from_ms),
            max(self.to_ms, earlier.to_ms),
            self.samples + earlier.samples,
            self.bytes + earlier.bytes,
            self.cause,
        )

    def as_dropped(self) -> Dropped:
        """For the caller."""
        return Dropped(self.from_ms, self.to_ms, self.samples)


def append(
    connection: sqlite3.Connection,
    *,
    rows: Sequence[SampleRow],
    notice: Callable[[str, int], None],
    folder: Path,
    bytes_max: int,
    free_floor_bytes: int,
    now_ms: int,
) -> Deleted | None:
    """Keep samples, then keep within the limits; what was deleted for it. `notice` is told device and time of each.

    Raises ValueError, as `check` does.
    """
    check(rows)
    numbers = {name: _device_id(connection, name) for name in {row.device for row in rows}}
    revisions = _revisions(connection, {row.at_ms - row.at_ms % HOUR_MS for row in rows})
    of_block: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
    for row_id, row in _placed(connection, sorted(rows, key=lambda row: row.at_ms)):
        notice(row.device, row.at_ms)
        revision = revisions.get((row.device, row.at_ms - row.at_ms % HOUR_MS), 0) if revisions else 0
        of_block.setdefault((numbers[row.device], revision), []).append((row_id, row.raw))
    for (device_id, revision), samples in of_block.items():
        sample_blocks.insert(connection, device_id, revision, samples)
    if size_bytes(connection) > bytes_max:
        return _delete_down_to(connection, bytes_max - bytes_max // _BUDGET_SLACK, now_ms)
    if shutil.disk_usage(folder).free < free_floor_bytes:
        return delete_oldest(connection, cause=Cause.DISK, now_ms=now_ms)
    return None


def check(rows: Iterable[SampleRow]) -> None:
    """Raises ValueError for a sample that cannot be kept."""
    for row in rows:
        if not 0 <= row.at_ms <= AT_MS_MAX or len(row.raw) > RAW_BYTES_MAX:
            raise ValueError(f"a sample at {row.at_ms} ms with {len(row.raw)} bytes cannot be kept")


def read(
    connection: sqlite3.Connection,
    *,
    from_ms: int,
    to_ms: int,
    devices: Sequence[str] | None,
    after: int,
    limit: int,
    revision_max: int = ALL_REVISIONS,
) -> list[StoredSample]:
    """Samples of [from, to) behind the row `after`, in the order of ids."""
    names = dict(
        connection.execute(
            "SELECT id, name FROM device WHERE ? OR name IN (SELECT value FROM json_each(?))",
            (devices is None, json.dumps([*(devices or ())])),
        )
    )
    found = _scan(
        connection,
        max(first_id(from_ms), after + 1),
        first_id(to_ms) - 1,
        device_ids=names,
        revision_max=revision_max,
    )
    return [
        StoredSample(row_id, names[device_id], row_id >> ID_BITS, raw)
        for row_id, device_id, raw in islice(found, limit)
    ]


def delete_before(connection: sqlite3.Connection, *, before_ms: int, now_ms: int) -> Deleted | None:
    """Delete some of the samples before a time, and the roots of hours long past."""
    connection.execute("DELETE FROM hour_root WHERE start_ms < ?", (before_ms - HOUR_MS,))
    return _delete(connection, Cause.RETENTION, first_id(max(before_ms, 0)), now_ms)


def delete_oldest(connection: sqlite3.Connection, *, cause: Cause, now_ms: int) -> Deleted | None:
    """Delete some of the oldest samples."""
    return _delete(connection, cause, first_id(AT_MS_MAX), now_ms)


def tombstones(connection: sqlite3.Connection) -> list[Dropped]:
    """Of what was given up for lack of room."""
    rows = connection.execute(
        "SELECT from_ms, to_ms, samples FROM dropped WHERE cause <> ? ORDER BY id", (Cause.RETENTION,)
    )
    return [Dropped(*row) for row in rows]


def dropped_to_ms(connection: sqlite3.Connection) -> int | None:
    """The time of the latest sample that was deleted, whatever the cause."""
    found: int | None = connection.execute("SELECT max(to_ms) FROM dropped").fetchone()[0]
    return found


def _delete_down_to(connection: sqlite3.Connection, bytes_max: int, now_ms: int) -> Deleted | None:
    total: Deleted | None = None
    while size_bytes(connection) > bytes_max:
        deleted = delete_oldest(connection, cause=Cause.BUDGET, now_ms=now_ms)
        if deleted is None:
            break
        total = deleted.joined_to(total)
    return total


def _delete(connection: sqlite3.Connection, cause: Cause, before_id: int, now_ms: int) -> Deleted | None:
    """Rows of an earlier version first: they are older. A block goes when its last sample is old enough."""
    rows = connection.execute(
        "SELECT id, id, 1, length(raw) FROM sample WHERE id < ? ORDER BY id LIMIT ?",
        (before_id, DELETED_AT_ONCE_MAX),
    ).fetchall()
    if rows:
        connection.execute("DELETE FROM sample WHERE id <= ?", (rows[-1][0],))
    else:
        rows = list(_oldest_blocks(connection, before_id))
        connection.executemany("DELETE FROM block WHERE id = ?", [row[:1] for row in rows])
    if not rows:
        return None
    deleted = Deleted(
        from_ms=rows[0][0] >> ID_BITS,
        to_ms=max(last for _, last, _, _ in rows) >> ID_BITS,
        samples=sum(samples for _, _, samples, _ in rows),
        bytes=sum(size for _, _, _, size in rows),
        cause=cause,
    )
    _note(connection, deleted, now_ms)
    return deleted


def _oldest_blocks(connection: sqlite3.Connection, before_id: int) -> Iterator[tuple[int, int, int, int]]:
    """(first id, last id, samples, bytes) of as many as hold what is deleted at once."""
    rows = connection.execute(
        "SELECT id, last_id, samples, length(packed) FROM block WHERE id < ? AND last_id < ? ORDER BY id LIMIT ?",
        (before_id, before_id, DELETED_AT_ONCE_MAX),
    ).fetchall()
    so_far = 0
    for row in rows:
        if so_far and so_far + row[2] > DELETED_AT_ONCE_MAX:
            return
        so_far += row[2]
        yield row


def _note(connection: sqlite3.Connection, deleted: Deleted, now_ms: int) -> None:
    """Write a tombstone, or lengthen today's, so that a year of a full disk is not a year of rows."""
    last = connection.execute("SELECT id, cause, dropped_ms FROM dropped ORDER BY id DESC LIMIT 1").fetchone()
    if last is not None and last[1] == deleted.cause and 0 <= now_ms - last[2] < DAY_MS:
        connection.execute(
            "UPDATE dropped SET from_ms = min(from_ms, ?), to_ms = max(to_ms, ?), samples = samples + ? WHERE id = ?",
            (deleted.from_ms, deleted.to_ms, deleted.samples, last[0]),
        )
        return
    connection.execute(
        "INSERT INTO dropped (from_ms, to_ms, samples, cause, dropped_ms) VALUES (?, ?, ?, ?, ?)",
        (deleted.from_ms, deleted.to_ms, deleted.samples, deleted.cause, now_ms),
    )


def _scan(
    connection: sqlite3.Connection,
    first: int,
    last: int,
    *,
    device_ids: Iterable[int],
    revision_max: int,
) -> Iterator[Placed]:
    """Samples with ids of [first, last] in the order of ids, wherever they lie."""
    rows = connection.execute(
        "SELECT id, device_id, raw FROM sample WHERE id BETWEEN ? AND ? AND revision <= ? "
        "AND device_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (first, last, revision_max, json.dumps([*device_ids])),
    )
    if connection.execute("PRAGMA user_version").fetchone()[0] < _BLOCKS_SINCE:
        return map(Placed._make, rows)
    blocks = sample_blocks.scan(connection, first, last, device_ids=device_ids, revision_max=revision_max)
    return heapq.merge(map(Placed._make, rows), blocks)


def _placed(connection: sqlite3.Connection, rows: Sequence[SampleRow]) -> Iterator[tuple[int, SampleRow]]:
    """Samples in the order of time, each with an id behind all that its millisecond has."""
    stored = connection.execute("SELECT max(id) FROM sample").fetchone()[0] or 0
    stored = max(stored, sample_blocks.last_id(connection))
    used = _used(connection, [row.at_ms for row in rows if first_id(row.at_ms) <= stored])
    for at_ms, of_ms in groupby(rows, key=lambda row: row.at_ms):
        row_id = used.get(at_ms, first_id(at_ms) - 1)
        for row in of_ms:
            row_id += 1
            if row_id >> ID_BITS != at_ms:
                raise ValueError(f"the millisecond {at_ms} holds all the samples that fit")
            yield row_id, row


def _used(connection: sqlite3.Connection, instants: Sequence[int]) -> dict[int, int]:
    """The highest id of each of these milliseconds that has samples already; `instants` ascend."""
    used: dict[int, int] = {}
    devices = [row[0] for row in connection.execute("SELECT id FROM device")]
    for _, run in groupby(instants, key=lambda at_ms: first_id(at_ms) // BLOCK_IDS):
        within = [*run]
        wanted = frozenset(within)
        ids = _scan(
            connection,
            first_id(within[0]),
            first_id(within[-1] + 1) - 1,
            device_ids=devices,
            revision_max=ALL_REVISIONS,
        )
        used |= {row_id >> ID_BITS: row_id for row_id, _, _ in ids if row_id >> ID_BITS in wanted}
    return used


def _device_id(connection: sqlite3.Connection, name: str) -> int:
    known = connection.execute("SELECT id FROM device WHERE name = ?", (name,)).fetchone()
    if known is not None:
        return int(known[0])
    added = connection.execute("INSERT INTO device (name) VALUES (?)", (name,)).lastrowid
    assert added is not None  # noqa: S101 - a row was inserted
    return added


def _revisions(connection: sqlite3.Connection, hours: Iterable[int]) -> dict[tuple[str, int], int]:
    """For devices of hours whose root is computed: the revision that late samples belong to."""
    found: dict[tuple[str, int], int] = {}
    for start_ms in hours:
        rows = connection.execute("SELECT devices, revision FROM hour_root WHERE start_ms = ?", (start_ms,))
        for packed, revision in rows:
            for device in canonical.decode(packed) or ():  # type: ignore[union-attr]
                key = (str(device), start_ms)
                found[key] = max(found.get(key, 0), revision + 1)
    return found
