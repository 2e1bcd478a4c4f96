"""From bytes to packets, strictly: whatever the standard forbids is `MalformedPacket`, never a guess."""

from __future__ import annotations

from typing import Final

from simulators.broker import properties as props
from simulators.broker.errors import MalformedPacket, PacketTooLarge, Reason, UnsupportedVersion
from simulators.broker.packets import (
    V3,
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
from simulators.broker.primitives import Reader
from simulators.broker.topics import check_filter, check_name

CONNACK_REASONS: Final = {0: 0x00, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Return codes of 3.1.1 (table 3.1) and the reason codes of MQTT 5 that mean the same."""

_FLAGS_TWO: Final = frozenset({PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE})
_ACKS: Final = frozenset({PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP})
_HEADER_BYTES_MAX: Final = 5


class FrameSplitter:
    """Cuts a stream of bytes into frames and holds at most one unfinished frame, which is under the limit."""

    __slots__ = ("_buffer", "_limit_bytes")

    def __init__(self, *, limit_bytes: int) -> None:
        self._buffer = bytearray()
        self._limit_bytes = limit_bytes

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now, each as first byte and body. Raises PacketTooLarge by the
        announced length, so before the bytes have come, and MalformedPacket for a length that is none."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        start = 0
        try:
            while (header := self._header(start)) is not None:
                body_at, end = header
                if end > len(buffer):
                    break
                frames.append((buffer[start], bytes(buffer[body_at:end])))
                start = end
        finally:
            del buffer[:start]
        return frames

    def _header(self, start: int) -> tuple[int, int] | None:
        """Where the body of the frame at `start` begins and ends; None while its length is not complete."""
        length = 0
        for index, byte in enumerate(self._buffer[start + 1 : start + _HEADER_BYTES_MAX]):
            length |= (byte & 0x7F) << (7 * index)
            if byte & 0x80 == 0:
                body_at = start + index + 2
                size_bytes = body_at - start + length
                if size_bytes > self._limit_bytes:
                    raise PacketTooLarge(size_bytes=size_bytes, limit_bytes=self._limit_bytes)
                return body_at, body_at + length
            if index == _HEADER_BYTES_MAX - 2:
                raise MalformedPacket("a remaining length has more than four bytes")
        return None


def decode(first_byte: int, body: bytes, version: int) -> Packet:
    """One frame as a packet of the given protocol level (CONNECT brings its own)."""
    if first_byte >> 4 == 0:
        raise MalformedPacket("packet type 0 is reserved")
    kind = PacketType(first_byte >> 4)
    flags = first_byte & 0x0F
    reader = Reader(body)
    if kind is PacketType.PUBLISH:
        return _publish(reader, flags, version)
    if flags != (2 if kind in _FLAGS_TWO else 0):
        raise MalformedPacket(f"{kind.name} with flags {flags:04b}")
    packet = _decode_body(kind, reader, version)
    reader.finish()
    return packet


def _decode_body(kind: PacketType, reader: Reader, version: int) -> Packet:
    if kind in _ACKS:
        return _ack(kind, reader, version)
    match kind:
        case PacketType.CONNECT:
            return _connect(reader)
        case PacketType.CONNACK:
            return _connack(reader, version)
        case PacketType.SUBSCRIBE:
            return _subscribe(reader, version)
        case PacketType.SUBACK:
            return Suback(
                _packet_id(reader), properties=_answer(reader, version), reasons=tuple(reader.rest())
            )
        case PacketType.UNSUBSCRIBE:
            return _unsubscribe(reader, version)
        case PacketType.UNSUBACK:
            return Unsuback(
                _packet_id(reader), properties=_answer(reader, version), reasons=tuple(reader.rest())
            )
        case PacketType.PINGREQ:
            return Pingreq()
        case PacketType.PINGRESP:
            return Pingresp()
        case PacketType.DISCONNECT:
            return _disconnect(reader, version)
        case _:
            return _auth(reader, version)


def _connect(reader: Reader) -> Connect:
    """3.1: variable header, then client id, will, user name and password as the flags say."""
    name, level = reader.text(), reader.u8()
    if name != "MQTT" or level not in (V3, V5):
        raise UnsupportedVersion(name, level)
    flags = reader.u8()
    if flags & 0x01:
        raise MalformedPacket("the reserved connect flag is set")
    will_qos, has_will, will_retain = (flags >> 3) & 3, bool(flags & 0x04), bool(flags & 0x20)
    if will_qos == 3 or (not has_will and (will_qos or will_retain)):
        raise MalformedPacket("will flags that contradict each other")
    if level == V3 and flags & 0x40 and not flags & 0x80:
        raise MalformedPacket("a password without a user name (3.1.1, 3.1.2.9)")
    keep_alive_s = reader.u16()
    properties = _section(reader, level, props.CONNECT)
    client_id = reader.text()
    will = _will(reader, level, qos=will_qos, retain=will_retain) if has_will else None
    return Connect(
        client_id,
        level,
        clean_start=bool(flags & 0x02),
        keep_alive_s=keep_alive_s,
        will=will,
        username=reader.text() if flags & 0x80 else None,
        password=reader.binary() if flags & 0x40 else None,
        properties=properties,
    )


def _will(reader: Reader, version: int, *, qos: int, retain: bool) -> Will:
    properties = _section(reader, version, props.WILL)
    topic = check_name(reader.text())
    return Will(topic, reader.binary(), qos, retain, properties)


def _connack(reader: Reader, version: int) -> Connack:
    flags, reason = reader.u8(), reader.u8()
    if flags > 1:
        raise MalformedPacket("reserved connack flags are set")
    if version == V5:
        return Connack(bool(flags), reason, _section(reader, version, props.CONNACK))
    if reason not in CONNACK_REASONS:
        raise MalformedPacket(f"connack return code {reason}")
    return Connack(bool(flags), CONNACK_REASONS[reason])


def _publish(reader: Reader, flags: int, version: int) -> Publish:
    qos, dup = (flags >> 1) & 3, bool(flags & 0x08)
    if qos == 3 or (dup and qos == 0):
        raise MalformedPacket(f"PUBLISH with flags {flags:04b}")
    topic = reader.text()
    packet_id = _packet_id(reader) if qos else None
    properties = _section(reader, version, props.PUBLISH)
    if topic or not props.has(properties, props.Property.TOPIC_ALIAS):
        check_name(topic)
    return Publish(topic, reader.rest(), qos, bool(flags & 0x01), dup, packet_id, properties)


def _ack(kind: PacketType, reader: Reader, version: int) -> Ack:
    """3.4 to 3.7: in MQTT 5 a short form leaves out reason 0 and empty properties."""
    packet_id = _packet_id(reader)
    if version == V3 or reader.at_end():
        return Ack(kind, packet_id)
    reason = reader.u8()
    return Ack(
        kind, packet_id, reason, () if reader.at_end() else props.decode_properties(reader, props.ANSWER)
    )


def _subscribe(reader: Reader, version: int) -> Subscribe:
    packet_id = _packet_id(reader)
    properties = _section(reader, version, props.SUBSCRIBE)
    if len(props.numbers(properties, props.Property.SUBSCRIPTION_ID)) > 1:
        raise MalformedPacket("two subscription identifiers", Reason.PROTOCOL_ERROR)
    requests: list[SubscribeRequest] = []
    while not reader.at_end():
        topic_filter, options = check_filter(reader.text()), reader.u8()
        qos, retain_handling = options & 3, (options >> 4) & 3
        if qos == 3 or retain_handling == 3 or options & (0xC0 if version == V5 else 0xFC):
            raise MalformedPacket(f"subscription options {options:08b}")
        no_local = bool(options & 0x04)
        if no_local and topic_filter.startswith("$share/"):
            raise MalformedPacket("no-local on a shared subscription (3.8.3.1)", Reason.PROTOCOL_ERROR)
        requests.append(SubscribeRequest(topic_filter, qos, no_local, bool(options & 0x08), retain_handling))
    if not requests:
        raise MalformedPacket("SUBSCRIBE without a filter", Reason.PROTOCOL_ERROR)
    return Subscribe(packet_id, tuple(requests), properties)


def _unsubscribe(reader: Reader, version: int) -> Unsubscribe:
    packet_id = _packet_id(reader)
    properties = _section(reader, version, props.UNSUBSCRIBE)
    filters: list[str] = []
    while not reader.at_end():
        filters.append(check_filter(reader.text()))
    if not filters:
        raise MalformedPacket("UNSUBSCRIBE without a filter", Reason.PROTOCOL_ERROR)
    return Unsubscribe(packet_id, tuple(filters), properties)


def _disconnect(reader: Reader, version: int) -> Disconnect:
    if version == V3 or reader.at_end():
        return Disconnect()
    reason = reader.u8()
    return Disconnect(reason, () if reader.at_end() else props.decode_properties(reader, props.DISCONNECT))


def _auth(reader: Reader, version: int) -> Auth:
    if version == V3:
        raise MalformedPacket("AUTH does not exist in 3.1.1")
    if reader.at_end():
        return Auth()
    return Auth(reader.u8(), () if reader.at_end() else props.decode_properties(reader, props.AUTH))


def _packet_id(reader: Reader) -> int:
    packet_id = reader.u16()
    if packet_id == 0:
        raise MalformedPacket("packet id 0", Reason.PROTOCOL_ERROR)
    return packet_id


def _section(reader: Reader, version: int, allowed: frozenset[props.Property]) -> props.Properties:
    return props.decode_properties(reader, allowed) if version == V5 else ()


def _answer(reader: Reader, version: int) -> props.Properties:
    return _section(reader, version, props.ANSWER)
