"""Numbered schema files: `schema/<name>_v<n>.sql` brings a file from version n - 1 to n."""

from __future__ import annotations

import sqlite3
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from doxedge.store.errors import Kind, StoreError

APPLICATION_IDS: Final = {
    "alarms": 0x44784131,
    "chain": 0x44784C31,
    "hours": 0x44784831,
    "outbox": 0x44784F31,
    "qa": 0x44785131,
    "samples": 0x44785331,
}
"""`DxA1`, `DxL1`, `DxH1`, `DxO1`, `DxQ1`, `DxS1` in the header of the file
(https://www.sqlite.org/pragma.html#pragma_application_id)."""
VERSIONS_MAX: Final = 1_000


@cache
def scripts(schema: str) -> tuple[str, ...]:
    """The texts of the schema's files, version 1 first."""
    folder = resources.files("doxedge.store").joinpath("schema")
    found: list[str] = []
    for version in range(1, VERSIONS_MAX):
        script = folder.joinpath(f"{schema}_v{version}.sql")
        if not script.is_file():
            break
        found.append(script.read_text(encoding="utf-8"))
    if not found:
        raise RuntimeError(f"the installation is incomplete: no schema file of `{schema}`")
    return tuple(found)


def check_identity(
    connection: sqlite3.Connection, *, path: Path, schema: str, may_be_new: bool = False
) -> None:
    """Raise StoreError unless the file is of this kind and this software can read it."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if (application_id, version, tables) == (0, 0, 0) and may_be_new:
        return
    if application_id != APPLICATION_IDS[schema]:
        raise StoreError(
            Kind.FOREIGN, path, f"this is not a `{schema}` file; was another file put in its place?"
        )
    if version > len(scripts(schema)):
        raise StoreError(
            Kind.NEWER,
            path,
            f"written in form {version}, this software knows {len(scripts(schema))}; install the newer version again",
        )


def migrate(connection: sqlite3.Connection, *, schema: str) -> None:
    """Run the scripts that the file has not seen, each in a transaction with its version number."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(scripts(schema)[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION_IDS[schema]};\n"
            f"PRAGMA user_version = {number};\nCOMMIT;"
        )
