"""A channel with everything around it: opened from its file, followed, served, and looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Self

from doxedge.backends.port import RecordStatus, SourceHead, TransactionStatus, Wait
from doxedge.consensus.header import Header, InvalidBlock, decode_header
from doxedge.contracts import numbering
from doxedge.evidence.build import build as build_evidence
from doxedge.evidence.format import BadEvidence
from doxedge.fieldbus.clock import Clock
from doxedge.gossip import topics
from doxedge.ledger import state_tree
from doxedge.ledger.block import wire_id
from doxedge.ledger.chain import ChainState
from doxedge.ledger.receipt import decode_receipt
from doxedge.ledger.state import restore
from doxedge.node.channel_node import ChannelNode
from doxedge.node.intake import RETRY_AFTER_S, Intake
from doxedge.node.outgoing import Publish
from doxedge.node.relay import Relay
from doxedge.node.settings import NodeSettings
from doxedge.node.standing import BEHIND, FORK, Standing
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.signer import Signer
from doxedge.signing.tags import BlockId, channel_id, channel_short
from doxedge.store import quarantine, rows
from doxedge.store.chain import ChainStore
from doxedge.store.errors import Kind, StoreError
from doxedge.web.node_port import ChannelView, EventView, NotInStep, PeerView

log = logging.getLogger(__name__)

STALLED_S: Final = 30.0
EVIDENCE_ATTEMPTS: Final = 5
"""Each fails only when a block became final in between; then the asker comes back."""


class ChannelHost:
    """One channel of this node."""

    def __init__(self, node: ChannelNode, intake: Intake, relay: Relay) -> None:
        """Made by `open`."""
        self.node, self.intake, self.relay = node, intake, relay

    @classmethod
    async def open(
        cls,
        genesis: bytes,
        *,
        settings: NodeSettings,
        vote_again_from_height: int | None,
        signer: Signer,
        clock: Clock,
        publish: Publish,
        chance: Callable[[], float],
        stack: AsyncExitStack,
    ) -> Self:
        """Open or begin the channel's file and restore its state. Raises StoreError when the file cannot be used."""
        channel = channel_id(genesis)
        path = settings.state_dir / "channels" / channel_short(channel) / "ledger.db"
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        opened = await _open_or_begin_anew(path, genesis, settings=settings, now_ms=clock.now_ms())
        store, chain, loaded = opened.store, opened.chain, opened.loaded
        stack.push_async_callback(store.close)
        standing = Standing(
            channel_name=channel_short(channel),
            is_validator=chain.validators.index_of(signer.key_id) is not None,
            is_alone=not settings.broker,
        )
        await _recall(
            standing, opened, was_asked=loaded.journal.get(BEHIND), allowed_height=vote_again_from_height
        )
        node = ChannelNode(
            chain,
            store,
            signer=signer,
            clock=clock,
            interval_ms=settings.block_interval_ms,
            standing=standing,
        )
        if loaded.head is not None and chain.head is not None:
            node.certified = (chain.head, loaded.head.certificate or b"")
        intake = Intake(node, members_wanted=settings.seen_by_members)
        node.listener = relay = Relay(node, intake, publish=publish, chance=chance)
        await intake.take(loaded.pool, is_gossip=True)
        await node.begin(loaded.journal, was_held=[wire_id(raw) for raw in loaded.pool])
        relay.own(node.pool.all())
        log.info(
            "channel %s (%s): height %d, %d transactions waiting%s",
            node.short,
            chain.genesis.name,
            chain.height,
            len(node.pool),
            ", a validator" if standing.is_validator else "",
        )
        return cls(node, intake, relay)

    @property
    def channel(self) -> bytes:
        """Its name, 32 bytes."""
        return self.node.chain.channel

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """What this node reads of the channel."""
        return topics.subscriptions(self.channel, self.node.signer.key_id)

    async def run(self) -> None:
        """Follow the channel until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.node.run(), name=f"chain {self.node.short}")
            group.create_task(self.relay.run(), name=f"relay {self.node.short}")

    def is_turning(self, now_s: float) -> bool:
        """Whether both tasks of the channel were alive lately: what the watchdog asks."""
        return now_s - min(self.node.turned_s, self.relay.turned_s) < STALLED_S

    async def submit(
        self, envelopes: Sequence[bytes], *, wait: Wait, timeout_s: float
    ) -> Sequence[TransactionStatus]:
        """Take envelopes in, tell the others, and wait as long as the caller wants. Raises NotNow."""
        taken = await self.intake.take(envelopes)
        self.relay.own(taken.new)
        await self.relay.show_rivals(taken.rivals)
        return await self.intake.wait_until(wait, taken.statuses, timeout_s=timeout_s)

    async def record_status(self, record_id: bytes) -> RecordStatus | None:
        """How far a record is."""
        return await self.intake.status(record_id)

    def source_head(self, source: bytes) -> SourceHead | None:
        """Where a numbering stands in final blocks.

        Raises NotInStep while this node is behind: who begins a numbering anew from an old answer gives numbers twice.
        """
        if not self.node.is_in_step:
            raise NotInStep(
                "this node has not caught up with its channel; ask again in a while",
                retry_after_s=RETRY_AFTER_S,
            )
        entry = numbering.find_source(self.node.chain.state, source)
        return (
            None if entry is None else SourceHead(entry.seq, entry.prev, entry.suspended, entry.holder_key_id)
        )

    async def evidence(self, record_id: bytes) -> bytes | None:
        """The evidence file of a record's transaction, against the present head; None while there is none."""
        for _ in range(EVIDENCE_ATTEMPTS):
            certified = self.node.certified
            if certified is None or certified[0] is not self.node.chain.head:
                return None  # a group of blocks is being executed: the state is ahead of the certificate
            try:
                found = await self._evidence_at(record_id, *certified)
            except BadEvidence as error:
                log.info("channel %s: no evidence of %s: %s", self.node.short, record_id.hex(), error)
                return None
            if self.node.chain.head is certified[0]:
                return found
        return None

    async def _evidence_at(self, record_id: bytes, head: Header, certificate: bytes) -> bytes | None:
        """Built beside the loop; worthless when the head has moved meanwhile, for the state moves with it."""
        store, chain = self.node.store, self.node.chain
        place = await store.find(record_id)
        block = None if place is None or place.height > head.height else await store.block(place.height)
        if place is None or block is None or block.transactions is None or block.receipts is None:
            return None
        ids = await store.block_ids(1, head.height - 1) if head.height > place.height else []
        given = await store.cosignatures(place.height)
        if head.height != place.height:
            given += await store.cosignatures(head.height)
        build = partial(
            build_evidence,
            genesis=chain.genesis_bytes,
            block_header=block.header,
            transactions=[wire_id(raw) for raw in block.transactions],
            receipts=list(block.receipts),
            index=place.index,
            transaction=block.transactions[place.index],
            head_header=head.encode(),
            certificate=certificate,
            block_ids=[BlockId(block_id) for block_id in ids],
            state=chain.state,
            cosignatures=[(c.height, c.key_id, c.data) for c in given],
        )
        return await asyncio.to_thread(build)

    async def events(self, *, after: int, limit: int) -> Sequence[EventView]:
        """Events of the blocks above a height, whole blocks only."""
        found: list[EventView] = []
        height = after + 1
        while height <= self.node.chain.height and len(found) < limit:
            for index, data in enumerate(await self.node.store.receipts(height) or ()):
                for number, event in enumerate(decode_receipt(data).events):
                    found.append(EventView(height, index, number, list(event)))
            height += 1
        return found

    def view(self) -> ChannelView:
        """The channel for the status page."""
        chain, pool = self.node.chain, self.node.pool
        return ChannelView(
            channel=chain.channel,
            name=chain.genesis.name,
            place=chain.genesis.place,
            height=chain.height,
            block_id=chain.head_id,
            state_root=chain.state.root,
            time_ms=chain.head.time_ms if chain.head else 0,
            clock_ms=chain.clock_ms,
            validators=len(chain.validators.members),
            is_validator=self.node.standing.is_validator,
            catching_up=chain.height < self.node.standing.best_height,
            best_height=max(chain.height, self.node.standing.best_height),
            pool_transactions=len(pool),
            pool_bytes=pool.size_bytes,
        )

    def peers(self) -> Sequence[PeerView]:
        """All node keys of the channel and what was heard of them."""
        views = []
        for key, value in self.node.chain.state.items("keys"):
            match value:
                case [int(), bytes(), str(party), str(role), "node", False]:
                    peer = self.relay.peers.get(key)
                    mine = key == self.node.signer.key_id
                    height = self.node.chain.height if mine else (peer.height if peer else None)
                    seen_ms = self.node.clock.now_ms() if mine else (peer.seen_ms if peer else None)
                    own = self.node.cosigned
                    cosigned = (
                        (own.height if own else None) if mine else (peer.cosigned_height if peer else None)
                    )
                    views.append(PeerView(key, party, role, mine, height, seen_ms, cosigned))
        return views


@dataclass(frozen=True, slots=True)
class _Opened:
    """A channel's file and what was in it."""

    store: ChainStore
    chain: ChainState
    loaded: rows.Loaded
    aside: Path | None = None
    """Where the damaged file is that it replaces."""


async def _open_or_begin_anew(path: Path, genesis: bytes, *, settings: NodeSettings, now_ms: int) -> _Opened:
    """Open the file. A damaged one is set aside and the channel fetched anew, where there are others to ask.

    Raises StoreError; of a damaged file only where the node is alone, and what is in it is all there is.
    """
    try:
        return await _open(path, genesis, scrub=settings.scrub_at_start)
    except StoreError as error:
        if error.kind is not Kind.CORRUPT:
            raise
        if not settings.broker:
            text = (
                "no [[broker]] is configured, so there is nobody to fetch the channel from; restore a backup"
            )
            raise StoreError(Kind.CORRUPT, path, f"{error}. It is left as it is: {text}") from error
        aside = await asyncio.to_thread(quarantine.move_aside, path, now_ms)
        log.error("%s; it was moved to %s, and the channel is fetched anew", error, aside)
    return replace(await _open(path, genesis, scrub=False), aside=aside)


async def _open(path: Path, genesis: bytes, *, scrub: bool) -> _Opened:
    store = await ChainStore.open(path, channel_id(genesis))
    try:
        chain, loaded = await _restore(store, genesis, path=path, scrub=scrub)
    except BaseException:
        await store.close()
        raise
    return _Opened(store, chain, loaded)


async def _recall(
    standing: Standing, opened: _Opened, *, was_asked: bytes | None, allowed_height: int | None
) -> None:
    """What stopped this node before a restart stops it after: a fork for good, lost votes until the operator's word."""
    store, height = opened.store, opened.chain.height
    if opened.aside is not None:
        await store.persist(standing.lost_its_file())
    elif was_asked is not None:
        behind_height = int.from_bytes(was_asked, "big")
        if standing.resume(behind_height, own_height=height, allowed_height=allowed_height):
            await store.persist({BEHIND: None})
    if FORK in opened.loaded.journal:
        standing.halt(
            "the validators certified two blocks of one height, as it saw before it was restarted. Tell the regulator; "
            "the proof is kept in this channel's file"
        )


async def _restore(
    store: ChainStore, genesis: bytes, *, path: Path, scrub: bool
) -> tuple[ChainState, rows.Loaded]:
    """The chain from its file, begun with the genesis where the file is new."""
    loaded = await store.load()
    if loaded is None:
        fresh = ChainState(genesis)
        writes = [
            rows.StateWrite(room, key, fresh.state.prove(room, key)[0])
            for room in sorted(fresh.state.rooms)
            for key, _ in fresh.state.items(room)
        ]
        await store.create(genesis, writes)
        loaded = await store.load()
        if loaded is None:
            raise StoreError(Kind.IO, path, "the file was written and cannot be read")
    if scrub:
        findings = await store.scrub(state_root=state_tree.root_of_values)
        if findings:
            first = findings[0]
            text = (
                f"{first.what} at {first.where} is {first.found}, certified is {first.expected} ({len(findings)} such "
                "findings): the file was changed"
            )
            raise StoreError(Kind.CORRUPT, path, text)
    head = decode_header(loaded.head.header) if loaded.head is not None else None
    try:
        state = await asyncio.to_thread(restore, loaded.state)
        return ChainState(genesis, head=head, state=state, frontier=loaded.frontier), loaded
    except (InvalidBlock, NonCanonical) as error:
        raise StoreError(Kind.CORRUPT, path, str(error)) from error
