"""Devices and converters that hang up after each answer: no answer is lost by it, or only the first one is."""

from __future__ import annotations

import asyncio

import pytest

from doxedge.analysers.question import Answer, Function, ReadRegisters
from doxedge.fieldbus.errors import ConnectionLost, NoAnswer
from doxedge.fieldbus.hang_ups import ConnectionRecord, HangUpHabit
from doxedge.fieldbus.modbus_rtu import modbus_rtu
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.network_links import TcpLink
from doxedge.fieldbus.text_line import text_line
from tests.fieldbus.hostile_bus import BusQuestion, HostileBus, bus_on_tcp, honest
from tests.fieldbus.hostile_device import Question, Visit, hostile_device
from tests.fieldbus.hostile_text import ANSWERS, PHRASES

PATIENT_MS = 60_000


def read(address: int) -> ReadRegisters:
    return ReadRegisters(1, Function.HOLDING_REGISTERS, address, 10)


def answer_and_hang_up(question: BusQuestion, bus: HostileBus) -> None:
    bus.say(question.answer())
    bus.hang_up()


def hang_up_at_the_second_question(question: BusQuestion, bus: HostileBus) -> None:
    """The end of a connection, a moment after its answer, as it meets the next question."""
    if question.number % 2:
        bus.say(question.answer())
    else:
        bus.hang_up()


async def test_a_converter_that_hangs_up_with_each_answer_loses_none() -> None:
    async with bus_on_tcp(answer_and_hang_up) as (bus, link):
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS)
        for address in range(0, 100, 10):
            assert isinstance(await rtu.exchange(read(address)), Answer)
        assert (rtu.counters.answers, rtu.counters.quarantines, len(bus.questions)) == (10, 0, 10)


async def test_an_analyser_that_hangs_up_with_each_answer_loses_none() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r")
        writer.write(ANSWERS["clink"])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1], connect_timeout_ms=PATIENT_MS)
        line = text_line(link, "clink", timeout_ms=PATIENT_MS, pause_ms=5)
        for _ in range(5):
            assert isinstance(await line.exchange(PHRASES["clink"]), Answer)
        await line.close()


async def test_a_converter_that_hangs_up_a_moment_later_costs_one_answer() -> None:
    async with bus_on_tcp(hang_up_at_the_second_question) as (bus, link):
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS, quarantine_ms=5)
        assert isinstance(await rtu.exchange(read(0)), Answer)
        with pytest.raises(ConnectionLost):
            await rtu.exchange(read(10))
        bus.behaviour = honest
        for address in range(20, 60, 10):
            assert isinstance(await rtu.exchange(read(address)), Answer)
        assert bus.connections == 1 + 4


async def test_a_modbus_tcp_device_that_hangs_up_a_moment_later_costs_one_answer() -> None:
    async def one_each(question: Question, visit: Visit) -> None:
        if len(visit.questions) == 1:
            visit.send(question.answer())
        else:
            visit.hang_up()

    async with hostile_device(one_each) as device:
        modbus = ModbusTcp("127.0.0.1", device.port, timeout_ms=PATIENT_MS, connect_timeout_ms=PATIENT_MS)
        assert isinstance(await modbus.exchange(read(0)), Answer)
        with pytest.raises(ConnectionLost):
            await modbus.exchange(read(10))
        for address in range(20, 60, 10):
            assert isinstance(await modbus.exchange(read(address)), Answer)
        assert device.connections == 1 + 4
        assert modbus.counters.quarantines == 1
        await modbus.close()


async def test_a_device_that_is_silent_once_keeps_its_one_connection() -> None:
    async def silent_once(question: Question, visit: Visit) -> None:
        if len(device.questions) != 2:
            visit.send(question.answer())

    async with hostile_device(silent_once) as device:
        modbus = ModbusTcp("127.0.0.1", device.port, timeout_ms=50, connect_timeout_ms=PATIENT_MS)
        assert isinstance(await modbus.exchange(read(0)), Answer)
        with pytest.raises(NoAnswer):
            await modbus.exchange(read(10))
        patient = ModbusTcp("127.0.0.1", device.port, timeout_ms=PATIENT_MS, connect_timeout_ms=PATIENT_MS)
        patient._habit = modbus._habit
        for address in range(20, 60, 10):
            assert isinstance(await patient.exchange(read(address)), Answer)
        assert device.connections == 2
        await modbus.close()
        await patient.close()


@pytest.mark.parametrize(
    ("heard_after", "is_lost", "is_habit"),
    [
        ([True], True, False),
        ([True, False], True, True),
        ([True, False], False, False),
        ([False], True, False),
        ([True, True, False], True, False),
        ([True, True], True, False),
    ],
)
def test_one_answer_and_then_the_end_is_a_habit(
    heard_after: list[bool], is_lost: bool, is_habit: bool
) -> None:
    record, habit = ConnectionRecord(), HangUpHabit()
    for heard in heard_after:
        record.asked()
        if heard:
            record.heard()
            record.heard()  # a frame in two pieces
    if is_lost:
        record.lost()
    habit.learn(record)
    assert habit.is_known is is_habit
    assert habit.is_used_up(record) is is_habit
    assert not habit.is_used_up(ConnectionRecord())
