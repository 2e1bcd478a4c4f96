"""Instruments for the gateway's benchmark, in a process of their own so that their CPU is not the gateway's.

`python -m tests.benchmarks.modbus_devices COUNT` listens on twice COUNT neighbouring ports of 127.0.0.1, prints the
first one, and answers reads of registers until its standard input closes. On the first half of the ports are
instruments that measure each 100 ms, on the second half some that bring other values with every answer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
import time
from typing import Final

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

QUESTION: Final = struct.Struct(">HHHBBHH")
ANSWER: Final = struct.Struct(">HHHBBB")
REGISTERS: Final = struct.Struct(">125H")
TRIES: Final = 50


class Instrument(asyncio.Protocol):
    """Answers every read with registers that move slowly, as those of a real instrument do."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A gateway has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    @override
    def data_received(self, data: bytes) -> None:
        """One question after the other."""
        self._buffer += data
        while len(self._buffer) >= QUESTION.size:
            transaction, _, _, unit, function, address, count = QUESTION.unpack_from(self._buffer)
            self._buffer = self._buffer[QUESTION.size :]
            moved = self._measurement() % 50
            values = REGISTERS.pack(*((1_000 + 7 * n + moved) & 0xFFFF for n in range(125)))
            data = (values * 2)[2 * (address % 125) :][: 2 * count]
            self._transport.write(
                ANSWER.pack(transaction, 0, len(data) + 3, unit, function, len(data)) + data
            )

    def _measurement(self) -> int:
        """Which measurement it is that stands in the registers."""
        return time.monotonic_ns() // 100_000_000


class RestlessInstrument(Instrument):
    """Measures whenever it is asked."""

    _asked = 0

    @override
    def _measurement(self) -> int:
        self._asked += 1
        return self._asked


def neighbouring_sockets(count: int) -> list[socket.socket]:
    """Listening sockets on ports that follow each other, wherever there is room."""
    for _ in range(TRIES):
        opened: list[socket.socket] = []
        try:
            first = socket.create_server(("127.0.0.1", 0))
            opened.append(first)
            port: int = first.getsockname()[1]
            opened += [socket.create_server(("127.0.0.1", port + n)) for n in range(1, count)]
        except (OSError, OverflowError):
            for one in opened:
                one.close()
            continue
        return opened
    raise RuntimeError(f"no {count} neighbouring ports were free in {TRIES} tries")


async def serve(count: int) -> None:
    """Listen, say where, and answer until the parent closes our standard input."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    sockets = neighbouring_sockets(2 * count)
    for n, listening in enumerate(sockets):
        await loop.create_server(Instrument if n < count else RestlessInstrument, sock=listening)
    print(sockets[0].getsockname()[1], flush=True)

    def wait_for_parent() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=wait_for_parent, daemon=True).start()
    await over.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
