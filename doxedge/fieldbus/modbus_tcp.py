"""Modbus TCP, strictly: one connection, one question at a time, and an answer only where it is bound to it.

Why our own: with the usual clients a late, doubled or foreign answer can be returned as the answer to the next read,
and a gateway that signs values would sign it (a validly signed wrong value is the worst fault there is). Here anything
but the one possible answer closes the connection, so that nothing of it can reach the next question:

  (1) transaction id, protocol id, length and unit id are those of the question (Messaging Guide V1.0b, 3.1.3)
  (2) function, byte count and length of the data are those of the question (`modbus_pdu.bind`)
  (3) nothing follows the answer, and nothing arrives while no question is open
  (4) the answer is whole when the one time-out of the exchange is up, however it dribbles in
  (5) a caller that is cancelled in mid-exchange takes the connection with it
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from doxedge.analysers.question import Answer, Asked, DeviceException, Order, Phrase
from doxedge.fieldbus.errors import ConnectionLost, LineError, NoAnswer, NoConnection, NotBound, words_of
from doxedge.fieldbus.hang_ups import ConnectionRecord, HangUpHabit
from doxedge.fieldbus.modbus_pdu import MAX_PDU_BYTES, bind, question_pdu

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

HEADER: Final = struct.Struct(">HHHB")
"""Transaction, protocol (0), length of what follows it, unit."""
_HEADER_START: Final = struct.Struct(">HH")
_LENGTH_END: Final = 6
"""Bytes of the header that come before those counted by its length."""
_CLOSE_TIMEOUT_S: Final = 1.0


@dataclass(slots=True)
class TcpCounters:
    """What happened on this endpoint since it was made."""

    connects: int = 0
    exchanges: int = 0
    answers: int = 0
    exceptions: int = 0
    quarantines: int = 0
    """Connections closed because of bytes or silence that could not be trusted."""


class ModbusTcp:
    """A client for one endpoint. Connects when it is asked something; never retries by itself."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_ms: int = 1_000,
        connect_timeout_ms: int = 3_000,
        pause_ms: int = 0,
        quarantine_ms: int = 0,
        first_transaction: int = 1,
    ) -> None:
        """`quarantine_ms`: silence after a time-out, for a converter that goes on waiting for a dead device of its line
        and keeps the questions to the others until it gives up."""
        if not (timeout_ms > 0 and connect_timeout_ms > 0 and pause_ms >= 0 and quarantine_ms >= 0):
            raise ValueError("time-outs are at least 1 ms, the pause at least 0 ms")
        self.host = host
        self.port = port
        self._timeout_s = timeout_ms / 1_000
        self._connect_timeout_s = connect_timeout_ms / 1_000
        self._pause_s = pause_ms / 1_000
        self._quarantine_s = quarantine_ms / 1_000
        self._transaction = first_transaction & 0xFFFF
        self._connection: _Connection | None = None
        self._busy = asyncio.Lock()
        self._habit = HangUpHabit()
        self._quiet_until_s = 0.0
        self.counters = TcpCounters()

    @property
    def name(self) -> str:
        """For messages."""
        return f"modbus-tcp {self.host}:{self.port}"

    @property
    def timeout_ms(self) -> int:
        """The longest that one exchange may take once connected."""
        return round(self._timeout_s * 1_000)

    @property
    def quarantine_ms(self) -> int:
        """What was wrong dies with its connection; a converter's own wait does not."""
        return round(self._quarantine_s * 1_000)

    async def exchange(self, request: Asked) -> Answer | DeviceException:
        """Ask and wait for the one answer that fits. LineError otherwise; the connection is then gone."""
        if isinstance(request, Phrase | Order):
            raise TypeError(f"{request.text!r} is said in {request.dialect}; this line carries Modbus")
        async with self._busy:
            await self._keep_pause()
            connection = await self._connected()
            self._transaction = (self._transaction + 1) & 0xFFFF
            pdu = question_pdu(request)
            header = HEADER.pack(self._transaction, 0, len(pdu) + 1, request.unit_id)
            self.counters.exchanges += 1
            rest_s = self._pause_s
            try:
                frame = await connection.ask(header + pdu, timeout_s=self._timeout_s)
                found = bind(request, frame[HEADER.size :])
            except BaseException as error:
                # Errors and cancellation alike: what may still be on its way dies with the connection.
                if isinstance(error, NoAnswer | asyncio.CancelledError):
                    rest_s = max(rest_s, self._quarantine_s)
                self._habit.learn(connection.record)
                self._quarantine()
                raise
            finally:
                self._quiet_until_s = asyncio.get_running_loop().time() + rest_s
            if isinstance(found, int):
                self.counters.exceptions += 1
                return DeviceException(request, found, header + pdu, frame)
            self.counters.answers += 1
            return Answer(request, found, header + pdu, frame)

    async def close(self) -> None:
        """Close the connection; the next exchange opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(connection.closed), _CLOSE_TIMEOUT_S)

    def _quarantine(self) -> None:
        if self._connection is not None:
            self.counters.quarantines += 1
            self._connection.abandon()
            self._connection = None

    async def _connected(self) -> _Connection:
        if self._connection is not None and self._habit.is_used_up(self._connection.record):
            self._connection.abandon()
            self._connection = None
        if self._connection is not None and self._connection.fault is not None:
            # (3) Something came while nobody had asked; or the other side hung up, as it may.
            if isinstance(self._connection.fault, ConnectionLost):
                self._connection = None
            else:
                self._quarantine()
        if self._connection is None:
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    _, self._connection = await loop.create_connection(_Connection, self.host, self.port)
            except TimeoutError:
                limit_ms = round(self._connect_timeout_s * 1_000)
                raise NoConnection(f"{self.name} took no connection within {limit_ms} ms") from None
            except OSError as error:
                raise NoConnection(f"{self.name} cannot be reached: {words_of(error)}") from None
            self.counters.connects += 1
        return self._connection

    async def _keep_pause(self) -> None:
        """Some devices lose a question that follows too closely on their answer."""
        left_s = self._quiet_until_s - asyncio.get_running_loop().time()
        if left_s > 0:
            await asyncio.sleep(left_s)


class _Connection(asyncio.Protocol):
    """One TCP connection: holds at most one open question, and the fault that ended it."""

    def __init__(self) -> None:
        self.fault: LineError | None = None
        self.record = ConnectionRecord()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._head = b""
        self._buffer = bytearray()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self._transport = transport
        link = transport.get_extra_info("socket")
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @override
    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self._fail(NotBound(f"{len(data)} bytes came that nobody had asked for"))
            return
        self.record.heard()
        self._buffer += data
        try:
            frame = whole_frame(self._buffer, self._head)
        except NotBound as error:
            self._fail(error)
            return
        if frame is not None:
            self._answer.set_result(frame)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self.fault is None:
            self.record.lost()
        text = f": {exc}" if exc else ""
        self._fail(ConnectionLost(f"the device closed the connection{text}"))
        if not self.closed.done():
            self.closed.set_result(None)

    async def ask(self, question: bytes, *, timeout_s: float) -> bytes:
        """The whole frame of the answer, with its header checked against the question's."""
        if self.fault is not None or self._transport is None:
            raise self.fault or ConnectionLost("the connection is not open")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._answer = answer
        self._head = question[: HEADER.size]
        self._buffer.clear()
        # One timer for the whole exchange; cheaper than a task-cancelling time-out around a future.
        timer = loop.call_later(timeout_s, self._time_is_up, timeout_s)
        try:
            self.record.asked()
            self._transport.write(question)
            return await answer
        finally:
            timer.cancel()
            self._answer = None
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, even when the caller was cancelled in the same instant

    def abandon(self) -> None:
        """Close at once, throwing away whatever is still to be read or written."""
        if self.fault is None:
            self.fault = ConnectionLost("the connection was given up")
        if self._transport is not None:
            self._transport.abort()

    def _time_is_up(self, timeout_s: float) -> None:
        got = len(self._buffer)
        self._fail(NoAnswer(f"no whole answer within {timeout_s * 1_000:.0f} ms ({got} bytes came)"))

    def _fail(self, error: LineError) -> None:
        if self.fault is None:
            self.fault = error
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self._transport is not None:
            self._transport.abort()


def whole_frame(buffer: bytearray, question_head: bytes) -> bytes | None:
    """The frame that answers, once all of it is there. NotBound as soon as it cannot become that. Rules (1) and (3)."""
    transaction, protocol, _, unit = HEADER.unpack(question_head)
    if len(buffer) >= 4 and (found := _HEADER_START.unpack_from(buffer)) != (transaction, protocol):
        raise NotBound(f"transaction and protocol are {found}, the question had {(transaction, protocol)}")
    if len(buffer) < _LENGTH_END:
        return None
    length = int.from_bytes(buffer[4:_LENGTH_END], "big")
    if not 3 <= length <= MAX_PDU_BYTES + 1:
        raise NotBound(f"a length of {length} is not within 3 to {MAX_PDU_BYTES + 1}")
    if len(buffer) >= HEADER.size and buffer[_LENGTH_END] != unit:
        raise NotBound(f"unit {buffer[_LENGTH_END]} answered, unit {unit} was asked")
    end = _LENGTH_END + length
    if len(buffer) > end:
        raise NotBound(f"{len(buffer) - end} bytes follow the answer")
    return bytes(buffer) if len(buffer) == end else None
