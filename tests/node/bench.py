"""One channel of one node without brokers: what it says is caught, what others say is signed here and handed in.

    async with bench(folder, "alpha") as alpha:
        alpha.hear("regulator", Kind.HEAD, [alpha.clock.now_ms()])
        await until(lambda: alpha.said(Kind.WANT))

The file, the engine, the gate and every signature are real; only the road between the nodes is missing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from doxedge.consensus.header import decode_header
from doxedge.fieldbus.clock import RealClock
from doxedge.gossip import message, topics
from doxedge.gossip.message import Kind, Message
from doxedge.ledger.block import Block
from doxedge.ledger.transaction import Transaction
from doxedge.node.channel_host import ChannelHost
from doxedge.node.settings import BrokerTable, ChannelTable, ListenTable, NodeSettings
from doxedge.signing.canonical import Value
from doxedge.signing.tags import channel_id
from doxedge.store.rows import StoredBlock
from tests.ledger.channels import genesis, signer
from tests.node.network import Hand

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

GENESIS = genesis().encode()
CHANNEL = channel_id(GENESIS)


@dataclass
class HandClock:
    """UTC and the seconds since start go on by themselves, and jump when a test adds to them."""

    ahead_ms: int = 0
    later_s: float = 0.0
    speed: float = 1.0

    def now_ms(self) -> int:
        return RealClock().now_ms() + self.ahead_ms

    def monotonic_s(self) -> float:
        return RealClock().monotonic_s() + self.later_s

    async def sleep(self, plant_seconds: float) -> None:
        await RealClock().sleep(plant_seconds)


@dataclass
class StillClock(HandClock):
    """The seconds since start stand still until a test adds to them: nothing falls due because the machine is busy."""

    @override
    def monotonic_s(self) -> float:
        return self.later_s


@dataclass
class Bench:
    """The channel of one party's node."""

    party: str
    host: ChannelHost
    clock: HandClock
    hand: Hand
    sent: list[tuple[topics.Topic, Message, int, bool]] = field(default_factory=list)
    """Topic, message, QoS and whether it is retained."""
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Of the newest block that came while the bench ran and is on the disk."""
        certified = self.host.node.certified
        return 0 if certified is None else certified[0].height

    def said(self, kind: Kind) -> list[Message]:
        """What the node has said of one kind, oldest first."""
        return [message for _, message, _, _ in self.sent if message.kind is kind]

    def hear(
        self,
        name: str,
        kind: Kind,
        body: list[Value],
        *,
        correlation: int | None = None,
        expires_ms: int | None = None,
        topic: str | None = None,
        key_name: str | None = None,
    ) -> None:
        """Somebody's node says something to the channel, or to this node's inbox."""
        key = signer(key_name or f"{name} node")
        self.numbers[name] = number = self.numbers.get(name, 0) + 1
        data = message.seal(
            kind,
            body,
            channel=CHANNEL,
            signer=key,
            correlation=number if correlation is None else correlation,
            expires_ms=self.clock.now_ms() + 60_000 if expires_ms is None else expires_ms,
        )
        self.host.relay.receive(topics.parse(topic or self.topic_of(kind, key.key_id)), data)

    def topic_of(self, kind: Kind, sender: bytes) -> str:
        """Where this kind is said."""
        own = self.host.node.signer.key_id
        match kind:
            case Kind.TRANSACTIONS:
                return topics.tx(CHANNEL, sender)
            case Kind.HEAD:
                return topics.head(CHANNEL, sender)
            case Kind.PRESENCE:
                return topics.up(CHANNEL, sender)
            case Kind.FINAL | Kind.COSIGNATURE:
                return topics.con(CHANNEL, sender)
            case _:
                return topics.inbox(CHANNEL, member=own, sender=sender)

    async def submit(self, transactions: Sequence[Transaction]) -> list[str]:
        """Hand in and wait for the blocks; the states of all records."""
        statuses = await self.host.submit([t.raw for t in transactions], wait="final", timeout_s=60)
        return [record.state for status in statuses for record in status.records]


@asynccontextmanager
async def bench(
    folder: Path,
    party: str = "regulator",
    *,
    clock: HandClock | None = None,
    turns: bool = True,
    votes: bool = True,
    has_broker: bool = False,
    **settings: int,
) -> AsyncIterator[Bench]:
    """Open the party's file of the channel in `folder`. With `turns` its tasks run, with `votes` a validator orders."""
    clock = clock or HandClock()
    key = signer(f"{party} node")
    sent: list[tuple[topics.Topic, Message, int, bool]] = []

    def publish(topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        sent.append((topics.parse(topic), message.open_message(payload), qos, retain))
        return True

    async with AsyncExitStack() as stack:
        host = await ChannelHost.open(
            GENESIS,
            settings=NodeSettings(
                party=party,
                state_dir=folder / party,
                key="file:///not/read",
                channel=(ChannelTable(genesis=folder / "not-read"),),
                broker=(BrokerTable(host="not.reached"),) if has_broker else (),
                listen=ListenTable(socket=folder / "not-bound"),
                block_interval_ms=settings.get("block_interval_ms", 10),
            ),
            vote_again_from_height=settings.get("vote_again_from_height"),
            signer=key,
            clock=clock,
            publish=publish,
            chance=lambda: 0.5,
            stack=stack,
        )
        if votes:
            host.node.start_voting()
        running = asyncio.create_task(host.run(), name="channel") if turns else None
        try:
            yield Bench(party, host, clock, Hand(CHANNEL), sent)
            assert running is None or not running.done(), running.exception()
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def chain_of(folder: Path, transactions: Sequence[Transaction], *, each: int = 1) -> list[bytes]:
    """Make the leader's file in `folder` with `each` of these in a block; the encoded blocks, from height 1 on."""
    async with bench(folder) as leader:
        for start in range(0, len(transactions), each):
            assert set(await leader.submit(transactions[start : start + each])) == {"final"}
        return await blocks_of(leader)


async def blocks_of(leader: Bench) -> list[bytes]:
    """The blocks of a bench as they travel."""
    node = leader.host.node
    stored = [await node.store.block(height) for height in range(1, node.chain.height + 1)]
    return [block_of(block).encode() for block in stored if block is not None]


def block_of(stored: StoredBlock) -> Block:
    """A block with its body as others get it."""
    assert stored.certificate is not None
    assert stored.transactions is not None
    return Block(decode_header(stored.header), stored.certificate, stored.transactions)
