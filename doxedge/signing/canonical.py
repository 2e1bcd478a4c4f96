"""One value, one encoding: deterministic CBOR (RFC 8949, 4.2.1) cut down to what the wire needs.

Allowed are integers from -2^63 to 2^64-1, byte strings, NFC text, arrays, true, false and null. There are no maps,
floats, tags, undefined values or indefinite lengths. The reader that decides is our own, because every CBOR library
tried accepts several encodings of one value, and because what those libraries build of tags before anybody can refuse
it (numbers of any size, arrays that contain each other many times over) lets a short message from a stranger occupy a
node for ever. cbor2 reads first, with all of that switched off, because it is several times as fast: what it reads
is accepted when it is written again with the same bytes, and everything else is for our own reader to judge.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import cbor2

from doxedge.signing import limits

Value: TypeAlias = "int | str | bytes | bool | list[Value] | None"

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY = range(5)
_OTHER_TYPES: Final = {5: "map", 6: "tag", 7: "float, simple or undefined value"}
"""Major types of RFC 8949, 3.1."""
_SIMPLE: Final[dict[int, bool | None]] = {0xF4: False, 0xF5: True, 0xF6: None}
_LONG_WIDTH: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_LEAST: Final = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
"""The smallest argument that needs a head of this length; a smaller one has a shorter head."""


_TAGS_OF_CBOR2: Final = (
    0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip
"""What cbor2 would build something of; any other tag goes to the hook."""


class NonCanonical(ValueError):
    """The bytes are not the one canonical encoding of an allowed value. The sender is wrong."""


def encode(value: Value) -> bytes:
    """The canonical bytes of `value`. Raises NonCanonical for types, numbers or texts the wire does not have."""
    _check_items((value,), 0)
    # With maps and floats excluded, shortest integers and definite lengths are all that 4.2.1 asks; cbor2 writes both.
    return cbor2.dumps(value)


def encode_known(value: Value) -> bytes:
    """The canonical bytes of what rules say on a receipt about values that came from the wire.

    Their types are proved by the type checker and their numbers bounded by clauses, so they are not looked at again.
    The channels of the tests read back every receipt.
    """
    return cbor2.dumps(value)


def decode(data: bytes, *, limit: int = limits.ENVELOPE_BYTES) -> Value:
    """The value of canonical `data`; arrays come as lists.

    Raises NonCanonical when the data are longer than `limit` bytes, hold a type the wire does not have, nest deeper
    than 8, or are not what `encode` would write. Work and memory are proportional to the data.
    """
    _check_size(data, limit)
    try:
        value: Value = _read_quickly(data)
        _check_items((value,), 0)
        if cbor2.dumps(value) == data:
            return value
    except (cbor2.CBORError, NonCanonical):
        pass  # the reader below says in words what is wrong
    return read_strictly(data)


def decode_apart(data: bytes, *, limit: int = limits.ENVELOPE_BYTES) -> tuple[Value, list[bytes]]:
    """As `decode`, and the canonical bytes of each item of the array that stands last in the array of `data`.

    An encoding is proved by writing the value again; here it is written in parts, and they are kept. Where no array
    stands last, there are none.
    """
    _check_size(data, limit)
    try:
        value: Value = _read_quickly(data)
        _check_items((value,), 0)
        items, written = _write_apart(value)
        if written == data:
            return value, items
    except (cbor2.CBORError, NonCanonical):
        pass
    value = read_strictly(data)
    return value, _write_apart(value)[0]


def read_strictly(data: bytes) -> Value:
    """The value of canonical `data`, by our own reader alone. Raises NonCanonical."""
    try:
        items, end = _read_items(data, 0, 1, 0)
    except IndexError as error:
        raise NonCanonical("the data end in the middle of a value") from error
    if end != len(data):
        raise NonCanonical(f"{len(data) - end} bytes follow the value")
    return items[0]


def _check_size(data: bytes, limit: int) -> None:
    if len(data) > limit:
        raise NonCanonical(f"{len(data)} bytes; at most {limit} are accepted here")


def _write_apart(value: Value) -> tuple[list[bytes], bytes]:
    """The bytes of each item of the array that stands last, and those of the whole value."""
    if not isinstance(value, list) or not value or not isinstance(value[-1], list):
        return [], cbor2.dumps(value)
    items = [cbor2.dumps(item) for item in value[-1]]
    fields = [cbor2.dumps(field) for field in value[:-1]]
    return items, b"".join((_array_head(len(value)), *fields, _array_head(len(items)), *items))


def _array_head(count: int) -> bytes:
    """The shortest head of an array of at most 4,096 items (RFC 8949, 3.1)."""
    if count < 24:
        return bytes((0x80 | count,))
    return bytes((0x98, count)) if count < 0x100 else b"\x99" + count.to_bytes(2, "big")


def _refuse_tag(*_: Any) -> NoReturn:
    raise NonCanonical("a tag is not a type of the wire")


_read_quickly: Final = partial(
    cbor2.loads,
    semantic_decoders=dict.fromkeys(_TAGS_OF_CBOR2, _refuse_tag),
    tag_hook=_refuse_tag,
    max_depth=limits.DEPTH,
    allow_indefinite=False,
    strict_hashable_types=True,  # numbers as keys of a map can be chosen to collide
)


def _read_items(data: bytes, at: int, count: int, depth: int) -> tuple[list[Value], int]:
    """`count` items from `at` on, and where they end. Raises NonCanonical, and IndexError where the data end."""
    items: list[Value] = []
    for _ in range(count):
        head = data[at]
        major, argument = head >> 5, head & 0x1F
        at += 1
        if argument >= 24:
            argument, at = _long_argument(data, at, head)
        item: Value
        if major == _UNSIGNED:
            item = argument
        elif major in (_BYTES, _TEXT):
            string = data[at : at + argument]
            if len(string) != argument:
                raise NonCanonical(f"a string of {argument} bytes is cut off after {len(string)}")
            at += argument
            item = string if major == _BYTES else _text(string)
        elif major == _ARRAY:
            _check_array(argument, depth)
            item, at = _read_items(data, at, argument, depth + 1)
        elif major == _NEGATIVE:
            item = -1 - argument
            if item < INT_MIN:
                raise NonCanonical(f"integer {item} does not fit in 64 bits")
        elif head in _SIMPLE:
            item = _SIMPLE[head]
        else:
            raise NonCanonical(f"a {_OTHER_TYPES[major]} is not a type of the wire")
        items.append(item)
    return items, at


def _long_argument(data: bytes, at: int, head: int) -> tuple[int, int]:
    """The argument that follows a head, and where it ends (RFC 8949, 3)."""
    major, info = head >> 5, head & 0x1F
    if major in _OTHER_TYPES:
        raise NonCanonical(f"a {_OTHER_TYPES[major]} is not a type of the wire")
    width = _LONG_WIDTH.get(info)
    if width is None:
        raise NonCanonical("lengths are definite" if info == 31 else f"the head {head:02x} is reserved")
    end = at + width
    if end > len(data):
        raise NonCanonical("the data end in the middle of a value")
    argument = int.from_bytes(data[at:end], "big")
    if argument < _LEAST[info]:
        raise NonCanonical(f"not the shortest encoding: {argument} in {width} bytes, at byte {at}")
    return argument, end


def _text(data: bytes) -> str:
    """The text of a string's bytes."""
    if len(data) > limits.TEXT_BYTES:
        raise NonCanonical(f"text of {len(data)} bytes; at most {limits.TEXT_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NonCanonical(f"text is not UTF-8: {error.reason}") from error
    if not text.isascii():
        _check_text(text)
    return text


def _check_items(items: Sequence[Value], depth: int) -> None:
    """Raise NonCanonical unless the items are built of allowed types within their bounds.

    Whatever is signed or stored passes here, so one loop serves a whole array; types are exact on purpose.
    """
    for item in items:
        kind = type(item)
        if kind is int:
            if not INT_MIN <= item <= INT_MAX:  # type: ignore[operator]
                # Without the number: writing thousands of digits is slow, and Python refuses it.
                raise NonCanonical("an integer does not fit in 64 bits")
        elif kind is str:
            # Nearly every text is short and ASCII, where bytes and characters are the same and there is no normal form.
            if not item.isascii() or len(item) > limits.TEXT_BYTES:  # type: ignore[union-attr,arg-type]
                _check_text(item)  # type: ignore[arg-type]
        elif kind is list:
            if depth >= limits.DEPTH or len(item) > limits.ARRAY_ITEMS:  # type: ignore[arg-type]
                _check_array(len(item), depth)  # type: ignore[arg-type]
            _check_items(item, depth + 1)  # type: ignore[arg-type]
        elif kind is not bytes and item is not None and kind is not bool:
            raise NonCanonical(f"{kind.__name__} is not a type of the wire")


def _check_array(count: int, depth: int) -> None:
    if depth >= limits.DEPTH:
        raise NonCanonical(f"arrays nest deeper than {limits.DEPTH}")
    if count > limits.ARRAY_ITEMS:
        raise NonCanonical(f"array of {count} items; at most {limits.ARRAY_ITEMS}")


def _check_text(text: str) -> None:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise NonCanonical(f"text is not Unicode: {error.reason}") from error
    if size > limits.TEXT_BYTES:
        raise NonCanonical(f"text of {size} bytes; at most {limits.TEXT_BYTES}")
    # Each Python brings its own Unicode, and a character that is unknown to one is composed or reordered by the next.
    # What Unicode 3.2 knew has one normal form for ever (Unicode Stability Policy), so nodes cannot differ about it.
    if any(unicodedata.ucd_3_2_0.category(character) == "Cn" for character in text):
        raise NonCanonical("text holds a character that Unicode 3.2 does not have")
    if not unicodedata.is_normalized("NFC", text):
        raise NonCanonical("text is not in Unicode normal form C")
