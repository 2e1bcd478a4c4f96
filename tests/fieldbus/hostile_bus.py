"""A Modbus RTU device that misbehaves on purpose, behind a pty (a real serial line to the client) or behind TCP.

Every register holds its own address, so that a value out of another answer is seen at once.
"""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from doxedge.fieldbus.byte_link import ByteLink
from doxedge.fieldbus.network_links import TcpLink
from doxedge.fieldbus.rtu_frame import crc
from doxedge.fieldbus.serial_link import SerialLink, SerialSettings

QUESTION_BYTES = 8


@dataclass(frozen=True, slots=True)
class BusQuestion:
    """A decoded question, and the honest answers to it."""

    raw: bytes
    number: int
    """Counted from 1."""

    @property
    def unit(self) -> int:
        return self.raw[0]

    @property
    def function(self) -> int:
        return self.raw[1]

    @property
    def address(self) -> int:
        return int.from_bytes(self.raw[2:4], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.raw[4:6], "big")

    def answer(
        self,
        *,
        unit: int | None = None,
        function: int | None = None,
        address: int | None = None,
        count: int | None = None,
    ) -> bytes:
        """The right answer, or one that is wrong in the ways named and sound in itself."""
        first = self.address if address is None else address
        number = self.count if count is None else count
        if self.function in (1, 2):
            data = bytes((number + 7) // 8)
        else:
            data = struct.pack(f">{number}H", *((first + n) & 0xFFFF for n in range(number)))
        function = self.function if function is None else function
        return framed(bytes([self.unit if unit is None else unit, function, len(data)]) + data)

    def exception(self, code: int) -> bytes:
        return framed(bytes([self.unit, self.function | 0x80, code]))


def framed(body: bytes) -> bytes:
    return body + crc(body)


Say = Callable[[bytes], None]
BusBehaviour = Callable[[BusQuestion, "HostileBus"], None]


def honest(question: BusQuestion, bus: HostileBus) -> None:
    bus.say(question.answer())


@dataclass(slots=True)
class HostileBus:
    """Answers with `behaviour`, which may be changed at any time."""

    behaviour: BusBehaviour = honest
    questions: list[BusQuestion] = field(default_factory=list)
    connections: int = 0
    say: Say = lambda data: None
    hang_up: Callable[[], None] = lambda: None
    _heard: bytearray = field(default_factory=bytearray)
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def hear(self, data: bytes) -> None:
        self._heard += data
        while len(self._heard) >= QUESTION_BYTES:
            raw = bytes(self._heard[:QUESTION_BYTES])
            del self._heard[:QUESTION_BYTES]
            assert crc(raw[:6]) == raw[6:], raw.hex()
            question = BusQuestion(raw, len(self.questions) + 1)
            self.questions.append(question)
            self.behaviour(question, self)

    def say_later(self, delay_s: float, data: bytes) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, lambda: self.say(data)))

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()


@asynccontextmanager
async def bus_on_pty(
    behaviour: BusBehaviour = honest, *, baud: int = 115_200
) -> AsyncIterator[tuple[HostileBus, ByteLink]]:
    """The device on the far end of a pty, and a link on the near end."""
    far, near = os.openpty()
    tty.setraw(far)
    tty.setraw(near)
    os.set_blocking(far, False)
    bus = HostileBus(behaviour)
    loop = asyncio.get_running_loop()
    bus.say = lambda data: _write(far, data)

    def listen() -> None:
        with suppress(OSError):
            bus.hear(os.read(far, 4_096))

    loop.add_reader(far, listen)
    link = SerialLink(SerialSettings(os.ttyname(near), baud=baud))
    try:
        yield bus, link
    finally:
        link.close()
        bus.stop()
        loop.remove_reader(far)
        os.close(far)
        os.close(near)


def _write(descriptor: int, data: bytes) -> None:
    with suppress(OSError):
        os.write(descriptor, data)


@asynccontextmanager
async def bus_on_tcp(behaviour: BusBehaviour = honest) -> AsyncIterator[tuple[HostileBus, ByteLink]]:
    """The device behind a converter that passes bytes through."""
    bus = HostileBus(behaviour)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bus.connections += 1
        bus.say = writer.write
        bus.hang_up = writer.transport.abort
        try:
            while data := await reader.read(4_096):
                bus.hear(data)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer), name="hostile bus"))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1], connect_timeout_ms=60_000)
    try:
        yield bus, link
    finally:
        link.close()
        bus.stop()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # An aborted transport closes its socket in the next turn.
