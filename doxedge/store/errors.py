"""What the disk refuses, and what to do about it."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Final

_FREE_BYTES_MIN: Final = 1024 * 1024
"""Below this an input/output error is taken for a full disk: SQLite cannot grow its shared memory file either."""


class Kind(StrEnum):
    """What is wrong, for a caller that can act on it."""

    FULL = "full"
    """No room on the disk. Raw samples may be dropped; outbox entries may not."""
    BUDGET = "budget"
    """There is room, but the operator allowed no more."""
    CORRUPT = "corrupt"
    """Bytes came back that were not written."""
    LOCKED = "locked"
    """Another process holds the file."""
    FOREIGN = "foreign"
    """A file of another kind, another channel, or another genesis."""
    NEWER = "newer"
    """Written by a later version of this software."""
    BROKEN_CHAIN = "broken_chain"
    """What is given does not follow what is stored."""
    CONFLICT = "conflict"
    """What is given contradicts what is stored."""
    ABSENT = "absent"
    """There is no such file, where one is to be read."""
    PERMISSION = "permission"
    """The file may not be opened or written."""
    IO = "io"
    """The disk fails."""
    CLOSED = "closed"
    """The store was closed."""


class StoreError(Exception):
    """The store could not do what it was asked; nothing of the request was kept."""

    def __init__(self, kind: Kind, path: Path, text: str) -> None:
        self.kind = kind
        self.path = path
        super().__init__(f"{path}: {text}")


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """The StoreError for an error of SQLite (https://www.sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # The binding's own complaints: a text column that is no UTF-8.
        kind = Kind.CORRUPT if "UTF-8" in str(error) else Kind.IO
    else:
        kind = _KIND_OF_CODE.get(code & 0xFF, Kind.IO)
    if kind in (Kind.IO, Kind.PERMISSION) and _is_nearly_full(path):
        kind = Kind.FULL
    return StoreError(kind, path, f"{_ADVICE[kind]} (SQLite: {error})")


def from_reading(error: sqlite3.Error, path: Path) -> StoreError:
    """As `from_sqlite`, of a file that was only to be read: SQLite does not say why it could not open it."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CANTOPEN:
        try:
            with path.open("rb"):
                pass
        except (FileNotFoundError, NotADirectoryError):
            return StoreError(Kind.ABSENT, path, "there is no such file")
        except PermissionError as refused:
            return unreadable(refused, path)
        except OSError as failed:
            return StoreError(Kind.IO, path, f"{_ADVICE[Kind.IO]} ({failed.strerror})")
    return from_sqlite(error, path)


def unreadable(error: PermissionError, path: Path) -> StoreError:
    """The StoreError for a file, or a folder above it, that this account may not read."""
    return StoreError(Kind.PERMISSION, path, f"cannot be read ({error.strerror})")


def from_os(error: OSError, path: Path) -> StoreError:
    """The StoreError for an error of the operating system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        kind = Kind.FULL
    elif error.errno in _OPERATORS_ERRNOS:
        kind = Kind.PERMISSION
    else:
        kind = Kind.IO
    return StoreError(kind, path, f"{_ADVICE[kind]} ({error.strerror})")


def _is_nearly_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _FREE_BYTES_MIN
    except OSError:
        return False


_KIND_OF_CODE: Final = {
    sqlite3.SQLITE_ERROR: Kind.CORRUPT,  # our SQL is fixed: the schema in the file is not the one we wrote
    sqlite3.SQLITE_FULL: Kind.FULL,
    sqlite3.SQLITE_CORRUPT: Kind.CORRUPT,
    sqlite3.SQLITE_NOTADB: Kind.CORRUPT,
    sqlite3.SQLITE_BUSY: Kind.LOCKED,
    sqlite3.SQLITE_LOCKED: Kind.LOCKED,
    sqlite3.SQLITE_READONLY: Kind.PERMISSION,
    sqlite3.SQLITE_CANTOPEN: Kind.PERMISSION,
    sqlite3.SQLITE_PERM: Kind.PERMISSION,
    sqlite3.SQLITE_AUTH: Kind.PERMISSION,
    sqlite3.SQLITE_CONSTRAINT: Kind.CONFLICT,
}

_OPERATORS_ERRNOS: Final = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}

_ADVICE: Final = {
    Kind.FULL: "the disk is full; free some space, nothing that was acknowledged is lost",
    Kind.CORRUPT: "the file is damaged; keep it for examination and do not write to it",
    Kind.LOCKED: "another process is using the file; stop it first",
    Kind.PERMISSION: "cannot be opened for writing; check that the folder exists and belongs to the service's user",
    Kind.CONFLICT: "what is written contradicts what is stored",
    Kind.IO: "the disk fails; look at the kernel's log and replace the disk before it gets worse",
}
