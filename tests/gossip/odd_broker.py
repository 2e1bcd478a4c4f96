"""A broker that answers only what a test lets it answer, for what no real broker does on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from types import TracebackType
from typing import Self

from simulators.broker.decoding import FrameSplitter, decode
from simulators.broker.encoding import encode
from simulators.broker.packets import V5, Ack, Connack, Connect, PacketType, Publish, Suback, Subscribe

EVERYTHING = frozenset({"connect", "subscribe", "publish"})


class OddBroker:
    """Listens at `port` within the `async with` block and keeps what it was told."""

    def __init__(self, answers: Container[str] = EVERYTHING, *, greeting: bytes = b"") -> None:
        """`answers` may be replaced while it runs; `greeting` is sent in place of a CONNACK."""
        self.answers, self.greeting = answers, greeting
        self.connections: list[Connect] = []
        self.published: list[Publish] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        splitter, version = FrameSplitter(limit_bytes=2**20), V5
        try:
            while data := await reader.read(2**16):
                for frame in splitter.feed(data):
                    packet = decode(*frame, version)
                    if isinstance(packet, Connect):
                        version = packet.version
                        self.connections.append(packet)
                        if self.greeting:
                            writer.write(self.greeting)
                        elif "connect" in self.answers:
                            writer.write(encode(Connack(False, 0), version))
                    elif isinstance(packet, Subscribe) and "subscribe" in self.answers:
                        granted = tuple(request.qos for request in packet.requests)
                        writer.write(encode(Suback(packet.packet_id, granted), version))
                    elif isinstance(packet, Publish):
                        self.published.append(packet)
                        if packet.packet_id is not None and "publish" in self.answers:
                            writer.write(encode(Ack(PacketType.PUBACK, packet.packet_id), version))
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
