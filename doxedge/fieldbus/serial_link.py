"""Bytes on a serial port that is taken for ourselves alone, RS-485 among them."""

from __future__ import annotations

import asyncio
import errno
import os
import select
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from doxedge.fieldbus.byte_link import Inbox
from doxedge.fieldbus.errors import ConnectionLost, NoConnection, NotBound, words_of

_READ_BYTES: Final = 1_024


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

    def distrust(self) -> None:
        """Nothing: there is one wire, and silence alone empties it."""

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
            raise NoConnection(f"{self.name} cannot be opened: {words_of(error)}") from None
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
