"""A line over real sockets, with devices that are silent and devices that lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from doxedge.fieldbus.clock import CompressedClock, real_ms
from doxedge.fieldbus.line import DeviceState, Line, LineSettings, Poll
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.measurement.sample import Sample
from tests.fieldbus.hostile_device import Question, Visit, honest, hostile_device
from tests.fieldbus.line_bench import driver


@asynccontextmanager
async def running(line: Line) -> AsyncIterator[None]:
    task = asyncio.create_task(line.run(), name=line.name)
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_over_real_sockets_a_dead_line_delays_no_other_and_comes_back_by_itself() -> None:
    clock = CompressedClock(real_origin_ms=real_ms(), plant_origin_ms=1_767_225_600_000, speed=50)
    alive: list[Sample] = []
    away: list[Sample] = []
    states: list[DeviceState] = []
    returned, enough = asyncio.Event(), asyncio.Event()

    async def silent(question: Question, visit: Visit) -> None:
        """Nothing."""

    def keep_alive(sample: Sample) -> None:
        alive.append(sample)
        if len(alive) >= 20:
            enough.set()

    def keep_away(sample: Sample) -> None:
        away.append(sample)
        if sample.values["power_w"] is not None:
            returned.set()

    async with hostile_device() as good, hostile_device(silent) as bad:

        def line(name: str, port: int, on_sample: Callable[[Sample], None], timeout_ms: int) -> Line:
            return Line(
                name,
                ModbusTcp("127.0.0.1", port, timeout_ms=timeout_ms),
                [Poll(driver(name), "one", 1_000)],
                clock=clock,
                chance=lambda: 0.0,
                on_sample=on_sample,
                on_state=states.append,
                settings=LineSettings(alarm_after=1),
            )

        good_line = line("good", good.port, keep_alive, 10_000)
        async with running(good_line), running(line("bad", bad.port, keep_away, 60)):
            await asyncio.wait_for(enough.wait(), 60)
            assert all(s.values == {"power_w": 7, "idle_power_w": 100} for s in alive)
            assert all(s.values["power_w"] is None for s in away)
            bad.behaviour = honest
            await asyncio.wait_for(returned.wait(), 60)
        assert [s.up for s in states if s.device == "bad"] == [False, True]
        assert [s.up for s in states if s.device == "good"] == [True]


async def test_a_line_whose_device_lies_in_every_way_delivers_no_wrong_value() -> None:
    """Each question is met with the next of many lies; whatever value comes out must be the address read."""
    clock = CompressedClock(real_origin_ms=real_ms(), plant_origin_ms=1_767_225_600_000, speed=100)
    lies: list[Callable[[Question], bytes]] = [
        lambda q: q.answer(),
        lambda q: q.answer(unit=9),
        lambda q: q.answer(address=q.address + 1, transaction=(q.transaction - 1) & 0xFFFF),
        lambda q: q.answer(count=2),
        lambda q: q.answer(function=4),
        lambda q: 2 * q.answer(),
        lambda q: q.answer()[:9],
        lambda q: b"\xff" * 30,
        lambda q: b"",
    ]
    samples: list[Sample] = []
    done = asyncio.Event()

    async def lie(question: Question, visit: Visit) -> None:
        visit.send(lies[len(visit.device.questions) % len(lies)](question))

    def keep(sample: Sample) -> None:
        samples.append(sample)
        if len(samples) >= 60:
            done.set()

    async with hostile_device(lie) as device:
        line = Line(
            "liar",
            ModbusTcp("127.0.0.1", device.port, timeout_ms=20),
            [Poll(driver("liar"), "one", 1_000)],
            clock=clock,
            chance=lambda: 0.0,
            on_sample=keep,
            on_state=lambda _: None,
        )
        async with running(line):
            await asyncio.wait_for(done.wait(), 60)
    assert {sample.values["power_w"] for sample in samples} == {None, Decimal(7)}
    for sample in samples:
        assert sample.values["power_w"] in (None, Decimal(7))
        assert sample.values["idle_power_w"] in (None, Decimal(100))
        for name, value in sample.values.items():
            assert (value is None) == (name in sample.failures)
