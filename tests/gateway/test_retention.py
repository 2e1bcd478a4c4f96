"""What is old goes, and not by a clock that may be wrong: with the real stores, files and loop of a gateway."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from doxedge.gateway import daemon, equipment
from doxedge.gateway.clock_state import ClockReading, is_sure
from doxedge.gateway.daemon import Gateway
from doxedge.gateway.equipment import Equipment, open_equipment
from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.retention import forget_old
from doxedge.gateway.sample_clerk import FOLDER
from doxedge.quantity import DAY_MS
from doxedge.store.rows import Closing, Draft, SampleRow
from tests.gateway.key_files import write_key
from tests.gateway.stack_bench import CHANNEL, SOURCES, shared_plan
from tests.gateway.unit_bench import SetClock
from tests.gateway.waiting import until
from tests.ledger.channels import START_MS
from tests.store.records import seal

SOURCE = SOURCES["alpha-1"]
YEARS_AHEAD_MS = START_MS + 10 * 365 * DAY_MS
UNIT = UnitIdentity("alpha-1", CHANNEL, SOURCE)


@dataclass
class Held:
    """A gateway's stores with one proved record, one sample and one answer file, all of the first day."""

    gateway: Gateway
    equipment: Equipment
    clock: SetClock
    record_id: bytes
    answer: Path

    async def what_is_left(self) -> tuple[bool, bool, bool]:
        """(record, sample, answer file)."""
        samples = await self.equipment.samples.between(0, YEARS_AHEAD_MS)
        record = await self.equipment.outbox.entry(self.record_id)
        return record is not None, bool(samples), await asyncio.to_thread(self.answer.exists)


@asynccontextmanager
async def held(folder: Path) -> AsyncIterator[Held]:
    clock, key = SetClock(), write_key(folder / "key.pem", "alpha device")
    plan = shared_plan("", "\n", key=key, folder=str(folder))
    async with open_equipment(plan.settings, clock=clock) as things:
        await things.outbox.begin(CHANNEL, SOURCE)
        [appended] = await things.outbox.append(CHANNEL, SOURCE, [Draft("event", [1], "event/1")], seal=seal)
        await things.outbox.close_entries([Closing(appended.record_id, b"proof", 0)])
        await things.samples.append([SampleRow("alpha-1.analyser", START_MS, b"raw")])
        answer = things.folder / FOLDER / f"{bytes(32).hex()}.samples"
        await asyncio.to_thread(_write, answer)
        yield Held(Gateway(plan, clock=clock), things, clock, appended.record_id, answer)


def _write(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"samples")
    os.utime(path, ns=(START_MS * 1_000_000, START_MS * 1_000_000))


def clock_says(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """The kernel's word, which a test cannot choose."""
    monkeypatch.setattr(equipment, "read_clock", lambda: ClockReading(state, 0))


@pytest.mark.parametrize("state", ["unsynchronised", "unknown"])
async def test_a_clock_years_ahead_deletes_nothing_until_it_is_disciplined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    async with held(tmp_path) as at:
        at.clock.at_ms = YEARS_AHEAD_MS
        clock_says(monkeypatch, state)
        assert not await forget_old(at.equipment, [UNIT], retention_days=400)
        assert await at.what_is_left() == (True, True, True)
        clock_says(monkeypatch, "synchronised")
        at.clock.at_ms = START_MS + 10 * DAY_MS
        assert await forget_old(at.equipment, [UNIT], retention_days=400)
        assert await at.what_is_left() == (True, True, True)
        at.clock.at_ms = YEARS_AHEAD_MS
        assert await forget_old(at.equipment, [UNIT], retention_days=400)
        assert await at.what_is_left() == (False, False, False)


async def test_the_gateways_loop_forgets_records_samples_and_answer_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "PRUNE_EVERY_S", 0.0)
    clock_says(monkeypatch, "synchronised")
    async with held(tmp_path) as at:
        at.clock.at_ms = YEARS_AHEAD_MS
        loop = asyncio.create_task(at.gateway._prune_forever(at.equipment), name="prune")
        try:
            await until(lambda: loop.done() or not at.answer.exists(), what="the answer file to go")
            assert await at.what_is_left() == (False, False, False)
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


def test_a_compressed_clock_is_sure_of_its_time() -> None:
    states = ("synchronised", "simulated", "unsynchronised", "unknown")
    assert [is_sure(ClockReading(state, 0)) for state in states] == [True, True, False, False]
