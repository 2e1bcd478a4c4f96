"""A full disk costs raw samples and time, never a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.quantity import HOUR_MS
from doxedge.store.connection import Database
from doxedge.store.outbox import OutboxSettings
from tests.gateway.unit_bench import Bench, bench
from tests.ledger.channels import START_MS


async def limit_pages(database: Database, pages: int | None) -> None:
    """Let SQLite itself say that the disk is full: SQLITE_FULL, as a real disk does."""
    many = 2**30 if pages is None else pages
    await database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {many}").fetchall())


async def fill(unit: Bench, *, outbox: bool, samples: bool) -> None:
    for wanted, database in ((outbox, unit.outbox._database), (samples, unit.samples._database)):
        if wanted:
            await limit_pages(database, 1)  # SQLite raises it to the present size of the file


async def release(unit: Bench) -> None:
    for database in (unit.outbox._database, unit.samples._database):
        await limit_pages(database, None)


async def test_a_full_disk_makes_records_wait_and_samples_give_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(30)
        await fill(unit, outbox=True, samples=False)
        # Every page of the outbox is used up before the hours that follow.
        await unit.measure(600)
        assert unit.pipeline.desk.waiting
        assert caplog.text.count("records wait for the disk") == 1
        assert unit.samples.counters.dropped > 0
        await release(unit)
        await unit.measure(2)
        assert unit.pipeline.desk.waiting == 0
        starts = [body[1] for kind, body in await unit.said() if kind == "hour"]
        assert starts == [START_MS + hour * HOUR_MS for hour in range(10)]
        assert "samples.dropped" in [body[1] for kind, body in await unit.said() if kind == "event"]
        assert await unit.outbox.verify_chain() == []


async def test_a_disk_that_is_full_at_the_end_of_an_hour_is_no_reason_to_forget_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(58)
        await fill(unit, outbox=True, samples=True)
        await unit.measure(600)
        clock = unit.clock
        signed = len(await unit.hours())
        assert signed < 10
    # The process ends here, with hours that wait. The next one has room.
    async with bench(tmp_path, clock=clock) as unit:
        await unit.measure(2)
        said = [(kind, body) for kind, body in await unit.said() if kind != "event"]
        hours = {body[1] for kind, body in said if kind == "hour"}
        gaps = {
            start_ms
            for kind, body in said
            if kind == "gap"
            for start_ms in range(int(str(body[1])), int(str(body[2])), HOUR_MS)
        }
        assert not hours & gaps
        assert hours | gaps == {START_MS + hour * HOUR_MS for hour in range(10)}


async def test_an_outbox_at_its_budget_waits_and_drops_no_samples_in_vain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = OutboxSettings(bytes_max=1)
    async with bench(tmp_path, outbox_settings=settings) as unit:
        await unit.measure(62)
        assert await unit.entries() == []
        assert unit.pipeline.desk.waiting == 2
        assert unit.samples.counters.dropped == 0
        assert caplog.text.count("records wait for the disk") == 1
        clock = unit.clock
    async with bench(tmp_path, clock=clock) as unit:
        await unit.measure(1)
        assert len(await unit.hours()) == 1
