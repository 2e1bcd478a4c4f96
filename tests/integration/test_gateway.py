"""A real gateway on real sockets before a simulated plant, in compressed time: an hour is five seconds.

The plant is a child process, the stores are files, the ledger is the one in memory of the gateway's tests, with the
real rules. Hours are compared with what really left the simulated stack.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from doxedge.fieldbus.clock import CompressedClock
from doxedge.gateway.daemon import Gateway
from doxedge.gateway.plan import make_plan
from doxedge.gateway.settings import parse_settings
from doxedge.quantity import HOUR_MS
from doxedge.store.outbox import Outbox
from doxedge.store.samples import SampleStore
from tests.gateway.key_files import write_key
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.gateway.waiting import until
from tests.integration.simulated_site import (
    FIRST_HOUR_MS,
    FIRST_MS,
    SPEED,
    SimulatedSite,
    allowance,
    simulated_site,
)

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 90.0
"""An hour takes five seconds; on a busy machine some more, and nothing depends on it."""


class SteppedClock(CompressedClock):
    """The plant's clock, which somebody sets."""

    set_by_ms = 0

    @override
    def now_ms(self) -> int:
        return super().now_ms() + self.set_by_ms


@asynccontextmanager
async def gateway_at(
    site: SimulatedSite,
    folder: Path,
    ledger: MemoryLedger,
    *,
    clock: CompressedClock | None = None,
    top: str = "",
    calibrations: str = "",
) -> AsyncIterator[Gateway]:
    """A gateway that measures; leaving the block stops it as SIGTERM does."""
    key = write_key(folder / "device.pem", "alpha device")
    text = site.settings(folder, key=key, channel=ledger.channel, source=ledger.source, top=top)
    text += calibrations
    gateway = Gateway(
        make_plan(
            parse_settings(text, source="gateway.toml"), source="gateway.toml", clock=clock or site.clock
        ),
        clock=clock or site.clock,
        ledger=ledger,
        chance=lambda: 0.5,
    )
    started = asyncio.Event()
    running = asyncio.create_task(gateway.run(started=started.set), name="gateway")
    waiting = asyncio.create_task(started.wait(), name="started")
    try:
        await asyncio.wait({running, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield gateway
        assert not running.done(), running.exception()
    finally:
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


def hours(ledger: MemoryLedger) -> dict[int, list[Any]]:
    """The final hours by their start."""
    bodies = ledger.final_bodies("hour")
    found = {body[1]: body for body in bodies}
    assert len(found) == len(bodies), "an hour is final twice"
    return found  # type: ignore[return-value]


def gaps(ledger: MemoryLedger) -> list[int]:
    """The begins of the hours that are stated as gaps."""
    return [int(str(body[1])) for body in ledger.final_bodies("gap")]


async def hour_from(ledger: MemoryLedger, start_ms: int) -> list[Any]:
    """The first final hour from `start_ms` on. An hour in which this machine was too busy to poll is a gap."""
    await until(
        lambda: any(start >= start_ms for start in hours(ledger)), within_s=PATIENCE_S, what="a whole hour"
    )
    return hours(ledger)[min(start for start in hours(ledger) if start >= start_ms)]


def assert_true(site: SimulatedSite, body: list[Any], *, least: float = 0.01, factor: int = 1) -> None:
    """The hour holds what left the stack, so many times."""
    truth_g = factor * site.truth_g(body[1])
    assert body[4] == pytest.approx(truth_g, rel=allowance(body[9], least))


async def test_hours_hold_what_left_the_stack(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, gateway_at(site, tmp_path, ledger) as gateway:
        body = await hour_from(ledger, site.whole_hour_ms())
        start_ms = body[1]
        await until(lambda: bool(ledger.live), within_s=PATIENCE_S, what="a live value")
        assert_true(site, body)
        assert (body[0], body[3]) == (UNIT, 100)
        energy_wh = site.plant.energy_wh(start_ms + HOUR_MS) - site.plant.energy_wh(start_ms)
        assert body[5] == pytest.approx(energy_wh, rel=allowance(body[9], 0.02))
        assert body[14] == "simulated"
        live = ledger.live[UNIT]
        assert {"nox_ppb", "flow_m3_per_h", "power_w"} <= set(live["values"])  # type: ignore[call-overload]
        await until(
            lambda: all(state.up for state in gateway.measuring.device_states.values()),
            within_s=PATIENCE_S,
            what="all devices up",
        )
    async with await Outbox.open(tmp_path / "gateway" / "outbox.db", now_ms=lambda: 0) as outbox:
        assert await outbox.verify_chain() == []
    async with await SampleStore.open(tmp_path / "gateway" / "samples.db", now_ms=lambda: 0) as samples:
        assert await samples.check_hour(UNIT, start_ms) is True


async def test_a_restart_in_mid_hour_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site:
        async with gateway_at(site, tmp_path, ledger):
            start_ms = site.whole_hour_ms()
            # Behind the first point of a quarter, so that there is time until the end of the next one.
            restart_ms = start_ms + HOUR_MS // 4 + 2 * 60_000
            await until(lambda: site.clock.now_ms() > restart_ms, within_s=PATIENCE_S, what="a quarter")
        async with gateway_at(site, tmp_path, ledger):
            await until(
                lambda: start_ms in hours(ledger) or start_ms in gaps(ledger),
                within_s=PATIENCE_S,
                what="the hour of the restart",
            )
        stated = [*hours(ledger), *gaps(ledger)]
        assert len(stated) == len(set(stated)), "an hour is stated twice"
        if start_ms in hours(ledger):
            # The stop itself costs some minutes of plant time, which are filled by scaling.
            assert_true(site, hours(ledger)[start_ms], least=0.03)
        starts = [body for body in ledger.final_bodies("event") if body[1] == "gateway.start"]
        assert len(starts) == 2
        records = ledger.final_records()
        assert [seq for seq, _, _ in records] == list(range(1, len(records) + 1))


async def test_a_record_that_was_altered_on_the_disk_is_told_to_the_regulator(tmp_path: Path) -> None:
    """Also one that is final and proved: its file must say what the ledger says."""
    ledger = MemoryLedger.begin()

    def told() -> list[str]:
        texts = [str(body[3]) for body in ledger.final_bodies("event") if body[1] == "alarm.raised"]
        return [text for text in texts if text.startswith("outbox.altered")]

    async with simulated_site() as site:
        async with gateway_at(site, tmp_path, ledger):
            await until(lambda: len(ledger.final_records()) > 0, within_s=PATIENCE_S, what="a final record")
        assert told() == []
        with contextlib.closing(sqlite3.connect(tmp_path / "gateway" / "outbox.db")) as file, file:
            [(sealed,)] = file.execute("SELECT envelope FROM entry WHERE seq = 1").fetchall()
            altered = (bytes([*sealed[:-1], sealed[-1] ^ 1]),)
            file.execute("UPDATE entry SET envelope = ? WHERE seq = 1", altered)
        async with gateway_at(site, tmp_path, ledger):
            await until(lambda: len(told()) > 0, within_s=PATIENCE_S, what="the alarm on the ledger")
        assert told() == [f"outbox.altered {UNIT}: record 1: the signature does not hold"]


async def test_every_file_that_was_damaged_or_removed_is_told_to_the_regulator(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()

    def told(code: str) -> list[str]:
        return [str(body[3]) for body in ledger.final_bodies("event") if body[1] == code]

    async with simulated_site() as site:
        async with gateway_at(site, tmp_path, ledger):
            await until(lambda: len(ledger.final_records()) > 0, within_s=PATIENCE_S, what="a final record")
        folder = tmp_path / "gateway"
        for name in ("samples.db", "hours.db", "qa.db"):
            (folder / name).write_bytes(b"SQLite format 3\x00" + bytes(5_000))
            for ending in ("-wal", "-shm"):
                (folder / f"{name}{ending}").unlink(missing_ok=True)
        (folder / f"{UNIT}.memory.json").unlink()
        async with gateway_at(site, tmp_path, ledger):
            await until(lambda: bool(told("store.damaged")), within_s=PATIENCE_S, what="the event")
            await until(lambda: bool(told("memory.lost")), within_s=PATIENCE_S, what="the other event")
    (text,) = told("store.damaged")
    assert [name in text for name in ("samples.db", "hours.db", "qa.db")] == [True] * 3
    assert len(told("memory.lost")) == 1


async def test_an_analyser_that_falls_silent_makes_a_gap_with_its_cause_and_comes_back(
    tmp_path: Path,
) -> None:
    """In every other hour it says nothing from minute 5 to minute 35, which leaves a quarter without a point."""
    ledger = MemoryLedger.begin()
    lead_s, hour_s = (FIRST_HOUR_MS - FIRST_MS) // 1_000, HOUR_MS // 1_000
    faults = [f"analyser:silence@{lead_s + 2 * n * hour_s + 300}+1800" for n in range(6)]
    async with simulated_site(faults=faults) as site, gateway_at(site, tmp_path, ledger) as gateway:
        silent_ms = site.whole_hour_ms()
        if (silent_ms - FIRST_HOUR_MS) % (2 * HOUR_MS):
            silent_ms += HOUR_MS
        body = await hour_from(ledger, silent_ms)
        (gap,) = [found for found in ledger.final_bodies("gap") if found[1] == silent_ms]
        assert gap == [UNIT, silent_ms, silent_ms + HOUR_MS, "too_few_points:nox_ppb:comms; 60.13(h)(2)(i)"]
        assert silent_ms not in hours(ledger)
        assert_true(site, body)
        await until(
            lambda: gateway.measuring.device_states["alpha-1.analyser"].up,
            within_s=PATIENCE_S,
            what="the analyser is back",
        )

        def told() -> list[tuple[str, str]]:
            found = [(str(body[1]), str(body[3])) for body in ledger.final_bodies("event")]
            return [(code, text) for code, text in found if code.startswith("alarm.") and "analyser:" in text]

        await until(lambda: len(told()) >= 2, within_s=PATIENCE_S, what="the alarm is on record")
        raised, cleared = told()[:2]
        assert raised[0] == "alarm.raised"
        assert raised[1].startswith("device.away alpha-1.analyser: comms: ")
        assert cleared == ("alarm.cleared", "device.away alpha-1.analyser: none: answers")


@pytest.mark.parametrize(
    "fault",
    ["wrong_transaction", "wrong_unit", "wrong_function", "stale", "half_frame", "nan", "exception=6"],
)
async def test_an_answer_that_is_wrong_makes_no_value(tmp_path: Path, fault: str) -> None:
    ledger = MemoryLedger.begin()
    faults = [f"analyser:{fault}@0+86400"]
    async with simulated_site(faults=faults) as site, gateway_at(site, tmp_path, ledger) as gateway:
        pipeline = gateway.measuring.pipelines[UNIT]
        await until(
            lambda: {"nox_ppb", "power_w", "flow_m3_per_h"} <= set(pipeline.latest),
            within_s=PATIENCE_S,
            what="readings",
        )
        seen = [pipeline.latest["nox_ppb"]]

        def has_five_readings() -> bool:
            if pipeline.latest["nox_ppb"] != seen[-1]:
                seen.append(pipeline.latest["nox_ppb"])
            return len(seen) >= 5

        await until(has_five_readings, within_s=PATIENCE_S, what="five readings of the analyser")
        assert {reading.value for reading in seen} == {None}
        await until(
            lambda: pipeline.latest["flow_m3_per_h"].value is not None,
            within_s=PATIENCE_S,
            what="the others go on",
        )
        assert site.clock.speed == SPEED


async def test_a_clock_that_is_set_is_told_of_and_no_hour_is_doubled(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site:
        whole = site.clock
        clock = SteppedClock(
            real_origin_ms=whole.real_origin_ms, plant_origin_ms=whole.plant_origin_ms, speed=whole.speed
        )
        async with gateway_at(site, tmp_path, ledger, clock=clock):
            body = await hour_from(ledger, site.whole_hour_ms())
            known = set(hours(ledger))
            clock.set_by_ms = -HOUR_MS
            await until(
                lambda: any(body[1] == "clock.step" for body in ledger.final_bodies("event")),
                within_s=PATIENCE_S,
                what="the event",
            )
            # The stamps now fall into the hour that is closed; none of it is stated anew.
            middle_ms = body[1] + HOUR_MS // 2
            await until(lambda: clock.now_ms() > middle_ms, within_s=PATIENCE_S, what="half an hour")
        assert set(hours(ledger)) == known
        told = [str(body[3]) for body in ledger.final_bodies("event") if body[1] == "clock.step"]
        assert len(told) == 1
        step_ms = int(told[0].removeprefix("the clock was set by ").removesuffix(" ms"))
        # What the gateway needs to notice is compressed time, too.
        assert step_ms == pytest.approx(-HOUR_MS, abs=HOUR_MS // 4)


async def test_a_node_that_is_away_gets_the_backlog_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, gateway_at(site, tmp_path, ledger) as gateway:
        await until(
            lambda: len(ledger.final_records()) > 0, within_s=PATIENCE_S, what="the event of the start"
        )
        ledger.away = True
        known = len(ledger.final_records())
        desk = gateway.measuring.pipelines[UNIT].desk
        stored = desk.records_stored
        await until(lambda: desk.records_stored >= stored + 2, within_s=PATIENCE_S, what="a backlog")
        assert len(ledger.final_records()) == known
        ledger.away = False
        await until(lambda: len(ledger.final_records()) >= known + 2, within_s=PATIENCE_S, what="the backlog")
        assert max(ledger.submissions) > 1
        records = ledger.final_records()
        assert [seq for seq, _, _ in records] == list(range(1, len(records) + 1))
        for body in hours(ledger).values():
            if body[1] >= FIRST_HOUR_MS and body[9] == 60:
                assert_true(site, body)
