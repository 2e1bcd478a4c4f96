"""The record of alarms: lines are added and never changed, and each thing is said once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from doxedge.measurement.alarms import Acknowledgement, Change, Sighting
from doxedge.store import look
from doxedge.store.alarms import AlarmStore
from doxedge.store.errors import Kind, StoreError

AWAY = Sighting("device.away", "alpha-1.analyser", True, "comms: no answer")
SAID = Acknowledgement("A. Person", "cable was loose", 30, "operator")


async def test_an_alarm_is_raised_cleared_and_acknowledged_and_all_of_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    async with await AlarmStore.open(path, now_ms=0) as store:
        alarm = await store.raise_alarm(AWAY, at_ms=10)
        await store.clear_alarm(alarm.number, text="answers", at_ms=20)
        assert (await store.wanting())[0].cleared_ms == 20
        acknowledged = await store.acknowledge(alarm.number, SAID)
        assert acknowledged is not None
        assert acknowledged.acknowledged == SAID
        assert await store.wanting() == []
        entries = await store.entries_since(0)
    assert [(entry.change, entry.at_ms, entry.text) for entry in entries] == [
        (Change.RAISED, 10, "comms: no answer"),
        (Change.CLEARED, 20, "answers"),
        (Change.ACKNOWLEDGED, 30, "cable was loose"),
    ]
    assert {entry.raised_ms for entry in entries} == {10}
    assert look.alarms(path) == []
    assert look.alarms(path, newest=5) == [acknowledged]


async def test_what_stands_is_not_raised_again_and_what_is_over_is_a_new_alarm(tmp_path: Path) -> None:
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        first = await store.raise_alarm(AWAY, at_ms=10)
        assert await store.raise_alarm(AWAY, at_ms=15) == first
        other = await store.raise_alarm(Sighting("device.away", "alpha-1.flow", True, ""), at_ms=16)
        await store.clear_alarm(first.number, text="answers", at_ms=20)
        await store.clear_alarm(first.number, text="answers", at_ms=25)
        again = await store.raise_alarm(AWAY, at_ms=30)
        assert len({first.number, other.number, again.number}) == 3
        assert [alarm.cleared_ms for alarm in await store.wanting()] == [20, None, None]


async def test_who_acknowledged_first_stands(tmp_path: Path) -> None:
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        alarm = await store.raise_alarm(AWAY, at_ms=10)
        await store.acknowledge(alarm.number, SAID)
        with pytest.raises(StoreError, match=r"acknowledged by A\. Person: cable was loose") as refused:
            await store.acknowledge(alarm.number, Acknowledgement("B. Person", "me too", 40, "other"))
        assert refused.value.kind is Kind.CONFLICT
        (standing,) = await store.wanting()
        assert standing.acknowledged == SAID


async def test_an_alarm_that_is_not_there_is_not_acknowledged_nor_is_the_line_that_cleared_one(
    tmp_path: Path,
) -> None:
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        alarm = await store.raise_alarm(AWAY, at_ms=10)
        await store.clear_alarm(alarm.number, text="answers", at_ms=20)
        assert await store.acknowledge(alarm.number + 1, SAID) is None
        assert await store.acknowledge(99, SAID) is None


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE entry SET text = 'all is well'", "never changed"),
        ("DELETE FROM entry", "never deleted"),
        ("UPDATE entry SET at_ms = 0 WHERE change = 'raised'", "never changed"),
    ],
)
async def test_the_file_itself_refuses_to_forget(tmp_path: Path, statement: str, reason: str) -> None:
    path = tmp_path / "alarms.db"
    async with await AlarmStore.open(path, now_ms=0) as store:
        await store.raise_alarm(AWAY, at_ms=10)
    connection = sqlite3.connect(path)
    try:
        with pytest.raises(sqlite3.IntegrityError, match=reason):
            connection.execute(statement)
    finally:
        connection.close()


async def test_a_restart_finds_what_stands(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    async with await AlarmStore.open(path, now_ms=0) as store:
        alarm = await store.raise_alarm(AWAY, at_ms=10)
    async with await AlarmStore.open(path, now_ms=0) as store:
        assert await store.wanting() == [alarm]
        assert await store.raise_alarm(AWAY, at_ms=50) == alarm


async def test_a_damaged_file_is_set_aside_and_the_record_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    path.write_bytes(b"no database at all" * 100)
    async with await AlarmStore.open(path, now_ms=0) as store:
        assert store.quarantined is not None
        assert store.quarantined.read_bytes().startswith(b"no database")
        assert (await store.raise_alarm(AWAY, at_ms=10)).number == 1


async def test_one_may_look_while_the_service_writes(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    async with await AlarmStore.open(path, now_ms=0) as store:
        alarm = await store.raise_alarm(AWAY, at_ms=10)
        assert look.alarms(path) == [alarm]


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        look.alarms(tmp_path / "alarms.db")
