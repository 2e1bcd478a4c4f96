"""What a source numbers: six fields in their bounds, or nothing."""

from __future__ import annotations

import hashlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.signing import canonical, limits
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.record import SEQ_MAX, InvalidRecord, Record, checked, decode_payload
from doxedge.signing.tags import ZERO_HASH, RecordId, SourceId, channel_id

SOURCE = SourceId(bytes(range(16)))
LATER = RecordId(hashlib.sha256(b"the record before").digest())
CHANNEL = channel_id(b"a genesis")
FIELDS: list[canonical.Value] = [1, "hour", SOURCE, 2, LATER, ["unit", 3]]


def with_field(place: int, value: canonical.Value) -> bytes:
    """A good payload, one field exchanged."""
    fields = FIELDS.copy()
    fields[place] = value
    return canonical.encode(fields)


def test_a_record_is_read_from_the_payload_that_it_writes() -> None:
    record = Record("hour", SOURCE, 2, LATER, ["unit", 3])
    assert record.payload() == canonical.encode(FIELDS)
    assert decode_payload(record.payload()) == record


def test_the_record_id_covers_the_channel_and_the_five_fields_but_no_version_and_no_key() -> None:
    record = Record("hour", SOURCE, 2, LATER, ["unit", 3])
    five = cbor2.dumps(["hour", SOURCE, 2, LATER, ["unit", 3]])
    assert record.record_id(CHANNEL) == hashlib.sha256(b"doxedge/record/1\0" + CHANNEL + five).digest()
    others = [
        Record("gap", SOURCE, 2, LATER, ["unit", 3]),
        Record("hour", SourceId(bytes(16)), 2, LATER, ["unit", 3]),
        Record("hour", SOURCE, 3, LATER, ["unit", 3]),
        Record("hour", SOURCE, 2, RecordId(bytes(32)), ["unit", 3]),
        Record("hour", SOURCE, 2, LATER, ["unit", 4]),
    ]
    names = [record.record_id(CHANNEL), record.record_id(channel_id(b"another"))]
    assert len({*names, *(other.record_id(CHANNEL) for other in others)}) == 7


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(canonical.encode([]), id="no fields"),
        pytest.param(canonical.encode(FIELDS[:5]), id="five fields"),
        pytest.param(canonical.encode([*FIELDS, None]), id="seven fields"),
        pytest.param(canonical.encode(1), id="a number"),
        pytest.param(with_field(0, 0), id="version 0"),
        pytest.param(with_field(0, 2), id="version 2"),
        pytest.param(with_field(0, True), id="version true"),
        pytest.param(with_field(0, "1"), id="version as text"),
        pytest.param(with_field(1, b"hour"), id="kind as bytes"),
        pytest.param(with_field(1, ""), id="no kind"),
        pytest.param(with_field(1, "k" * 33), id="a kind of 33 characters"),
        pytest.param(with_field(1, "h\u00f6ur"), id="a kind that is not ASCII"),
        pytest.param(with_field(1, None), id="kind null"),
        pytest.param(with_field(2, bytes(15)), id="a source of 15 bytes"),
        pytest.param(with_field(2, bytes(17)), id="a source of 17 bytes"),
        pytest.param(with_field(2, "s" * 16), id="source as text"),
        pytest.param(with_field(3, 0), id="seq 0"),
        pytest.param(with_field(3, -1), id="seq -1"),
        pytest.param(with_field(3, True), id="seq true"),
        pytest.param(with_field(3, 2**63), id="seq 2^63"),
        pytest.param(with_field(3, None), id="seq null"),
        pytest.param(with_field(3, 1), id="a first record with a record before it"),
        pytest.param(with_field(4, bytes(31)), id="a prev of 31 bytes"),
        pytest.param(with_field(4, b""), id="an empty prev"),
        pytest.param(with_field(4, None), id="prev null"),
        pytest.param(with_field(5, None), id="body null"),
        pytest.param(with_field(5, b"\x80"), id="body as bytes"),
        pytest.param(with_field(5, "text"), id="body as text"),
    ],
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode_payload(payload)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x98\x06" + canonical.encode(FIELDS)[1:], id="a long length"),
        pytest.param(canonical.encode(FIELDS) + b"\0", id="a byte more"),
        pytest.param(canonical.encode(FIELDS)[:-1], id="a byte less"),
        pytest.param(bytes(limits.ENVELOPE_BYTES + 1), id="more than an envelope holds"),
        pytest.param(cbor2.dumps([*FIELDS[:5], {}]), id="a map for a body"),
    ],
)
def test_what_is_not_canonical_is_refused_before_it_is_a_record(payload: bytes) -> None:
    with pytest.raises(NonCanonical):
        decode_payload(payload)


def test_the_bounds_themselves_are_inside() -> None:
    assert checked(kind="k" * 32, source=SOURCE, seq=SEQ_MAX, prev=LATER, body=[]).seq == 2**63 - 1
    assert checked(kind="k", source=SOURCE, seq=1, prev=ZERO_HASH, body=[]).prev == ZERO_HASH
    assert checked(kind="k", source=SOURCE, seq=2, prev=ZERO_HASH, body=[]).seq == 2


@given(
    st.text(st.characters(max_codepoint=127), min_size=1, max_size=32), st.integers(2, SEQ_MAX), st.binary()
)
def test_any_record_in_its_bounds_comes_back(kind: str, seq: int, data: bytes) -> None:
    record = checked(kind=kind, source=SOURCE, seq=seq, prev=LATER, body=[data])
    assert decode_payload(record.payload()) == record


@given(st.integers(0, 130), st.binary(max_size=3), st.integers(0, 3))
def test_a_changed_payload_is_refused_or_is_another_record_in_its_one_form(
    at: int, more: bytes, gone: int
) -> None:
    payload = bytearray(canonical.encode(FIELDS))
    payload[at : at + gone] = more
    try:
        record = decode_payload(bytes(payload))
    except (InvalidRecord, NonCanonical):
        return
    assert record.payload() == payload
