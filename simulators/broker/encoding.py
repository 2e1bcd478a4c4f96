"""From packets to bytes: the mirror of `decoding`, also used by tests that play a client by hand."""

from __future__ import annotations

from typing import Final

from simulators.broker.decoding import CONNACK_REASONS
from simulators.broker.packets import (
    V5,
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    SubscribeRequest,
    Unsuback,
    Unsubscribe,
    Will,
)
from simulators.broker.primitives import encode_binary, encode_text, encode_u16, encode_varint
from simulators.broker.properties import Properties, encode_properties

_RETURN_CODES: Final = {reason: code for code, reason in CONNACK_REASONS.items()}
_SERVER_UNAVAILABLE: Final = 3
_FAILURE_V3: Final = 0x80


def encode(packet: Packet, version: int) -> bytes:
    """The frame of a packet in the given protocol level; what 3.1.1 cannot say is left out."""
    first_byte, body = _encode_body(packet, version)
    return bytes([first_byte]) + encode_varint(len(body)) + body


def _encode_body(packet: Packet, version: int) -> tuple[int, bytes]:
    match packet:
        case Publish():
            flags = packet.dup << 3 | packet.qos << 1 | packet.retain
            return PacketType.PUBLISH << 4 | flags, _publish(packet, version)
        case Ack():
            flags = 2 if packet.kind is PacketType.PUBREL else 0
            return packet.kind << 4 | flags, _ack(packet, version)
        case Connect():
            return PacketType.CONNECT << 4, _connect(packet)
        case Connack():
            return PacketType.CONNACK << 4, _connack(packet, version)
        case Pingreq():
            return PacketType.PINGREQ << 4, b""
        case Pingresp():
            return PacketType.PINGRESP << 4, b""
        case Disconnect():
            return PacketType.DISCONNECT << 4, _reason(packet.reason, packet.properties, version)
        case Auth():
            return PacketType.AUTH << 4, _reason(packet.reason, packet.properties, version)
        case Subscribe() | Suback() | Unsubscribe() | Unsuback():
            head = encode_u16(packet.packet_id) + _section(packet.properties, version)
            first_byte, rest = _encode_list(packet, version)
            return first_byte, head + rest


def _encode_list(packet: Subscribe | Suback | Unsubscribe | Unsuback, version: int) -> tuple[int, bytes]:
    """What stands behind packet id and properties: requests, filters, or a reason for each of them."""
    match packet:
        case Subscribe():
            requests = b"".join(_request(request, version) for request in packet.requests)
            return PacketType.SUBSCRIBE << 4 | 2, requests
        case Suback():
            reasons = packet.reasons
            if version != V5:
                reasons = tuple(min(reason, _FAILURE_V3) for reason in reasons)
            return PacketType.SUBACK << 4, bytes(reasons)
        case Unsubscribe():
            return PacketType.UNSUBSCRIBE << 4 | 2, b"".join(map(encode_text, packet.filters))
        case Unsuback():
            return PacketType.UNSUBACK << 4, bytes(packet.reasons) if version == V5 else b""


def _connect(packet: Connect) -> bytes:
    will = packet.will
    flags = (
        packet.clean_start << 1
        | (will is not None) << 2
        | (will.qos << 3 | will.retain << 5 if will else 0)
        | (packet.password is not None) << 6
        | (packet.username is not None) << 7
    )
    parts = [
        encode_text("MQTT"),
        bytes([packet.version, flags]),
        encode_u16(packet.keep_alive_s),
        _section(packet.properties, packet.version),
        encode_text(packet.client_id),
        _will(will, packet.version) if will else b"",
        encode_text(packet.username) if packet.username is not None else b"",
        encode_binary(packet.password) if packet.password is not None else b"",
    ]
    return b"".join(parts)


def _will(will: Will, version: int) -> bytes:
    return _section(will.properties, version) + encode_text(will.topic) + encode_binary(will.payload)


def _connack(packet: Connack, version: int) -> bytes:
    if version == V5:
        return bytes([packet.session_present, packet.reason]) + encode_properties(packet.properties)
    return bytes([packet.session_present, _RETURN_CODES.get(packet.reason, _SERVER_UNAVAILABLE)])


def _publish(packet: Publish, version: int) -> bytes:
    packet_id = b"" if packet.packet_id is None else encode_u16(packet.packet_id)
    return encode_text(packet.topic) + packet_id + _section(packet.properties, version) + packet.payload


def _ack(packet: Ack, version: int) -> bytes:
    return encode_u16(packet.packet_id) + _reason(packet.reason, packet.properties, version)


def _reason(reason: int, properties: Properties, version: int) -> bytes:
    """Nothing in 3.1.1; in MQTT 5 the shortest of the three allowed forms."""
    if version != V5 or (reason == 0 and not properties):
        return b""
    return bytes([reason]) + (encode_properties(properties) if properties else b"")


def _request(request: SubscribeRequest, version: int) -> bytes:
    options = request.qos
    if version == V5:
        options |= request.no_local << 2 | request.retain_as_published << 3 | request.retain_handling << 4
    return encode_text(request.topic_filter) + bytes([options])


def _section(properties: Properties, version: int) -> bytes:
    return encode_properties(properties) if version == V5 else b""
