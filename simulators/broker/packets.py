"""The packets of MQTT 3.1.1 and 5 as values (MQTT 5.0, chapter 3). What 3.1.1 lacks keeps its default there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from simulators.broker.properties import Properties

V3 = 4
"""Protocol level of MQTT 3.1.1."""

V5 = 5


class PacketType(IntEnum):
    """The upper four bits of the first byte (table 2-1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker is to publish when the client vanishes."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Connect:
    """The first packet of a connection."""

    client_id: str
    version: int
    clean_start: bool = True
    keep_alive_s: int = 0
    will: Will | None = None
    username: str | None = None
    password: bytes | None = None
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's answer; the reason is always the MQTT 5 number, the codec translates for 3.1.1."""

    session_present: bool
    reason: int
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Publish:
    """A message on its way in or out; without a packet id at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int | None = None
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Ack:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: PacketType
    packet_id: int
    reason: int = 0
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """One filter of a SUBSCRIBE, with the options of MQTT 5 (3.8.3.1)."""

    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """At least one request."""

    packet_id: int
    requests: tuple[SubscribeRequest, ...]
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Suback:
    """One reason for each request: the granted QoS, or 0x80 and above."""

    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """At least one filter."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Unsuback:
    """The reasons are MQTT 5 only; 3.1.1 sends none."""

    packet_id: int
    reasons: tuple[int, ...] = ()
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Pingreq:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """I am."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The end of a connection; from the broker in MQTT 5 only."""

    reason: int = 0
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Auth:
    """Extended authentication, which this broker knows only to refuse it."""

    reason: int = 0
    properties: Properties = ()


Packet = (
    Connect
    | Connack
    | Publish
    | Ack
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
