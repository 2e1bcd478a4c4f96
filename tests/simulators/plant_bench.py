"""Simulated instruments on real sockets with a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.driver import Driver
from doxedge.analysers.profile_choices import setting_value
from doxedge.analysers.question import Outcome, Request, Unanswered
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.errors import LineError
from doxedge.fieldbus.identify import SearchingDriver, identify
from doxedge.fieldbus.modbus_rtu import modbus_rtu
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.network_links import TcpLink, UdpLink
from doxedge.fieldbus.profile_folders import load_profile, search_path
from doxedge.fieldbus.serial_link import SerialLink, SerialSettings
from doxedge.fieldbus.text_line import text_line
from doxedge.measurement.sample import Sample
from simulators.device import SimulatedDevice
from simulators.text_instrument import TextInstrument

NOON_MS = 1_767_268_800_000
"""2026-01-01 12:00 UTC."""
PATIENT_MS = 60_000
"""For an answer that must come, however busy the machine is."""


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

    instrument: SimulatedDevice
    driver: Driver
    modbus: Endpoint

    async def sample(self, group: str) -> Sample:
        outcomes: list[Outcome] = []
        for request in self.driver.requests(group):
            try:
                outcomes.append(await self.modbus.exchange(request))
            except LineError as error:
                outcomes.append(Unanswered(request, error.reason, error.detail))
        return self.driver.sample(group, outcomes, at_ms=self.instrument.clock.now_ms(), monotonic_ns=0)


def endpoint_of(instrument: SimulatedDevice, *, timeout_ms: int) -> Endpoint:
    """How a gateway reaches it."""
    serial = SerialLink(SerialSettings(instrument.serial_port, baud=115_200)) if instrument.serial else None
    if isinstance(instrument, TextInstrument):
        kind = UdpLink if instrument.network == "udp" else TcpLink
        link = serial or kind("127.0.0.1", instrument.port, connect_timeout_ms=PATIENT_MS)
        return text_line(link, instrument.dialect, timeout_ms=timeout_ms)
    if serial is not None:
        return modbus_rtu(serial, timeout_ms=timeout_ms)
    return ModbusTcp(
        "127.0.0.1",
        instrument.port,
        timeout_ms=timeout_ms,
        connect_timeout_ms=PATIENT_MS,
        first_transaction=0,
    )


@asynccontextmanager
async def reading(instrument: SimulatedDevice, *, timeout_ms: int = PATIENT_MS) -> AsyncIterator[Reader]:
    """The instrument served and read with its own shipped map."""
    await instrument.start()
    try:
        async with asked(instrument, timeout_ms=timeout_ms) as reader:
            yield reader
    finally:
        await instrument.stop()


@asynccontextmanager
async def asked(instrument: SimulatedDevice, *, timeout_ms: int = PATIENT_MS) -> AsyncIterator[Reader]:
    """An instrument that runs, read with its own shipped map."""
    settings = {name: setting_value(text) for name, text in instrument.settings.items()}
    profile = load_profile(instrument.profile, search_path(), settings=settings)
    modbus = endpoint_of(instrument, timeout_ms=timeout_ms)
    try:
        driver = make_driver(profile, device="d")
        if isinstance(driver, SearchingDriver):
            driver = await _found(driver, modbus)
        yield Reader(instrument, driver, modbus)
    finally:
        await modbus.close()


async def _found(driver: Driver, modbus: Endpoint) -> Driver:
    async def ask(requests: Sequence[Request]) -> list[Outcome]:
        return [await modbus.exchange(request) for request in requests]

    found = await identify(driver, ask)
    assert not isinstance(found, Unanswered), found
    return found
