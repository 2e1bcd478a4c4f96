"""Simulated instruments on real sockets with a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.driver import Driver
from doxedge.analysers.profile_choices import setting_value
from doxedge.analysers.question import Outcome, Unanswered
from doxedge.fieldbus.errors import LineError
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.profile_folders import load_profile, search_path
from doxedge.measurement.sample import Sample
from simulators.instrument import Instrument

NOON_MS = 1_767_268_800_000
"""2026-01-01 12:00 UTC."""


@dataclass
class SetClock:
    """Plant time is what the test says."""

    at_ms: int = NOON_MS
    speed: float = 1.0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return self.at_ms / 1_000

    async def sleep(self, plant_seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Reader:
    """A driver and its connection to one simulated instrument."""

    instrument: Instrument
    driver: Driver
    modbus: ModbusTcp

    async def sample(self, group: str) -> Sample:
        outcomes: list[Outcome] = []
        for request in self.driver.requests(group):
            try:
                outcomes.append(await self.modbus.exchange(request))
            except LineError as error:
                outcomes.append(Unanswered(request, error.reason, error.detail))
        return self.driver.sample(group, outcomes, at_ms=self.instrument.clock.now_ms(), monotonic_ns=0)


@asynccontextmanager
async def reading(instrument: Instrument, *, timeout_ms: int = 2_000) -> AsyncIterator[Reader]:
    """The instrument served and read with its own shipped map."""
    settings = {name: setting_value(text) for name, text in instrument.settings.items()}
    profile = load_profile(instrument.profile, search_path(), settings=settings)
    port = await instrument.start()
    modbus = ModbusTcp("127.0.0.1", port, timeout_ms=timeout_ms)
    try:
        yield Reader(instrument, make_driver(profile, device="d"), modbus)
    finally:
        await modbus.close()
        await instrument.stop()
