"""A small file that is written whole or not at all: after a power cut it is the old one or the new one."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

log = logging.getLogger(__name__)

READ_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a file that is read back; ours have some kilobytes."""

T = TypeVar("T")


def read_json(path: Path, decode: Callable[[Any], T], *, loss: str) -> T | None:
    """What the last run left; None when there is nothing. A damaged file is set aside, loudly.

    `decode` may raise what wrong data makes it raise; `loss` says what follows. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            return decode(json.loads(file.read(READ_BYTES_MAX)))
    except FileNotFoundError:
        return None
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        aside = _set_aside(path)
        log.error("%s cannot be read (%s); it is kept as %s, and %s", path, error, aside, loss)
        return None


def replace_text(path: Path, text: str) -> None:
    """Replace the file atomically and durably; a file of the same name with the ending `.new` is in between.

    Raises OSError, and the old file stands.
    """
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    take_place(fresh, path)


def write_new(path: Path, data: bytes) -> None:
    """A file that was not there, durably. Raises OSError, and no half of it stays: the name is free again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def take_place(fresh: Path, path: Path) -> None:
    """Give a file that is on the disk its name, durably. Raises OSError."""
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _set_aside(path: Path) -> Path:
    """Rename it to the ending `.damaged`, and never over one that is kept already; where it is now."""
    aside, number = path.with_suffix(".damaged"), 1
    while aside.exists():
        number += 1
        aside = path.with_suffix(f".damaged-{number}")
    return path.rename(aside)
