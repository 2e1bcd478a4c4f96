"""Point arithmetic against the libraries, and which encodings count."""

from __future__ import annotations

import nacl.bindings
import nacl.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.signing.ed25519_points import (
    IDENTITY,
    L,
    P,
    add,
    decode,
    edge_cases,
    encode,
    is_prime_order,
    is_strict_signature,
    multiply,
    small_order_encodings,
)
from doxedge.signing.signer import Ed25519Signer

BASE = decode(bytes([0x58]) + bytes([0x66]) * 31)
"""y = 4/5 (RFC 8032, 5.1)."""
SIGN = 1 << 255


def test_the_base_point_has_prime_order() -> None:
    assert BASE
    assert is_prime_order(encode(BASE))
    assert multiply(L, BASE) == IDENTITY
    assert multiply(0, BASE) == IDENTITY


@given(st.integers(1, L - 1))
def test_multiples_of_the_base_are_those_of_libsodium(scalar: int) -> None:
    assert BASE
    theirs = nacl.bindings.crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little"))
    assert encode(multiply(scalar, BASE)) == theirs
    assert is_prime_order(theirs)


@given(st.integers(0, 300), st.integers(0, 300))
def test_adding_points_adds_their_scalars(one: int, other: int) -> None:
    assert BASE
    assert add(multiply(one, BASE), multiply(other, BASE)) == multiply(one + other, BASE)


@given(st.binary(min_size=32, max_size=32))
def test_a_point_is_read_just_when_writing_it_gives_the_same_bytes(encoded: bytes) -> None:
    point = decode(encoded)
    assert point is None or encode(point) == encoded
    assert is_prime_order(encoded) == nacl.bindings.crypto_core_ed25519_is_valid_point(encoded)


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_a_signer_makes_may_be_registered(seed: bytes) -> None:
    assert is_prime_order(Ed25519Signer(seed).public_key)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(P, id="y = p"),
        pytest.param(P + 1, id="y = p + 1"),
        pytest.param(2**255 - 1, id="y = 2^255 - 1"),
        pytest.param(1 | SIGN, id="negative zero, identity"),
        pytest.param((P - 1) | SIGN, id="negative zero, order 2"),
        pytest.param(2, id="not on the curve"),
    ],
)
def test_what_is_not_canonical_is_no_point(number: int) -> None:
    assert decode(number.to_bytes(32, "little")) is None


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_point_has_32_bytes(length: int) -> None:
    assert decode(bytes(length)) is None
    assert not is_prime_order(bytes(length))


def test_ten_encodings_have_an_order_that_divides_eight() -> None:
    encodings = small_order_encodings()
    assert len(encodings) == 10
    points = {point for point in map(decode, encodings) if point}
    assert len(points) == 8  # the two others are the negative zeros
    assert all(multiply(8, point) == IDENTITY for point in points)
    assert not any(map(is_prime_order, encodings))


def with_r(number: int) -> bytes:
    """A signature with this R and S = 1."""
    return number.to_bytes(32, "little") + (1).to_bytes(32, "little")


@pytest.mark.parametrize(
    "number",
    [
        *(pytest.param(int.from_bytes(r, "little"), id=r[:4].hex()) for r in sorted(small_order_encodings())),
        pytest.param(P, id="p"),
        pytest.param(P + 1, id="p + 1"),
        pytest.param(P + 1 | SIGN, id="p + 1 with a sign"),
        pytest.param(2**256 - 1, id="all ones"),
    ],
)
def test_an_r_of_small_order_or_out_of_the_field_is_not_strict(number: int) -> None:
    assert not is_strict_signature(with_r(number))


def test_s_is_below_the_order() -> None:
    r = Ed25519Signer(bytes(32)).sign(b"")[:32]
    assert is_strict_signature(r + (L - 1).to_bytes(32, "little"))
    for s in (L, L + 1, 2 * L, 2**255, 2**256 - 1):
        assert not is_strict_signature(r + s.to_bytes(32, "little"))


def test_the_edge_cases_are_the_same_at_every_start() -> None:
    assert list(edge_cases()) == list(edge_cases())
