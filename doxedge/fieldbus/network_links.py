"""Bytes over a network: TCP to a converter or to an analyser itself, and the datagrams of UDP."""

from __future__ import annotations

import asyncio
import socket
import sys
from functools import partial

from doxedge.fieldbus.byte_link import Inbox
from doxedge.fieldbus.errors import ConnectionLost, NoConnection, words_of
from doxedge.fieldbus.hang_ups import ConnectionRecord, HangUpHabit

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class TcpLink:
    """Bytes over TCP: a converter with a serial line behind it, or an analyser that speaks its dialect on a socket."""

    def __init__(self, host: str, port: int, *, connect_timeout_ms: int = 3_000) -> None:
        self.host, self.port = host, port
        self._connect_timeout_s = connect_timeout_ms / 1_000
        self._stream: _Stream | None = None
        self._habit = HangUpHabit()

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
        stream = self._stream
        if stream is not None and (stream.inbox.fault is not None or self._habit.is_used_up(stream.record)):
            self._habit.learn(stream.record)
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
            raise NoConnection(f"{self.name} cannot be reached: {words_of(error)}") from None

    def close(self) -> None:
        """Hang up at once."""
        stream, self._stream = self._stream, None
        if stream is not None and stream.transport is not None:
            stream.transport.abort()

    def flush(self) -> int:
        """What lies in the inbox."""
        return 0 if self._stream is None else self._stream.inbox.flush()

    def distrust(self) -> None:
        """Nothing: behind a converter other devices want this connection, and its line brings late bytes to any."""

    def write(self, data: bytes) -> None:
        """Send."""
        if self._stream is None or self._stream.transport is None:
            raise ConnectionLost(f"{self.name} is not open")
        self._stream.record.asked()
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
        self.record = ConnectionRecord()
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
        self.record.heard()
        self.inbox.put(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.record.lost()
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
            raise NoConnection(f"{self.name} cannot be reached: {words_of(error)}") from None

    def close(self) -> None:
        """Give the socket back."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def flush(self) -> int:
        """What lies in the inbox."""
        return self._inbox.flush()

    def distrust(self) -> None:
        """The next question goes out from another port, where a late answer to this one does not come."""
        self.close()

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
