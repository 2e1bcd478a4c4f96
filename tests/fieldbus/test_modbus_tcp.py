"""Real sockets, and devices that lie on them: not one wrong value comes through."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from doxedge.analysers.question import Answer, DeviceException, Function, ReadBits, ReadRegisters
from doxedge.fieldbus.errors import ConnectionLost, LineError, NoAnswer, NoConnection, NotBound
from doxedge.fieldbus.modbus_tcp import HEADER, ModbusTcp, whole_frame
from tests.fieldbus.hostile_device import Behaviour, HostileDevice, Question, Visit, honest, hostile_device
from tests.ports import closed_port

TIMEOUT_MS = 60
PATIENT_MS = 60_000


def read(address: int, count: int = 10) -> ReadRegisters:
    return ReadRegisters(1, Function.HOLDING_REGISTERS, address, count)


def truth(request: ReadRegisters) -> bytes:
    return struct.pack(f">{request.count}H", *range(request.address, request.address + request.count))


def client(device: HostileDevice, *, timeout_ms: int = PATIENT_MS) -> ModbusTcp:
    return ModbusTcp("127.0.0.1", device.port, timeout_ms=timeout_ms, connect_timeout_ms=PATIENT_MS)


async def hung_up(modbus: ModbusTcp) -> None:
    """Until the client has seen the end of its connection."""
    assert modbus._connection is not None
    await asyncio.wait_for(asyncio.shield(modbus._connection.closed), 60)


async def previous(question: Question, visit: Visit) -> None:
    """The answer to the question before; to the first, its own."""
    visit.send(visit.questions[-2 if len(visit.questions) > 1 else -1].answer())


async def half_a_frame(question: Question, visit: Visit) -> None:
    visit.send(question.answer()[:14])


async def silent(question: Question, visit: Visit) -> None:
    """Nothing."""


async def reset(question: Question, visit: Visit) -> None:
    visit.hang_up()


async def reset_in_the_answer(question: Question, visit: Visit) -> None:
    visit.send(question.answer()[:12])
    await visit.writer.drain()
    visit.hang_up()


async def garbage(question: Question, visit: Visit) -> None:
    visit.send(bytes(range(200, 240)))


async def echo(question: Question, visit: Visit) -> None:
    """As a serial bridge with local echo does."""
    visit.send(question.frame(struct.pack(">BHH", question.function, question.address, question.count)))


async def dribble_too_slowly(question: Question, visit: Visit) -> None:
    for byte in question.answer():
        visit.send(bytes([byte]))
        await asyncio.sleep(TIMEOUT_MS / 1_000 / 8)


def wrong(**kwargs: int) -> Behaviour:
    async def answer(question: Question, visit: Visit) -> None:
        visit.send(question.answer(**kwargs))

    return answer


def pdu(data: bytes, length: int | None = None) -> Behaviour:
    async def answer(question: Question, visit: Visit) -> None:
        visit.send(question.frame(data, length=length))

    return answer


NEVER_A_VALUE: dict[str, tuple[Behaviour, type[LineError]]] = {
    "nothing": (silent, NoAnswer),
    "half a frame": (half_a_frame, NoAnswer),
    "one byte at a time, too slowly": (dribble_too_slowly, NoAnswer),
    "connection reset": (reset, ConnectionLost),
    "connection reset within the answer": (reset_in_the_answer, ConnectionLost),
    "garbage": (garbage, NotBound),
    "echo of the question": (echo, NotBound),
    "wrong unit id": (wrong(unit=2), NotBound),
    "wrong transaction id": (wrong(transaction=0xBEEF), NotBound),
    "wrong protocol id": (wrong(protocol=1), NotBound),
    "wrong function": (wrong(function=4), NotBound),
    "fewer registers": (wrong(count=9), NotBound),
    "more registers": (wrong(count=11), NotBound),
    "no registers": (wrong(count=0), NotBound),
    "byte count that is too small": (wrong(announced=18), NotBound),
    "byte count that is too large": (wrong(announced=22), NotBound),
    "exception of another function": (pdu(bytes([0x84, 2])), NotBound),
    "exception 0": (pdu(bytes([0x83, 0])), NotBound),
    "exception with a tail": (pdu(bytes([0x83, 2, 0])), NotBound),
    "one byte of answer": (pdu(b"\x03", length=2), NotBound),
    "length of zero": (pdu(b"\x03\x14", length=0), NotBound),
    "length beyond the standard": (pdu(bytes(20), length=300), NotBound),
}


@pytest.mark.parametrize("name", NEVER_A_VALUE)
async def test_an_answer_that_is_not_the_answer_is_never_a_value(name: str) -> None:
    behaviour, error = NEVER_A_VALUE[name]
    async with hostile_device(behaviour) as device:
        # A busy machine must not turn a wrong answer into a late one, nor a good one.
        modbus = client(device, timeout_ms=TIMEOUT_MS if error is NoAnswer else PATIENT_MS)
        for address in range(0, 30, 10):
            with pytest.raises(error):
                await modbus.exchange(read(address))
        modbus._timeout_s = PATIENT_MS / 1_000
        # And the line is sound again with the first honest answer, on a fresh connection.
        device.behaviour = honest
        answer = await modbus.exchange(read(500))
        assert isinstance(answer, Answer)
        assert answer.data == truth(read(500))
        assert device.connections == 4
        await modbus.close()


@pytest.mark.parametrize("function", [Function.COILS, Function.DISCRETE_INPUTS])
async def test_bits_are_bound_as_strictly_as_registers(function: Function) -> None:
    async with hostile_device(wrong(count=4)) as device:
        modbus = client(device)
        with pytest.raises(NotBound):
            await modbus.exchange(ReadBits(1, function, 0, 22))
        device.behaviour = honest
        assert isinstance(await modbus.exchange(ReadBits(1, function, 0, 22)), Answer)
        await modbus.close()


async def test_the_answer_to_the_question_before_is_refused() -> None:
    async with hostile_device(previous) as device:
        modbus = client(device)
        first = await modbus.exchange(read(0))
        assert isinstance(first, Answer)
        with pytest.raises(NotBound):
            await modbus.exchange(read(10))
        await modbus.close()


async def test_an_answer_that_is_late_by_half_a_time_out_never_meets_the_next_question() -> None:
    sent: list[bytes] = []

    async def late(question: Question, visit: Visit) -> None:
        asyncio.get_running_loop().call_later(1.5 * TIMEOUT_MS / 1_000, deliver, visit, question.answer())

    def deliver(visit: Visit, answer: bytes) -> None:
        sent.append(answer)
        visit.send(answer)

    async with hostile_device(late) as device:
        modbus = client(device, timeout_ms=TIMEOUT_MS)
        errors = 0
        for address in range(0, 60, 10):
            try:
                await modbus.exchange(read(address))
            except NoAnswer:
                errors += 1
        assert errors == 6
        assert len(sent) >= 4  # the late answers were really sent
        assert device.connections == 6
        await modbus.close()


async def test_an_answer_that_comes_twice_at_once_is_refused() -> None:
    async def twice(question: Question, visit: Visit) -> None:
        visit.send(2 * question.answer())

    async with hostile_device(twice) as device:
        modbus = client(device)
        for address in range(0, 40, 10):
            with pytest.raises(NotBound):
                await modbus.exchange(read(address))
        await modbus.close()


async def test_an_answer_that_is_repeated_later_costs_the_connection_and_no_value() -> None:
    repeated = asyncio.Event()

    async def again(question: Question, visit: Visit) -> None:
        visit.send(question.answer())
        asyncio.get_running_loop().call_later(0.01, repeat, visit, question)

    def repeat(visit: Visit, question: Question) -> None:
        visit.send(question.answer())
        repeated.set()

    async with hostile_device(again) as device:
        modbus = client(device)
        for address in range(0, 30, 10):
            repeated.clear()
            answer = await modbus.exchange(read(address))
            assert isinstance(answer, Answer)
            assert answer.data == truth(read(address))
            await repeated.wait()
            await hung_up(modbus)
        assert device.connections == 3
        assert modbus.counters.quarantines == 2  # the third is found at the next exchange
        await modbus.close()


async def test_a_dribble_that_is_fast_enough_is_a_good_answer() -> None:
    async def dribble(question: Question, visit: Visit) -> None:
        for byte in question.answer():
            visit.send(bytes([byte]))
            await visit.writer.drain()

    async with hostile_device(dribble) as device:
        modbus = client(device, timeout_ms=PATIENT_MS)
        answer = await modbus.exchange(read(70))
        assert isinstance(answer, Answer)
        assert answer.data == truth(read(70))
        await modbus.close()


@pytest.mark.parametrize("code", [1, 2, 4, 6, 11])
async def test_an_exception_is_told_as_what_it_is_and_keeps_the_connection(code: int) -> None:
    async with hostile_device(pdu(bytes([0x83, code]))) as device:
        modbus = client(device)
        for _ in range(3):
            outcome = await modbus.exchange(read(0))
            assert isinstance(outcome, DeviceException)
            assert outcome.code == code
            assert outcome.answer_frame[7:] == bytes([0x83, code])
        assert device.connections == 1
        await modbus.close()


async def test_one_exchange_takes_one_time_out_and_no_more() -> None:
    async with hostile_device(dribble_too_slowly) as device:
        modbus = client(device, timeout_ms=TIMEOUT_MS)
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        with pytest.raises(NoAnswer):
            await modbus.exchange(read(0))
        assert TIMEOUT_MS / 1_000 <= loop.time() - started_s < PATIENT_MS / 1_000
        await modbus.close()


async def test_a_caller_that_is_cancelled_takes_the_connection_with_it() -> None:
    asked = asyncio.Event()

    async def slow(question: Question, visit: Visit) -> None:
        asked.set()
        await asyncio.sleep(0.03)
        visit.send(question.answer())

    async with hostile_device(slow) as device:
        modbus = client(device, timeout_ms=PATIENT_MS)
        first = asyncio.create_task(modbus.exchange(read(100, 2)), name="impatient")
        await asked.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        answer = await modbus.exchange(read(500, 2))
        assert isinstance(answer, Answer)
        assert answer.data == truth(read(500, 2))
        assert device.connections == 2
        await modbus.close()


async def test_callers_at_the_same_time_take_turns_on_one_connection() -> None:
    async with hostile_device() as device:
        modbus = client(device, timeout_ms=PATIENT_MS)
        answers = await asyncio.gather(*(modbus.exchange(read(10 * n)) for n in range(20)))
        assert [a.data for a in answers if isinstance(a, Answer)] == [truth(read(10 * n)) for n in range(20)]
        assert device.connections == 1
        await modbus.close()


async def test_a_connection_that_the_device_closed_while_idle_is_opened_again() -> None:
    async def once(question: Question, visit: Visit) -> None:
        visit.send(question.answer())
        visit.writer.close()

    async with hostile_device(once) as device:
        modbus = client(device, timeout_ms=PATIENT_MS)
        for address in range(3):
            assert isinstance(await modbus.exchange(read(address)), Answer)
            await hung_up(modbus)
        assert modbus.counters.quarantines == 0
        await modbus.close()


async def test_nobody_there_is_told_with_the_address() -> None:
    with closed_port() as port:
        modbus = ModbusTcp("127.0.0.1", port, timeout_ms=50, connect_timeout_ms=PATIENT_MS)
        with pytest.raises(NoConnection, match=f"127.0.0.1:{port}"):
            await modbus.exchange(read(0))
        await modbus.close()


async def test_the_pause_between_questions_is_kept() -> None:
    async with hostile_device() as device:
        modbus = ModbusTcp("127.0.0.1", device.port, timeout_ms=PATIENT_MS, pause_ms=40)
        loop = asyncio.get_running_loop()
        await modbus.exchange(read(0))
        started_s = loop.time()
        await modbus.exchange(read(10))
        assert loop.time() - started_s >= 0.035
        await modbus.close()


async def test_a_converter_that_still_waits_for_a_dead_device_is_left_alone() -> None:
    """It would keep the question to the next one until it gives up, and that one would look dead, too."""

    async def silent_once(question: Question, visit: Visit) -> None:
        if question.unit == 1:
            visit.send(question.answer())

    async with hostile_device(silent_once) as device:
        modbus = ModbusTcp(
            "127.0.0.1", device.port, timeout_ms=100, connect_timeout_ms=PATIENT_MS, quarantine_ms=80
        )
        assert modbus.quarantine_ms == 80
        dead = ReadRegisters(9, Function.HOLDING_REGISTERS, 0, 1)
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        with pytest.raises(NoAnswer):
            await modbus.exchange(dead)
        quiet_until_s = modbus._quiet_until_s
        assert quiet_until_s >= started_s + 0.1 + 0.08
        with suppress(NoAnswer):
            await modbus.exchange(read(0))
        assert loop.time() >= quiet_until_s
        await modbus.close()


async def test_both_frames_are_kept_as_evidence() -> None:
    async with hostile_device() as device:
        modbus = ModbusTcp("127.0.0.1", device.port, timeout_ms=PATIENT_MS, first_transaction=0xFFFE)
        first, second = await modbus.exchange(read(3, 1)), await modbus.exchange(read(4, 1))
        assert isinstance(first, Answer)
        assert isinstance(second, Answer)
        assert first.question_frame.hex() == "ffff00000006010300030001"
        assert first.answer_frame.hex() == "ffff0000000501030200" + "03"
        assert second.question_frame[:2] == b"\0\0"  # the transaction id starts again
        await modbus.close()


async def test_a_server_of_another_maker_is_understood() -> None:
    blocks = [SimData(0, values=list(range(1_000)), datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(SimDevice(id=1, simdata=blocks), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    modbus = ModbusTcp("127.0.0.1", server.transport.sockets[0].getsockname()[1], timeout_ms=PATIENT_MS)
    for address, count in ((0, 1), (3, 2), (100, 125), (875, 125)):
        request = ReadRegisters(1, Function.INPUT_REGISTERS, address, count)
        answer = await modbus.exchange(request)
        assert isinstance(answer, Answer)
        assert answer.data == truth(request)
    outside = await modbus.exchange(read(995, 10))
    assert isinstance(outside, DeviceException)
    assert outside.code == 2
    await modbus.close()
    await server.shutdown()  # type: ignore[no-untyped-call]


def test_limits_of_time_are_checked_when_the_client_is_made() -> None:
    with pytest.raises(ValueError, match="at least 1 ms"):
        ModbusTcp("127.0.0.1", 502, timeout_ms=0)


HEAD = HEADER.pack(0x1234, 0, 6, 17)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_refusal_or_not_yet_whole(data: bytes) -> None:
    try:
        frame = whole_frame(bytearray(data), HEAD)
    except NotBound:
        return
    assert frame is None or (frame == data and data[:4] == HEAD[:4] and data[6] == 17)


@given(st.binary(min_size=2, max_size=250), st.integers(0, 260))
def test_a_frame_is_whole_at_its_last_byte_and_not_before(pdu_bytes: bytes, cut: int) -> None:
    frame = HEADER.pack(0x1234, 0, len(pdu_bytes) + 1, 17) + pdu_bytes
    part = frame[:cut]
    assert whole_frame(bytearray(part), HEAD) == (frame if cut >= len(frame) else None)
