"""A node in memory behind the HTTP rooms: real rules, real receipts and evidence, no gossip and no disk."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import RecordStatus, SourceHead, TransactionStatus, Wait
from doxedge.contracts import numbering
from doxedge.contracts.rule import Book
from doxedge.ledger.receipt import decode_receipt
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.record import InvalidRecord
from doxedge.web.node_port import (
    ChannelView,
    EventView,
    Health,
    NotInStep,
    PeerView,
    PoolFull,
    RefusalView,
    UnknownChannel,
)
from doxedge.web.serve import Addresses, Listener, serve
from tests.gateway.memory_ledger import MemoryLedger
from tests.ledger.channels import START_MS, signer


@dataclass
class SmallNode:
    """Implements `web.node_port.NodePort` over ledgers in memory."""

    ledgers: dict[bytes, MemoryLedger] = field(default_factory=dict)
    slow: bool = False
    """No block is built: a wait for `final` runs into its time-out."""
    full: bool = False
    behind: bool = False
    broken: bool = False
    refused: list[RefusalView] = field(default_factory=list)
    state: Health = field(default_factory=lambda: Health(alive=True, ready=True, reasons=()))
    clock_ms: int = START_MS + 400 * 86_400_000
    submissions: int = 0
    party: str = "regulator"
    version: str = "0.test"

    @classmethod
    def begin(cls) -> SmallNode:
        ledger = MemoryLedger.begin(bilateral_transfers=1)
        return cls({ledger.channel: ledger})

    @property
    def ledger(self) -> MemoryLedger:
        return next(iter(self.ledgers.values()))

    def now_ms(self) -> int:
        return self.clock_ms

    def channels(self) -> Sequence[ChannelView]:
        return [self._view(ledger) for ledger in self.ledgers.values()]

    def book(self, channel: bytes) -> Book:
        return self._of(channel).channel_state.chain.state

    def peers(self, channel: bytes) -> Sequence[PeerView]:
        height = self._of(channel).channel_state.chain.height
        return [
            PeerView(signer("regulator node").key_id, "regulator", "regulator", True, height, self.clock_ms, height),
            PeerView(signer("alpha node").key_id, "alpha", "company", False, None, None, None),
        ]  # fmt: skip

    def refusals(self, channel: bytes) -> Sequence[RefusalView]:
        self._of(channel)
        return self.refused

    def source_head(self, channel: bytes, source: bytes) -> SourceHead | None:
        if self.behind:
            raise NotInStep("wait until the node has caught up", retry_after_s=3)
        entry = numbering.find_source(self.book(channel), source)
        return (
            None if entry is None else SourceHead(entry.seq, entry.prev, entry.suspended, entry.holder_key_id)
        )

    async def submit(
        self, channel: bytes, envelopes: Sequence[bytes], *, wait: Wait, timeout_s: float
    ) -> Sequence[TransactionStatus]:
        self.submissions += 1
        if self.broken:
            raise RuntimeError("a bug of the node")
        if self.full:
            raise PoolFull("the pool holds all it can; come back", retry_after_s=7)
        ledger, statuses = self._of(channel), []
        for raw in envelopes:
            try:
                statuses += await ledger.submit(channel, [raw])
            except (InvalidEnvelope, NonCanonical, InvalidRecord) as error:
                digest = hashlib.sha256(raw).digest()
                statuses.append(TransactionStatus(None, digest, (), "bad_encoding", str(error)))
        if wait == "final" and self.slow:
            await asyncio.sleep(timeout_s)
        elif wait == "final":
            ledger.build_block()
            statuses = [await self._fresh(channel, status) for status in statuses]
        return statuses

    async def record_status(self, channel: bytes, record_id: bytes) -> RecordStatus | None:
        return await self._of(channel).record_status(channel, record_id)

    async def evidence(self, channel: bytes, record_id: bytes) -> bytes | None:
        ledger = self._of(channel)
        ledger.slow = True
        return (await ledger.proofs(channel, [record_id]))[0]

    async def events(self, channel: bytes, *, after: int, limit: int) -> Sequence[EventView]:
        found: list[EventView] = []
        for extension, _ in self._of(channel)._blocks:
            for index, data in enumerate(extension.receipts):
                for number, event in enumerate(decode_receipt(data).events):
                    if extension.header.height > after and len(found) < limit:
                        found.append(EventView(extension.header.height, index, number, list(event)))
        return found

    def health(self) -> Health:
        return self.state

    def metrics(self) -> bytes:
        return b"# HELP doxedge_height Height\n# TYPE doxedge_height gauge\ndoxedge_height 1.0\n"

    def _of(self, channel: bytes) -> MemoryLedger:
        if channel not in self.ledgers:
            raise UnknownChannel(channel.hex())
        return self.ledgers[channel]

    async def _fresh(self, channel: bytes, status: TransactionStatus) -> TransactionStatus:
        records = [
            (await self.record_status(channel, record.record_id) or record)
            if record.state == "stored"
            else record
            for record in status.records
        ]
        return TransactionStatus(status.tx_id, status.wire_id, tuple(records), status.code, status.reason)

    def _view(self, ledger: MemoryLedger) -> ChannelView:
        chain = ledger.channel_state.chain
        return ChannelView(
            channel=ledger.channel, name=chain.genesis.name, place=chain.genesis.place, height=chain.height,
            block_id=chain.head_id, state_root=chain.state.root, time_ms=chain.head.time_ms if chain.head else 0,
            clock_ms=chain.clock_ms, validators=1, is_validator=True, catching_up=False, best_height=chain.height,
            pool_transactions=len(ledger.pool), pool_bytes=ledger.pool.size_bytes,
        )  # fmt: skip


@asynccontextmanager
async def served(
    node: SmallNode, folder: Path, *, unix: bool = True, tcp: bool = False
) -> AsyncIterator[Addresses]:
    """The node behind its real server, on a real socket in `folder` and, if wanted, on a free port."""
    listener = Listener(
        socket_path=folder / "node.sock" if unix else None,
        port=0 if tcp else None,
        token_file=folder / "token" if tcp else None,
    )
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(node, listener, started=ready.set_result), name="http")
    task.add_done_callback(lambda ended: None if ready.done() else ready.set_exception(_why(ended)))
    try:
        yield await asyncio.wait_for(ready, timeout=60)
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=60)


def tcp_address(addresses: Addresses, folder: Path) -> NodeAddress:
    return NodeAddress(host="127.0.0.1", port=addresses.port or 0, token_file=folder / "token")


def _why(ended: asyncio.Task[None]) -> BaseException:
    return (
        RuntimeError("the server was cancelled")
        if ended.cancelled()
        else ended.exception() or RuntimeError("ended")
    )
