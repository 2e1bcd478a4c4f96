"""One test vector and what came of it, and the careful reading of what a vector's author wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


class VectorError(ValueError):
    """A vector says nothing that could be checked: a key is missing, or its value is of another kind."""


class Mismatch(Exception):
    """The computation went through and gave something else."""

    def __init__(self, expected: object, got: object) -> None:
        """Keep both for the report."""
        super().__init__(f"expected {shown(expected)}, got {shown(got)}")
        self.expected = shown(expected)
        self.got = shown(got)


@dataclass(frozen=True, slots=True)
class Failed:
    """A vector that does not hold."""

    name: str
    expected: str
    got: str


def expect(expected: object, got: object) -> None:
    """Both must be equal."""
    if expected != got:
        raise Mismatch(expected, got)


def expect_close(expected: Decimal, got: Decimal | None, relative: Decimal) -> None:
    """Both must agree to so many digits: the vector may have been computed in binary floating point."""
    if got is None or abs(got - expected) > abs(expected) * relative:
        raise Mismatch(expected, got)


def expects_only(vector: Mapping[str, Any], *known: str) -> None:
    """What a vector expects under a name that no check knows must not pass unseen."""
    for key in vector:
        if key.startswith(("expect", "decode")) and key not in known:
            raise VectorError(f"no check knows the key {shown(key)!r}")


def shown(value: object) -> str:
    """A value in a report, of bounded length."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 200 else text[:200] + "..."


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise VectorError(f"{what} must be an object")
    return value


def sequence(value: Any, what: str) -> Sequence[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise VectorError(f"{what} must be a list")
    return value


def number(value: Any, what: str) -> Decimal:
    """A JSON number."""
    if not isinstance(value, Decimal):
        raise VectorError(f"{what} must be a number")
    return value


def whole(value: Any, what: str) -> int:
    """A JSON number without decimals, small enough to be a count."""
    exact = number(value, what)
    if exact.adjusted() > 9 or exact != int(exact):
        raise VectorError(f"{what} must be a whole number")
    return int(exact)


def text(value: Any, what: str) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        raise VectorError(f"{what} must be a text")
    return value


def hex_bytes(value: Any, what: str) -> bytes:
    """A JSON string of hexadecimal digits."""
    try:
        return bytes.fromhex(text(value, what))
    except ValueError:
        raise VectorError(f"{what} must be hexadecimal digits") from None


def numbers_in(value: Any, what: str) -> Iterator[Decimal]:
    """One number, or the numbers of a list."""
    for item in value if isinstance(value, list) else [value]:
        yield number(item, what)
