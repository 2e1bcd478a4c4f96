"""Names of blocks in long stretches: found, forgotten, and of whatever version wrote them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from doxedge.store import name_rows, schema_files
from doxedge.store.name_rows import TX_ID, WIRE_ID, Found, Names


@pytest.fixture(name="connection")
def _connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        schema_files.migrate(opened, schema="chain")
        yield opened


def name(*parts: object) -> bytes:
    """The hash that stands for a name in these tests."""
    return hashlib.sha256(repr(parts).encode()).digest()


def names_of(height: int, *, transactions: int = 2, records: int = 3) -> list[Names]:
    """Of one block."""
    return [
        Names(name(height, at, "tx"), name(height, at, "wire"), [name(height, at, n) for n in range(records)])
        for at in range(transactions)
    ]


def count(connection: sqlite3.Connection, table: str) -> int:
    """Rows of a table."""
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def assert_all_found(connection: sqlite3.Connection, height: int, **shape: int) -> None:
    """Every name of a block leads to its place, and is said to."""
    for at, names in enumerate(names_of(height, **shape)):
        for record, one in enumerate([names.tx_id, names.wire_id, *names.record_ids], TX_ID):
            assert name_rows.find(connection, one) == [Found(height, at, record)]
            assert name_rows.leads_to(connection, one, Found(height, at, record))
            assert not name_rows.leads_to(connection, one, Found(height, at + 1, record))
            assert not name_rows.leads_to(connection, one, Found(height + 1, at, record))


def test_names_of_a_block_lead_to_their_places(connection: sqlite3.Connection) -> None:
    name_rows.put(connection, [(1, names_of(1)), (2, names_of(2, transactions=1, records=64))])
    assert_all_found(connection, 1)
    assert_all_found(connection, 2, transactions=1, records=64)
    assert name_rows.find(connection, name("another")) == []
    assert name_rows.find(connection, b"short") == []


def test_a_block_without_transactions_has_no_names(connection: sqlite3.Connection) -> None:
    name_rows.put(connection, [(1, [])])
    assert name_rows.find(connection, bytes(32)) == []


def test_names_with_one_beginning_are_all_found_in_the_order_of_the_chain(
    connection: sqlite3.Connection,
) -> None:
    first = name("same")
    names = [Names(first, first[:8] + bytes(24), [first, name("other")])]
    for height in range(1, 2 * name_rows.YOUNG_ROWS_MAX, 100):
        name_rows.put(connection, [(height, names)])
    heights = range(1, 2 * name_rows.YOUNG_ROWS_MAX, 100)
    assert name_rows.find(connection, first) == [
        Found(height, 0, record) for height in heights for record in (TX_ID, WIRE_ID, 0)
    ]


def test_a_beginning_across_two_names_is_not_one(connection: sqlite3.Connection) -> None:
    names = [Names(bytes(range(32)), bytes(range(100, 132)), [])]
    across = bytes([*range(4, 8), *range(100, 104)])
    name_rows.put(connection, [(1, names)])
    assert name_rows.find(connection, across + bytes(24)) == []


def test_many_small_blocks_are_folded_and_found(connection: sqlite3.Connection) -> None:
    last = 2 * name_rows.YOUNG_ROWS_MAX + 10
    for height in range(1, last + 1):
        name_rows.put(connection, [(height, names_of(height))])
    assert count(connection, "name_young") == 10
    assert connection.execute("SELECT id, last_height, names FROM name_run").fetchall() == [
        (0, last - 10, 10 * (last - 10))
    ]
    for height in (1, 2, name_rows.YOUNG_ROWS_MAX, name_rows.YOUNG_ROWS_MAX + 1, last - 10, last - 9, last):
        assert_all_found(connection, height)


def test_a_full_run_is_closed(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_rows, "YOUNG_NAMES_MAX", 100)
    monkeypatch.setattr(name_rows, "RUN_NAMES_MAX", 250)
    for height in range(1, 101):
        name_rows.put(connection, [(height, names_of(height))])
    runs = connection.execute("SELECT id, last_height, names FROM name_run ORDER BY id").fetchall()
    assert runs == [(0, 30, 300), (1, 60, 300), (2, 90, 300), (3, 100, 100)]
    for height in range(1, 101):
        assert_all_found(connection, height)


def test_the_oldest_are_forgotten_with_their_runs(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_rows, "YOUNG_NAMES_MAX", 100)
    monkeypatch.setattr(name_rows, "RUN_NAMES_MAX", 100)
    for height in range(1, 36):
        name_rows.put(connection, [(height, names_of(height))])
    name_rows.drop(connection, to_height=15)
    assert count(connection, "name_run") == 2
    assert name_rows.find(connection, names_of(10)[0].tx_id) == []
    assert_all_found(connection, 16)
    name_rows.drop(connection, to_height=33)
    assert count(connection, "name_run") == count(connection, "name_page") == 0
    assert name_rows.find(connection, names_of(33)[0].tx_id) == []
    assert_all_found(connection, 34)


def test_names_of_an_earlier_version_are_found_and_forgotten() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        first, *_ = schema_files.scripts("chain")
        connection.executescript(f"BEGIN;{first} PRAGMA user_version = 1; COMMIT;")
        early = names_of(1)
        connection.executemany(
            "INSERT INTO name VALUES (?, ?, ?, ?)",
            [
                (name_rows.signed_prefix(one), 1, at, record)
                for at, names in enumerate(early)
                for record, one in enumerate([names.tx_id, names.wire_id, *names.record_ids], TX_ID)
            ],
        )
        schema_files.migrate(connection, schema="chain")
        name_rows.put(connection, [(2, names_of(2))])
        assert name_rows.has_early(connection)
        assert_all_found(connection, 1)
        assert_all_found(connection, 2)
        name_rows.drop_early(connection, height=1, names=early)
        assert not name_rows.has_early(connection)
        assert name_rows.find(connection, early[0].tx_id) == []
        assert_all_found(connection, 2)


@pytest.mark.parametrize("records", [b"", b"\0", b"\0\3\0", b"\0\3" * 9])
def test_a_row_that_was_changed_costs_its_own_names_only(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, records: bytes
) -> None:
    name_rows.put(connection, [(1, names_of(1)), (2, names_of(2))])
    connection.execute("UPDATE name_young SET records = ? WHERE height = 1", (records,))
    name_rows.find(connection, names_of(1)[1].tx_id)
    name_rows.leads_to(connection, names_of(1)[1].tx_id, Found(1, 1, TX_ID))
    assert_all_found(connection, 2)
    monkeypatch.setattr(name_rows, "YOUNG_ROWS_MAX", 1)
    name_rows.put(connection, [(3, names_of(3))])
    assert count(connection, "name_young") == 0
    assert_all_found(connection, 2)
    assert_all_found(connection, 3)


@pytest.mark.parametrize(
    ("height", "transactions", "records"), [(2**40, 1, 1), (1, 2**16 + 1, 0), (1, 1, 254)]
)
def test_what_has_no_room_in_a_place_is_refused(
    connection: sqlite3.Connection, height: int, transactions: int, records: int
) -> None:
    names = [Names(bytes(32), bytes(32), [bytes(32)] * records)] * transactions
    with pytest.raises(ValueError, match="block"):
        name_rows.put(connection, [(height, names)])
    assert count(connection, "name_young") == 0


def test_the_largest_place_comes_back(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    height, record = 2**40 - 1, 252
    names = [Names(bytes(32), bytes(32), [])] * 2**16
    names[-1] = Names(name("tx"), name("wire"), [name(n) for n in range(record + 1)])
    name_rows.put(connection, [(height, names)])
    assert count(connection, "name_young") == 0
    assert name_rows.find(connection, name(record)) == [Found(height, 2**16 - 1, record)]
