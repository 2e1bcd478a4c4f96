"""The record of quality assurance: lines are added and never changed, a check ends once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from doxedge.store.errors import Kind, StoreError
from doxedge.store.qa import QaStore
from doxedge.store.qa_rows import QaDraft, QaKind

UNIT, NOX = "alpha-1", "nox_ppb"


def draft(
    kind: QaKind, at_ms: int, *, begun: int | None = None, quantity: str = NOX, **body: object
) -> QaDraft:
    return QaDraft(kind=kind, unit=UNIT, quantity=quantity, at_ms=at_ms, body=body, begun=begun)


async def test_a_check_begins_and_ends_once_and_both_stay(tmp_path: Path) -> None:
    path = tmp_path / "qa.db"
    async with await QaStore.open(path, now_ms=0) as store:
        (begun,) = await store.append([draft(QaKind.BEGUN, 10, by="schedule")])
        assert await store.append([draft(QaKind.BEGUN, 10, by="schedule")]) == [begun]
        assert await store.unfinished(UNIT) == [begun]
        (check,) = await store.append([draft(QaKind.CHECK, 20, begun=begun.number, end="passed")])
        assert await store.unfinished(UNIT) == []
        assert await store.append([draft(QaKind.CHECK, 30, begun=begun.number, end="failed")]) == [check]
    async with await QaStore.open(path, now_ms=0) as store:
        assert await store.newest(None, None, 10) == [begun, check]
        assert await store.since(QaKind.CHECK, UNIT, 20) == [check]
        assert await store.since(QaKind.CHECK, UNIT, 21) == []
        assert check.body == {"end": "passed"}


async def test_the_newest_of_a_monitor_is_found(tmp_path: Path) -> None:
    async with await QaStore.open(tmp_path / "qa.db", now_ms=0) as store:
        await store.append([draft(QaKind.STANDING, n, word=str(n)) for n in range(5)])
        await store.append([draft(QaKind.STANDING, 9, quantity="o2_percent", word="other")])
        last = await store.last(QaKind.STANDING, UNIT, NOX)
        assert last is not None
        assert last.body == {"word": "4"}
        assert await store.last(QaKind.STANDING, "beta-2", NOX) is None
        assert [entry.at_ms for entry in await store.newest(QaKind.STANDING, UNIT, 2)] == [4, 9]


async def test_of_several_entries_all_are_kept_or_none(tmp_path: Path) -> None:
    async with await QaStore.open(tmp_path / "qa.db", now_ms=0) as store:
        with pytest.raises(StoreError):
            await store.append([draft(QaKind.STANDING, 1), draft(QaKind.CHECK, 2)])  # of no beginning
        assert await store.newest(None, None, 10) == []


@pytest.mark.parametrize("statement", ["UPDATE entry SET body = '{}'", "DELETE FROM entry"])
async def test_nothing_is_changed_or_deleted_even_past_our_own_code(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "qa.db"
    async with await QaStore.open(path, now_ms=0) as store:
        await store.append([draft(QaKind.STANDING, 1)])
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        connection.execute(statement)
    connection.close()


async def test_a_damaged_file_is_set_aside_and_another_kind_of_file_refused(tmp_path: Path) -> None:
    path = tmp_path / "qa.db"
    path.write_bytes(b"not a database" * 400)
    async with await QaStore.open(path, now_ms=0) as store:
        assert store.quarantined is not None
        assert store.quarantined.exists()
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE something (a)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError) as refused:
        await QaStore.open(tmp_path / "other.db", now_ms=0)
    assert refused.value.kind is Kind.FOREIGN
