"""The pure half of talking to a broker: names, settings, and the queue of what is to be published. The other half is
`session`. The topics of a channel are those of wire.md 7 and ledger.md 3.2:

    doxedge/1/<ch>/tx/<m>           transactions and receipts          <m> writes, all members read
    doxedge/1/<ch>/con/<m>          proposals, votes, certificates     <m> writes, all members read
    doxedge/1/<ch>/head/<m>         retained: the signed head          <m> writes, all members read
    doxedge/1/<ch>/up/<m>           retained: presence, a hint only    <m> writes, all members read
    doxedge/1/<ch>/in/<m>/<from>    inbox: requests and responses      <from> writes, <m> reads

A topic says where a message lay, never who made it: the broker may put anything anywhere. The signature decides.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from doxedge.signing.limits import MESSAGE_BYTES
from doxedge.signing.tags import HASH_BYTES, SHORT_ID_BYTES, KeyId, channel_short

ROOT: Final = "doxedge/1"
PACKET_BYTES: Final = MESSAGE_BYTES + 1_024
"""A message with its header, topic and properties."""

_TOPIC: Final = re.compile(
    r"doxedge/1/(?P<channel>[0-9a-f]{16})/"
    r"(?:(?P<kind>tx|con|head|up)/(?P<member>[0-9a-f]{32})"
    r"|in/(?P<owner>[0-9a-f]{32})/(?P<sender>[0-9a-f]{32}))",
    re.ASCII,
)
_CLIENT_ID: Final = re.compile(r"[0-9a-f]{16}[0-9A-Za-z]{1,7}")
_NOT_IN_A_NAME: Final = frozenset("+#\0")
RECEIVE_MAX: Final = 1_000
"""QoS 1 messages that we take unacknowledged; the 20 of most brokers throttle to 200 messages/s."""

_SHOWN_CHARACTERS: Final = 100
_TOPIC_CHARACTERS: Final = 250


class Kind(StrEnum):
    """What a topic is for."""

    TX = "tx"
    CON = "con"
    HEAD = "head"
    UP = "up"
    INBOX = "in"


class InvalidTopic(ValueError):
    """A topic that is not of this protocol: a message there is ignored, not an error of ours."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic in its parts; made by `parse` only, so the hex digits are known to be sound."""

    channel: str
    """First 16 hex digits of the channel id."""

    kind: Kind
    member: KeyId
    """Whose topic it is: the writer's, and for an inbox the reader's."""

    sender: KeyId
    """Who may write there: the member himself, but in an inbox."""


def tx(channel: bytes, member: bytes) -> str:
    """Where `member` publishes transactions. `channel`: 32 bytes; `member`: KeyId, 16 bytes."""
    return _member_topic(channel, Kind.TX, member)


def con(channel: bytes, member: bytes) -> str:
    """Where `member` publishes what consensus says."""
    return _member_topic(channel, Kind.CON, member)


def head(channel: bytes, member: bytes) -> str:
    """Where `member` keeps his retained head."""
    return _member_topic(channel, Kind.HEAD, member)


def up(channel: bytes, member: bytes) -> str:
    """Where `member` keeps his retained presence."""
    return _member_topic(channel, Kind.UP, member)


def inbox(channel: bytes, *, member: bytes, sender: bytes) -> str:
    """Where `sender` writes to `member` alone."""
    return f"{ROOT}/{_channel_hex(channel)}/{Kind.INBOX}/{_key_hex(member)}/{_key_hex(sender)}"


def parse(text: str) -> Topic:
    """The parts of a topic. Raises InvalidTopic for anything that is not exactly of the form above: upper case,
    another length, another version, a level more or less."""
    found = _TOPIC.fullmatch(text)
    if found is None:
        raise InvalidTopic(f"{text[:_SHOWN_CHARACTERS]!r} is no topic of {ROOT}")
    channel, kind, member, owner, sender = found.group("channel", "kind", "member", "owner", "sender")
    if kind is None:
        return Topic(channel, Kind.INBOX, KeyId(bytes.fromhex(owner)), KeyId(bytes.fromhex(sender)))
    writer = KeyId(bytes.fromhex(member))
    return Topic(channel, Kind(kind), writer, writer)


def subscriptions(channel: bytes, member: bytes) -> list[tuple[str, int]]:
    """What `member` reads of a channel, as filter and QoS. QoS 0 for the stream, which is sent again by our own
    rules anyway; 1 for what is retained and for requests. Never `#`: a broker's ACL need not allow it."""
    base = f"{ROOT}/{_channel_hex(channel)}"
    return [
        (f"{base}/{Kind.TX}/+", 0),
        (f"{base}/{Kind.CON}/+", 0),
        (f"{base}/{Kind.HEAD}/+", 1),
        (f"{base}/{Kind.UP}/+", 1),
        (f"{base}/{Kind.INBOX}/{_key_hex(member)}/+", 1),
    ]


def client_id(key_id: bytes, *, suffix: str = "node") -> str:
    """The same at every start and for every channel: 16 hex digits of the key id and the role, which are at most
    the 23 letters and digits that every broker must accept (3.1.1, 3.1.3.1)."""
    text = _key_hex(key_id)[:16] + suffix
    if not _CLIENT_ID.fullmatch(text):
        raise ValueError(f"client id {text!r}: the suffix must be 1 to 7 letters or digits")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files; without a certificate of ours the broker does not know us by TLS."""

    ca_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file is of no use without cert_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """One broker. Raises ValueError that names the field."""

    host: str
    port: int = 1883
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """auto: 5, and 3.1.1 where that is refused."""

    tls: TlsFiles | None = None
    keepalive_s: int = 15
    connect_timeout_s: float = 5.0
    puback_deadline_s: float = 10.0
    """For every answer of the broker. paho believes in a connection for long after it died."""

    reconnect_s_min: float = 1.0
    reconnect_s_max: float = 60.0
    stable_after_s: float = 10.0
    """A connection that lived shorter counts as a failed attempt."""

    window: int = 100
    """QoS 1 messages in flight; 1,000 double paho's cost for each."""

    queue_messages_max: int = 1_000
    queue_bytes_max: int = 8 * 1024 * 1024
    queue_age_s_max: float = 60.0
    """What waited longer is not sent: its author has sent it again, or has given up."""

    def __post_init__(self) -> None:
        highest = {"port": 65_535, "keepalive_s": 65_535, "window": RECEIVE_MAX}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float) and not 0 < value <= highest.get(item.name, value):
                raise ValueError(f"{item.name} = {value} is out of range")
        if not self.host or self.protocol not in ("auto", "5", "3.1.1"):
            raise ValueError(f"host = {self.host!r}, protocol = {self.protocol!r}: a name; auto, 5 or 3.1.1")
        if self.reconnect_s_max < self.reconnect_s_min or self.queue_bytes_max < PACKET_BYTES:
            raise ValueError(
                f"reconnect_s_max is below reconnect_s_min, or queue_bytes_max below {PACKET_BYTES}"
            )

    def pause_s(self, failures: int, *, chance: float) -> float:
        """Before the next attempt: anything up to a bound that doubles with each failure in a row. Full jitter, or
        the restart of a broker is a stampede of all its clients."""
        return chance * min(self.reconnect_s_max, self.reconnect_s_min * 2.0 ** min(failures, 16))


class MessageTooLarge(ValueError):
    """Over our own limit or over the one that the broker announced: it would only break the connection."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Retained below `up`. MQTT has one will for a connection: the first presence of a session gets it, the
    others say offline only at a clean end."""

    topic: str
    online: bytes
    offline: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is to be published. Raises ValueError for a topic with wildcards or a QoS that is not 0 or
    1, and MessageTooLarge."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    queued_at_s: float
    """On the clock of whoever queues."""

    def __post_init__(self) -> None:
        if self.qos not in (0, 1) or not self.topic or set(self.topic) & _NOT_IN_A_NAME:
            shown = self.topic[:_SHOWN_CHARACTERS]
            raise ValueError(
                f"QoS {self.qos}, topic {shown!r}: QoS 0 or 1 and a topic without wildcards wanted"
            )
        if len(self.payload) > MESSAGE_BYTES or self.size_bytes > PACKET_BYTES:
            raise MessageTooLarge(f"a message of {len(self.payload)} bytes, limit {MESSAGE_BYTES}")

    @property
    def size_bytes(self) -> int:
        """Of its packet: type, length, topic and its length, message id, empty properties, payload."""
        return len(self.payload) + len(self.topic.encode()) + 10


class State(StrEnum):
    """What happened to a session. Connected: the subscriptions are acknowledged. Refused: the broker was reached, and
    did not accept us. Taken over is an alarm: someone else uses our client id, most likely a copied installation."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    TAKEN_OVER = "taken_over"
    SUBSCRIPTION_REFUSED = "subscription_refused"


@dataclass(frozen=True, slots=True)
class StateChange:
    """For the log and the status page; never the same twice in a row."""

    state: State
    reason: str
    protocol: str


@dataclass(slots=True)
class Counters:
    """What a session did since it was made."""

    connects: int = 0
    connect_failures: int = 0
    disconnects: int = 0
    forced_reconnects: int = 0
    take_overs: int = 0
    sent: int = 0
    acknowledged: int = 0
    received: int = 0
    refused_by_broker: int = 0
    dropped_queue_full: int = 0
    dropped_stale: int = 0
    dropped_oversize: int = 0
    received_oversize: int = 0


class Outbox:
    """What is to be published, within bounds: QoS 1 until it is acknowledged, QoS 0 until something newer needs the
    place. Pure: times are arguments."""

    def __init__(self, counters: Counters, *, messages_max: int, bytes_max: int, age_s_max: float) -> None:
        self.in_flight: dict[int, tuple[Outgoing, float]] = {}
        """By the client library's message id, with the time of the deadline; oldest first."""

        self._counters = counters
        self._messages_max, self._bytes_max, self._age_s_max = messages_max, bytes_max, age_s_max
        self._bytes = 0
        self._sure: deque[Outgoing] = deque()
        self._stream: deque[Outgoing] = deque()

    def __len__(self) -> int:
        return len(self._sure) + len(self._stream) + len(self.in_flight)

    def put(self, message: Outgoing) -> bool:
        """False when all places are taken by QoS 1."""
        while len(self) >= self._messages_max or self._bytes + message.size_bytes > self._bytes_max:
            self._counters.dropped_queue_full += 1
            if not self._stream:
                return False
            self._bytes -= self._stream.popleft().size_bytes
        (self._sure if message.qos else self._stream).append(message)
        self._bytes += message.size_bytes
        return True

    def take(self, *, window: int, now_s: float) -> Outgoing | None:
        """The next one: QoS 1 first, as far as the window goes. What is too old is dropped on the way. A QoS 1
        message belongs into `in_flight` next."""
        while True:
            queue = self._sure if self._sure and len(self.in_flight) < window else self._stream
            if not queue:
                return None
            message = queue.popleft()
            self._bytes -= message.size_bytes
            if now_s - message.queued_at_s <= self._age_s_max:
                return message
            self._counters.dropped_stale += 1

    def put_back_in_flight(self) -> None:
        """The connection is gone: what was not acknowledged is sent again, first and in its old order."""
        for message, _ in reversed(self.in_flight.values()):
            self._sure.appendleft(message)
            self._bytes += message.size_bytes
        self.in_flight.clear()


def _member_topic(channel: bytes, kind: Kind, member: bytes) -> str:
    return f"{ROOT}/{_channel_hex(channel)}/{kind}/{_key_hex(member)}"


def _channel_hex(channel: bytes) -> str:
    if len(channel) != HASH_BYTES:
        raise ValueError(f"a channel id has {HASH_BYTES} bytes, not {len(channel)}")
    return channel_short(channel)


def _key_hex(key: bytes) -> str:
    if len(key) != SHORT_ID_BYTES:
        raise ValueError(f"a key id has {SHORT_ID_BYTES} bytes, not {len(key)}")
    return key.hex()
