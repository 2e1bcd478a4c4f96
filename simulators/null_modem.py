"""A null-modem cable within one machine: two serial ports, and what is written to one is read from the other."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import suppress
from typing import Final, Self

CHUNK_BYTES: Final = 4_096


class NullModem:
    """Two pseudo terminals joined by the running loop. `async with`; both names are gone afterwards."""

    def __init__(self) -> None:
        self._far: list[int] = []
        self._near: list[int] = []

    @property
    def ports(self) -> tuple[str, str]:
        """The two device names."""
        first, second = (os.ttyname(descriptor) for descriptor in self._near)
        return first, second

    async def __aenter__(self) -> Self:
        for _ in range(2):
            far, near = os.openpty()
            tty.setraw(far)
            tty.setraw(near)
            os.set_blocking(far, False)
            self._far.append(far)
            # Kept open, so that a port outlives the programs that come and go on it.
            self._near.append(near)
        loop = asyncio.get_running_loop()
        for source, sink in (self._far, self._far[::-1]):
            loop.add_reader(source, _pass_on, source, sink)
        return self

    async def __aexit__(self, *_: object) -> None:
        for descriptor in self._far:
            asyncio.get_running_loop().remove_reader(descriptor)
        for descriptor in (*self._far, *self._near):
            os.close(descriptor)
        self._far, self._near = [], []


def _pass_on(source: int, sink: int) -> None:
    """What does not fit into the other side's buffer is lost, as on a wire without flow control."""
    with suppress(OSError):
        os.write(sink, os.read(source, CHUNK_BYTES))
