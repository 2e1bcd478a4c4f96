"""What a node keeps beside its blocks: held transactions, the engine's records, cosignatures."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from doxedge.store.rows import Cosignature


def put(connection: sqlite3.Connection, *, records: Mapping[bytes, bytes | None]) -> None:
    """Write records of the consensus engine; None deletes."""
    connection.executemany(
        "INSERT INTO journal (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        [(key, value) for key, value in records.items() if value is not None],
    )
    connection.executemany(
        "DELETE FROM journal WHERE key = ?", [(key,) for key, value in records.items() if value is None]
    )


def journal(connection: sqlite3.Connection) -> dict[bytes, bytes]:
    """All records of the consensus engine."""
    return dict(connection.execute("SELECT key, value FROM journal"))


def hold(connection: sqlite3.Connection, *, raws: Mapping[bytes, bytes]) -> int:
    """Keep transactions, by their wire ids, that are not kept yet; how many these were."""
    return connection.executemany(
        "INSERT INTO pool (wire_id, raw) VALUES (?, ?) ON CONFLICT DO NOTHING",
        list(raws.items()),
    ).rowcount


def held(connection: sqlite3.Connection) -> list[bytes]:
    """Kept transactions, oldest first."""
    return [raw for (raw,) in connection.execute("SELECT raw FROM pool ORDER BY number")]


def release(connection: sqlite3.Connection, *, wire_ids: Iterable[bytes]) -> None:
    """Forget transactions."""
    connection.executemany("DELETE FROM pool WHERE wire_id = ?", [(wire_id,) for wire_id in wire_ids])


def add_cosignature(connection: sqlite3.Connection, *, given: Cosignature) -> bool:
    """Keep a cosignature unless the member's is there."""
    done = connection.execute(
        "INSERT INTO cosignature (height, key_id, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (given.height, given.key_id, given.data),
    )
    return done.rowcount == 1


def cosignatures(connection: sqlite3.Connection, *, height: int) -> list[Cosignature]:
    """Of one height, in the order of the members' key ids."""
    found = connection.execute(
        "SELECT height, key_id, data FROM cosignature WHERE height = ? ORDER BY key_id", (height,)
    )
    return [Cosignature(*row) for row in found]
