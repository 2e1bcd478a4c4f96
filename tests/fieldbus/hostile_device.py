"""A Modbus TCP device that misbehaves on purpose, on a real socket.

Every register holds its own address, so that a value out of another answer is seen at once.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Question:
    """A decoded question, and the honest answers to it."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int

    def answer(
        self,
        *,
        transaction: int | None = None,
        protocol: int = 0,
        unit: int | None = None,
        function: int | None = None,
        address: int | None = None,
        count: int | None = None,
        announced: int | None = None,
    ) -> bytes:
        """The right answer, or one that is wrong in the ways named."""
        first = self.address if address is None else address
        number = self.count if count is None else count
        data = struct.pack(f">{number}H", *((first + n) & 0xFFFF for n in range(number)))
        if self.function in (1, 2):
            data = bytes((self.count + 7) // 8 if count is None else count)
        size = len(data) if announced is None else announced
        pdu = bytes([self.function if function is None else function, size]) + data
        return self.frame(pdu, transaction=transaction, protocol=protocol, unit=unit)

    def frame(
        self,
        pdu: bytes,
        *,
        transaction: int | None = None,
        protocol: int = 0,
        unit: int | None = None,
        length: int | None = None,
    ) -> bytes:
        """Any bytes in the envelope of an answer."""
        return (
            struct.pack(
                ">HHHB",
                self.transaction if transaction is None else transaction,
                protocol,
                len(pdu) + 1 if length is None else length,
                self.unit if unit is None else unit,
            )
            + pdu
        )


@dataclass(slots=True)
class Visit:
    """One connection: what has been asked on it so far, and the way to answer."""

    device: HostileDevice
    writer: asyncio.StreamWriter
    questions: list[Question] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def hang_up(self) -> None:
        self.writer.transport.abort()


Behaviour = Callable[[Question, Visit], Awaitable[None]]


async def honest(question: Question, visit: Visit) -> None:
    visit.send(question.answer())


@dataclass(slots=True)
class HostileDevice:
    """Answers with `behaviour`, which may be changed at any time."""

    behaviour: Behaviour = honest
    port: int = 0
    connections: int = 0
    questions: list[Question] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        visit = Visit(self, writer)
        try:
            while True:
                transaction, _, _, unit, function, address, count = struct.unpack(
                    ">HHHBBHH", await reader.readexactly(12)
                )
                question = Question(transaction, unit, function, address, count)
                self.questions.append(question)
                visit.questions.append(question)
                await self.behaviour(question, visit)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hostile_device(behaviour: Behaviour = honest, *, port: int = 0) -> AsyncIterator[HostileDevice]:
    """A device that listens on the loopback while the block runs."""
    device = HostileDevice(behaviour)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(device.serve(reader, writer), name="hostile device"))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    device.port = server.sockets[0].getsockname()[1]
    try:
        yield device
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
