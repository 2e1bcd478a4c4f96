"""What this node says on one channel: heads, blocks, cosignatures, and its own transactions until they are final.

Nothing here waits, and nothing relies on the broker: whatever matters is said again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from doxedge.consensus.cosignature import Cosignature
from doxedge.gossip import message, topics
from doxedge.gossip.catch_up import Question
from doxedge.gossip.message import Kind
from doxedge.ledger.block import Block
from doxedge.ledger.chain import Extension
from doxedge.ledger.transaction import Transaction
from doxedge.node.accusations import stands
from doxedge.node.channel_node import ChannelNode
from doxedge.signing.canonical import Value

RESEND_S: Final = 2.0
"""Own transactions that are not final are sent again after so long, and then at this pace."""
RESEND_SEEN_S: Final = 20.0
"""The pace for those that a validator has said to have seen."""
RESEND_BYTES: Final = 512 * 1024
"""At one time, oldest first: the later ones of a source do not help before the earlier ones."""
RIVALS_MAX: Final = 256
RIVAL_TIMES: Final = 30
"""A second record of a number is shown so often, or until the proof stands."""
REQUEST_EXPIRY_S: Final = 10


class Publish(Protocol):
    """How bytes leave: to every broker; False where a queue was full."""

    def __call__(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand over for sending."""
        ...


@dataclass(slots=True)
class _Due:
    """When something is said again."""

    wire_id: bytes
    at_s: float
    pace_s: float = RESEND_S
    times: int = 0


class Outgoing:
    """The mouth of one channel."""

    def __init__(self, node: ChannelNode, *, publish: Publish, chance: Callable[[], float]) -> None:
        """`chance` gives numbers in [0, 1) for jitter."""
        self._node, self._publish, self._chance = node, publish, chance
        self._channel, self._me = node.chain.channel, node.signer.key_id
        self._correlation = 0
        self._own: dict[bytes, _Due] = {}
        """By tx id."""
        self._rivals: dict[bytes, tuple[Transaction, _Due]] = {}
        self.queue_full = 0
        """Messages that no queue took since start."""

    @property
    def waiting(self) -> int:
        """Transactions handed in here that are not final."""
        return len(self._own)

    def own(self, transactions: Sequence[Transaction]) -> None:
        """Transactions handed in here: tell the others, and again until they are final."""
        now_s = self._node.clock.monotonic_s()
        for transaction in transactions:
            self._own[transaction.tx_id] = _Due(transaction.wire_id, now_s + RESEND_S)
        size, first = 0, []
        for transaction in transactions:
            size += len(transaction.raw)
            if size > RESEND_BYTES:
                break  # a long backlog goes at the pace of `resend`
            first.append(transaction.raw)
        self._transactions(first)

    def show_rivals(self, rivals: Sequence[Transaction]) -> None:
        """Second records of a number: the leader turns them into a proof."""
        now_s = self._node.clock.monotonic_s()
        for rival in rivals:
            if rival.wire_id not in self._rivals and len(self._rivals) < RIVALS_MAX:
                self._rivals[rival.wire_id] = (rival, _Due(rival.wire_id, now_s))

    def settled(self, transactions: Iterable[Transaction]) -> None:
        """These are final."""
        for transaction in transactions:
            self._own.pop(transaction.tx_id, None)

    def was_seen(self, tx_ids: Iterable[bytes]) -> None:
        """A validator holds these: there is no hurry to send them again."""
        now_s = self._node.clock.monotonic_s()
        for tx_id in tx_ids:
            due = self._own.get(tx_id)
            if due is not None:
                due.pace_s, due.at_s = RESEND_SEEN_S, now_s + RESEND_SEEN_S

    def resend(self, now_s: float) -> None:
        """What is due again: own transactions, oldest first within a budget, and rivals.

        With the first of a source that is due go all later ones that no validator has seen: a number is of no use where
        the one before it is missing, and timers of their own would tear them apart.
        """
        due: list[bytes] = []
        size, jitter, going = 0, 0.75 + self._chance() / 2, set[bytes]()
        for tx_id, timer in list(self._own.items()):
            transaction = self._node.pool.get(timer.wire_id)
            if transaction is None:
                del self._own[tx_id]
            elif timer.at_s <= now_s or (transaction.source in going and timer.pace_s == RESEND_S):
                going.add(transaction.source)
                size += len(transaction.raw)
                if size > RESEND_BYTES:
                    break
                timer.at_s = now_s + timer.pace_s * jitter
                due.append(transaction.raw)
        self._transactions(due + self._due_rivals(now_s))

    def _due_rivals(self, now_s: float) -> list[bytes]:
        due = []
        for wire_id, (rival, timer) in list(self._rivals.items()):
            proved = any(stands(self._node.chain.state, rival.source, r.seq) for r in rival.records)
            if proved or timer.times >= RIVAL_TIMES:
                del self._rivals[wire_id]
            elif timer.at_s <= now_s:
                timer.times += 1
                timer.at_s = now_s + RESEND_S
                due.append(rival.raw)
        return due

    def final(self, extension: Extension, certificate: bytes) -> None:
        """A block that has just become final: whole where it fits, else the names of what it holds."""
        raws = [transaction.raw for transaction in extension.transactions]
        body: list[Value]
        if sum(map(len, raws)) + 5 * len(raws) + 2_048 <= message.BODY_BYTES_MAX:
            body = [Block(extension.header, certificate, tuple(raws)).encode()]
        else:
            body = _by_names(extension, certificate, leader=self._me)
        self._say(topics.con(self._channel, self._me), Kind.FINAL, body)

    def head(self) -> None:
        """The newest final block, retained for those who join; before the first block that there is none."""
        body: list[Value] = [self._node.clock.now_ms()]
        if self._node.certified is not None:
            header, certificate = self._node.certified
            body += [header.encode(), certificate]
        self._say(topics.head(self._channel, self._me), Kind.HEAD, body, retain=True, qos=1)

    def cosignature(self, own: Cosignature) -> None:
        """We executed this head and found the same."""
        certified = self._node.certified
        if certified is not None and certified[0].height == own.height:
            body: list[Value] = [own.height, certified[0].block_id, own.signature]
            self._say(topics.con(self._channel, self._me), Kind.COSIGNATURE, body)

    def seen(self, author: bytes, body: list[Value]) -> None:
        """Tell the author that his transactions are in this pool."""
        self._say(topics.inbox(self._channel, member=author, sender=self._me), Kind.SEEN, body)

    def ask(self, question: Question) -> None:
        """Want blocks of one member."""
        topic = topics.inbox(self._channel, member=question.to, sender=self._me)
        body: list[Value] = [question.to, question.from_height, question.offset]
        self._say(topic, Kind.WANT, body, correlation=question.correlation, qos=1)

    def answer(self, asker: bytes, body: list[Value], *, correlation: int) -> None:
        """Blocks for somebody who missed them, to his own inbox and nowhere else."""
        topic = topics.inbox(self._channel, member=asker, sender=self._me)
        self._say(topic, Kind.HAVE, body, correlation=correlation, qos=1)

    def presence(self, *, online: bool) -> tuple[str, bytes]:
        """Topic and message that say whether this node is there; the broker keeps them."""
        data = message.seal(Kind.PRESENCE, [online], channel=self._channel, signer=self._node.signer)
        return topics.up(self._channel, self._me), data

    def _transactions(self, raws: list[bytes]) -> None:
        topic = topics.tx(self._channel, self._me)
        for page in message.pages(raws):
            self._say(topic, Kind.TRANSACTIONS, list(page))

    def _say(
        self,
        topic: str,
        kind: Kind,
        body: list[Value],
        *,
        correlation: int | None = None,
        qos: int = 0,
        retain: bool = False,
    ) -> None:
        """Sign and publish. A repetition gets a fresh number, or the others would take it for the old message."""
        self._correlation += 1
        clock = self._node.clock
        data = message.seal(
            kind,
            body,
            channel=self._channel,
            signer=self._node.signer,
            correlation=self._correlation if correlation is None else correlation,
            expires_ms=0 if retain else clock.now_ms() + int(REQUEST_EXPIRY_S * 1_000 * clock.speed),
        )
        if not self._publish(topic, data, qos=qos, retain=retain):
            self.queue_full += 1


def _by_names(extension: Extension, certificate: bytes, *, leader: bytes) -> list[Value]:
    """A large block without what the others have: the leader's own records never waited in their pools."""
    header = extension.header.encode()
    wire_ids = b"".join(transaction.wire_id for transaction in extension.transactions)
    room = message.BODY_BYTES_MAX - len(header) - len(certificate) - len(wire_ids) - 64
    mine: list[Value] = []
    for transaction in extension.transactions:
        if transaction.envelope.key_id == leader and len(transaction.raw) + 8 <= room:
            room -= len(transaction.raw) + 8
            mine.append(transaction.raw)
    return [header, certificate, wire_ids, mine]
