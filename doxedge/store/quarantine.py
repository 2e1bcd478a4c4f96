"""A damaged file is set aside, never deleted, and never in the way of what must go on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from doxedge.store.connection import Database
from doxedge.store.errors import Kind, StoreError, from_os

log = logging.getLogger(__name__)


async def open_or_set_aside(
    path: Path, *, schema: str, linger_ms: int, now_ms: int
) -> tuple[Database, Path | None]:
    """Open the file; when it is damaged, move it aside and begin a fresh one. Also returns where the old one is now.

    Raises StoreError for everything but damage.
    """
    try:
        return await Database.open(path, schema=schema, linger_ms=linger_ms), None
    except StoreError as error:
        if error.kind is not Kind.CORRUPT:
            raise
        aside = move_aside(path, now_ms)
        log.error("%s; it was moved to %s and a fresh file is started", error, aside)
    return await Database.open(path, schema=schema, linger_ms=linger_ms), aside


def move_aside(path: Path, now_ms: int) -> Path:
    """Rename the file and its log to `<name>.corrupt-<time>`; where it is now. Raises StoreError.

    Nobody may have the file open.
    """
    moment = datetime.fromtimestamp(now_ms // 1_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{moment}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{moment}-{number}")
    try:
        for ending in ("-wal", "-shm", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
    except OSError as error:
        raise from_os(error, path) from error
    return aside
