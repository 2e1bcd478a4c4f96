"""Look at a file of the store from outside: never write to it, never hold its lock, never wait for its owner.

A running service keeps its file in WAL mode and lets readers in. Where nobody runs and no log is left, the file is
opened as immutable, so that looking makes no side file either.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doxedge.store import block_rows, entry_check, schema_files
from doxedge.store.errors import Kind, StoreError, from_reading, unreadable
from doxedge.store.rows import Break

DEEP_BYTES_MAX: Final = 256 * 1024 * 1024
"""Up to here the whole check takes seconds on the slow disk of a gateway; beyond it must be asked for."""
PROBLEMS_MAX: Final = 3
_LOCKS: Final = Path("/proc/locks")
_BUSY_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a file."""

    version: int
    """Of its schema; 0 while its owner is about to begin it."""
    newest: int
    """Which this software knows."""
    size_bytes: int
    is_deep: bool
    """Whether every index was compared with its table too."""
    problems: tuple[str, ...]
    """What SQLite's check found; empty for a sound file."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Records of an outbox that the ledger would not take."""

    records: int
    newest: str
    """Clause and reason of the newest; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Records of one source that are not proved final."""

    channel: bytes
    source: bytes
    records: int
    oldest_ms: int
    """UTC, when the oldest was stored."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the records of an outbox reach."""

    used_bytes: int
    span_ms: int
    """From the oldest record that is kept to the newest, by when they were stored."""


def examine(path: Path, *, schema: str, deep: bool = False) -> Examined:
    """Identity, version and soundness of a file. Raises StoreError: PERMISSION, FOREIGN, NEWER, CORRUPT, IO."""
    size_bytes = _size(path)
    is_deep = deep or size_bytes <= DEEP_BYTES_MAX
    with reading(path) as connection:
        schema_files.check_identity(connection, path=path, schema=schema, may_be_new=True)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        pragma = "integrity_check" if is_deep else "quick_check"
        rows = connection.execute(f"PRAGMA {pragma}({PROBLEMS_MAX})").fetchall()
        problems = tuple(str(row[0]) for row in rows if row[0] != "ok")
    return Examined(version, len(schema_files.scripts(schema)), size_bytes, is_deep, problems)


def refusals(path: Path) -> Refusals:
    """What the ledger would not take of an outbox. Raises StoreError."""
    with reading(path) as connection:
        newest = connection.execute(
            "SELECT count(*) OVER (), coalesce(clause || ': ', '') || coalesce(reason, '') FROM entry "
            "WHERE state = 2 ORDER BY id DESC LIMIT 1"
        ).fetchone()
    return Refusals(0, "") if newest is None else Refusals(*newest)


def waiting(path: Path) -> list[Waiting]:
    """What waits in an outbox, for each source that has something to send. Raises StoreError."""
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT s.channel, s.source, count(*), min(e.stored_ms) FROM entry e JOIN source s ON s.id = e.source_id "
            "WHERE e.state = 0 GROUP BY s.id ORDER BY s.id"
        )
        return [Waiting(*row) for row in rows]


def extent(path: Path) -> Extent:
    """How much an outbox holds, and of how long. Raises StoreError."""
    with reading(path) as connection:
        first, last = connection.execute("SELECT min(stored_ms), max(stored_ms) FROM entry").fetchone()
        return Extent(block_rows.size_bytes(connection), 0 if first is None else int(last - first))


def broken_records(path: Path) -> list[Break]:
    """Where the records of an outbox do not follow each other: removed, altered, or exchanged. Raises StoreError.

    Signatures are for the gateway to check, which has the key.
    """
    with reading(path) as connection:
        connection.execute("BEGIN")  # one view of the file, beside a gateway that writes
        return entry_check.verify_all(connection)


def holder(path: Path) -> int | None:
    """The process that has this file open for writing, or None: read from the kernel's list of locks (proc(5)).

    Asking by taking the lock, however shortly, could stop a service that starts in this moment.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        status = lock.stat()
        written = lock.read_text(encoding="ascii", errors="replace").strip()
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, place, *_]:
                where, _, inode = place.rpartition(":")
                # Layered file systems show another device here than stat does; then the number in the file decides.
                if inode == str(status.st_ino) and (where == device or pid == written):
                    return int(pid)
            case _:
                pass
    return None


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises StoreError for whatever SQLite says."""
    try:
        has_log = path.with_name(path.name + "-wal").exists() or holder(path) is not None
    except PermissionError as error:
        raise unreadable(error, path) from error
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    connection = None
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        yield connection
    except sqlite3.Error as error:
        raise from_reading(error, path) from error
    except UnicodeDecodeError as error:
        raise StoreError(Kind.CORRUPT, path, f"the schema of the file is damaged: {error}") from error
    finally:
        if connection is not None:
            connection.close()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise StoreError(Kind.PERMISSION, path, f"cannot be looked at ({error.strerror})") from error
