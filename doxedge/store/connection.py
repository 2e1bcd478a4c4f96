"""One SQLite file with one writer: what is awaited is on the disk, and callers who wait together share a commit.

A commit costs a flush, 5 to 30 ms on the eMMC or SD card of a small gateway, whatever it holds. So writes are given as
functions; all that are waiting when the disk becomes free run in one transaction, each within its own savepoint, and
are acknowledged together. A caller who is alone waits for nothing but his own flush.

Every file is opened by exactly one process that may write (a lock file says which), in WAL mode with synchronous=FULL.
A second connection reads beside the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiosqlite

from doxedge.store import schema_files
from doxedge.store.errors import Kind, StoreError, from_os, from_sqlite

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Runs in the thread of the connection, inside a transaction: must not commit and must not touch the event loop."""

GROUP_WRITES_MAX: Final = 1_024
"""Writes in one commit; bounds how long a reader of the acknowledgement waits, and the memory of a rollback."""
LINGER_MS_MAX: Final = 1_000
_BUSY_TIMEOUT_S: Final = 5.0
_CACHE_KIB: Final = 1_024
_BUSY_CACHE_KIB: Final = 4_096
"""Room for the pages that a busy ledger changes again and again; the file of a small channel never fills it."""
_BUSY_CHECKPOINT_PAGES: Final = 4_096
"""Pages in the log (16 MiB) at which they move to their places: one that changes in every commit moves once."""
_PAGES_A_STEP: Final = 256
_WAL_BYTES_KEPT: Final = 4 * 1024 * 1024
"""What stays of the write-ahead log after a checkpoint. It is room already taken, so that the small transactions which
make room on a full disk can still be written."""


@dataclass(slots=True)
class _Waiting:
    """A write that is not durable yet."""

    work: Work[Any]
    acknowledged: asyncio.Future[Any]


@dataclass(slots=True)
class _Outcome:
    """What became of one write of a group."""

    result: Any = None
    error: BaseException | None = None


class Database:
    """One file, one schema. Get one from `open`; `close` it."""

    def __init__(self, path: Path, *, linger_ms: int) -> None:
        """For `open` only."""
        self.path = path
        self._linger_s = linger_ms / 1_000
        self._lock: int | None = None
        self._writer: _Connection | None = None
        self._reader: _Connection | None = None
        self._waiting: deque[_Waiting] = deque()
        self._work_came = asyncio.Event()
        self._closing = False
        self._committer: asyncio.Task[None] | None = None
        self.commits = 0
        """Flushes since the start: what wears the flash out."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        schema: str,
        read_only: bool = False,
        check: bool = True,
        linger_ms: int = 0,
        is_busy: bool = False,
    ) -> Self:
        """Open the file, making it when it is missing, and bring it to the newest form of `schema`.

        `check` runs SQLite's quick_check over the whole file first. With `linger_ms` a group stays open that long for
        further callers. `is_busy` gives the writer more memory and a longer log. Raises StoreError: LOCKED, CORRUPT,
        FOREIGN, NEWER, PERMISSION, FULL, IO.
        """
        if not 0 <= linger_ms <= LINGER_MS_MAX:
            raise ValueError(f"linger_ms is {linger_ms}; 0 to {LINGER_MS_MAX} are allowed")
        database = cls(path, linger_ms=linger_ms)
        try:
            await database._open(schema=schema, read_only=read_only, check=check, is_busy=is_busy)
        except BaseException:
            await database.close()
            raise
        return database

    async def _open(self, *, schema: str, read_only: bool, check: bool, is_busy: bool) -> None:
        if not read_only:
            self._lock = _take_lock(self.path)
            _create_privately(self.path)
            self._writer = await _Connection.open(self.path, read_only=False)
            await self._writer.run(partial(_prepare, path=self.path, schema=schema, check=check))
            if is_busy:
                await self._writer.run(_configure_busy)
            self._committer = asyncio.create_task(self._commit_groups(), name=f"commits to {self.path.name}")
        elif not self.path.exists():
            raise StoreError(Kind.PERMISSION, self.path, "there is no such file; has the service ever run?")
        self._reader = await _Connection.open(self.path, read_only=True)
        await self._reader.run(partial(schema_files.check_identity, path=self.path, schema=schema))

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; when this returns its changes are on the disk.

        An exception of `work` undoes its own changes only. A caller that is cancelled does not know whether its work
        was done, so all work must be safe to repeat. Raises StoreError.
        """
        if self._closing or self._committer is None:
            raise StoreError(Kind.CLOSED, self.path, "the store is closed or was opened for reading only")
        acknowledged: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, acknowledged))
        self._work_came.set()
        return await acknowledged

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one consistent view of the file, beside the writer. Raises StoreError."""
        if self._closing or self._reader is None:
            raise StoreError(Kind.CLOSED, self.path, "the store is closed")
        return await self._reader.run(partial(_in_snapshot, work))

    async def give_back(self) -> None:
        """Return the room of deleted rows to the file system. Raises StoreError."""
        if self._closing or self._writer is None:
            raise StoreError(Kind.CLOSED, self.path, "the store is closed or was opened for reading only")
        while await self._writer.run(_give_back):
            pass

    async def close(self) -> None:
        """Finish the writes that were accepted, then close. May be called twice."""
        self._closing = True
        self._work_came.set()
        try:
            if self._committer is not None:
                await self._committer
        finally:
            self._committer = None
            for connection in (self._reader, self._writer):
                if connection is not None:
                    await connection.close()
            self._reader = self._writer = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    async def _commit_groups(self) -> None:
        """The one task that commits: takes all writes that wait, in order, as one transaction."""
        while not (self._closing and not self._waiting):
            await self._work_came.wait()
            self._work_came.clear()
            if self._waiting and self._linger_s and not self._closing:
                await asyncio.sleep(self._linger_s)
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_WRITES_MAX))]
                await self._commit(group)

    async def _commit(self, group: list[_Waiting]) -> None:
        assert self._writer is not None  # noqa: S101 - the committer lives between open and close
        try:
            outcomes = await self._writer.run(partial(_write_group, [waiting.work for waiting in group]))
        except StoreError as error:
            if error.kind is Kind.FULL and len(group) > 1:
                # One large write must not take the small ones with it.
                for waiting in group:
                    await self._commit([waiting])
                return
            outcomes = [_Outcome(error=error) for _ in group]
        except BaseException:
            for waiting in group:
                waiting.acknowledged.cancel()
            raise
        else:
            self.commits += 1
        for waiting, outcome in zip(group, outcomes, strict=True):
            if waiting.acknowledged.done():
                continue
            if outcome.error is None:
                waiting.acknowledged.set_result(outcome.result)
            elif isinstance(outcome.error, sqlite3.Error):
                waiting.acknowledged.set_exception(from_sqlite(outcome.error, self.path))
            else:
                waiting.acknowledged.set_exception(outcome.error)


class _WorkingConnection(sqlite3.Connection):
    """A connection whose `commit` runs the next piece of work.

    aiosqlite passes single statements to its thread, one hop each. It also takes a connection class of ours, and
    `commit` is passed on like any other call; so a whole transaction costs one hop and cannot be interleaved.
    """

    def __init__(self, work: deque[Work[None]], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._work = work

    def commit(self) -> None:  # type: ignore[explicit-override]
        """Run the piece of work that was queued with this call."""
        self._work.popleft()(self)


class _Connection:
    """A connection and its thread."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, work: deque[Work[None]]) -> None:
        self._path = path
        self._connection = connection
        self._work = work

    @classmethod
    async def open(cls, path: Path, *, read_only: bool) -> Self:
        work: deque[Work[None]] = deque()
        try:
            connection = await _made_for_a_daemon(
                partial(
                    aiosqlite.connect,
                    _uri(path, read_only=read_only),
                    uri=True,
                    isolation_level=None,
                    timeout=_BUSY_TIMEOUT_S,
                    factory=partial(_WorkingConnection, work),
                )
            )
        except sqlite3.Error as error:
            raise from_sqlite(error, path) from error
        opened = cls(path, connection, work)
        try:
            await opened.run(_configure_reader if read_only else _configure_writer)
        except BaseException:
            await opened.close()
            raise
        return opened

    async def run(self, work: Work[T]) -> T:
        """Run `work` in the connection's thread. Raises StoreError for errors of SQLite."""
        results: list[T] = []
        self._work.append(lambda connection: results.append(work(connection)))
        try:
            await self._connection.commit()
        except sqlite3.Error as error:
            raise from_sqlite(error, self._path) from error
        except UnicodeDecodeError as error:
            # SQLite quotes what it found in a damaged schema, and the binding expects text.
            raise StoreError(
                Kind.CORRUPT, self._path, f"the schema of the file is damaged: {error}"
            ) from error
        return results[0]

    async def close(self) -> None:
        await self._connection.close()


def _made_for_a_daemon(make: Callable[[], aiosqlite.Connection]) -> aiosqlite.Connection:
    """A connection whose thread does not keep the process: one that a bug has left open must not stop it from ending.

    What was acknowledged is on the disk, and the rest is undone by the next who opens the file. aiosqlite has no word
    for it, but a thread is of the kind of the one that makes it (`threading.Thread.daemon`), and it starts later.
    """
    made: list[aiosqlite.Connection] = []
    maker = threading.Thread(target=lambda: made.append(make()), daemon=True)
    maker.start()
    maker.join()
    return made[0]


def _write_group(works: list[Work[Any]], connection: sqlite3.Connection) -> list[_Outcome]:
    """Run all works in one transaction. An error of the disk undoes the group; any other only its own work."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_run_in_savepoint(work, connection) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _run_in_savepoint(work: Work[Any], connection: sqlite3.Connection) -> _Outcome:
    connection.execute("SAVEPOINT one_write")
    try:
        outcome = _Outcome(work(connection))
    except sqlite3.Error as error:
        if not isinstance(error, sqlite3.IntegrityError):
            raise
        connection.execute("ROLLBACK TO one_write")
        outcome = _Outcome(error=error)
    except Exception as error:  # noqa: BLE001 - it is handed to the caller whose work raised it
        connection.execute("ROLLBACK TO one_write")
        outcome = _Outcome(error=error)
    connection.execute("RELEASE one_write")
    return outcome


def _give_back(connection: sqlite3.Connection) -> bool:
    """Move some pages to the front and cut the file; a small step fits the log that is already there."""
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})").fetchall()
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return bool(connection.execute("PRAGMA freelist_count").fetchone()[0])


def _uri(path: Path, *, read_only: bool) -> str:
    return f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"


def _in_snapshot(work: Work[T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN")
    try:
        return work(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _configure_writer(connection: sqlite3.Connection) -> None:
    if not connection.execute("PRAGMA page_count").fetchone()[0]:  # later it has no effect, but costs a write
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(f"this file system allows no write-ahead log (journal mode {mode})")
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL may lose the last commits when power fails
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # Debian's SQLite overwrites what is deleted with zeros: an eighth of all that a busy ledger writes, for bytes that
    # are no secret to whoever can read the file.
    connection.execute("PRAGMA secure_delete = OFF").fetchall()
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")


def _configure_busy(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA cache_size = -{_BUSY_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_BUSY_CHECKPOINT_PAGES}").fetchall()


def _configure_reader(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _prepare(connection: sqlite3.Connection, *, path: Path, schema: str, check: bool) -> None:
    schema_files.check_identity(connection, path=path, schema=schema, may_be_new=True)
    if check:
        found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            raise StoreError(Kind.CORRUPT, path, f"the file is damaged: {'; '.join(found)}")
        # The pages that were read last for the check are not those that will be needed.
        connection.execute("PRAGMA shrink_memory")
    schema_files.migrate(connection, schema=schema)


def _take_lock(path: Path) -> int:
    """Hold `<file>.lock` for as long as this process lives: two writers would give one number twice."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_os(error, path) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(
            Kind.LOCKED, path, f"process {holder} is writing to this file; stop it before starting another"
        ) from error
    with contextlib.suppress(OSError):  # the number only helps to find the holder; a full disk may refuse it
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _create_privately(path: Path) -> None:
    """Make an empty file that only its owner can read, and make its name durable."""
    if path.exists():
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise from_os(error, path) from error
