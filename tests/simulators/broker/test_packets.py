"""Packets to bytes and back, and bytes that are no packets."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.broker.decoding import FrameSplitter, decode
from simulators.broker.encoding import encode
from simulators.broker.errors import MalformedPacket, PacketTooLarge, UnsupportedVersion
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
from simulators.broker.primitives import VARINT_MAX, Reader, encode_varint
from simulators.broker.properties import Property

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
TOPIC = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=20)
PAYLOAD = st.binary(max_size=200)
PACKET_ID = st.integers(1, 65_535)
QOS = st.integers(0, 2)
ANSWER = st.sampled_from(
    [(), ((Property.REASON_STRING, "why"),), ((Property.USER_PROPERTY, ("a", "b")),) * 2]
)
MESSAGE = st.sampled_from(
    [
        (),
        (
            (Property.MESSAGE_EXPIRY, 7),
            (Property.RESPONSE_TOPIC, "r"),
            (Property.CORRELATION_DATA, b"\0\xff"),
        ),
        ((Property.PAYLOAD_FORMAT, 1), (Property.CONTENT_TYPE, "text/plain")),
    ]
)
PUBLISH = st.builds(
    lambda topic, payload, qos, retain, packet_id, dup, properties: Publish(
        topic, payload, qos, retain, dup and qos > 0, packet_id if qos else None, properties
    ),
    TOPIC,
    PAYLOAD,
    QOS,
    st.booleans(),
    PACKET_ID,
    st.booleans(),
    MESSAGE,
)
CONNECT = st.builds(
    Connect,
    TEXT,
    st.just(V5),
    st.booleans(),
    st.integers(0, 65_535),
    st.none() | st.builds(Will, TOPIC, PAYLOAD, QOS, st.booleans(), MESSAGE),
    st.none() | TEXT,
    st.none() | PAYLOAD,
    st.sampled_from([(), ((Property.SESSION_EXPIRY, 2**32 - 1), (Property.RECEIVE_MAXIMUM, 9))]),
)
REQUEST = st.builds(SubscribeRequest, TOPIC, QOS, st.booleans(), st.booleans(), QOS)
FILTERS = st.lists(TOPIC.filter(lambda t: not t.startswith("$share/")), min_size=1, max_size=4).map(tuple)
REASONS = st.lists(st.integers(0, 255), min_size=1, max_size=4).map(tuple)
PACKETS = st.one_of(
    PUBLISH,
    CONNECT,
    st.builds(Connack, st.booleans(), st.integers(0, 255), st.just(((Property.MAXIMUM_PACKET_SIZE, 9),))),
    st.builds(
        Ack,
        st.sampled_from([PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP]),
        PACKET_ID,
        st.integers(0, 255),
        ANSWER,
    ),
    st.builds(Subscribe, PACKET_ID, st.lists(REQUEST, min_size=1, max_size=4).map(tuple)),
    st.builds(Suback, PACKET_ID, REASONS, ANSWER),
    st.builds(Unsubscribe, PACKET_ID, FILTERS),
    st.builds(Unsuback, PACKET_ID, REASONS, ANSWER),
    st.just(Pingreq()),
    st.just(Pingresp()),
    st.builds(Disconnect, st.integers(0, 255), ANSWER),
    st.builds(Auth, st.integers(0, 255), ANSWER),
)


def frames_of(data: bytes, *, limit_bytes: int = VARINT_MAX) -> list[tuple[int, bytes]]:
    return FrameSplitter(limit_bytes=limit_bytes).feed(data)


@given(PACKETS)
def test_a_packet_of_mqtt_5_survives_its_bytes(packet: Packet) -> None:
    ((first_byte, body),) = frames_of(encode(packet, V5))
    assert decode(first_byte, body, V5) == packet


@given(PUBLISH)
def test_mqtt_3_leaves_out_the_properties_and_nothing_else(packet: Publish) -> None:
    ((first_byte, body),) = frames_of(encode(packet, V3))
    plain = Publish(packet.topic, packet.payload, packet.qos, packet.retain, packet.dup, packet.packet_id)
    assert decode(first_byte, body, V3) == plain


@given(st.integers(0, 255), st.binary(max_size=60), st.sampled_from([V3, V5]))
def test_any_bytes_are_a_packet_or_malformed_and_never_a_crash(
    first_byte: int, body: bytes, version: int
) -> None:
    with suppress(MalformedPacket):
        assert isinstance(decode(first_byte, body, version), Packet)


@given(CONNECT, st.data())
def test_a_packet_that_is_cut_short_is_malformed(packet: Connect, data: st.DataObject) -> None:
    ((first_byte, body),) = frames_of(encode(packet, V5))
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(MalformedPacket):
        decode(first_byte, body[:cut], V5)


@given(st.lists(PACKETS, max_size=8), st.data())
def test_the_stream_may_be_cut_anywhere(packets: list[Packet], data: st.DataObject) -> None:
    stream = b"".join(encode(packet, V5) for packet in packets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    splitter = FrameSplitter(limit_bytes=VARINT_MAX)
    frames = [
        frame
        for start, end in pairwise([0, *cuts, len(stream)])
        for frame in splitter.feed(stream[start:end])
    ]
    assert [decode(first_byte, body, V5) for first_byte, body in frames] == packets


def test_a_packet_over_the_limit_is_refused_by_its_announced_length() -> None:
    assert frames_of(b"\x30\x08" + bytes(8), limit_bytes=10) == [(0x30, bytes(8))]
    with pytest.raises(PacketTooLarge, match="11 bytes, limit 10"):
        frames_of(b"\x30\x09", limit_bytes=10)


def test_a_length_of_five_bytes_is_no_length() -> None:
    splitter = FrameSplitter(limit_bytes=VARINT_MAX)
    assert splitter.feed(b"\x30\xff\xff\xff") == []
    with pytest.raises(MalformedPacket, match="more than four bytes"):
        splitter.feed(b"\xff")


@given(st.integers(0, VARINT_MAX))
def test_a_variable_length_survives_its_bytes(value: int) -> None:
    data = encode_varint(value)
    assert len(data) <= 4
    assert Reader(data).varint() == value


def test_a_variable_length_has_bounds_and_one_form() -> None:
    for value in (-1, VARINT_MAX + 1):
        with pytest.raises(ValueError, match="does not fit"):
            encode_varint(value)
    for data in (b"\x80\x00", b"\x80\x80\x80\x80\x01"):
        with pytest.raises(MalformedPacket):
            Reader(data).varint()


@pytest.mark.parametrize(
    ("first_byte", "body", "reason"),
    [
        (0x00, "", "packet type 0"),
        (0x36, "0001 61 0001", "PUBLISH with flags"),
        (0x38, "0001 61", "PUBLISH with flags"),
        (0x32, "0001 61 0000 00", "packet id 0"),
        (0x30, "0001 2b 00", "not a topic name"),
        (0x30, "0000 00", "not a topic name"),
        (0x30, "0002 c328 00", "not UTF-8"),
        (0x30, "0003 eda080 00", "not UTF-8"),
        (0x30, "0002 6100 00", "NUL"),
        (0x30, "0001 61 02 0102", "0 or 1 expected"),
        (0x30, "0001 61 02 1100", "may not stand here"),
        (0x30, "0001 61 04 01000101", "given twice"),
        (0x60, "0001", "PUBREL with flags"),
        (0x80, "0001 00 0001 61 00", "SUBSCRIBE with flags"),
        (0x82, "0001 00", "without a filter"),
        (0x82, "0001 00 0001 61 03", "subscription options"),
        (0x82, "0001 00 0001 61 c0", "subscription options"),
        (0x82, "0001 00 0003 612f2b 30", "subscription options"),
        (0x82, "0001 00 0002 612b 00", "not a topic filter"),
        (0x82, "0001 00 0003 232f61 00", "not a topic filter"),
        (0x82, "0001 00 000a 2473686172652f2f7a61 00", "names no group"),
        (0x82, "0001 00 000a 2473686172652f672f61 04", "no-local on a shared"),
        (0x82, "0001 04 0b010b02 0001 61 00", "two subscription identifiers"),
        (0x82, "0001 02 0b00 0001 61 00", "is zero"),
        (0xA2, "0001 00", "without a filter"),
        (0xC0, "00", "bytes too many"),
        (0x10, "0004 4d515454 05 01 0000 00 0001 61", "reserved connect flag"),
        (0x10, "0004 4d515454 05 08 0000 00 0001 61", "contradict"),
        (0x10, "0004 4d515454 05 1c 0000 00 0001 61", "contradict"),
        (0x10, "0004 4d515454 04 42 0000 0001 61 0001 61", "password without a user name"),
        (0x10, "0004 4d515454 05 02 0000 03 210000 0001 61", "is zero"),
    ],
)
def test_what_the_standard_forbids_is_refused(first_byte: int, body: str, reason: str) -> None:
    with pytest.raises(MalformedPacket, match=reason):
        decode(first_byte, bytes.fromhex(body), V5)


@pytest.mark.parametrize(
    "body", ["0006 4d5149736470 03 02 0000", "0004 4d515454 06 02 0000", "0004 4d514d4d 04"]
)
def test_another_protocol_is_told_from_garbage(body: str) -> None:
    with pytest.raises(UnsupportedVersion, match="known: MQTT 4 and 5"):
        decode(0x10, bytes.fromhex(body), V3)


def test_the_return_codes_of_mqtt_3_mean_the_same() -> None:
    for reason, code in ((0x00, 0), (0x84, 1), (0x85, 2), (0x88, 3), (0x86, 4), (0x87, 5)):
        frame = encode(Connack(session_present=False, reason=reason), V3)
        assert frame == bytes([0x20, 2, 0, code])
        assert decode(0x20, frame[2:], V3) == Connack(session_present=False, reason=reason)
    assert encode(Connack(session_present=False, reason=0x97), V3) == b"\x20\x02\x00\x03"
    with pytest.raises(MalformedPacket, match="return code 6"):
        decode(0x20, b"\x00\x06", V3)
