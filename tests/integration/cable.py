"""The cable between a gateway and one instrument, which a test can cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK_BYTES = 4_096


@dataclass
class Cable:
    """Bytes go both ways while it is whole. When it is cut, connections end and new ones end at once."""

    host: str
    port: int
    """Of the instrument."""
    is_whole: bool = True
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Nothing gets through any more."""
        self.is_whole = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """It is as new."""
        self.is_whole = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the gateway."""
        self._ends.add(writer)
        try:
            if self.is_whole:
                await self._both_ways(reader, writer)
        finally:
            self._ends.discard(writer)
            writer.close()

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        self._ends.add(back)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, back), name="questions")
                group.create_task(_pass_on(there, writer), name="answers")
        finally:
            self._ends.discard(back)
            back.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side ends; then so does the other."""
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cable_to(host: str, port: int) -> AsyncIterator[tuple[Cable, int]]:
    """A cable to an instrument, and the port at which a gateway finds this end of it."""
    cable = Cable(host, port)
    async with await asyncio.start_server(cable.carry, "127.0.0.1", 0) as server:
        yield cable, int(server.sockets[0].getsockname()[1])
        cable.cut()
