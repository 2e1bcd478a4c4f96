"""A stream of bytes to a device: a serial port, TCP to a converter that has one, or the datagrams of UDP.

A link frames nothing and judges nothing. It gathers what arrives, within a bound, and hands it to the one exchange that
is under way.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from doxedge.fieldbus.errors import ConnectionLost, LineError, NoConnection, NotBound

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

INBOX_BYTES_MAX: Final = 4_096
"""More than the longest answer with all its noise; a device that sends more without a question is babbling."""
_READ_BYTES: Final = 1_024


class ByteLink(Protocol):
    """What an exchange needs of the wire."""

    @property
    def name(self) -> str:
        """For messages: `serial /dev/serial/by-id/...`."""
        ...

    @property
    def character_s(self) -> float:
        """How long one character is on the wire; 0 where the wire is not ours to know."""
        ...

    async def open(self) -> None:
        """Take the port or connection, if it is not taken. NoConnection when it cannot be had."""
        ...

    def close(self) -> None:
        """Let go of it; what had arrived is forgotten."""
        ...

    def flush(self) -> int:
        """Throw away what has arrived; how many bytes that were."""
        ...

    def write(self, data: bytes) -> None:
        """Send. ConnectionLost when it does not go out."""
        ...

    async def receive(self, *, until_s: float) -> bytes:
        """What has arrived, or the first that arrives before `until_s` (loop time); empty when nothing does.

        ConnectionLost when the other side is gone.
        """
        ...


class Inbox:
    """Bytes that have arrived and nobody has taken yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._fault: LineError | None = None
        self._news = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Keep what arrived; beyond the bound the link is at fault."""
        self._bytes += data
        if len(self._bytes) > INBOX_BYTES_MAX:
            self.fail(NotBound(f"more than {INBOX_BYTES_MAX} bytes came that nobody had asked for"))
        self._news.set()

    def fail(self, error: LineError) -> None:
        """The link is at its end; the first error is the one that counts."""
        self._fault = self._fault or error
        self._news.set()

    @property
    def fault(self) -> LineError | None:
        """Why nothing more will come, or None."""
        return self._fault

    def flush(self) -> int:
        """Throw away; how many bytes that were."""
        count = len(self._bytes)
        self._bytes.clear()
        return count

    async def take(self, *, until_s: float) -> bytes:
        """As `ByteLink.receive`. Who was kept from running looks once more before it says that nothing came."""
        loop = asyncio.get_running_loop()
        has_looked = False
        while not self._bytes:
            if self._fault is not None:
                raise self._fault
            left_s = until_s - loop.time()
            if left_s <= 0:
                if has_looked:
                    return b""
                has_looked = True
                await _look()
                continue
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._news.wait()
        data = bytes(self._bytes)
        self._bytes.clear()
        return data


async def _look() -> None:
    """Let the loop ask the drivers and the links take what lies there: its readers run behind us in the next turn."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How the port is set. RS-485 transceivers that the kernel drives want `rs485`."""

    port: str
    """A path under /dev/serial/by-id where there is one: other names change when something is plugged in."""
    baud: int = 9_600
    parity: str = "N"
    """N, E or O."""
    stop_bits: int = 1
    data_bits: int = 8
    rs485: bool = False

    @property
    def character_s(self) -> float:
        """Start bit, data, parity, stop bits at this speed."""
        bits = 1 + self.data_bits + (self.parity != "N") + self.stop_bits
        return bits / self.baud


class SerialLink:
    """One serial port, taken for ourselves alone."""

    def __init__(self, settings: SerialSettings) -> None:
        self.settings = settings
        self._port: Any = None
        self._inbox = Inbox()

    @property
    def name(self) -> str:
        """For messages."""
        return f"serial {self.settings.port}"

    @property
    def character_s(self) -> float:
        """At the port's speed."""
        return self.settings.character_s

    async def open(self) -> None:
        """Open the port; one that was unplugged is opened anew. NoConnection."""
        if self._port is not None and self._inbox.fault is not None:
            self.close()
        if self._port is not None:
            return
        self._port = await asyncio.to_thread(self._take)
        self._inbox = Inbox()
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._on_readable)

    def close(self) -> None:
        """Give the port back."""
        port, self._port = self._port, None
        if port is not None:
            asyncio.get_running_loop().remove_reader(port.fileno())
            with suppress(OSError):
                port.close()

    def flush(self) -> int:
        """What lies in our inbox and in the driver's."""
        if self._port is not None and self._inbox.fault is None:
            self._on_readable()
        return self._inbox.flush()

    def write(self, data: bytes) -> None:
        """A question is far shorter than the driver's buffer, so it goes out whole or not at all."""
        try:
            sent = os.write(self._port.fileno(), data)
        except OSError as error:
            raise self._lost(error) from None
        if sent != len(data):
            raise NotBound(f"{self.name} took {sent} of {len(data)} bytes: something holds the line")

    async def receive(self, *, until_s: float) -> bytes:
        """As in the port."""
        return await self._inbox.take(until_s=until_s)

    def _take(self) -> Any:
        # Late: a gateway without serial lines does not pay for the import.
        import serial  # noqa: PLC0415
        from serial.rs485 import RS485Settings  # noqa: PLC0415

        wanted = self.settings
        try:
            port = serial.Serial(
                wanted.port, wanted.baud, wanted.data_bits, wanted.parity, wanted.stop_bits,
                timeout=0, write_timeout=0, exclusive=True,
            )  # fmt: skip
            if wanted.rs485:
                port.rs485_mode = RS485Settings()
        except (OSError, ValueError) as error:
            # pyserial's own exceptions are OSErrors.
            raise NoConnection(f"{self.name} cannot be opened: {error}") from None
        return port

    def _on_readable(self) -> None:
        try:
            data = os.read(self._port.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._inbox.put(data)
        elif _has_hung_up(self._port.fileno()):
            # Without this the loop would call us for ever. An empty read alone only means that `flush` was faster.
            self._lost(OSError(errno.EIO, os.strerror(errno.EIO)))

    def _lost(self, error: OSError) -> ConnectionLost:
        """An adapter that was pulled out: the next exchange opens the port again."""
        lost = ConnectionLost(f"{self.name} is gone: {error.strerror or error}")
        self._inbox.fail(lost)
        asyncio.get_running_loop().remove_reader(self._port.fileno())
        return lost


def _has_hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))


class TcpLink:
    """Bytes over TCP: a converter with a serial line behind it, or an analyser that speaks its dialect on a socket."""

    def __init__(self, host: str, port: int, *, connect_timeout_ms: int = 3_000) -> None:
        self.host, self.port = host, port
        self._connect_timeout_s = connect_timeout_ms / 1_000
        self._stream: _Stream | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"tcp {self.host}:{self.port}"

    @property
    def character_s(self) -> float:
        """The converter keeps the times of its line."""
        return 0.0

    async def open(self) -> None:
        """Connect, if there is no connection that still works. NoConnection."""
        if self._stream is not None and self._stream.inbox.fault is not None:
            self.close()
        if self._stream is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, self._stream = await loop.create_connection(_Stream, self.host, self.port)
        except TimeoutError:
            limit_ms = round(self._connect_timeout_s * 1_000)
            raise NoConnection(f"{self.name} took no connection within {limit_ms} ms") from None
        except OSError as error:
            raise NoConnection(f"{self.name} cannot be reached: {error.strerror or error}") from None

    def close(self) -> None:
        """Hang up at once."""
        stream, self._stream = self._stream, None
        if stream is not None and stream.transport is not None:
            stream.transport.abort()

    def flush(self) -> int:
        """What lies in the inbox."""
        return 0 if self._stream is None else self._stream.inbox.flush()

    def write(self, data: bytes) -> None:
        """Send."""
        if self._stream is None or self._stream.transport is None:
            raise ConnectionLost(f"{self.name} is not open")
        self._stream.transport.write(data)

    async def receive(self, *, until_s: float) -> bytes:
        """As in the port."""
        if self._stream is None:
            raise ConnectionLost(f"{self.name} is not open")
        return await self._stream.inbox.take(until_s=until_s)


class _Stream(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self.transport = transport
        link = transport.get_extra_info("socket")
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @override
    def data_received(self, data: bytes) -> None:
        self.inbox.put(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.inbox.fail(ConnectionLost("the other side closed the connection" + (f": {exc}" if exc else "")))


class UdpLink:
    """Datagrams to an analyser that speaks its dialect over UDP. Only what comes from its address and port is heard."""

    def __init__(self, host: str, port: int, *, connect_timeout_ms: int = 3_000) -> None:
        self.host, self.port = host, port
        self._connect_timeout_s = connect_timeout_ms / 1_000
        self._transport: asyncio.DatagramTransport | None = None
        self._inbox = Inbox()

    @property
    def name(self) -> str:
        """For messages."""
        return f"udp {self.host}:{self.port}"

    @property
    def character_s(self) -> float:
        """A datagram arrives whole."""
        return 0.0

    async def open(self) -> None:
        """Take a socket, if there is none that still works; nothing is sent. NoConnection when the name is none."""
        if self._transport is not None and self._inbox.fault is not None:
            self.close()
        if self._transport is not None:
            return
        self._inbox = Inbox()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._transport, _ = await loop.create_datagram_endpoint(
                    partial(_Datagrams, self._inbox), remote_addr=(self.host, self.port)
                )
        except TimeoutError:
            limit_ms = round(self._connect_timeout_s * 1_000)
            raise NoConnection(f"{self.name} was not found within {limit_ms} ms") from None
        except OSError as error:
            raise NoConnection(f"{self.name} cannot be reached: {error.strerror or error}") from None

    def close(self) -> None:
        """Give the socket back."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def flush(self) -> int:
        """What lies in the inbox."""
        return self._inbox.flush()

    def write(self, data: bytes) -> None:
        """Send one datagram."""
        if self._transport is None:
            raise ConnectionLost(f"{self.name} is not open")
        self._transport.sendto(data)

    async def receive(self, *, until_s: float) -> bytes:
        """As in the port."""
        return await self._inbox.take(until_s=until_s)


class _Datagrams(asyncio.DatagramProtocol):
    """Puts what comes into the inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        self._inbox.put(data)

    @override
    def error_received(self, exc: Exception) -> None:
        # Nobody listens there (ICMP), or the way is gone: the next exchange takes a new socket.
        self._inbox.fail(ConnectionLost(f"no way to the other side: {exc}"))
