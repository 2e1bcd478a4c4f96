"""The properties of MQTT 5 (2.2.2): which there are, of what type, and in which packets they may stand."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from simulators.broker.errors import MalformedPacket, Reason
from simulators.broker.primitives import Reader, encode_binary, encode_text, encode_u16, encode_varint

Value = int | str | bytes | tuple[str, str]
Properties = tuple[tuple[int, Value], ...]
"""Pairs of identifier and value in the order in which they came; only two kinds may come more than once."""


class Property(IntEnum):
    """Identifiers (table 2-4)."""

    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_DATA = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


_BYTE: Final = frozenset(
    {
        Property.PAYLOAD_FORMAT,
        Property.REQUEST_PROBLEM,
        Property.REQUEST_RESPONSE,
        Property.MAXIMUM_QOS,
        Property.RETAIN_AVAILABLE,
        Property.WILDCARD_AVAILABLE,
        Property.SUBSCRIPTION_ID_AVAILABLE,
        Property.SHARED_AVAILABLE,
    }
)
_TWO_BYTES: Final = frozenset(
    {
        Property.SERVER_KEEP_ALIVE,
        Property.RECEIVE_MAXIMUM,
        Property.TOPIC_ALIAS_MAXIMUM,
        Property.TOPIC_ALIAS,
    }
)
_FOUR_BYTES: Final = frozenset(
    {
        Property.MESSAGE_EXPIRY,
        Property.SESSION_EXPIRY,
        Property.WILL_DELAY,
        Property.MAXIMUM_PACKET_SIZE,
    }
)
_BINARY: Final = frozenset({Property.CORRELATION_DATA, Property.AUTHENTICATION_DATA})
_REPEATABLE: Final = frozenset({Property.USER_PROPERTY, Property.SUBSCRIPTION_ID})
_NEVER_ZERO: Final = frozenset(
    {Property.RECEIVE_MAXIMUM, Property.MAXIMUM_PACKET_SIZE, Property.SUBSCRIPTION_ID}
)

ANSWER: Final = frozenset({Property.REASON_STRING, Property.USER_PROPERTY})
"""What every acknowledgement may carry."""

MESSAGE: Final = frozenset(
    {
        Property.PAYLOAD_FORMAT,
        Property.MESSAGE_EXPIRY,
        Property.CONTENT_TYPE,
        Property.RESPONSE_TOPIC,
        Property.CORRELATION_DATA,
        Property.USER_PROPERTY,
    }
)
"""What belongs to a message and travels with it from publisher to subscriber (3.3.2.3)."""

PUBLISH: Final = MESSAGE | {Property.TOPIC_ALIAS, Property.SUBSCRIPTION_ID}
WILL: Final = MESSAGE | {Property.WILL_DELAY}
SUBSCRIBE: Final = frozenset({Property.SUBSCRIPTION_ID, Property.USER_PROPERTY})
UNSUBSCRIBE: Final = frozenset({Property.USER_PROPERTY})
DISCONNECT: Final = ANSWER | {Property.SESSION_EXPIRY, Property.SERVER_REFERENCE}
AUTH: Final = ANSWER | {Property.AUTHENTICATION_METHOD, Property.AUTHENTICATION_DATA}
CONNECT: Final = frozenset(
    {
        Property.SESSION_EXPIRY,
        Property.AUTHENTICATION_METHOD,
        Property.AUTHENTICATION_DATA,
        Property.REQUEST_PROBLEM,
        Property.REQUEST_RESPONSE,
        Property.RECEIVE_MAXIMUM,
        Property.TOPIC_ALIAS_MAXIMUM,
        Property.USER_PROPERTY,
        Property.MAXIMUM_PACKET_SIZE,
    }
)
CONNACK: Final = frozenset(Property) - MESSAGE - {
    Property.SUBSCRIPTION_ID,
    Property.REQUEST_PROBLEM,
    Property.REQUEST_RESPONSE,
    Property.WILL_DELAY,
    Property.TOPIC_ALIAS,
} | {Property.USER_PROPERTY}


def decode_properties(reader: Reader, allowed: frozenset[Property]) -> Properties:
    """The property section at the reader's place; unknown, misplaced or repeated ones are `MalformedPacket`."""
    section = Reader(reader.take(reader.varint()))
    found: list[tuple[int, Value]] = []
    seen: set[int] = set()
    while not section.at_end():
        identifier = section.varint()
        if identifier not in allowed:
            raise MalformedPacket(f"property 0x{identifier:02x} may not stand here", Reason.PROTOCOL_ERROR)
        if identifier in seen and identifier not in _REPEATABLE:
            raise MalformedPacket(f"property 0x{identifier:02x} is given twice", Reason.PROTOCOL_ERROR)
        seen.add(identifier)
        value = _decode_value(section, identifier)
        if value == 0 and identifier in _NEVER_ZERO:
            raise MalformedPacket(f"property 0x{identifier:02x} is zero", Reason.PROTOCOL_ERROR)
        found.append((identifier, value))
    return tuple(found)


def encode_properties(properties: Properties) -> bytes:
    """The property section with its length in front."""
    section = b"".join(
        encode_varint(identifier) + _encode_value(identifier, value) for identifier, value in properties
    )
    return encode_varint(len(section)) + section


def number(properties: Properties, wanted: Property, default: int) -> int:
    """The number of the first property of this kind, or the default."""
    for identifier, value in properties:
        if identifier == wanted and isinstance(value, int):
            return value
    return default


def numbers(properties: Properties, wanted: Property) -> tuple[int, ...]:
    return tuple(value for name, value in properties if name == wanted and isinstance(value, int))


def has(properties: Properties, wanted: Property) -> bool:
    return any(identifier == wanted for identifier, _ in properties)


def only(properties: Properties, wanted: Iterable[Property]) -> Properties:
    kept = frozenset(wanted)
    return tuple(pair for pair in properties if pair[0] in kept)


def _decode_value(section: Reader, identifier: int) -> Value:
    if identifier in _BYTE:
        value = section.u8()
        # 0 or 1 for every property of one byte (Maximum QoS as well: 2 is said by its absence).
        if value > 1:
            raise MalformedPacket(f"property 0x{identifier:02x} is {value}, 0 or 1 expected")
        return value
    if identifier in _TWO_BYTES:
        return section.u16()
    if identifier in _FOUR_BYTES:
        return section.u32()
    if identifier == Property.SUBSCRIPTION_ID:
        return section.varint()
    if identifier == Property.USER_PROPERTY:
        return section.text(), section.text()
    if identifier in _BINARY:
        return section.binary()
    return section.text()


def _encode_value(identifier: int, value: Value) -> bytes:
    match value:
        case tuple():
            return encode_text(value[0]) + encode_text(value[1])
        case str():
            return encode_text(value)
        case bytes():
            return encode_binary(value)
        case int():
            if identifier in _BYTE:
                return bytes([value])
            if identifier in _TWO_BYTES:
                return encode_u16(value)
            if identifier in _FOUR_BYTES:
                return value.to_bytes(4, "big")
            return encode_varint(value)
