"""One value, one encoding: deterministic CBOR (RFC 8949, 4.2.1) cut down to what the wire needs.

Allowed are integers from -2^63 to 2^64-1, byte strings, NFC text, arrays, true, false and null. There are no maps,
floats, tags, undefined values or indefinite lengths. Whatever is decoded is encoded again and compared, because every
CBOR library tried accepts several encodings of one value; a signature over one of them must not pass for another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final, TypeAlias

import cbor2

from doxedge.signing import limits

Value: TypeAlias = "int | str | bytes | bool | list[Value] | None"

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1


class NonCanonical(ValueError):
    """The bytes are not the one canonical encoding of an allowed value. The sender is wrong."""


def encode(value: Value) -> bytes:
    """The canonical bytes of `value`. Raises NonCanonical for types, numbers or texts the wire does not have."""
    _check(value, 0)
    # With maps and floats excluded, shortest integers and definite lengths are all that 4.2.1 asks; cbor2 writes both.
    return cbor2.dumps(value)


def encode_checked(value: Value) -> bytes:
    """The canonical bytes of a value that came out of `decode`, or of parts of one: not checked a second time."""
    return cbor2.dumps(value)


def decode(data: bytes, *, limit: int = limits.ENVELOPE_BYTES) -> Value:
    """The value of canonical `data`; arrays come as lists.

    Raises NonCanonical when the data are longer than `limit` bytes, hold a type the wire does not have, nest deeper
    than 8, or are not what `encode` would write.
    """
    if len(data) > limit:
        raise NonCanonical(f"{len(data)} bytes; at most {limit} are accepted here")
    try:
        value: Value = cbor2.loads(data)
    except (
        cbor2.CBORDecodeError,
        ValueError,
        RecursionError,
        OverflowError,
        MemoryError,
        TypeError,
    ) as error:
        raise NonCanonical(f"not CBOR: {error}") from error
    _check(value, 0)
    again = cbor2.dumps(value)
    if again != data:
        at = next(
            (i for i, (a, b) in enumerate(zip(again, data, strict=False)) if a != b),
            min(len(again), len(data)),
        )
        raise NonCanonical(f"not the shortest encoding: byte {at} differs")
    return value


def _check(value: Value, depth: int) -> None:
    """Raise NonCanonical unless `value` is built of allowed types within their bounds."""
    _check_items((value,), depth)


def _check_items(items: Sequence[Value], depth: int) -> None:
    """Every byte that is signed or stored passes here, so one loop serves a whole array; types are exact on purpose."""
    for item in items:
        kind = type(item)
        if kind is int:
            if not INT_MIN <= item <= INT_MAX:  # type: ignore[operator]
                raise NonCanonical(f"integer {item!r} does not fit in 64 bits")
        elif kind is str:
            # Nearly every text is short and ASCII, where bytes and characters are the same and there is no normal form.
            if not item.isascii() or len(item) > limits.TEXT_BYTES:  # type: ignore[union-attr,arg-type]
                _check_text(item)  # type: ignore[arg-type]
        elif kind is list:
            if depth >= limits.DEPTH:
                raise NonCanonical(f"arrays nest deeper than {limits.DEPTH}")
            if len(item) > limits.ARRAY_ITEMS:  # type: ignore[arg-type]
                raise NonCanonical(f"array of {len(item)} items; at most {limits.ARRAY_ITEMS}")  # type: ignore[arg-type]
            _check_items(item, depth + 1)  # type: ignore[arg-type]
        elif kind is not bytes and item is not None and kind is not bool:
            raise NonCanonical(f"{kind.__name__} is not a type of the wire")


def _check_text(text: str) -> None:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise NonCanonical(f"text is not Unicode: {error.reason}") from error
    if not unicodedata.is_normalized("NFC", text):
        raise NonCanonical("text is not in Unicode normal form C")
    if size > limits.TEXT_BYTES:
        raise NonCanonical(f"text of {size} bytes; at most {limits.TEXT_BYTES}")
