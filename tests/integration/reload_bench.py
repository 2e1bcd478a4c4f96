"""A gateway in front of a simulated plant whose files change while it measures: an hour is five seconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxedge.cli.gateway_folder import ask
from doxedge.fieldbus.line import Line
from doxedge.gateway.daemon import Gateway
from doxedge.gateway.plan import Plan, load_plan
from doxedge.quantity import HOUR_MS
from doxedge.store.samples import SampleStore
from tests.gateway.key_files import write_key
from tests.gateway.memory_ledger import MemoryLedger
from tests.gateway.waiting import until
from tests.integration.simulated_site import FIRST_MS, SimulatedSite

PATIENCE_S = 90.0
"""An hour takes five seconds; on a busy machine some more, and nothing depends on it."""
WHO = {"name": "A. Person", "reason": "the loop was set anew"}


@dataclass
class ReloadBench:
    """What a test has in its hands."""

    site: SimulatedSite
    folder: Path
    ledger: MemoryLedger
    gateway: Gateway
    times_read: list[int]

    @property
    def reads(self) -> int:
        """How often the files were read."""
        return len(self.times_read)

    def drop_in(self, text: str, *, unit: str = "alpha-1") -> None:
        """Put another drop-in in the place of the one that is there."""
        write_drop_in(self.folder, text, unit=unit)

    async def reload(self, **changed: str) -> dict[str, Any]:
        """The answer at the operators' door."""
        question = {"ask": "reload", **WHO, **changed}
        return await asyncio.to_thread(ask, self.folder / "state" / "gateway", question, changes=True)

    def hours(self) -> dict[int, list[Any]]:
        """The final hours by their start; none twice."""
        bodies = self.ledger.final_bodies("hour")
        found: dict[int, list[Any]] = {int(str(body[1])): list(body) for body in bodies}
        assert len(found) == len(bodies), "an hour is final twice"
        return found

    async def whole_hour(self, start_ms: int) -> list[Any]:
        """The hour from `start_ms` on, or the next one that this machine was not too busy for."""
        await until(
            lambda: any(start >= start_ms for start in self.hours()), within_s=PATIENCE_S, what="a whole hour"
        )
        return self.hours()[min(start for start in self.hours() if start >= start_ms)]

    def told(self, code: str) -> list[str]:
        """The texts of final events."""
        return [str(body[3]) for body in self.ledger.final_bodies("event") if body[1] == code]

    def lines(self) -> list[Line]:
        """Those that are polled now."""
        return self.gateway.measuring.lines.lines

    def line_of(self, device: str) -> Line:
        """The one of a device."""
        (line,) = (line for line in self.lines() if device in line.counters)
        return line


def write_drop_in(folder: Path, text: str, *, unit: str = "alpha-1") -> None:
    (folder / "gateway.d").mkdir(exist_ok=True)
    head = f'[[unit]]\nname = "{unit}"\n' if text.startswith("[[unit.") else ""
    (folder / "gateway.d" / "10-change.toml").write_text(head + text)


@asynccontextmanager
async def reload_bench(site: SimulatedSite, folder: Path, ledger: MemoryLedger) -> AsyncIterator[ReloadBench]:
    """Leaving the block stops the gateway as SIGTERM does; entering it again is a restart."""
    key = write_key(folder / "device.pem", "alpha device")
    path = folder / "gateway.toml"
    if not path.exists():
        path.write_text(
            site.settings(folder / "state", key=key, channel=ledger.channel, source=ledger.source)
        )
    times_read: list[int] = []

    def read() -> Plan:
        times_read.append(site.clock.now_ms())
        return load_plan(path, clock=site.clock)

    gateway = Gateway(read(), clock=site.clock, ledger=ledger, chance=lambda: 0.5, read=read)
    started = asyncio.Event()
    running = asyncio.create_task(gateway.run(started=started.set), name="gateway")
    waiting = asyncio.create_task(started.wait(), name="started")
    try:
        await asyncio.wait({running, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield ReloadBench(site, folder, ledger, gateway, times_read)
        assert not running.done(), running.exception()
    finally:
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


async def stored(folder: Path) -> dict[str, Counter[int]]:
    """How often each instant of each device is in the sample store."""
    found: dict[str, Counter[int]] = {}
    async with await SampleStore.open(folder / "state" / "gateway" / "samples.db", now_ms=lambda: 0) as store:
        after = 0
        while rows := await store.between(FIRST_MS, FIRST_MS + 1_000 * HOUR_MS, after=after):
            for row in rows:
                found.setdefault(row.device, Counter())[row.at_ms] += 1
            after = rows[-1].row_id
    return found


def next_border_ms(site: SimulatedSite) -> int:
    """Of plant time."""
    return site.clock.now_ms() // HOUR_MS * HOUR_MS + HOUR_MS
