"""One channel on the air: what this node makes of what the others say, and when it speaks itself.

Nothing here relies on the broker: heads are repeated, blocks are fetched by ranges from whoever shows a higher head. A
message that is wrong changes nothing and is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.consensus.cosignature import Cosignature
from doxedge.consensus.header import Header, InvalidBlock, decode_header
from doxedge.contracts import numbering, parties
from doxedge.gossip import message, topics
from doxedge.gossip.catch_up import CatchUp
from doxedge.gossip.gate import Gate, MemberKey
from doxedge.gossip.message import InvalidMessage, Kind, Message
from doxedge.gossip.seen import Notes, read_note
from doxedge.ledger.block import Block, check_body, decode_block, wire_id
from doxedge.ledger.chain import Extension
from doxedge.ledger.transaction import Transaction
from doxedge.node.block_service import BlockService
from doxedge.node.certified_heads import CertifiedHeads
from doxedge.node.channel_node import ChannelNode
from doxedge.node.cosignatures import collect
from doxedge.node.intake import Intake
from doxedge.node.outgoing import Outgoing, Publish
from doxedge.node.rivals import find_rival

log = logging.getLogger(__name__)

HEAD_EVERY_S: Final = 3.0
"""Real seconds: a head is repeated so often, for those who joined or missed it."""
TURN_S: Final = 0.25
INBOX_MAX: Final = 4_096
INBOX_BYTES_MAX: Final = 32 * 1024 * 1024
"""Opened messages waiting to be handled; more are dropped, and come again."""
SUSPECTS_MAX: Final = 1_024
"""Overtaken transactions that are looked up one after the other; in an honest channel there are none."""
SUSPECTS_A_TURN: Final = 4


@dataclass(slots=True)
class Peer:
    """What was last heard of one node."""

    height: int = 0
    seen_ms: int | None = None
    cosigned_height: int | None = None
    is_online: bool | None = None
    """As the broker says; a hint."""


class Relay:
    """Gossip of one channel."""

    def __init__(
        self, node: ChannelNode, intake: Intake, *, publish: Publish, chance: Callable[[], float]
    ) -> None:
        """`chance` gives numbers in [0, 1) for jitter."""
        self.node, self.intake = node, intake
        self.gate = Gate(node.chain.channel, self._find_member)
        self.catch_up = CatchUp()
        self.heads = CertifiedHeads(node, self.catch_up)
        self.outgoing = Outgoing(node, publish=publish, chance=chance)
        self.notes = Notes()
        self.peers: dict[bytes, Peer] = {}
        self.turned_s = node.clock.monotonic_s()
        self._service = BlockService(node.store)
        self._chance = chance
        self._inbox: asyncio.Queue[tuple[Message, int]] = asyncio.Queue(INBOX_MAX)
        self._inbox_bytes = 0
        self._suspects: deque[Transaction] = deque(maxlen=SUSPECTS_MAX)
        self._is_taking_blocks = False
        """Blocks of an answer are being checked: asking now would ask for those again."""
        self._head_due_s = 0.0

    @property
    def refused(self) -> Counter[str]:
        """Messages that changed nothing, by why."""
        return self.gate.refused

    def receive(self, topic: topics.Topic, payload: bytes) -> None:
        """A message from a broker; called in the loop, never waits."""
        own = self.node.signer.key_id
        if topic.sender == own and topic.kind not in (topics.Kind.CON, topics.Kind.HEAD):
            return
        if topic.kind is topics.Kind.INBOX and topic.member != own:
            # Before the gate, which would take the same message in our own inbox for a repetition.
            self.refused["foreign_inbox"] += 1
            return
        opened = self.gate.open(
            topic, payload, now_ms=self.node.clock.now_ms(), monotonic_s=self.node.clock.monotonic_s()
        )
        if opened is None:
            return
        if self._inbox.full() or self._inbox_bytes + len(payload) > INBOX_BYTES_MAX:
            self.refused["inbox_full"] += 1
            return
        self._inbox_bytes += len(payload)
        self._inbox.put_nowait((opened, len(payload)))

    def own(self, transactions: Sequence[Transaction]) -> None:
        """Transactions handed in here."""
        self.outgoing.own(transactions)

    async def show_rivals(self, rivals: Sequence[Transaction]) -> None:
        """Second records of a number: a leader makes the proof, everybody else shows them to him."""
        for rival in rivals:
            await self._accuse(rival)
        if not self.node.standing.is_validator:
            self.outgoing.show_rivals(rivals)

    def block_is_final(self, extension: Extension, certificate: bytes) -> None:
        """A durable block: its leader sends it, everybody shows the new head soon."""
        self.outgoing.settled(extension.transactions)
        self.intake.settled()
        self._head_due_s = 0.0
        if self.node.standing.is_validator:
            self.outgoing.final(extension, certificate)

    def head_is_cosigned(self, own: Cosignature) -> None:
        """Tell the others that we found the same."""
        self.outgoing.cosignature(own)

    def cannot_follow(self, dropped: Sequence[Transaction]) -> None:
        """Validly signed, and overtaken: those whose number another record has are half of a proof."""
        self._suspects.extend(dropped)

    async def run(self) -> None:
        """Handle messages and timers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._handle_forever(), name=f"gossip in {self.node.short}")
            group.create_task(self._timers_forever(), name=f"gossip timers {self.node.short}")

    async def _handle_forever(self) -> None:
        while True:
            opened, size_bytes = await self._inbox.get()
            self._inbox_bytes -= size_bytes
            try:
                await self._handle(opened)
            except (InvalidMessage, InvalidBlock) as error:
                self.refused[f"bad_{opened.kind.value}"] += 1
                log.debug("channel %s: message of %s: %s", self.node.short, opened.sender.hex(), error)
            if self._inbox.empty():  # else one note says it for all that is waiting
                self._send_notes()

    async def _timers_forever(self) -> None:
        while True:
            await asyncio.sleep(TURN_S * (0.5 + self._chance()))
            self.turned_s = now_s = self.node.clock.monotonic_s()
            self._ask(now_s)
            if now_s >= self._head_due_s:
                self._head_due_s = now_s + HEAD_EVERY_S
                self.outgoing.head()
                if self.node.cosigned is not None:
                    self.outgoing.cosignature(self.node.cosigned)
            await self._judge_suspects()
            await self.heads.compare_waiting()
            self.outgoing.resend(now_s)
            self._send_notes()

    def _send_notes(self) -> None:
        for author, body in self.notes.due(self.node.clock.monotonic_s()):
            self.outgoing.seen(author, body)

    async def _judge_suspects(self) -> None:
        """Here both records of the number were seen, and perhaps nowhere else: the leader must see the other one."""
        for _ in range(min(len(self._suspects), SUSPECTS_A_TURN)):
            suspect = self._suspects.popleft()
            source = numbering.find_source(self.node.chain.state, suspect.source)
            if source is None or source.suspended:
                continue  # one proof is enough, and looking for the next one reads the source's whole history
            if await find_rival(self.node.chain, self.node.pool, self.node.store, suspect) is not None:
                await self.show_rivals([suspect])

    async def _handle(self, opened: Message) -> None:
        if opened.sender != self.node.signer.key_id:
            peer = self.peers.setdefault(opened.sender, Peer())
            if opened.expires_ms:
                peer.seen_ms = self.node.clock.now_ms()
        elif opened.kind not in (Kind.HEAD, Kind.FINAL):
            return
        # Of our own key only heads are looked at: an echo, or a second process that has blocks which we have not.
        match opened.kind:
            case Kind.TRANSACTIONS:
                await self._take_transactions(opened)
            case Kind.FINAL:
                await self._take_final(opened)
            case Kind.HEAD:
                await self._take_head(opened)
            case Kind.COSIGNATURE:
                await self._take_cosignature(opened)
            case Kind.WANT:
                await self._answer(opened)
            case Kind.HAVE:
                await self._take_blocks(opened)
            case Kind.SEEN:
                self._take_seen(opened)
            case Kind.PRESENCE:
                self._take_presence(opened)

    async def _take_transactions(self, opened: Message) -> None:
        """Others' transactions: admitted into the pool; two records with one number become a proof."""
        taken = await self.intake.take(message.byte_strings(opened.body), is_gossip=True)
        for rival in taken.rivals:
            await self._accuse(rival)
        self.notes.add(opened.sender, taken.present)
        self._note_seen(opened.sender, taken.present)  # who gossips it holds it

    async def _accuse(self, rival: Transaction) -> None:
        """A leader keeps the proof for his next block."""
        node = self.node
        if not node.standing.is_validator:
            return
        standing = await find_rival(node.chain, node.pool, node.store, rival)
        if standing is None:
            return
        seq, first = standing
        kept = node.accusations.add(
            node.chain.state, source=rival.source, seq=seq, first=first, second=rival.raw
        )
        if kept:
            log.warning("channel %s: source %s claims number %d twice", node.short, rival.source.hex(), seq)
            node.work_arrived()

    async def _take_final(self, opened: Message) -> None:
        """A block that has just become final."""
        match opened.body:
            case [bytes(data)]:
                block = await asyncio.to_thread(decode_block, data)
                header, size_bytes = block.header, len(data)
                await self.heads.believe(opened.sender, header, block.certificate)
                self.node.block_arrived(block, size_bytes)
            case [bytes(header_bytes), bytes(certificate), bytes(wire_ids), list(own)]:
                header = decode_header(header_bytes)
                await self.heads.believe(opened.sender, header, certificate)
                self._fill_from_pool(header, certificate, wire_ids, message.byte_strings(own))
            case _:
                raise InvalidMessage("a final is [block] or [header, certificate, wire ids, envelopes]")
        self._note_head(opened.sender, header.height)

    async def _take_head(self, opened: Message) -> None:
        """Somebody's newest block: believed only with its certificate."""
        match opened.body:
            case [int(sent_ms)]:
                height = 0
            case [int(sent_ms), bytes(header_bytes), bytes(certificate)]:
                header = decode_header(header_bytes)
                height = header.height
                await self.heads.believe(opened.sender, header, certificate)
            case _:
                raise InvalidMessage("a head is [sent_ms, header, certificate]")
        self._note_head(opened.sender, height)
        peer = self.peers.get(opened.sender)
        if peer is not None:
            # A retained head may be old: its author was there when he sent it.
            peer.seen_ms = max(peer.seen_ms or 0, min(sent_ms, self.node.clock.now_ms()))

    def _note_head(self, sender: bytes, height: int) -> None:
        if self.node.chain.validators.index_of(sender) is not None:
            self.node.standing.has_heard = True
        peer = self.peers.get(sender)
        if peer is not None:
            peer.height = max(peer.height, height)
        self._ask(self.node.clock.monotonic_s())

    def _fill_from_pool(
        self, header: Header, certificate: bytes, wire_ids: bytes, own: Sequence[bytes]
    ) -> None:
        """A large block of which only the names came: put together if everything in it is here, else it is fetched."""
        given = {wire_id(raw): raw for raw in own}
        raws = []
        for at in range(0, len(wire_ids), 32):
            name = wire_ids[at : at + 32]
            waiting = self.node.pool.get(name)
            raw = given.get(name) if waiting is None else waiting.raw
            if raw is None:
                return
            raws.append(raw)
        check_body(header, raws)
        self.node.block_arrived(Block(header, certificate, tuple(raws)), sum(map(len, raws)))

    async def _take_blocks(self, opened: Message) -> None:
        """An answer to our question. What does not hold is asked of another member."""
        raws = self.catch_up.answered(opened.sender, opened.correlation, opened.body)
        before = self.node.at_hand_height
        self._is_taking_blocks = True
        try:
            for raw in raws:
                block = await asyncio.to_thread(decode_block, raw)
                await self.heads.believe(opened.sender, block.header, block.certificate)
                self.node.block_arrived(block, len(raw))
        except (InvalidBlock, InvalidMessage):
            self.catch_up.failed()
            raise
        finally:
            self._is_taking_blocks = False
        if raws and self.node.at_hand_height <= before:
            # True blocks, and not those that are missing: whoever sends them would be asked for ever.
            self.catch_up.failed()
            self.refused["useless_have"] += 1
        self._ask(self.node.clock.monotonic_s())

    async def _take_cosignature(self, opened: Message) -> None:
        peer, member = self.peers[opened.sender], self._find_member(opened.sender)
        height = await collect(
            self.node, opened.body, sender=opened.sender, member=member, known_height=peer.cosigned_height
        )
        if height is not None:
            peer.cosigned_height = height

    async def _answer(self, opened: Message) -> None:
        """Blocks for somebody who missed them, to his own inbox and nowhere else."""
        match opened.body:
            case [bytes(asked), int(from_height), int(offset)] if from_height >= 1 and offset >= 0:
                pass
            case _:
                raise InvalidMessage("a want is [asked, from_height, offset]")
        if asked != self.node.signer.key_id:
            raise InvalidMessage("a question to somebody else")
        body = await self._service.answer(
            opened.sender,
            from_height=from_height,
            offset=offset,
            own_height=self.node.chain.height,
            now_s=self.node.clock.monotonic_s(),
        )
        if body is None:
            self.refused["want_rate"] += 1
        else:
            self.outgoing.answer(opened.sender, body, correlation=opened.correlation)

    def _take_seen(self, opened: Message) -> None:
        tx_ids = read_note(opened.body)
        if self.node.chain.validators.index_of(opened.sender) is not None:
            self.outgoing.was_seen(tx_ids)
        self._note_seen(opened.sender, tx_ids)

    def _note_seen(self, sender: bytes, tx_ids: Sequence[bytes]) -> None:
        """Members are counted, not keys, and our own party does not vouch for itself."""
        member, own = self._find_member(sender), self._find_member(self.node.signer.key_id)
        if member is not None and (own is None or own.party != member.party):
            self.intake.note_seen(member.party, tx_ids)

    def _take_presence(self, opened: Message) -> None:
        match opened.body:
            case [bool(is_online)]:
                pass
            case _:
                raise InvalidMessage("a presence is [is_online]")
        peer = self.peers[opened.sender]
        if is_online and not peer.is_online:
            self._head_due_s = 0.0
        peer.is_online = is_online

    def _ask(self, now_s: float) -> None:
        if self.node.standing.halted or self._is_taking_blocks:
            return
        question = self.catch_up.next_question(self.node.at_hand_height, now_s=now_s)
        if question is not None:
            self.outgoing.ask(question)

    def _find_member(self, key: bytes) -> MemberKey | None:
        entry = parties.find_key(self.node.chain.state, key)
        if entry is None or entry.purpose != "node" or entry.revoked:
            return None
        return MemberKey(entry.alg, entry.public_key, entry.party)
