"""A real gateway on real sockets before a simulated plant, in compressed time: an hour is five seconds.

The plant is a child process, the stores are files, the ledger is the one in memory of the gateway's tests, with the
real rules. Hours are compared with what really left the simulated stack.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from doxedge.fieldbus.clock import CompressedClock
from doxedge.gateway.daemon import Gateway
from doxedge.gateway.settings import parse_settings
from doxedge.quantity import HOUR_MS
from doxedge.store.outbox import Outbox
from doxedge.store.samples import SampleStore
from tests.gateway.key_files import write_key
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.gateway.waiting import until
from tests.integration.simulated_site import FIRST_HOUR_MS, SPEED, SimulatedSite, simulated_site

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

pytestmark = pytest.mark.slow


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
) -> AsyncIterator[Gateway]:
    """A gateway that measures; leaving the block stops it as SIGTERM does."""
    key = write_key(folder / "device.pem", "alpha device")
    text = site.settings(folder, key=key, channel=ledger.channel, source=ledger.source, top=top)
    gateway = Gateway(
        parse_settings(text, source="gateway.toml"),
        source="gateway.toml",
        clock=clock or site.clock,
        ledger=ledger,
        chance=lambda: 0.5,
    )
    started = asyncio.Event()
    running = asyncio.create_task(gateway.run(started=started.set), name="gateway")
    waiting = asyncio.create_task(started.wait(), name="started")
    try:
        await asyncio.wait({running, waiting}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
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


def has_hours(ledger: MemoryLedger, *starts_ms: int) -> bool:
    return set(starts_ms) <= set(hours(ledger))


async def test_hours_hold_what_left_the_stack(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, gateway_at(site, tmp_path, ledger) as gateway:
        wanted = (FIRST_HOUR_MS, FIRST_HOUR_MS + HOUR_MS)
        await until(lambda: has_hours(ledger, *wanted), within_s=40, what="two hours")
        await until(lambda: bool(ledger.live), what="a live value")
        for start_ms in wanted:
            body = hours(ledger)[start_ms]
            assert body[4] == pytest.approx(site.truth_g(start_ms), rel=0.005)
            assert (body[0], body[3]) == (UNIT, 100)
            energy_wh = site.plant.energy_wh(start_ms + HOUR_MS) - site.plant.energy_wh(start_ms)
            assert body[5] == pytest.approx(energy_wh, rel=0.02)
            assert body[14] == "simulated"
        live = ledger.live[UNIT]
        assert {"nox_ppb", "flow_m3_per_h", "power_w"} <= set(live["values"])  # type: ignore[call-overload]
        assert all(state.up for state in gateway.device_states.values())
    async with await Outbox.open(tmp_path / "gateway" / "outbox.db", now_ms=lambda: 0) as outbox:
        assert await outbox.verify_chain() == []
    async with await SampleStore.open(tmp_path / "gateway" / "samples.db", now_ms=lambda: 0) as samples:
        for start_ms in wanted:
            assert await samples.check_hour(UNIT, start_ms) is True


async def test_a_restart_in_mid_hour_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    middle_ms = FIRST_HOUR_MS + HOUR_MS // 2
    async with simulated_site() as site:
        async with gateway_at(site, tmp_path, ledger):
            await until(lambda: site.clock.now_ms() > middle_ms, within_s=40, what="half an hour")
        async with gateway_at(site, tmp_path, ledger):
            wanted = (FIRST_HOUR_MS, FIRST_HOUR_MS + HOUR_MS)
            await until(lambda: has_hours(ledger, *wanted), within_s=40, what="two hours")
        for start_ms in wanted:
            # The stop itself costs some minutes of plant time, which are filled by scaling.
            assert hours(ledger)[start_ms][4] == pytest.approx(site.truth_g(start_ms), rel=0.005)
        starts = [body for body in ledger.final_bodies("event") if body[1] == "gateway.start"]
        assert len(starts) == 2
        assert [seq for seq, _, _ in ledger.final_records()] == list(
            range(1, len(ledger.final_records()) + 1)
        )


async def test_an_analyser_that_falls_silent_makes_a_gap_with_its_cause_and_comes_back(
    tmp_path: Path,
) -> None:
    ledger = MemoryLedger.begin()
    silence = f"analyser:silence@{HOUR_MS // 2_000 + 300}+{HOUR_MS // 1_000}"
    async with simulated_site(faults=[silence]) as site, gateway_at(site, tmp_path, ledger) as gateway:
        last_ms = FIRST_HOUR_MS + 2 * HOUR_MS
        await until(lambda: has_hours(ledger, last_ms), within_s=60, what="an hour after the silence")
        (gap,) = [body for body in ledger.final_bodies("gap") if body[1] == FIRST_HOUR_MS]
        assert gap == [UNIT, FIRST_HOUR_MS, FIRST_HOUR_MS + HOUR_MS, "too_few_points:nox_ppb:comms"]
        assert FIRST_HOUR_MS not in hours(ledger)
        assert hours(ledger)[last_ms][4] == pytest.approx(site.truth_g(last_ms), rel=0.005)
        assert gateway.device_states["alpha-1.analyser"].up


@pytest.mark.parametrize(
    "fault",
    ["wrong_transaction", "wrong_unit", "wrong_function", "stale", "half_frame", "nan", "exception=6"],
)
async def test_an_answer_that_is_wrong_makes_no_value(tmp_path: Path, fault: str) -> None:
    ledger = MemoryLedger.begin()
    faults = [f"analyser:{fault}@0+86400"]
    async with simulated_site(faults=faults) as site, gateway_at(site, tmp_path, ledger) as gateway:
        pipeline = gateway.pipelines[UNIT]
        await until(lambda: "nox_ppb" in pipeline.latest and "power_w" in pipeline.latest, what="readings")
        seen = []
        for _ in range(20):
            seen.append(pipeline.latest["nox_ppb"].value)
            await asyncio.sleep(0.02)
        assert set(seen) == {None}
        assert pipeline.latest["flow_m3_per_h"].value is not None
        assert site.clock.speed == SPEED


async def test_a_clock_that_is_set_is_told_of_and_no_hour_is_doubled(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site:
        whole = site.clock
        clock = SteppedClock(
            real_origin_ms=whole.real_origin_ms, plant_origin_ms=whole.plant_origin_ms, speed=whole.speed
        )
        async with gateway_at(site, tmp_path, ledger, clock=clock):
            await until(lambda: has_hours(ledger, FIRST_HOUR_MS), within_s=40, what="an hour")
            clock.set_by_ms = -HOUR_MS
            await until(
                lambda: any(body[1] == "clock.step" for body in ledger.final_bodies("event")),
                what="the event",
            )
            # The stamps now fall into the hour that is closed; none of it is stated anew.
            await until(
                lambda: clock.now_ms() > FIRST_HOUR_MS + HOUR_MS // 2, within_s=40, what="half an hour"
            )
        assert set(hours(ledger)) <= {FIRST_HOUR_MS - HOUR_MS, FIRST_HOUR_MS}
        told = [str(body[3]) for body in ledger.final_bodies("event") if body[1] == "clock.step"]
        assert len(told) == 1
        step_ms = int(told[0].removeprefix("the clock was set by ").removesuffix(" ms"))
        assert step_ms == pytest.approx(-HOUR_MS, abs=120_000)


async def test_a_node_that_is_away_gets_the_backlog_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, gateway_at(site, tmp_path, ledger) as gateway:
        await until(lambda: len(ledger.final_records()) > 0, what="the event of the start")
        ledger.away = True
        wanted = [FIRST_HOUR_MS + number * HOUR_MS for number in range(2)]
        await until(lambda: gateway.pipelines[UNIT].desk.records_stored >= 4, within_s=60, what="hours")
        assert not has_hours(ledger, *wanted)
        ledger.away = False
        await until(lambda: has_hours(ledger, *wanted), within_s=60, what="the backlog")
        assert max(ledger.submissions) > 1
        for start_ms in wanted:
            assert hours(ledger)[start_ms][4] == pytest.approx(site.truth_g(start_ms), rel=0.005)
