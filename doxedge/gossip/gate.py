"""The gate that every incoming message passes before anybody spends a signature check on it.

Steps, cheapest first: (1) size; (2) the same bytes were seen lately; (3) decode; (4) the topic belongs to the sender
and to this kind; (5) the sender is a member; (6) his rate; (7) not expired; (8) signature. Each refusal is counted
under its name and changes nothing else.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from doxedge.gossip import message, topics
from doxedge.gossip.message import InvalidMessage, Kind, Message
from doxedge.gossip.rate import TokenBucket
from doxedge.signing import limits
from doxedge.signing.envelope import InvalidEnvelope

REMEMBERED: Final = 2**16
"""Hashes of messages seen (ledger.md 3.3)."""
TOKENS_PER_S: Final = 400
"""Of one member. A message costs one token and one more for every 4 KiB, for a large one holds many signatures:
1.6 MiB of transactions a second, a hundred times what twenty plants say."""
BURST: Final = 2_000
"""8 MiB: the backlog of a plant that was off-line for weeks."""
BYTES_PER_TOKEN: Final = 4_096
EXPIRY_GRACE_MS: Final = 60_000
"""Clocks of members differ."""

KINDS_OF_TOPIC: Final = {
    topics.Kind.TX: frozenset({Kind.TRANSACTIONS}),
    topics.Kind.CON: frozenset({Kind.FINAL, Kind.COSIGNATURE}),
    topics.Kind.HEAD: frozenset({Kind.HEAD}),
    topics.Kind.UP: frozenset({Kind.PRESENCE}),
    topics.Kind.INBOX: frozenset({Kind.WANT, Kind.HAVE, Kind.SEEN}),
}
"""What is said where: else a broker could show a retained head to those who asked for blocks."""


@dataclass(frozen=True, slots=True)
class MemberKey:
    """The node key of a member."""

    alg: int
    public_key: bytes
    party: str


@dataclass(slots=True)
class Gate:
    """Passes what is well-formed, new, within its rate, and signed by a member of this channel."""

    channel: bytes
    find_member: Callable[[bytes], MemberKey | None]
    """The member with this node key id, or None."""
    refused: Counter[str] = field(default_factory=Counter)
    """How often each step said no, since start."""
    _seen: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    """Only of messages that passed: else whoever forges bytes first would keep the true ones out."""
    _buckets: dict[bytes, TokenBucket] = field(default_factory=dict)
    """Of members only, so there are not many."""

    def open(self, topic: topics.Topic, data: bytes, *, now_ms: int, monotonic_s: float) -> Message | None:
        """The message, or None when it was refused (and counted) or is a repetition."""
        judged = self._judge(topic, data, now_ms, monotonic_s)
        if isinstance(judged, Message):
            return judged
        self.refused[judged] += 1
        return None

    def _judge(self, topic: topics.Topic, data: bytes, now_ms: int, monotonic_s: float) -> Message | str:
        """The message, or the name of the step that refused it."""
        if len(data) > limits.MESSAGE_BYTES:  # (1)
            return "too_large"
        digest = hashlib.sha256(data).digest()
        if digest in self._seen:  # (2)
            return "repeated"
        try:
            opened = message.open_message(data)  # (3)
        except InvalidMessage:
            return "malformed"
        if opened.sender != topic.sender or opened.kind not in KINDS_OF_TOPIC[topic.kind]:  # (4)
            return "foreign_topic"
        member = self.find_member(opened.sender)
        if member is None or member.alg != opened.envelope.alg:  # (5)
            return "stranger"
        if not self._has_token(opened, len(data), monotonic_s):  # (6)
            return "rate"
        if opened.expires_ms and opened.expires_ms + EXPIRY_GRACE_MS < now_ms:  # (7)
            return "expired"
        try:
            opened.envelope.verify(member.public_key, object_name=message.OBJECT, channel=self.channel)  # (8)
        except InvalidEnvelope:
            return "bad_signature"
        self._seen[digest] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return opened

    def _has_token(self, opened: Message, size_bytes: int, now_s: float) -> bool:
        """A token bucket for each member: nobody drowns the others."""
        bucket = self._buckets.get(opened.sender)
        if bucket is None:
            bucket = TokenBucket(per_s=TOKENS_PER_S, burst=BURST, now_s=now_s)
            self._buckets[opened.sender] = bucket
        # What was asked for may be large: one question is outstanding, and an answer to none is dropped unread.
        extra = 0 if opened.kind is Kind.HAVE else size_bytes // BYTES_PER_TOKEN
        return bucket.take(1 + extra, now_s=now_s)
