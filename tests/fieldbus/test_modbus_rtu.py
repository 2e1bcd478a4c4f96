"""Real serial lines (pty) and real sockets, and devices that lie on them: not one wrong value comes through."""

from __future__ import annotations

import asyncio
import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from doxedge.analysers.question import (
    Answer,
    DeviceException,
    Function,
    ReadBits,
    ReadRegisters,
    WriteCoil,
)
from doxedge.fieldbus import bound_line
from doxedge.fieldbus.bound_line import gap_s
from doxedge.fieldbus.errors import ConnectionLost, LineError, NoAnswer, NoConnection, NotBound
from doxedge.fieldbus.modbus_rtu import modbus_rtu, wire_ms
from doxedge.fieldbus.network_links import TcpLink
from doxedge.fieldbus.serial_link import SerialLink, SerialSettings
from simulators.null_modem import NullModem
from tests.fieldbus.hostile_bus import BusBehaviour, BusQuestion, HostileBus, bus_on_pty, bus_on_tcp, honest
from tests.gateway.waiting import until

TIMEOUT_MS = 60
PATIENT_MS = 60_000
LINES: dict[str, Callable[..., object]] = {"pty": bus_on_pty, "tcp": bus_on_tcp}


def read(address: int, count: int = 10) -> ReadRegisters:
    return ReadRegisters(1, Function.HOLDING_REGISTERS, address, count)


def truth(request: ReadRegisters) -> bytes:
    return struct.pack(f">{request.count}H", *range(request.address, request.address + request.count))


def saying(make: Callable[[BusQuestion], bytes]) -> BusBehaviour:
    def answer(question: BusQuestion, bus: HostileBus) -> None:
        bus.say(make(question))

    return answer


def silent(question: BusQuestion, bus: HostileBus) -> None:
    """Nothing."""


def previous(question: BusQuestion, bus: HostileBus) -> None:
    """The answer to the question before, and then its own."""
    if question.number > 1:
        bus.say(bus.questions[-2].answer())
    bus.say(question.answer())


def flip(question: BusQuestion) -> bytes:
    frame = bytearray(question.answer())
    frame[-6] ^= 0x10
    return bytes(frame)


NEVER_A_VALUE: dict[str, tuple[BusBehaviour, type[LineError]]] = {
    "nothing": (silent, NoAnswer),
    "half a frame": (saying(lambda q: q.answer()[:14]), NoAnswer),
    "a flipped bit": (saying(flip), NoAnswer),
    "another unit": (saying(lambda q: q.answer(unit=2)), NoAnswer),
    "another function": (saying(lambda q: q.answer(function=4)), NoAnswer),
    "fewer registers": (saying(lambda q: q.answer(count=9)), NoAnswer),
    "more registers": (saying(lambda q: q.answer(count=11)), NoAnswer),
    "the echo of the question alone": (saying(lambda q: q.raw), NoAnswer),
    "garbage": (saying(lambda q: bytes(range(200, 240))), NoAnswer),
    "endless garbage": (saying(lambda q: bytes(2_000)), NotBound),
    "three bytes after the answer": (saying(lambda q: q.answer() + b"\x01\x02\x03"), NotBound),
    "the answer twice": (saying(lambda q: q.answer() * 2), NotBound),
    "exception 0": (saying(lambda q: q.exception(0)), NotBound),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", NEVER_A_VALUE)
async def test_an_answer_that_is_not_the_answer_is_never_a_value(name: str, line: str) -> None:
    behaviour, error = NEVER_A_VALUE[name]
    async with LINES[line](behaviour) as (_, link):  # type: ignore[attr-defined]
        # A busy machine must not turn a wrong answer into a late one.
        rtu = modbus_rtu(link, timeout_ms=TIMEOUT_MS if error is NoAnswer else PATIENT_MS, quarantine_ms=20)
        for address in range(0, 30, 10):
            with pytest.raises(error):
                await rtu.exchange(read(address))
        assert rtu.counters.answers == 0
        assert rtu.counters.quarantines == 3
        assert rtu.counters.exchanges == 3


GOOD_ALL_THE_SAME: dict[str, Callable[[BusQuestion], bytes]] = {
    "nothing around it": lambda q: q.answer(),
    "a byte of noise before": lambda q: b"\xff" + q.answer(),
    "four bytes of noise before": lambda q: b"\x01\x03\x14\x00" + q.answer(),
    "the echo of the question before": lambda q: q.raw + q.answer(),
    "noise and the echo before": lambda q: b"\x00\xff" + q.raw + q.answer(),
    "another unit's answer before": lambda q: q.answer(unit=9) + q.answer(),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", GOOD_ALL_THE_SAME)
async def test_a_good_answer_is_found_among_noise_and_echo(name: str, line: str) -> None:
    async with LINES[line](saying(GOOD_ALL_THE_SAME[name])) as (_, link):  # type: ignore[attr-defined]
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS)
        for address in range(0, 100, 10):
            found = await rtu.exchange(read(address))
            assert isinstance(found, Answer)
            assert found.data == truth(read(address))
        assert rtu.counters.answers == 10


@pytest.mark.parametrize("line", LINES)
async def test_an_answer_in_pieces_is_put_together(line: str) -> None:
    def piecemeal(question: BusQuestion, bus: HostileBus) -> None:
        for place, byte in enumerate(question.answer()):
            bus.say_later(0.001 * place, bytes([byte]))

    async with LINES[line](piecemeal) as (_, link):  # type: ignore[attr-defined]
        found = await modbus_rtu(link, timeout_ms=PATIENT_MS).exchange(read(500))
        assert isinstance(found, Answer)
        assert found.data == truth(read(500))


@pytest.mark.parametrize("line", LINES)
async def test_a_late_answer_is_drained_and_never_meets_the_next_question(line: str) -> None:
    """The fault that pymodbus and libmodbus turn into wrong values (39 of 40 reads)."""

    def late(question: BusQuestion, bus: HostileBus) -> None:
        bus.say_later(1.5 * TIMEOUT_MS / 1_000, question.answer())

    async with LINES[line](late) as (bus, link):  # type: ignore[attr-defined]
        rtu = modbus_rtu(link, timeout_ms=TIMEOUT_MS, quarantine_ms=1_000)
        for address in range(0, 30, 10):
            with pytest.raises(NoAnswer):
                await rtu.exchange(read(address))
        bus.behaviour = honest
        rtu._timeout_s = PATIENT_MS / 1_000
        found = await rtu.exchange(read(700))
        assert isinstance(found, Answer)
        assert found.data == truth(read(700))
        assert rtu.counters.drained_bytes > 0


@pytest.mark.parametrize("line", LINES)
async def test_a_stale_answer_beside_the_right_one_is_refused(line: str) -> None:
    async with LINES[line](previous) as (_, link):  # type: ignore[attr-defined]
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS, quarantine_ms=20)
        assert isinstance(await rtu.exchange(read(0)), Answer)
        with pytest.raises(NotBound):
            await rtu.exchange(read(10))


@pytest.mark.parametrize("line", LINES)
async def test_a_double_that_comes_long_after_its_answer_never_meets_a_question_of_its_kind(
    line: str,
) -> None:
    """Reads of one length, and one of another between them: each answer takes 20 ms, and comes again after 15 more."""

    def twice(question: BusQuestion, bus: HostileBus) -> None:
        bus.say_later(0.02, question.answer())
        bus.say_later(0.035, question.answer())

    async with LINES[line](twice) as (_, link):  # type: ignore[attr-defined]
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS, quarantine_ms=100)
        for request in (read(0, 2), read(100, 2), read(200, 3), read(300, 2), read(400, 2)):
            # A double that comes right behind another answer makes that one doubtful, and it is refused.
            with suppress(NotBound):
                found = await rtu.exchange(request)
                assert isinstance(found, Answer)
                assert found.data == truth(request)


async def test_only_a_question_that_a_recent_answer_would_fit_is_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bound_line, "TWIN_S", 10 * PATIENT_MS / 1_000)
    async with bus_on_pty() as (_, link), asyncio.timeout(PATIENT_MS / 1_000):
        rtu = modbus_rtu(link, timeout_ms=20 * PATIENT_MS)
        for request in (read(0, 2), read(0, 2), read(100, 3), ReadRegisters(2, read(0).function, 7, 2)):
            assert isinstance(await rtu.exchange(request), Answer)
        waiting = asyncio.create_task(rtu.exchange(read(200, 2)))
        await until(rtu._busy.locked)
        assert rtu.counters.exchanges == 4
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_cancelled_exchange_leaves_the_line_alone_until_its_answer_has_passed() -> None:
    def slow(question: BusQuestion, bus: HostileBus) -> None:
        bus.say_later(0.1, question.answer())

    async with bus_on_pty(slow) as (bus, link):
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS, quarantine_ms=500)
        asking = asyncio.create_task(rtu.exchange(read(100)))
        while not bus.questions:  # noqa: ASYNC110 - the device is another program
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        bus.behaviour = honest
        found = await rtu.exchange(read(500))
        assert isinstance(found, Answer)
        assert found.data == truth(read(500))


async def test_bytes_that_come_unasked_are_thrown_away_before_the_question() -> None:
    async with bus_on_pty() as (bus, link):
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS)
        await rtu.exchange(read(0))
        bus.say(BusQuestion(bus.questions[0].raw, 1).answer(address=999))
        assert isinstance(link, SerialLink)
        await until(lambda: len(link._inbox._bytes) > 0, what="the bytes have come")
        found = await rtu.exchange(read(10))
        assert isinstance(found, Answer)
        assert found.data == truth(read(10))


async def test_who_was_kept_from_running_looks_at_the_line_before_it_is_called_silent() -> None:
    async with bus_on_pty() as (bus, link):
        assert isinstance(link, SerialLink)
        await link.open()
        bus.say(b"late")
        assert select.select([link._port.fileno()], [], [], 60)[0]
        assert await link.receive(until_s=asyncio.get_running_loop().time() - 1) == b"late"
        assert await link.receive(until_s=asyncio.get_running_loop().time() - 1) == b""


async def test_a_line_that_never_falls_silent_is_a_fault_and_not_a_hang() -> None:
    async with bus_on_pty(silent) as (bus, link):
        rtu = modbus_rtu(link, timeout_ms=20, pause_ms=50, quarantine_ms=100)
        with pytest.raises(NoAnswer):
            await rtu.exchange(read(0))

        async def babble() -> None:
            # In every turn of the loop, so that there is something on the line however late the turn comes.
            while True:
                bus.say(b"\x55")
                await asyncio.sleep(0)

        babbling = asyncio.create_task(babble())
        try:
            with pytest.raises(NotBound, match="silent"):
                await asyncio.wait_for(rtu.exchange(read(10)), 60)
        finally:
            babbling.cancel()


@pytest.mark.parametrize("code", [2, 6])
async def test_an_exception_is_an_answer(code: int) -> None:
    async with bus_on_pty(saying(lambda q: q.exception(code))) as (bus, link):
        found = await modbus_rtu(link, timeout_ms=PATIENT_MS).exchange(read(0))
        assert isinstance(found, DeviceException)
        assert (found.code, found.question_frame) == (code, bus.questions[0].raw)


async def test_an_unplugged_adapter_is_told_and_taken_up_again() -> None:
    async with bus_on_tcp() as (bus, link):
        rtu = modbus_rtu(link, timeout_ms=PATIENT_MS, quarantine_ms=20)
        assert isinstance(await rtu.exchange(read(0)), Answer)
        bus.behaviour = lambda question, bus: bus.hang_up()
        with pytest.raises(ConnectionLost):
            await rtu.exchange(read(10))
        bus.behaviour = honest
        assert isinstance(await rtu.exchange(read(20)), Answer)


async def test_a_port_that_goes_away_is_told_and_one_that_is_not_there() -> None:
    far, near = os.openpty()
    name = os.ttyname(near)
    link = SerialLink(SerialSettings(name))
    rtu = modbus_rtu(link, timeout_ms=PATIENT_MS, quarantine_ms=20)
    asking = asyncio.create_task(rtu.exchange(read(0)))
    os.set_blocking(far, True)
    await asyncio.to_thread(os.read, far, 8)
    os.close(far)
    with pytest.raises(ConnectionLost):
        await asking
    os.close(near)
    with pytest.raises(NoConnection, match="cannot be opened"):
        await rtu.exchange(read(0))
    await rtu.close()


async def test_a_port_has_one_master() -> None:
    async with bus_on_pty() as (_, link):
        assert isinstance(link, SerialLink)
        await link.open()
        other = SerialLink(link.settings)
        with pytest.raises(NoConnection, match="cannot be opened"):
            await other.open()


async def test_a_converter_that_is_not_there_is_told() -> None:
    with pytest.raises(NoConnection, match="cannot be reached"):
        await modbus_rtu(TcpLink("127.0.0.1", 1)).exchange(read(0))


async def test_another_implementation_understands_us() -> None:
    """pymodbus serves on a real serial line; every register is read back, and bits too."""
    block = [SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)]
    flags = [SimData(0, values=[True, False, True, True] * 4, datatype=DataType.BITS)]
    async with NullModem() as cable:
        ours, theirs = cable.ports
        server = ModbusSerialServer(
            SimDevice(id=1, simdata=(flags, flags, block, block)), port=theirs, baudrate=115_200
        )
        await server.serve_forever(background=True)
        rtu = modbus_rtu(SerialLink(SerialSettings(ours, baud=115_200)), timeout_ms=PATIENT_MS)
        try:
            for address, count in ((0, 1), (7, 10), (75, 125)):
                found = await rtu.exchange(read(address, count))
                assert isinstance(found, Answer)
                assert found.data == truth(read(address, count))
            found = await rtu.exchange(ReadBits(1, Function.DISCRETE_INPUTS, 0, 8))
            assert isinstance(found, Answer)
            assert found.data == b"\xdd"
            declined = await rtu.exchange(read(190, 20))
            assert isinstance(declined, DeviceException)
            assert declined.code == 2
        finally:
            await rtu.close()
            await server.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("baud", "gap_ms"), [(1_200, 29.2), (9_600, 3.65), (19_200, 1.82), (38_400, 1.75), (115_200, 1.75)]
)
def test_the_gap_between_frames_is_the_standards(baud: int, gap_ms: float) -> None:
    # 10 bits to a character as 8N1; above 19,200 Bd the standard fixes 1.75 ms.
    assert 1_000 * gap_s(SerialSettings("x", baud=baud).character_s) == pytest.approx(gap_ms, abs=0.1)


def test_the_time_on_the_wire_counts_every_character_of_question_and_answer() -> None:
    # 8 characters of question and 255 of answer, 10 bits each.
    assert wire_ms(read(0, 125), SerialSettings("x", baud=9_600).character_s) == 274


def echo_then_late_answer(question: BusQuestion, bus: HostileBus) -> None:
    """A two-wire line that hears itself, and a device that takes its time."""
    bus.say(question.raw)
    bus.say_later(0.02, question.raw)


def echo_then_refusal(question: BusQuestion, bus: HostileBus) -> None:
    bus.say(question.raw)
    bus.say_later(0.02, question.exception(2))


@pytest.mark.parametrize("line", LINES)
async def test_a_coil_is_written_also_on_a_line_that_hears_itself(line: str) -> None:
    write = WriteCoil(1, 20, True)
    async with LINES[line](saying(lambda q: q.raw)) as (bus, link):  # type: ignore[attr-defined]
        master = modbus_rtu(link, timeout_ms=TIMEOUT_MS)
        assert isinstance(await master.exchange(write), Answer)
        bus.behaviour = echo_then_late_answer
        assert isinstance(await master.exchange(write), Answer)
        bus.behaviour = echo_then_refusal
        # What follows ends with the device's word and not with the time: a busy machine may be late.
        master._timeout_s = PATIENT_MS / 1_000
        declined = await master.exchange(write)
        assert isinstance(declined, DeviceException)
        assert declined.code == 2
        bus.behaviour = saying(lambda q: q.raw * 3)
        with pytest.raises(NotBound):
            await master.exchange(write)
        bus.behaviour = honest
        found = await master.exchange(read(100))
        assert isinstance(found, Answer)
        assert found.data == truth(read(100))
