"""A small file that is replaced whole: after a power cut it is the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path


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


def take_place(fresh: Path, path: Path) -> None:
    """Give a file that is on the disk its name, durably. Raises OSError."""
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
