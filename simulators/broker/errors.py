"""What a client can do wrong, each with the MQTT 5 reason code that it is told (MQTT 5.0, 2.4)."""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """The reason codes that this broker sends or acts upon."""

    SUCCESS = 0x00
    DISCONNECT_WITH_WILL = 0x04
    NO_SUBSCRIPTION_EXISTED = 0x11
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_NOT_FOUND = 0x92
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97


class MalformedPacket(ValueError):
    """The bytes are not MQTT, or not MQTT at this place; the connection ends."""

    def __init__(self, message: str, reason: Reason = Reason.MALFORMED_PACKET) -> None:
        super().__init__(message)
        self.reason = reason


class PacketTooLarge(MalformedPacket):
    """The announced length of a packet is over the limit; found before the packet is read into memory."""

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"a packet of {size_bytes} bytes, limit {limit_bytes}", Reason.PACKET_TOO_LARGE)


class UnsupportedVersion(MalformedPacket):
    """CONNECT asks for a protocol that is neither 3.1.1 nor 5."""

    def __init__(self, name: str, level: int) -> None:
        super().__init__(f"protocol {name!r} level {level}, known: MQTT 4 and 5", Reason.UNSUPPORTED_VERSION)
