"""Tamper at rest: whatever is changed in the file is found and named."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from doxedge.store import block_rows
from doxedge.store.chain import ChainStore
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import Finding, Loaded, pack, unpack
from tests.store.chains import small_channel


async def written(path: Path) -> bytes:
    channel = small_channel()
    async with await ChainStore.open(path, channel.channel) as store:
        await store.create(channel.genesis, channel.first_state)
        await store.append(channel.commits)
    return channel.channel


async def findings_after(path: Path, change: Callable[[sqlite3.Connection], object]) -> list[Finding]:
    """What scrub says after an intruder with the right tools was at the file."""
    channel = await written(path)
    intruder = sqlite3.connect(path)
    change(intruder)
    intruder.commit()
    intruder.close()
    async with await ChainStore.open(path, channel) as store:
        return await store.scrub()


def altered(value: bytes, at: int = -1) -> bytes:
    return value[:at] + bytes([value[at] ^ 1]) + value[len(value) + at + 1 if at < 0 else at + 1 :]


def change_value(table: str, column: str, where: str) -> Callable[[sqlite3.Connection], object]:
    def change(connection: sqlite3.Connection) -> None:
        [(value,)] = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchall()
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (altered(value),))

    return change


@pytest.mark.parametrize(
    ("table", "column", "where", "what", "place"),
    [
        ("block", "header", "height = 3", "header", "block 3"),
        ("block", "block_id", "height = 3", "header", "block 3, id"),
        ("block", "certificate", "height = 4", "certificate", "block 4"),
        ("body", "transactions", "height = 2", "transactions", "block 2, root"),
        ("body", "receipts", "height = 5", "receipts", "block 5, root"),
        ("fact", "value", "name = 'history'", "history", "frontier"),
        ("fact", "value", "name = 'genesis'", "genesis", "genesis"),
    ],
)
async def test_a_changed_value_is_named(
    tmp_path: Path, table: str, column: str, where: str, what: str, place: str
) -> None:
    findings = await findings_after(tmp_path / "ledger.db", change_value(table, column, where))
    assert (what, place) in [(finding.what, finding.where[: len(place)]) for finding in findings]
    assert all(finding.expected != finding.found for finding in findings)


async def test_a_changed_balance_is_named_by_its_key(tmp_path: Path) -> None:
    changed: list[str] = []

    def change(connection: sqlite3.Connection) -> None:
        room, key, value = connection.execute(
            "SELECT room, key, value FROM state LIMIT 1 OFFSET 5"
        ).fetchone()
        changed.append(f"{room}/{key.hex()}")
        connection.execute(
            "UPDATE state SET value = ? WHERE room = ? AND key = ?", (altered(value), room, key)
        )

    findings = await findings_after(tmp_path / "ledger.db", change)
    assert ("state row", changed[0]) in [(finding.what, finding.where) for finding in findings]
    assert "state" in [finding.what for finding in findings]


async def test_a_balance_changed_with_its_checksum_still_breaks_the_certified_root(tmp_path: Path) -> None:
    def change(connection: sqlite3.Connection) -> None:
        room, key, value = connection.execute("SELECT room, key, value FROM state LIMIT 1").fetchone()
        false = altered(value)
        connection.execute(
            "UPDATE state SET value = ?, checksum = ? WHERE room = ? AND key = ?",
            (false, block_rows.state_checksum(room, key, false), room, key),
        )

    findings = await findings_after(tmp_path / "ledger.db", change)
    assert [(finding.what, finding.where) for finding in findings] == [("state", "root after block 6")]


async def test_a_removed_state_row_breaks_the_certified_root(tmp_path: Path) -> None:
    findings = await findings_after(
        tmp_path / "ledger.db",
        lambda connection: connection.execute(
            "DELETE FROM state WHERE (room, key) IN (SELECT room, key FROM state LIMIT 1)"
        ),
    )
    assert [finding.what for finding in findings] == ["state"]


async def test_a_removed_block_breaks_the_chain(tmp_path: Path) -> None:
    findings = await findings_after(
        tmp_path / "ledger.db",
        lambda connection: connection.executescript(
            "DELETE FROM block WHERE height = 3; DELETE FROM body WHERE height = 3"
        ),
    )
    assert ("header", "block 4, height") in [(finding.what, finding.where) for finding in findings]
    assert ("parent", "block 4") in [(finding.what, finding.where) for finding in findings]


async def test_a_removed_transaction_is_named(tmp_path: Path) -> None:
    def change(connection: sqlite3.Connection) -> None:
        [(packed,)] = connection.execute("SELECT transactions FROM body WHERE height = 4").fetchall()
        connection.execute("UPDATE body SET transactions = ? WHERE height = 4", (pack(unpack(packed)[:-1]),))

    findings = await findings_after(tmp_path / "ledger.db", change)
    assert ("transactions", "block 4, number", "3", "2") in [
        (finding.what, finding.where, finding.expected, finding.found) for finding in findings
    ]


async def test_a_body_cut_short_is_named_and_never_served(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    findings = await findings_after(
        path,
        lambda connection: connection.execute(
            "UPDATE body SET transactions = substr(transactions, 1, length(transactions) - 1) WHERE height = 4"
        ),
    )
    assert ("transactions", "block 4") in [(finding.what, finding.where) for finding in findings]
    async with await ChainStore.open(path, small_channel().channel) as store:
        block = await store.block(4)
        assert block is not None
        assert block.transactions is None


async def test_a_name_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    findings = await findings_after(
        tmp_path / "ledger.db",
        lambda connection: connection.execute(
            "UPDATE name_young SET prefixes = "
            "CAST(substr(prefixes, 1, 32) || zeroblob(8) || substr(prefixes, 41) AS BLOB) WHERE height = 2"
        ),
    )
    assert [(finding.what, finding.where) for finding in findings] == [("name", "block 2, transaction 1")]


async def test_a_ruin_gives_a_list_that_can_be_read(tmp_path: Path) -> None:
    findings = await findings_after(
        tmp_path / "ledger.db", lambda connection: connection.execute("UPDATE state SET checksum = x'00'")
    )
    assert 0 < len(findings) <= 1_000


DAMAGE_KINDS = {Kind.CORRUPT, Kind.FOREIGN, Kind.NEWER, Kind.IO, Kind.PERMISSION}
"""A flip in the first page may hit any of SQLite's own fields."""


async def look(path: Path, channel: bytes) -> tuple[Loaded | None, list[Finding]]:
    """What a node would load, and what scrub finds."""
    async with await ChainStore.open(path, channel) as store:
        return await store.load(), await store.scrub()


def same(one: Loaded | None, other: Loaded | None) -> bool:
    """But for the frontier, which knows no equality."""
    names = ("genesis", "head", "state", "pool", "journal")
    return all(getattr(one, name) == getattr(other, name) for name in names)


async def test_a_flipped_bit_is_found_at_start_or_by_scrub_or_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    channel = await written(path)
    sound, (expected, _) = path.read_bytes(), await look(path, channel)
    chance = random.Random(20_260_101)
    found = 0
    for _ in range(100):
        broken = bytearray(sound)
        broken[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        try:
            loaded, findings = await look(path, channel)
        except StoreError as error:
            found += error.kind in DAMAGE_KINDS
            continue
        found += bool(findings)
        assert findings or same(loaded, expected)
    assert found > 15, "most of a full page is data; so few finds mean that nobody looks"
