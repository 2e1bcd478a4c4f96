"""The one wrapper: which keys may be registered, which signatures hold, and the self-test at the start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import nacl.bindings
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from hypothesis import given
from hypothesis import strategies as st

from doxedge.signing import algorithms, ed25519_points
from doxedge.signing.algorithms import ED25519, ES256, P256_ORDER, InvalidKey, UnfitLibrary, check_key, verify
from doxedge.signing.ed25519_points import EdgeCase, L, P
from doxedge.signing.signer import Ed25519Signer, Es256Signer, Signer

EDGE_CASES = {case.name: case for case in ed25519_points.edge_cases()}
REFUSED_AT_ENROLMENT = {
    "mixed-order key, only with cofactor",
    "mixed-order key, both equations",
    "identity as key",
    "key of order 8",
    "identity as key and R, S = 0",
    "non-canonical identity as key",
    "negative zero as key",
}
REFUSED_BY_ITS_BYTES = {"S + L", "S + 8 L", "non-canonical identity as R", "identity as R"}
REFUSED_BY_THE_EQUATION = {"mixed-order R"}

P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""The field of P-256 (SP 800-186, 3.2.1.3)."""
MESSAGE = b"hour record of a stack"
SIGNERS: dict[str, Signer] = {"Ed25519": Ed25519Signer(bytes(range(32))), "ES256": Es256Signer(0x1234567)}


@dataclass(frozen=True)
class Signed:
    """An ES256 signature as two numbers."""

    r: int
    s: int

    def encode(self) -> bytes:
        """64 bytes, whatever the numbers."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big")


def es256() -> tuple[bytes, Signed]:
    """A public key and a good signature over MESSAGE."""
    signer = SIGNERS["ES256"]
    signature = signer.sign(MESSAGE)
    return signer.public_key, Signed(
        int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    )


def openssl_accepts(case: EdgeCase) -> bool:
    """What OpenSSL says, without our checks."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(case.public_key).verify(case.signature, case.message)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_admitted(case: EdgeCase) -> bool:
    """Whether the key may be registered."""
    try:
        check_key(ED25519, case.public_key)
    except InvalidKey:
        return False
    return True


def test_there_are_thirteen_cases_and_each_has_its_place_of_refusal() -> None:
    places = [REFUSED_AT_ENROLMENT, REFUSED_BY_ITS_BYTES, REFUSED_BY_THE_EQUATION, {"plain signature"}]
    assert len(EDGE_CASES) == 13
    assert sorted(EDGE_CASES) == sorted(name for place in places for name in place)
    assert [name for name, case in EDGE_CASES.items() if case.valid] == ["plain signature"]


@pytest.mark.parametrize("name", EDGE_CASES)
def test_an_edge_case_is_refused_at_its_place(name: str) -> None:
    case = EDGE_CASES[name]
    assert is_admitted(case) == (name not in REFUSED_AT_ENROLMENT)
    if name not in REFUSED_AT_ENROLMENT:
        assert ed25519_points.is_strict_signature(case.signature) == (name not in REFUSED_BY_ITS_BYTES)
        assert verify(ED25519, case.public_key, case.message, case.signature) == case.valid


def test_the_cases_are_those_on_which_libraries_differ() -> None:
    """Were they built wrongly, nobody would accept them and their refusal would prove nothing."""
    tempting = {name for name, case in EDGE_CASES.items() if openssl_accepts(case)} - {"plain signature"}
    assert tempting <= REFUSED_AT_ENROLMENT | REFUSED_BY_ITS_BYTES
    cofactored = {
        "mixed-order key, only with cofactor",
        "mixed-order R",
        "identity as key",
        "key of order 8",
        "identity as R",
    }
    for name in cofactored:
        assert holds_with_cofactor(EDGE_CASES[name]), name
    assert not holds_without_cofactor(EDGE_CASES["mixed-order key, only with cofactor"])
    assert not holds_without_cofactor(EDGE_CASES["mixed-order R"])
    assert holds_without_cofactor(EDGE_CASES["mixed-order key, both equations"])


def sides(case: EdgeCase) -> tuple[ed25519_points.Point, ed25519_points.Point]:
    """S B and R + k A, computed slowly."""
    key, r = ed25519_points.decode(case.public_key), ed25519_points.decode(case.signature[:32])
    base = ed25519_points.decode(bytes([0x58]) + bytes([0x66]) * 31)
    assert key
    assert r
    assert base
    s = int.from_bytes(case.signature[32:], "little")
    digest = hashlib.sha512(case.signature[:32] + case.public_key + case.message).digest()
    k = int.from_bytes(digest, "little") % L
    return ed25519_points.multiply(s, base), ed25519_points.add(r, ed25519_points.multiply(k, key))


def holds_without_cofactor(case: EdgeCase) -> bool:
    left, right = sides(case)
    return left == right


def holds_with_cofactor(case: EdgeCase) -> bool:
    left, right = sides(case)
    return ed25519_points.multiply(8, left) == ed25519_points.multiply(8, right)


def test_the_self_test_passes_with_the_library_of_this_machine() -> None:
    algorithms.self_test()


def cofactored(signed: bytes, public_key: bytes) -> bytes:
    """A library of the other school (ZIP 215): multiplies both sides by eight."""
    case = EdgeCase("", public_key, signed[64:], signed[:64], False)
    if not holds_with_cofactor(case):
        raise nacl.exceptions.BadSignatureError
    return signed[64:]


def refusing(signed: bytes, public_key: bytes) -> bytes:
    """A broken library: nothing holds."""
    raise nacl.exceptions.BadSignatureError


@pytest.mark.parametrize(
    ("library", "case"),
    [
        pytest.param(cofactored, "mixed-order R", id="a library that multiplies by the cofactor"),
        pytest.param(refusing, "plain signature", id="a library that refuses everything"),
    ],
)
def test_the_self_test_names_the_case_that_another_library_decides_differently(
    library: Callable[[bytes, bytes], bytes], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", library)
    with pytest.raises(UnfitLibrary, match=f"`{case}` differently; it must not vote"):
        algorithms.self_test()


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_good_signature_holds_and_a_changed_one_does_not(kind: str) -> None:
    signer = SIGNERS[kind]
    check_key(signer.alg, signer.public_key)
    signature = signer.sign(MESSAGE)
    assert verify(signer.alg, signer.public_key, MESSAGE, signature)
    assert not verify(signer.alg, signer.public_key, MESSAGE + b".", signature)
    for bit in range(8 * len(signature)):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(signer.alg, signer.public_key, MESSAGE, bytes(changed)), bit


@pytest.mark.parametrize("kind", SIGNERS)
@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 72, 128])
def test_a_signature_of_another_length_does_not_hold(kind: str, length: int) -> None:
    signer = SIGNERS[kind]
    signature = (signer.sign(MESSAGE) + bytes(64))[:length]
    assert not verify(signer.alg, signer.public_key, MESSAGE, signature)


@pytest.mark.parametrize("alg", [0, -6, -35, 8, 1])
def test_an_algorithm_that_is_not_of_the_wire_has_no_keys_and_no_signatures(alg: int) -> None:
    signer = SIGNERS["Ed25519"]
    with pytest.raises(InvalidKey, match="no key of algorithm"):
        check_key(alg, signer.public_key)
    assert not verify(alg, signer.public_key, MESSAGE, signer.sign(MESSAGE))


def test_one_algorithms_key_and_signature_never_pass_for_the_others() -> None:
    one, other = SIGNERS.values()
    assert not verify(one.alg, other.public_key, MESSAGE, other.sign(MESSAGE))
    assert not verify(other.alg, one.public_key, MESSAGE, one.sign(MESSAGE))
    for alg, key in ((one.alg, other.public_key), (other.alg, one.public_key)):
        with pytest.raises(InvalidKey):
            check_key(alg, key)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_both_libraries_agree_on_every_signature_of_ours(seed: bytes, message: bytes) -> None:
    signer = Ed25519Signer(seed)
    check_key(ED25519, signer.public_key)
    signature = signer.sign(message)
    assert verify(ED25519, signer.public_key, message, signature)
    assert openssl_accepts(EdgeCase("", signer.public_key, message, signature, True))


@given(st.binary(min_size=64, max_size=64), st.binary(max_size=40))
def test_random_bytes_are_no_signature(signature: bytes, message: bytes) -> None:
    for signer in SIGNERS.values():
        assert not verify(signer.alg, signer.public_key, message, signature)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(bytes(31), id="31 bytes"),
        pytest.param(bytes(33), id="33 bytes"),
        pytest.param((2).to_bytes(32, "little"), id="y = 2 is not on the curve"),
        pytest.param(P.to_bytes(32, "little"), id="y = p"),
        pytest.param((P + 3).to_bytes(32, "little"), id="y = p + 3"),
        pytest.param(b"\xff" * 32, id="all ones"),
        pytest.param(bytes(32), id="y = 0, order 4"),
        pytest.param((P - 1).to_bytes(32, "little"), id="y = -1, order 2"),
    ],
)
def test_what_is_no_canonical_point_of_prime_order_is_no_ed25519_key(key: bytes) -> None:
    with pytest.raises(InvalidKey):
        check_key(ED25519, key)
    assert not verify(ED25519, key, MESSAGE, SIGNERS["Ed25519"].sign(MESSAGE))


def uncompressed() -> bytes:
    """65 bytes, as most libraries give a P-256 key."""
    x, y = es256_point()
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def es256_point() -> tuple[int, int]:
    """The point of the test's key."""
    numbers = (
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), SIGNERS["ES256"].public_key)
    ).public_numbers()
    return numbers.x, numbers.y


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param(b"\x02" + bytes(31), "32 bytes", id="32 bytes"),
        pytest.param(b"\x00", "1 bytes", id="the point at infinity"),
        pytest.param(b"\x00" * 33, "compressed", id="33 zeros"),
        pytest.param(uncompressed(), "65 bytes", id="uncompressed"),
        pytest.param(b"\x04" + bytes(32), "compressed", id="04 with one coordinate"),
        pytest.param(b"\x06" + (5).to_bytes(32, "big"), "compressed", id="hybrid form"),
        pytest.param(b"\x02" + (1).to_bytes(32, "big"), "not a point", id="x = 1 is not on the curve"),
        pytest.param(b"\x02" + (7).to_bytes(32, "big"), "not a point", id="x = 7 is not on the curve"),
        pytest.param(b"\x02" + P256_P.to_bytes(32, "big"), "not a point", id="x = p for x = 0"),
        pytest.param(b"\x03" + (P256_P + 5).to_bytes(32, "big"), "not a point", id="x = p + 5 for x = 5"),
        pytest.param(b"\x02" + b"\xff" * 32, "not a point", id="x = 2^256 - 1"),
    ],
)
def test_what_is_no_compressed_point_of_p256_is_no_es256_key(key: bytes, reason: str) -> None:
    with pytest.raises(InvalidKey, match=reason):
        check_key(ES256, key)
    assert not verify(ES256, key, MESSAGE, es256()[1].encode())


def test_the_smallest_x_on_p256_is_a_key_in_its_canonical_form() -> None:
    for x in (0, 5):
        for sign in (b"\x02", b"\x03"):
            check_key(ES256, sign + x.to_bytes(32, "big"))


def test_the_other_s_of_an_es256_signature_is_refused_although_it_verifies() -> None:
    key, signed = es256()
    high = Signed(signed.r, P256_ORDER - signed.s)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    public.verify(utils.encode_dss_signature(high.r, high.s), MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert verify(ES256, key, MESSAGE, signed.encode())
    assert not verify(ES256, key, MESSAGE, high.encode())


@pytest.mark.parametrize(
    ("r", "s"),
    [
        pytest.param(0, None, id="r = 0"),
        pytest.param(None, 0, id="s = 0"),
        pytest.param(0, 0, id="both zero"),
        pytest.param(P256_ORDER, None, id="r = n"),
        pytest.param(None, P256_ORDER, id="s = n"),
        pytest.param(2**256 - 1, None, id="r = 2^256 - 1"),
        pytest.param(None, 2**256 - 1, id="s = 2^256 - 1"),
        pytest.param(None, P256_ORDER // 2 + 1, id="the least high s"),
    ],
)
def test_an_es256_number_out_of_its_range_is_refused(r: int | None, s: int | None) -> None:
    key, signed = es256()
    forged = Signed(signed.r if r is None else r, signed.s if s is None else s)
    assert not verify(ES256, key, MESSAGE, forged.encode())


def test_r_and_s_are_taken_as_64_plain_bytes_and_never_as_der() -> None:
    key, signed = es256()
    der = utils.encode_dss_signature(signed.r, signed.s)
    assert not verify(ES256, key, MESSAGE, der)
    assert not verify(ES256, key, MESSAGE, (der + bytes(64))[:64])
    little = signed.r.to_bytes(32, "little") + signed.s.to_bytes(32, "little")
    assert not verify(ES256, key, MESSAGE, little)
