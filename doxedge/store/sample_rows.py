"""The SQL of raw samples. Every function runs inside a transaction of the store's thread.

A row's id is its time and its order of arrival within the millisecond, so that one tree holds the rows in the order in
which they are read, hashed and dropped.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.signing import canonical
from doxedge.store.block_rows import size_bytes
from doxedge.store.rows import Dropped, SampleRow, StoredSample

ID_BITS: Final = 20
"""A row's id is its millisecond times 2^20 plus its order of arrival; 43 bits of time last until the year 2248."""
ALL_REVISIONS: Final = 2**31
AT_MS_MAX: Final = 2 ** (63 - ID_BITS) - 1
RAW_BYTES_MAX: Final = 64 * 1024
DELETED_AT_ONCE_MAX: Final = 512
_BUDGET_SLACK: Final = 64
"""One part in so many of the budget is freed at a time, so that not every sample has to drop one."""


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
    """Insert rows, then keep within the limits; what was deleted for it. `notice` is told device and time of each."""
    numbers = {name: _device_id(connection, name) for name in {row.device for row in rows}}
    revisions = _revisions(connection, {row.at_ms - row.at_ms % HOUR_MS for row in rows})
    last = connection.execute("SELECT max(id) FROM sample").fetchone()[0] or 0
    values: list[tuple[int, int, int, bytes]] = []
    for row in sorted(rows, key=lambda row: row.at_ms):
        if not 0 <= row.at_ms <= AT_MS_MAX or len(row.raw) > RAW_BYTES_MAX:
            raise ValueError(f"a sample at {row.at_ms} ms with {len(row.raw)} bytes cannot be kept")
        row_id = first_id(row.at_ms)
        if row_id <= last:
            _insert(connection, values)
            row_id = _next_id(connection, row.at_ms)
        last = max(last, row_id)
        notice(row.device, row.at_ms)
        revision = revisions.get((row.device, row.at_ms - row.at_ms % HOUR_MS), 0)
        values.append((row_id, numbers[row.device], revision, row.raw))
    _insert(connection, values)
    if size_bytes(connection) > bytes_max:
        return _delete_down_to(connection, bytes_max - bytes_max // _BUDGET_SLACK, now_ms)
    if shutil.disk_usage(folder).free < free_floor_bytes:
        return delete_oldest(connection, cause=Cause.DISK, now_ms=now_ms)
    return None


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
    rows = connection.execute(
        "SELECT s.id, d.name, s.raw FROM sample s CROSS JOIN device d ON d.id = s.device_id "
        "WHERE s.id BETWEEN ? AND ? AND s.revision <= ? "
        "AND (? OR d.name IN (SELECT value FROM json_each(?))) ORDER BY s.id LIMIT ?",
        (
            max(first_id(from_ms), after + 1),
            first_id(to_ms) - 1,
            revision_max,
            devices is None,
            json.dumps([*(devices or ())]),
            limit,
        ),
    )
    return [StoredSample(row_id, name, row_id >> ID_BITS, raw) for row_id, name, raw in rows]


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
    rows = connection.execute(
        "SELECT id, length(raw) FROM sample WHERE id < ? ORDER BY id LIMIT ?",
        (before_id, DELETED_AT_ONCE_MAX),
    ).fetchall()
    if not rows:
        return None
    connection.execute("DELETE FROM sample WHERE id <= ?", (rows[-1][0],))
    deleted = Deleted(
        from_ms=rows[0][0] >> ID_BITS,
        to_ms=rows[-1][0] >> ID_BITS,
        samples=len(rows),
        bytes=sum(size for _, size in rows),
        cause=cause,
    )
    _note(connection, deleted, now_ms)
    return deleted


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


def _insert(connection: sqlite3.Connection, values: list[tuple[int, int, int, bytes]]) -> None:
    connection.executemany("INSERT INTO sample (id, device_id, revision, raw) VALUES (?, ?, ?, ?)", values)
    values.clear()


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


def _next_id(connection: sqlite3.Connection, at_ms: int) -> int:
    """The id after the last one of a millisecond that is not the latest."""
    first, end = first_id(at_ms), first_id(at_ms + 1)
    used = connection.execute(
        "SELECT max(id) FROM sample WHERE id BETWEEN ? AND ?", (first, end - 1)
    ).fetchone()[0]
    if used is None:
        return first
    if used + 1 == end:
        raise ValueError(f"the millisecond {at_ms} holds all the samples that fit")
    return int(used) + 1


def first_id(at_ms: int) -> int:
    """The smallest id of a millisecond."""
    return at_ms << ID_BITS
