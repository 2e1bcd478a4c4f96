"""A file that a command makes at a person's wish: whole and durable, and never over another."""

from __future__ import annotations

import os
from pathlib import Path

from doxedge.cli.outcome import Exit, Failure
from doxedge.store import durable_file


def require_free(path: Path) -> None:
    """Raises Failure (2) where something has that name, before work is done in vain."""
    if os.path.lexists(path):
        raise _is_there(path)


def put_new(path: Path, data: bytes) -> None:
    """Raises Failure: 2 where something has that name, 7 where the disk takes no file; then no half of it stays."""
    try:
        durable_file.write_new(path, data)
    except FileExistsError as error:
        raise _is_there(path) from error
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be written: {error.strerror or error}") from error


def _is_there(path: Path) -> Failure:
    text = f"{path} is there already, and is never written over: give another name, or move it away"
    return Failure(Exit.USAGE, text)
