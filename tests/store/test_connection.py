"""One writer, shared commits, and errors that say what to do. Real files throughout."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import time
from pathlib import Path

import pytest

from doxedge.store import schema_files
from doxedge.store.connection import Database
from doxedge.store.errors import Kind, StoreError


def put(key: bytes, value: bytes = b"value"):  # type: ignore[no-untyped-def]
    def work(connection: sqlite3.Connection) -> bytes:
        connection.execute("INSERT INTO journal (key, value) VALUES (?, ?)", (key, value))
        return key

    return work


def keys(connection: sqlite3.Connection) -> list[bytes]:
    return [key for (key,) in connection.execute("SELECT key FROM journal ORDER BY key")]


async def test_the_file_is_private_durable_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    database = await Database.open(path, schema="chain")

    def modes(connection: sqlite3.Connection) -> tuple[object, ...]:
        return tuple(
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum", "trusted_schema")
        )

    assert await database.write(modes) == ("wal", 2, 1, 2, 0)  # 2 = FULL, 2 = INCREMENTAL
    await database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_callers_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ledger.db", schema="chain")
    before = database.commits
    done = await asyncio.gather(*(database.write(put(b"%03d" % k)) for k in range(200)))
    assert done == [b"%03d" % k for k in range(200)]
    assert database.commits - before <= 3
    assert await database.read(keys) == done
    await database.close()


async def test_a_linger_collects_callers_that_come_one_after_the_other(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ledger.db", schema="chain", linger_ms=50)
    before = database.commits

    async def later(number: int) -> None:
        await asyncio.sleep(number / 1_000)
        await database.write(put(b"%03d" % number))

    await asyncio.gather(*(later(number) for number in range(10)))
    assert database.commits - before <= 2
    await database.close()


async def test_a_lone_caller_waits_for_nothing_but_its_own_flush(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ledger.db", schema="chain")
    before = database.commits
    for number in range(20):
        await database.write(put(b"%03d" % number))
    assert database.commits - before == 20
    await database.close()


async def test_a_write_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ledger.db", schema="chain")

    def fails_half_way(connection: sqlite3.Connection) -> None:
        put(b"half")(connection)
        raise LookupError("the work has a bug")

    results = await asyncio.gather(
        database.write(put(b"a")),
        database.write(fails_half_way),
        database.write(put(b"a")),
        database.write(put(b"b")),
        return_exceptions=True,
    )
    assert results[0] == b"a"
    assert isinstance(results[1], LookupError)
    assert isinstance(results[2], StoreError)
    assert results[2].kind is Kind.CONFLICT
    assert results[3] == b"b"
    assert await database.read(keys) == [b"a", b"b"]
    await database.close()


async def test_a_cancelled_caller_leaves_the_store_working(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ledger.db", schema="chain", linger_ms=20)
    waiting = asyncio.create_task(database.write(put(b"a")), name="caller")
    await asyncio.sleep(0)
    waiting.cancel()
    reading = asyncio.create_task(database.read(keys), name="reader")
    await asyncio.sleep(0)
    reading.cancel()
    assert await database.write(put(b"b")) == b"b"
    assert b"b" in await database.read(keys)
    await database.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_was_accepted_is_finished_before_closing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database = await Database.open(path, schema="chain", linger_ms=50)
    writes = [asyncio.create_task(database.write(put(b"%d" % k)), name=f"write {k}") for k in range(5)]
    await asyncio.sleep(0)
    await database.close()
    assert [await write for write in writes] == [b"%d" % k for k in range(5)]
    await database.close()  # twice is harmless
    with pytest.raises(StoreError) as refused:
        await database.write(put(b"x"))
    assert refused.value.kind is Kind.CLOSED
    with pytest.raises(StoreError):
        await database.read(keys)


async def test_a_reader_sees_one_moment_and_cannot_write(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ledger.db", schema="chain")
    await database.write(put(b"a"))

    def slowly(connection: sqlite3.Connection) -> tuple[list[bytes], list[bytes]]:
        first = keys(connection)
        time.sleep(0.05)
        return first, keys(connection)

    (first, second), _ = await asyncio.gather(database.read(slowly), database.write(put(b"b")))
    assert first == second
    with pytest.raises(StoreError):
        await database.read(put(b"c"))
    await database.close()


HOLDER = """
import asyncio, sys
from pathlib import Path
from doxedge.store.connection import Database
async def main():
    database = await Database.open(Path(sys.argv[1]), schema="chain")
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await database.close()
asyncio.run(main())
"""


async def test_a_second_process_is_told_who_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdin=pipe, stdout=pipe
    )
    try:
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), 60) == b"open\n"
        with pytest.raises(StoreError, match=f"process {child.pid} is writing") as refused:
            await Database.open(path, schema="chain")
        assert refused.value.kind is Kind.LOCKED
        beside = await Database.open(path, schema="chain", read_only=True)
        assert await beside.read(keys) == []
        with pytest.raises(StoreError, match="reading only"):
            await beside.write(put(b"x"))
        await beside.close()
    finally:
        await asyncio.wait_for(child.communicate(b""), 60)
    again = await Database.open(path, schema="chain")
    await again.close()


async def test_a_failed_opening_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database at all, but long enough to look at" * 20)
    for _ in range(2):
        with pytest.raises(StoreError) as refused:
            await Database.open(path, schema="chain")
        assert refused.value.kind is Kind.CORRUPT


async def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    await (await Database.open(path, schema="outbox")).close()
    with pytest.raises(StoreError, match="not a `chain` file") as refused:
        await Database.open(path, schema="chain")
    assert refused.value.kind is Kind.FOREIGN
    stranger = tmp_path / "stranger.db"
    with sqlite3.connect(stranger) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    with pytest.raises(StoreError) as refused:
        await Database.open(stranger, schema="chain")
    assert refused.value.kind is Kind.FOREIGN


async def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await (await Database.open(path, schema="chain")).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="install the newer version") as refused:
        await Database.open(path, schema="chain")
    assert refused.value.kind is Kind.NEWER


async def test_scripts_run_in_order_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    await (await Database.open(path, schema="chain")).close()
    first = schema_files.scripts("chain")
    later = (*first, "CREATE TABLE added (number INTEGER) STRICT;\nINSERT INTO added VALUES (7);")
    monkeypatch.setattr(schema_files, "scripts", lambda schema: later)
    for _ in range(2):
        database = await Database.open(path, schema="chain")

        def look(connection: sqlite3.Connection) -> tuple[list[tuple[int]], int]:
            return (
                connection.execute("SELECT number FROM added").fetchall(),
                connection.execute("PRAGMA user_version").fetchone()[0],
            )

        assert await database.read(look) == ([(7,)], len(later))
        await database.close()


@pytest.mark.parametrize("schema", sorted(schema_files.APPLICATION_IDS))
def test_every_schema_is_in_the_package(schema: str) -> None:
    assert len(schema_files.scripts(schema)) >= 1


async def test_a_missing_file_is_not_made_by_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with pytest.raises(StoreError, match="no such file"):
        await Database.open(path, schema="chain", read_only=True)
    path.touch()
    with pytest.raises(StoreError):
        await Database.open(path, schema="chain", read_only=True)
    assert not path.with_name("ledger.db.lock").exists()


async def test_a_folder_that_cannot_be_made_is_the_operators_to_put_right(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="check that the folder exists") as refused:
        await Database.open(tmp_path / "file" / "ledger.db", schema="chain")
    assert refused.value.kind is Kind.PERMISSION


async def test_a_linger_out_of_bounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="linger_ms"):
        await Database.open(tmp_path / "ledger.db", schema="chain", linger_ms=5_000)


LEFT_OPEN = """
import asyncio, sys
from pathlib import Path
from doxedge.store.connection import Database
kept = []
async def main():
    kept.append(await Database.open(Path(sys.argv[1]), schema="chain"))
    await kept[0].write(lambda one: one.execute("INSERT INTO journal (key, value) VALUES (x'01', x'02')"))
    raise SystemExit("a bug")
asyncio.run(main())
"""


async def test_a_file_that_a_bug_has_left_open_does_not_keep_the_process(tmp_path: Path) -> None:
    """It ends at once, and systemd starts it anew; what was acknowledged is there."""
    path = tmp_path / "ledger.db"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LEFT_OPEN, str(path), stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            _, said = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    assert (child.returncode, b"a bug" in said) == (1, True), said
    database = await Database.open(path, schema="chain")
    assert await database.read(keys) == [b"\x01"]
    await database.close()
