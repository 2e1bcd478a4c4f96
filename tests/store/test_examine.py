"""A file of the store is looked at from outside: beside its owner, without a trace, with every damage named."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from doxedge.store.errors import Kind, StoreError
from doxedge.store.examine import Refusals, Waiting, examine, holder, refusals, waiting
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Draft
from doxedge.store.samples import SampleStore
from tests.ledger.channels import signer

CHANNEL, SOURCE = bytes(32), bytes(16)


async def filled(
    path: Path,
    *,
    records: int = 3,
    now_ms: int = 1_000,
    channel: bytes = CHANNEL,
    source: bytes = SOURCE,
) -> Outbox:
    """An open outbox with pending records."""
    from functools import partial

    from doxedge.gateway.measured_unit import seal_record

    outbox = await Outbox.open(path, now_ms=lambda: now_ms)
    await outbox.begin(channel, source)
    drafts = [Draft("event", [None, "test", 0, f"{number}"], f"key {number}") for number in range(records)]
    await outbox.append(
        channel, source, drafts, seal=partial(seal_record, channel=channel, signer=signer("device"))
    )
    return outbox


def traces(folder: Path) -> dict[str, int]:
    """Every file and when it was written."""
    return {entry.name: entry.stat().st_mtime_ns for entry in folder.iterdir()}


def damage(path: Path) -> list[str]:
    """What is found, whether the check lists it or the file cannot be read at all."""
    try:
        return list(examine(path, schema="outbox").problems)
    except StoreError as error:
        return [str(error)] if error.kind is Kind.CORRUPT else []


async def test_a_file_is_examined_while_its_owner_writes(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = await filled(path)
    try:
        found = examine(path, schema="outbox")
        assert (found.version, found.newest, found.problems, found.is_deep) == (1, 1, (), True)
        assert holder(path) == os.getpid()
        assert waiting(path) == [Waiting(CHANNEL, SOURCE, 3, 1_000)]
        assert refusals(path) == Refusals(0, "")
    finally:
        await outbox.close()


async def test_a_file_at_rest_is_examined_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await (await filled(path)).close()
    before = traces(tmp_path)
    assert examine(path, schema="outbox").problems == ()
    assert waiting(path) == [Waiting(CHANNEL, SOURCE, 3, 1_000)]
    assert holder(path) is None
    assert traces(tmp_path) == before


async def test_a_refusal_is_shown_with_its_words(tmp_path: Path) -> None:
    outbox = await filled(tmp_path / "outbox.db")
    try:
        first, second, _ = await outbox.pending(CHANNEL, SOURCE)
        await outbox.mark_refused(first.record_id, clause="3.4", reason="another record has this number")
        assert refusals(tmp_path / "outbox.db") == Refusals(1, "3.4: another record has this number")
        await outbox.mark_refused(second.record_id, clause=None, reason="too long")
        assert refusals(tmp_path / "outbox.db") == Refusals(2, "too long")
        assert [one.records for one in waiting(tmp_path / "outbox.db")] == [1]
    finally:
        await outbox.close()


async def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await (await filled(path, records=64)).close()
    data = bytearray(path.read_bytes())
    for place in range(4_096, len(data), 512):
        data[place : place + 64] = b"\xa5" * 64
    path.write_bytes(data)
    assert damage(path)


async def test_an_index_that_lacks_a_row_is_found_by_the_deep_check(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await (await filled(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'state = 0', 'state = 1') WHERE name = 'entry_pending'"
        )
    connection.close()
    assert any("entry_pending" in problem for problem in examine(path, schema="outbox").problems)


def test_a_file_that_its_owner_is_about_to_begin_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").touch()
    found = examine(tmp_path / "outbox.db", schema="outbox")
    assert (found.version, found.problems) == (0, ())


@pytest.mark.parametrize(
    ("content", "kind"),
    [("nothing", Kind.PERMISSION), ("text", Kind.CORRUPT), ("samples", Kind.FOREIGN), ("newer", Kind.NEWER)],
)
async def test_a_file_that_is_not_ours_is_told_apart(tmp_path: Path, content: str, kind: Kind) -> None:
    path = tmp_path / "outbox.db"
    if content == "text":
        path.write_text("not a database at all, but long enough to look at" * 100)
    if content == "samples":
        await (await SampleStore.open(path, now_ms=lambda: 0)).close()
    if content == "newer":
        await (await filled(path)).close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    with pytest.raises(StoreError) as caught:
        examine(path, schema="outbox")
    assert caught.value.kind is kind


async def test_what_waits_is_told_for_each_source(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await (await filled(path)).close()
    outbox = await filled(path, records=2, now_ms=5_000, source=b"s" * 16)
    try:
        assert waiting(path) == [Waiting(CHANNEL, SOURCE, 3, 1_000), Waiting(CHANNEL, b"s" * 16, 2, 5_000)]
        for entry in await outbox.pending(CHANNEL, SOURCE):
            await outbox.mark_refused(entry.record_id, clause=None, reason="x")
        assert [one.source for one in waiting(path)] == [b"s" * 16]
    finally:
        await outbox.close()
