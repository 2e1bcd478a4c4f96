"""A simulated instrument that speaks a text dialect: on TCP, in datagrams, or at the end of a null-modem cable.

It hears with the product's own frames, and says what is true in the stack at the moment of each question.
"""

from __future__ import annotations

import asyncio
import os
import sys
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Final, cast

from doxedge.analysers.dialects.codec import codec_of
from doxedge.analysers.dialects.framing import FrameReader
from simulators.device import LATE_MS_BY_DEFAULT, SimulatedDevice
from simulators.faults import FaultKind, WireFaults
from simulators.gas_analysers import Gas, gas_in_cell
from simulators.null_modem import NullModem

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

_READ_BYTES: Final = 4_096

Say = Callable[[bytes], None]
"""Puts bytes on the line to whoever asked."""


class TextInstrument(SimulatedDevice):
    """What all instruments with a dialect share. A subclass answers questions."""

    dialect: ClassVar[str]
    network: ClassVar[str] = "tcp"
    """`tcp` or `udp`, where it is not started as serial."""

    _server: asyncio.Server | None = None
    _datagrams: asyncio.DatagramTransport | None = None
    _cable: NullModem | None = None
    _near: int = -1
    """Our end of the cable."""
    _ordered: str = ""
    """The mode that somebody ordered; empty for measuring."""

    @abstractmethod
    def answer(self, question: Any) -> bytes | None:
        """The frame that answers this question; None for one that an instrument leaves unanswered."""

    def refusal(self, question: Any) -> bytes | None:
        """What it says when it will not; None where the dialect has no word for that."""
        del question
        return None

    @property
    def mode(self) -> str:
        """`measure`, `zero` or `span`."""
        if self.active(FaultKind.ZERO):
            return "zero"
        return "span" if self.active(FaultKind.SPAN) else self._ordered or "measure"

    def order(self, mode: str) -> None:
        """Somebody told it to measure, or to take zero or span gas."""
        self._ordered = "" if mode == "measure" else mode

    def is_measuring(self) -> bool:
        """Whether there is a value at all."""
        return self.observed()[0].measured and not self.active(FaultKind.NOT_MEASURING)

    def gas(self) -> Gas:
        """What the cell holds now."""
        state, at_ms = self.observed()
        return gas_in_cell(self.mode, state, at_ms, seed=self.unit_id, sensitivity=self.sensitivity)

    @override
    async def start(self) -> int:
        self._wire = WireFaults("text")
        self._timers: list[asyncio.TimerHandle] = []
        self._connections: set[asyncio.Transport] = set()
        loop = asyncio.get_running_loop()
        if self.serial:
            self._cable = await NullModem().__aenter__()
            ours, self.serial_port = self._cable.ports
            self._near = os.open(ours, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            loop.add_reader(self._near, self._on_serial, self.ear())
            return 0
        if self.network == "udp":
            self._datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(self.host, self.port)
            )
            self.port = self._datagrams.get_extra_info("sockname")[1]
        else:
            self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    @override
    async def stop(self) -> None:
        """Close whatever is open, and say nothing more."""
        for timer in getattr(self, "_timers", ()):
            timer.cancel()
        if self._near >= 0:
            asyncio.get_running_loop().remove_reader(self._near)
            os.close(self._near)
            self._near, self.serial_port = -1, ""
        cable, self._cable = self._cable, None
        if cable is not None:
            await cable.__aexit__(None, None, None)
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
            for transport in list(self._connections):
                transport.abort()
        self._server = self._datagrams = None

    def ear(self) -> FrameReader[Any]:
        """What finds questions in what comes in."""
        codec = codec_of(self.dialect)
        return FrameReader(codec.cut, max_bytes=codec.max_bytes)

    def hear(self, ear: FrameReader[Any], data: bytes, say: Say, hang_up: Callable[[], None]) -> None:
        """Bytes came in: answer the questions that are whole now."""
        for question in ear.feed(data):
            said = self.refusal(question) if self.active(FaultKind.EXCEPTION) else self.answer(question)
            if said is None:
                continue
            now_ms = self.clock.now_ms()
            kinds = [fault.kind for fault in self.faults if fault.is_on(now_ms)]
            if FaultKind.RESET in kinds:
                hang_up()
            said = self._wire.apply(said, kinds)
            late = self.active(FaultKind.LATE)
            if late is None:
                say(said)
            else:
                delay_s = (late.argument or LATE_MS_BY_DEFAULT) / 1_000
                self._timers.append(asyncio.get_running_loop().call_later(delay_s, say, said))

    def _on_serial(self, ear: FrameReader[Any]) -> None:
        with suppress(OSError):
            self.hear(ear, os.read(self._near, _READ_BYTES), self._say_on_serial, lambda: None)

    def _say_on_serial(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._near, data)


class _Connection(asyncio.Protocol):
    """One client on TCP."""

    def __init__(self, instrument: TextInstrument) -> None:
        self._instrument, self._ear = instrument, instrument.ear()
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_server makes no other
        self._transport = transport
        self._instrument._connections.add(transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._instrument.hear(self._ear, data, self._say, self._transport.abort)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._instrument._connections.discard(self._transport)
        self._transport = None

    def _say(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class _Datagrams(asyncio.DatagramProtocol):
    """Whoever sends a datagram; a question does not go beyond one."""

    def __init__(self, instrument: TextInstrument) -> None:
        self._instrument = instrument
        self._transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is none by its class (3.11).
        self._transport = cast("asyncio.DatagramTransport", transport)

    @override
    def datagram_received(self, data: bytes, addr: Any) -> None:
        def say(answer: bytes) -> None:
            if answer and self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(answer, addr)

        self._instrument.hear(self._instrument.ear(), data, say, lambda: None)
