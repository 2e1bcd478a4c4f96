"""An MQTT client made by hand of our own packets, for what a well-behaved library would never send."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, TypeVar

from simulators.broker.decoding import FrameSplitter, decode
from simulators.broker.encoding import encode
from simulators.broker.packets import (
    V5,
    Connack,
    Connect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    SubscribeRequest,
    Will,
)
from simulators.broker.properties import Properties

WAIT_S = 60.0
P = TypeVar("P")


class RawClient:
    """`async with RawClient(port, "name") as client:` is connected, unless `connects=False`."""

    def __init__(
        self,
        port: int,
        client_id: str = "",
        *,
        version: int = V5,
        clean: bool = True,
        keep_alive_s: int = 0,
        will: Will | None = None,
        properties: Properties = (),
        connects: bool = True,
    ) -> None:
        self.version = version
        self.connect = Connect(client_id, version, clean, keep_alive_s, will, properties=properties)
        self.connack: Connack | None = None
        self._port = port
        self._connects = connects
        self._splitter = FrameSplitter(limit_bytes=2**28)
        self._frames: list[tuple[int, bytes]] = []
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        if self._connects:
            self.send(self.connect)
            self.connack = await self.expect(Connack)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writer is not None
        self._writer.transport.abort()

    def send(self, *packets: Packet) -> None:
        self.send_bytes(b"".join(encode(packet, self.version) for packet in packets))

    def send_bytes(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    def pause(self) -> None:
        """Read no more: a client whose process is stopped."""
        assert self._reader is not None
        assert self._writer is not None
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def receive(self) -> Packet | None:
        """The next packet, or None at the end of the connection."""
        assert self._reader is not None
        async with asyncio.timeout(WAIT_S):
            while not self._frames:
                try:
                    data = await self._reader.read(2**16)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._frames = self._splitter.feed(data)
        return decode(*self._frames.pop(0), self.version)

    async def expect(self, kind: type[P]) -> P:
        """The next packet, which must be of this kind."""
        packet = await self.receive()
        assert isinstance(packet, kind), packet
        return packet

    async def subscribe(
        self, topic_filter: str, qos: int = 0, properties: Properties = ()
    ) -> tuple[int, ...]:
        self.send(Subscribe(1, (SubscribeRequest(topic_filter, qos),), properties))
        return (await self.expect(Suback)).reasons

    async def publishes(self, count: int) -> list[bytes]:
        """The payloads of the next `count` messages."""
        return [(await self.expect(Publish)).payload for _ in range(count)]

    async def quiet(self) -> bool:
        """Whether nothing was on its way: the answer to a ping comes behind everything."""
        self.send(Pingreq())
        return isinstance(await self.receive(), Pingresp)
