"""Point arithmetic of edwards25519 for checks of public data: key registration and the self-test.

Nothing secret ever enters this file: it is slow, not constant in time, and signs only the fixed messages of the
self-test. Formulas: RFC 8032, 5.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

Point: TypeAlias = tuple[int, int]

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1: Final = pow(2, (P - 1) // 4, P)
IDENTITY: Final[Point] = (0, 1)
_Y_MASK: Final = 2**255 - 1


def is_prime_order(encoded: bytes) -> bool:
    """Whether 32 bytes are the canonical encoding of a point of order L (so neither small nor mixed)."""
    point = decode(encoded)
    return point is not None and point != IDENTITY and multiply(L, point) == IDENTITY


def is_strict_signature(signature: bytes) -> bool:
    """The checks on bytes alone: S below L, R canonical and not of small order."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    return s < L and int.from_bytes(r, "little") & _Y_MASK < P and r not in small_order_encodings()


def decode(encoded: bytes) -> Point | None:
    """The point, or None when the encoding is not canonical or not on the curve (RFC 8032, 5.1.3)."""
    if len(encoded) != 32:
        return None
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & _Y_MASK
    x = _recover_x(y, sign) if y < P else None
    if x is None or (x == 0 and sign):
        return None
    return x, y


def encode(point: Point) -> bytes:
    """32 bytes: y, little endian, with the parity of x in the top bit."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def add(a: Point, b: Point) -> Point:
    """The complete addition law in affine coordinates."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * _inverse(1 + k) % P, (y1 * y2 + x1 * x2) * _inverse(1 - k) % P


def multiply(scalar: int, point: Point) -> Point:
    """Double and add, in extended coordinates (RFC 8032, 5.1.4), so that one inversion suffices."""
    total, base = (0, 1, 1, 0), (point[0], point[1], 1, point[0] * point[1] % P)
    while scalar:
        if scalar & 1:
            total = _add_extended(total, base)
        base, scalar = _add_extended(base, base), scalar >> 1
    x, y, z, _ = total
    inverse = _inverse(z)
    return x * inverse % P, y * inverse % P


@cache
def small_order_encodings() -> frozenset[bytes]:
    """The encodings with y below p of the eight points whose order divides 8.

    They are ten: the two points with x = 0 can also be written with a sign, which is not canonical (negative zero).
    """
    torsion = _torsion_generator()
    canonical = {encode(multiply(k, torsion)) for k in range(8)}
    negative_zeros = {(y | 1 << 255).to_bytes(32, "little") for y in (1, P - 1)}
    return frozenset(canonical | negative_zeros)


@dataclass(frozen=True, slots=True)
class EdgeCase:
    """One signature on which libraries are known to differ."""

    name: str
    public_key: bytes
    message: bytes
    signature: bytes
    valid: bool
    """What every node of a channel must answer."""


def edge_cases() -> Iterator[EdgeCase]:
    """The 13 cases: one plain signature that holds, and 12 that no node may accept."""
    secret, nonce = 0x369D0369D0369D036, 0x77777
    key_point = multiply(secret, _base())
    key, message = encode(key_point), b"hour record of a stack"
    good = _sign(secret, key, nonce, message)
    r, s = good[:32], int.from_bytes(good[32:], "little")
    torsion = _torsion_generator()
    mixed_key = encode(add(key_point, torsion))

    def of_mixed_key(remainder_is_zero: bool) -> tuple[bytes, bytes]:
        return _grind(mixed_key, remainder_is_zero, lambda text: _sign(secret, mixed_key, nonce, text))

    def of_small_key(point: Point) -> tuple[bytes, bytes, bytes]:
        small = encode(point)
        return small, *_grind(small, True, lambda text: _sign(0, small, nonce, text))

    identity = encode(IDENTITY)
    far_identity = (1 + P).to_bytes(32, "little")
    negative_zero = (1 | 1 << 255).to_bytes(32, "little")
    mixed_r = encode(add(multiply(nonce, _base()), torsion))
    yield EdgeCase("plain signature", key, message, good, True)
    yield EdgeCase("S + L", key, message, r + (s + L).to_bytes(32, "little"), False)
    yield EdgeCase("S + 8 L", key, message, r + ((s + 8 * L) % 2**256).to_bytes(32, "little"), False)
    yield EdgeCase("mixed-order key, only with cofactor", mixed_key, *of_mixed_key(False), False)
    yield EdgeCase("mixed-order key, both equations", mixed_key, *of_mixed_key(True), False)
    yield EdgeCase("mixed-order R", key, message, _sign(secret, key, nonce, message, mixed_r), False)
    yield EdgeCase("identity as key", *of_small_key(IDENTITY), False)
    yield EdgeCase("key of order 8", *of_small_key(torsion), False)
    yield EdgeCase("identity as key and R, S = 0", identity, message, identity + bytes(32), False)
    yield EdgeCase(
        "non-canonical identity as key", far_identity, message, _sign(0, far_identity, nonce, message), False
    )
    yield EdgeCase(
        "non-canonical identity as R", key, message, _sign(secret, key, 0, message, far_identity), False
    )
    yield EdgeCase("identity as R", key, message, _sign(secret, key, 0, message, identity), False)
    yield EdgeCase(
        "negative zero as key", negative_zero, message, _sign(0, negative_zero, nonce, message), False
    )


def _sign(secret: int, key: bytes, nonce: int, message: bytes, r: bytes | None = None) -> bytes:
    """A signature with a chosen R, as an attacker would make it. For the fixed cases above only."""
    r = encode(multiply(nonce, _base())) if r is None else r
    return r + ((nonce + _challenge(r, key, message) * secret) % L).to_bytes(32, "little")


def _challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def _grind(key: bytes, remainder_is_zero: bool, sign: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """The first message whose challenge is, or is not, a multiple of 8: it decides which equation holds."""
    for k in range(4_000):
        message = b"message %d" % k
        signature = sign(message)
        if (_challenge(signature[:32], key, message) % 8 == 0) == remainder_is_zero:
            return message, signature
    raise RuntimeError("no message found in 4,000 tries")


@cache
def _base() -> Point:
    y = 4 * _inverse(5) % P
    x = _recover_x(y, 0)
    if x is None:
        raise RuntimeError("the base point is not on the curve")
    return x, y


@cache
def _torsion_generator() -> Point:
    y = 2
    while True:
        x = _recover_x(y, 0)
        if x is not None:
            point = multiply(L, (x, y))
            if multiply(4, point) != IDENTITY:
                return point
        y += 1


def _inverse(x: int) -> int:
    return pow(x, P - 2, P)


def _recover_x(y: int, sign: int) -> int | None:
    square = (y * y - 1) * _inverse(D * y * y + 1) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_MINUS_1 % P
    if (x * x - square) % P:
        return None
    return P - x if x % 2 != sign and x else x


def _add_extended(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    m = (y1 - x1) * (y2 - x2) % P
    n = (y1 + x1) * (y2 + x2) % P
    c, d = 2 * D * t1 * t2 % P, 2 * z1 * z2 % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P
