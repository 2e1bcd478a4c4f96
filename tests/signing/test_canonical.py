"""One value has one encoding, and every other encoding of it is refused before it costs anything."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doxedge.signing import limits
from doxedge.signing.canonical import (
    INT_MAX,
    INT_MIN,
    NonCanonical,
    Value,
    decode,
    decode_apart,
    encode,
    read_strictly,
)


def nested(depth: int) -> bytes:
    """An empty array inside `depth` - 1 others."""
    return b"\x81" * (depth - 1) + b"\x80"


def arrays_of_arrays(levels: int, references: int) -> bytes:
    """A few kilobytes of shared references (tags 28 and 29) that unfold to `references` ** `levels` items."""
    data = b"\xd8\x1c\x80"
    for level in reversed(range(levels)):
        data = b"\xd8\x1c\x99" + references.to_bytes(2, "big") + data
        data += (b"\xd8\x1d" + bytes([level + 1])) * (references - 1)
    return data


ACCEPTED: dict[str, tuple[str, Value]] = {
    "zero": ("00", 0),
    "the largest number in one byte": ("17", 23),
    "the smallest in two": ("1818", 24),
    "the largest in two": ("18ff", 255),
    "the smallest in three": ("190100", 256),
    "the smallest in five": ("1a00010000", 65_536),
    "the smallest in nine": ("1b0000000100000000", 2**32),
    "2^63": ("1b8000000000000000", 2**63),
    "2^64 - 1": ("1bffffffffffffffff", 2**64 - 1),
    "minus one": ("20", -1),
    "minus 24": ("37", -24),
    "minus 25": ("3818", -25),
    "-2^63": ("3b7fffffffffffffff", -(2**63)),
    "false": ("f4", False),
    "true": ("f5", True),
    "null": ("f6", None),
    "no bytes": ("40", b""),
    "bytes that look like a map": ("41a0", b"\xa0"),
    "no text": ("60", ""),
    "composed text": ("62c3a9", "\u00e9"),
    "text that has no composed form": ("6378cc81", "x\u0301"),
    "no items": ("80", []),
    "arrays eight deep": (nested(8).hex(), [[[[[[[[]]]]]]]]),
}

REFUSED: dict[str, str] = {
    "nothing": "",
    "23 in two bytes": "1817",
    "24 in three bytes": "190018",
    "256 in five bytes": "1a00000100",
    "65,536 in nine bytes": "1b0000000000010000",
    "minus 24 in two bytes": "3817",
    "minus 257 in five bytes": "3a00000100",
    "byte string with a long length": "580161",
    "text with a long length": "780161",
    "text with a length in three bytes": "7900" + "01" + "61",
    "array with a long length": "980100",
    "array with a length in nine bytes": "9b000000000000000100",
    "byte string of indefinite length": "5f4101ff",
    "text of indefinite length": "7f6161ff",
    "array of indefinite length": "9f0102ff",
    "map of indefinite length": "bf0102ff",
    "a break alone": "ff",
    "integer of indefinite length": "1f",
    "reserved head 28": "1c",
    "reserved head 29": "5d",
    "reserved head 30": "9e",
    "empty map": "a0",
    "sorted map": "a201010202",
    "unsorted map": "a202010101",
    "map with a key twice": "a201020103",
    "map inside an array": "81a0",
    "trailing byte": "0102",
    "trailing array": "8080",
    "trailing null": "80f6",
    "2^64 as a bignum": "c249010000000000000000",
    "-2^64 - 1 as a bignum": "c349010000000000000000",
    "1 as a bignum": "c24101",
    "-2^63 - 1": "3b8000000000000000",
    "-2^64": "3bffffffffffffffff",
    "float 1.0 in half precision": "f93c00",
    "float 1.5 in single precision": "fa3fc00000",
    "float 1.1 in double precision": "fb3ff199999999999a",
    "NaN": "f97e00",
    "infinity": "f97c00",
    "negative zero": "f98000",
    "undefined": "f7",
    "simple value 0": "e0",
    "simple value 19": "f3",
    "simple value 255": "f8ff",
    "false as a two-byte simple value": "f814",
    "text date (tag 0)": "c074323031332d30332d32315432303a30343a30305a",
    "epoch date (tag 1)": "c100",
    "decimal fraction (tag 4)": "c482211901",
    "bigfloat with a huge exponent (tag 5)": "c5821a7fffffff01",
    "rational with a zero below (tag 30)": "d81e820100",
    "array that contains itself (tags 28, 29)": "d81c81d81d00",
    "shared number (tag 28)": "d81c00",
    "reference to nothing (tag 29)": "d81d05",
    "regular expression (tag 35)": "d8236128",
    "string reference (tags 256, 25)": "d9010082646161616165d81900",
    "set (tag 258)": "d90102820102",
    "self-described CBOR (tag 55799)": "d9d9f700",
    "tag of tag": "c6c600",
    "decomposed text": "6365cc81",
    "text with marks in the wrong order": "6578cc81cca3",
    "the ohm sign, whose composed form is omega": "63e284a6",
    "text that is not UTF-8": "61ff",
    "overlong UTF-8": "62c080",
    "UTF-8 cut off": "61c3",
    "a surrogate": "63eda080",
    "a pair of surrogates": "66eda081edb080",
    "beyond Unicode": "64f4908080",
    "arrays nine deep": nested(9).hex(),
    "arrays sixty thousand deep": nested(60_000).hex(),
    "tags sixty thousand deep": "c6" * 60_000 + "00",
    "array of more items than allowed": "991001" + "00" * 4_097,
    "array that promises 2^64 - 1 items": "9bffffffffffffffff",
    "array that promises more than there are": "8201",
    "byte string that promises 4 GiB": "5b0000000100000000",
    "byte string cut off": "4201",
    "text cut off": "6261",
    "head cut off": "19",
    "argument cut off": "1901",
    "text of more than 4 KiB": "791001" + "61" * 4_097,
}


def twin(data: bytes) -> Value:
    """The dumb way: read anything, look at the types, write it again and compare. For short inputs only."""
    value: Value = cbor2.loads(data)
    encode(value)
    if cbor2.dumps(value) != data:
        raise ValueError("written differently")
    return value


known_text = st.text(st.characters(max_codepoint=0x33FF), max_size=20).map(
    lambda text: unicodedata.normalize(
        "NFC", "".join(c for c in text if unicodedata.ucd_3_2_0.category(c) != "Cn")
    )
)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(INT_MIN, INT_MAX), st.binary(max_size=300), known_text
)
arrays = st.lists(st.recursive(leaves, lambda inner: st.lists(inner, max_size=5), max_leaves=30), max_size=5)
values: st.SearchStrategy[Value] = st.one_of(leaves, arrays).filter(
    lambda value: depth_of(value) <= limits.DEPTH
)


def depth_of(value: object) -> int:
    """How deep arrays nest."""
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_allowed_value_is_read_and_written_in_its_one_encoding(name: str) -> None:
    data, value = bytes.fromhex(ACCEPTED[name][0]), ACCEPTED[name][1]
    assert encode(value) == data
    found = decode(data)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("name", REFUSED)
def test_every_other_encoding_is_refused(name: str) -> None:
    with pytest.raises(NonCanonical):
        decode(bytes.fromhex(REFUSED[name]))
    with pytest.raises(NonCanonical):
        decode_apart(bytes.fromhex(REFUSED[name]))


def test_a_short_message_of_shared_references_costs_nothing() -> None:
    data = arrays_of_arrays(levels=6, references=300)
    assert len(data) < 8_000
    with pytest.raises(NonCanonical, match="tag"):
        decode(data)  # 7 * 10^14 items when unfolded: the time-out of the test would strike


def test_a_number_of_thousands_of_digits_is_refused_like_any_other() -> None:
    with pytest.raises(NonCanonical):
        decode(b"\xc2\x59\x1f\x40" + b"\xff" * 8_000)
    with pytest.raises(NonCanonical, match="64 bits"):
        encode(10**5_000)


def test_what_is_over_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(NonCanonical, match="5 bytes; at most 4 are accepted"):
        decode(b"\xff" * 5, limit=4)
    assert decode(b"\x43abc", limit=4) == b"abc"
    with pytest.raises(NonCanonical, match=f"at most {64 * 1024}"):
        decode(b"\x5a\x00\x01\x00\x00" + bytes(64 * 1024))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(INT_MAX + 1, "64 bits", id="2^64"),
        pytest.param(INT_MIN - 1, "64 bits", id="-2^63 - 1"),
        pytest.param(1.0, "float", id="a float that is whole"),
        pytest.param({}, "dict", id="an empty map"),
        pytest.param((1, 2), "tuple", id="a tuple"),
        pytest.param(bytearray(b"a"), "bytearray", id="bytes that can change"),
        pytest.param(cbor2.undefined, "(?i)undefined", id="undefined"),
        pytest.param(cbor2.CBORTag(1, 0), "CBORTag", id="a tag"),
        pytest.param("e\u0301", "normal form C", id="decomposed text"),
        pytest.param("\ud800", "Unicode", id="a surrogate"),
        pytest.param("\u00e9" * 2_049, "4098 bytes", id="text over its bytes, not its characters"),
        pytest.param([0] * 4_097, "4097 items", id="too many items"),
        pytest.param([[[[[[[[[]]]]]]]]], "deeper than 8", id="nine deep"),
        pytest.param([[[[{}]]]], "dict", id="a map far inside"),
    ],
)
def test_what_the_wire_does_not_have_is_never_written(value: Value, reason: str) -> None:
    with pytest.raises(NonCanonical, match=reason):
        encode(value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\U000105c9", id="composed since Unicode 16"),
        pytest.param("\U000105d2\u0307", id="in normal form until Unicode 15"),
        pytest.param("x\u0301\U00010efd", id="reordered since Unicode 15"),
        pytest.param("\U000e1000", id="not assigned yet"),
        pytest.param("\ufdd0", id="never a character"),
    ],
)
def test_text_that_two_versions_of_unicode_judge_differently_is_refused_by_all(text: str) -> None:
    with pytest.raises(NonCanonical, match=r"Unicode 3\.2"):
        encode(text)
    data = text.encode()
    with pytest.raises(NonCanonical, match=r"Unicode 3\.2"):
        decode(bytes([0x60 | len(data)]) + data)


def test_text_of_many_scripts_travels() -> None:
    text = "K\u00e4lte \u2082 \u00b5g/m\u00b3 \u2192 \u0394 \u0416 \u05d0 \u6c2e \u00bd\u00b0"
    assert decode(encode(text)) == text


@given(values)
def test_what_is_written_is_read_back_and_any_cbor_library_reads_the_same(value: Value) -> None:
    data = encode(value)
    assert decode(data) == value
    assert cbor2.loads(data) == value


@given(st.lists(values, max_size=5), st.one_of(arrays, st.lists(leaves, min_size=20, max_size=300)))
def test_the_parts_of_what_stands_last_are_read_with_the_whole(
    before: list[Value], last: list[Value]
) -> None:
    data = cbor2.dumps([*before, last])
    try:
        value = decode(data)
    except NonCanonical:
        with pytest.raises(NonCanonical):
            decode_apart(data)
        return
    assert decode_apart(data) == (value, [encode(item) for item in last])


@pytest.mark.parametrize("long", [["x" * 4_096] * 9, [bytes(40_000)], list(range(2_000)), [bytes(4_097)]])
def test_long_items_are_told_apart_too(long: list[Value]) -> None:
    last: list[Value] = [[1], long, "a", [long, long], []]
    value: list[Value] = [1, bytes(5_000), last]
    assert decode_apart(encode(value), limit=1 << 20) == (value, [encode(item) for item in last])


def test_where_no_array_stands_last_there_are_no_parts() -> None:
    without: list[Value] = [7, [], ["text", b"bytes"], [[1], None]]
    for value in without:
        assert decode_apart(encode(value)) == (value, [])


@given(st.binary(max_size=60))
@example(b"\x82\xf6\x83\x18\x18\x41a\x61b")
def test_any_bytes_are_read_just_when_writing_what_was_read_gives_them_again(data: bytes) -> None:
    judge(data)
    try:
        value = decode(data)
    except NonCanonical:
        with pytest.raises(NonCanonical):
            decode_apart(data)
    else:
        assert decode_apart(data)[0] == value


@given(values, st.data())
def test_changed_bytes_are_refused_or_are_the_one_encoding_of_another_value(
    value: Value, draw: st.DataObject
) -> None:
    data = bytearray(encode(value))
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data)))
        gone = draw.draw(st.integers(0, 2))
        data[at : at + gone] = draw.draw(st.binary(max_size=3))
    judge(bytes(data))


def judge(data: bytes) -> None:
    """Our reader and the dumb twin agree on these bytes."""
    expected: Value = None
    try:
        expected = twin(data)
        holds = True
    except Exception:
        holds = False
    if holds:
        assert decode(data) == expected
        assert encode(expected) == data
    else:
        with pytest.raises(NonCanonical):
            decode(data)


def found_by(read: Callable[[bytes], Value], data: bytes) -> Value | type[NonCanonical]:
    """What a reader makes of the data."""
    try:
        return read(data)
    except NonCanonical:
        return NonCanonical


@st.composite
def slightly_wrong(draw: st.DrawFn) -> bytes:
    """Canonical data with some bytes put in the place of others."""
    data = bytearray(encode(draw(values)))
    at = draw(st.integers(0, len(data) - 1))
    data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@given(st.one_of(st.binary(max_size=60), slightly_wrong()))
@example(b"\xd8\x1c\x81\x01")
@example(b"\xf8\x18")
def test_the_quick_reader_accepts_nothing_that_the_strict_one_refuses(data: bytes) -> None:
    found = found_by(decode, data)
    again = found_by(read_strictly, data)
    assert (found, repr(found)) == (again, repr(again))


@pytest.mark.parametrize("content", ["00", "80", "61" + b"a".hex(), "41" + b"a".hex(), "820001"])
def test_no_tag_is_read_whatever_it_means_elsewhere(content: str) -> None:
    for tag in (*range(24), *range(24, 1_100), 43_000, 55_799):
        head = bytes([0xC0 | tag]) if tag < 24 else b"\xd9" + tag.to_bytes(2, "big")
        assert found_by(decode, head + bytes.fromhex(content)) is NonCanonical
