"""A stream of bytes to a device, whatever carries it: `serial_link`, `network_links`.

A link frames nothing and judges nothing. It gathers what arrives, within a bound, and hands it to the one exchange that
is under way.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from doxedge.fieldbus.errors import LineError, NotBound

INBOX_BYTES_MAX: Final = 4_096
"""More than the longest answer with all its noise; a device that sends more without a question is babbling."""


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

    def distrust(self) -> None:
        """An exchange brought nothing: see to it that a late answer is not heard, where that costs nobody anything."""
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
