"""Raw samples lie in blocks, and come out as if each lay in a row of its own."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.signing import merkle
from doxedge.store import hour_tree, look, sample_blocks, sample_rows, schema_files
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import SampleRow, StoredSample
from doxedge.store.samples import SampleSettings, SampleStore

START_MS = 500_000 * HOUR_MS
DEVICES = ("a.flow", "a.stack", "b.stack")
ALL = 10**9


def connected(path: Path | str = ":memory:") -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    schema_files.migrate(connection, schema="samples")
    return connection


def append(connection: sqlite3.Connection, rows: Sequence[SampleRow]) -> None:
    sample_rows.append(
        connection,
        rows=rows,
        notice=lambda _device, _at_ms: None,
        folder=Path.cwd(),
        bytes_max=10**12,
        free_floor_bytes=0,
        now_ms=START_MS,
    )


def everything(connection: sqlite3.Connection, *, limit: int = ALL) -> list[StoredSample]:
    """All samples, read in portions."""
    found: list[StoredSample] = []
    while True:
        after = found[-1].row_id if found else 0
        rows = sample_rows.read(
            connection, from_ms=0, to_ms=2 * START_MS, devices=None, after=after, limit=limit
        )
        found += rows
        if len(rows) < limit:
            return found


batches = st.lists(
    st.lists(
        st.tuples(st.integers(0, 3 * MINUTE_MS // 1_000), st.sampled_from(DEVICES), st.binary(max_size=3)),
        max_size=12,
    ),
    max_size=6,
)


@settings(deadline=None)
@given(
    batches=batches,
    limit=st.integers(1, 7),
    span=st.tuples(st.integers(0, 190), st.integers(0, 190)),
    devices=st.sets(st.sampled_from([*DEVICES, "nobody"])),
)
def test_samples_come_out_by_time_and_then_by_arrival(
    batches: list[list[tuple[int, str, bytes]]], limit: int, span: tuple[int, int], devices: set[str]
) -> None:
    came: list[tuple[int, str, bytes]] = []
    with closing(connected()) as connection:
        for batch in batches:
            append(connection, [SampleRow(name, START_MS + s * 1_000, raw) for s, name, raw in batch])
            came += batch
        expected = sorted(came, key=lambda one: one[0])
        found = everything(connection, limit=limit)

        assert [((one.at_ms - START_MS) // 1_000, one.device, one.raw) for one in found] == expected
        assert [one.row_id for one in found] == sorted({one.row_id for one in found})
        from_ms, to_ms = (START_MS + s * 1_000 for s in span)
        part = sample_rows.read(
            connection, from_ms=from_ms, to_ms=to_ms, devices=[*devices], after=0, limit=ALL
        )
        assert part == [one for one in found if from_ms <= one.at_ms < to_ms and one.device in devices]


def test_ten_seconds_of_an_analyser_take_less_room_in_a_block_than_their_bytes() -> None:
    dice = random.Random(11)
    rows = []
    for k in range(10):
        registers = dice.randbytes(8)
        text = f"nox_ppb={dice.randint(80_000, 90_000)}E-3\nno_ppb={dice.randint(70_000, 80_000)}E-3"
        question = b"\x00\x0c" + (0x1000 + k).to_bytes(2, "big") + bytes.fromhex("0000000601030000000400")
        rows.append(SampleRow("a.stack", START_MS + k * 1_000, text.encode() + question + registers))
    with closing(connected()) as connection:
        append(connection, rows)
        [(count, size)] = connection.execute("SELECT count(*), sum(length(packed)) FROM block")

    assert count == 1
    assert size < 0.75 * sum(len(row.raw) for row in rows)


async def test_a_commit_of_ten_seconds_writes_some_two_pages(tmp_path: Path) -> None:
    path, dice, commits = tmp_path / "samples.db", random.Random(12), 60
    async with await SampleStore.open(path, now_ms=lambda: START_MS, linger_ms=0) as store:
        log = path.with_name("samples.db-wal")
        begun_bytes = log.stat().st_size
        for commit in range(commits):
            at_ms = START_MS + commit * 10_000
            # Three instruments, with what of a sample is news when it is deflated.
            await store.append(
                [SampleRow(name, at_ms + k * 1_000, dice.randbytes(60)) for k in range(6) for name in DEVICES]
            )
        written_bytes = log.stat().st_size - begun_bytes

    # A row for each sample wrote four pages and more.
    assert written_bytes / commits < 3 * 4_096


def test_a_block_keeps_its_bounds() -> None:
    long = [SampleRow("a.stack", START_MS + k, bytes([k]) * 40_000) for k in range(5)]
    many = [SampleRow("a.flow", START_MS + k, b"") for k in range(2 * sample_blocks.BLOCK_SAMPLES_MAX + 1)]
    wide = [SampleRow("b.stack", START_MS + k * 45_000, b"") for k in range(5)]
    with closing(connected()) as connection:
        append(connection, [*long, *many, *wide])
        blocks = connection.execute(
            "SELECT name, samples, last_id - block.id FROM block JOIN device ON device.id = device_id ORDER BY block.id"
        ).fetchall()
        found = everything(connection)

    assert [n for name, n, _ in blocks if name == "a.stack"] == [2, 2, 1]
    assert [n for name, n, _ in blocks if name == "a.flow"] == [1_024, 1_024, 1]
    assert [n for name, n, _ in blocks if name == "b.stack"] == [2, 2, 1]
    assert all(span < sample_blocks.BLOCK_IDS for _, _, span in blocks)
    assert len(found) == len(long) + len(many) + len(wide)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x02" + sample_blocks.pack([1], [b"raw"])[1:],
        sample_blocks.pack([1], [b"raw"])[:-1],
        sample_blocks.pack([1], [b"raw"]) + b"more",
        sample_blocks.FORM + b"nothing deflated",
        sample_blocks.pack([1], [bytes(sample_blocks.BLOCK_BYTES_MAX * 10)]),
    ],
    ids=["empty", "form", "cut", "glued", "noise", "bomb"],
)
async def test_a_damaged_block_is_refused_as_a_damaged_file(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "samples.db"
    async with await SampleStore.open(path, now_ms=lambda: START_MS, linger_ms=0) as store:
        await store.append([SampleRow("a.stack", START_MS, b"raw")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE block SET packed = ?", (packed,))
        connection.commit()
    async with await SampleStore.open(path, now_ms=lambda: START_MS, linger_ms=0) as store:
        with pytest.raises(StoreError, match="a block of samples is damaged") as refused:
            await store.between(0, 2 * START_MS)
        assert refused.value.kind is Kind.CORRUPT
        with pytest.raises(StoreError):
            await store.hour_root("a", ["a.stack"], START_MS)


async def test_units_that_come_together_share_one_write(tmp_path: Path) -> None:
    rows = [SampleRow(name, START_MS + k, name.encode()) for k in range(3) for name in DEVICES]
    async with await SampleStore.open(tmp_path / "samples.db", now_ms=lambda: START_MS, linger_ms=0) as store:
        await asyncio.gather(*(store.append([row for row in rows if row.device == name]) for name in DEVICES))
        assert store.counters.appended == len(rows)
        assert [(one.at_ms, one.device) for one in await store.between(0, 2 * START_MS)] == [
            (row.at_ms, row.device) for row in rows
        ]
        refused = SampleRow("a.flow", START_MS, bytes(sample_blocks.RAW_BYTES_MAX + 1))
        outcomes = await asyncio.gather(
            store.append([refused]),
            store.append([SampleRow("a.stack", START_MS + 9, b"late")]),
            return_exceptions=True,
        )
        assert [type(one) for one in outcomes] == [ValueError, type(None)]
        assert store.counters.appended == len(rows) + 1


async def test_what_is_on_its_way_when_the_store_closes_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    store = await SampleStore.open(path, now_ms=lambda: START_MS, linger_ms=0)
    writing = asyncio.create_task(store.append([SampleRow("a.flow", START_MS, b"raw")]))
    await asyncio.sleep(0)
    await store.close()
    await writing
    async with await SampleStore.open(path, now_ms=lambda: START_MS, linger_ms=0) as store:
        assert len(await store.between(0, 2 * START_MS)) == 1


def of_version_1(path: Path, rows: Sequence[SampleRow]) -> bytes:
    """A file as the first form had it, with the root of its hour; that root."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(schema_files.scripts("samples")[0])
        connection.execute(f"PRAGMA application_id = {schema_files.APPLICATION_IDS['samples']}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("BEGIN")
        for n, name in enumerate(DEVICES, 1):
            connection.execute("INSERT INTO device VALUES (?, ?)", (n, name))
        leaves = []
        for k, row in enumerate(rows):
            row_id = sample_blocks.first_id(row.at_ms) + k
            connection.execute(
                "INSERT INTO sample VALUES (?, ?, 0, ?)", (row_id, DEVICES.index(row.device) + 1, row.raw)
            )
            leaves.append(hour_tree.leaf(StoredSample(row_id, row.device, row.at_ms, row.raw)))
        connection.execute("COMMIT")
    return merkle.root(leaves)


async def test_a_file_of_the_first_form_is_read_on_and_goes_with_its_retention(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    old = [SampleRow("a.stack", START_MS + k * 1_000, b"old %d" % k) for k in range(600)]
    root = of_version_1(path, old)
    now_ms = START_MS + HOUR_MS

    async with await SampleStore.open(
        path, now_ms=lambda: now_ms, settings=SampleSettings(keep_ms=HOUR_MS), linger_ms=0
    ) as store:
        assert (await store.hour_root("a", ["a.stack"], START_MS)).root == root
        assert await store.check_hour("a", START_MS) is True
        await store.append(
            [SampleRow("a.stack", START_MS + 1_000, b"late"), SampleRow("a.stack", now_ms, b"new")]
        )
        found = await store.between(0, 2 * now_ms)
        assert [one.raw for one in found[:3]] == [b"old 0", b"old 1", b"late"]
        assert (len(found), found[-1].raw) == (602, b"new")
        again = await store.hour_root("a", ["a.stack"], START_MS, revision=1)
        assert again.samples == 601

        now_ms += HOUR_MS
        dropped = await store.prune()
        assert dropped is not None
        assert (dropped.samples, dropped.from_ms, dropped.to_ms) == (601, START_MS, START_MS + 599_000)
        assert [one.raw for one in await store.between(0, 2 * now_ms)] == [b"new"]


def test_a_file_that_no_newer_gateway_has_opened_is_read_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    rows = [SampleRow("a.stack", START_MS + k, b"%d" % k) for k in range(5)]
    root = of_version_1(path, rows)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO hour_root VALUES ('a', ?, 0, ?, 5, ?)", (START_MS, b"\x81\x67a.stack", root)
        )

    leaves = look.hour_leaves(path, "a", START_MS, samples=5, root=root)

    assert leaves is not None
    assert len(leaves) == 5
