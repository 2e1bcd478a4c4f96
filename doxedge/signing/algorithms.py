"""The one strict way to check a signature.

OpenSSL and libsodium disagree on 6 of 13 edge cases of Ed25519, which would split a channel whose nodes differ in their
library. So keys are checked once, when they are registered (canonical, of prime order), signatures are checked on
their bytes (canonical R of large order, S below the group order), and only then does libsodium verify, without the
cofactor and never in batches. `self_test` runs the 13 cases; a node refuses to start when one comes out differently.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from doxedge.signing import ed25519_points

ED25519: Final = -8
ES256: Final = -7
PUBLIC_KEY_BYTES: Final = {ED25519: 32, ES256: 33}
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the base point (FIPS 186-5, SP 800-186, 3.2.1.3)."""
_SIGNATURE_BYTES: Final = 64


class InvalidKey(ValueError):
    """A public key that must never be registered."""


class UnfitLibrary(Exception):
    """The signature library of this machine decides otherwise than the channel does. The operator must replace it."""


def check_key(alg: int, public_key: bytes) -> None:
    """Raise InvalidKey unless this is the one canonical encoding of a key that is safe to register.

    Ed25519: y below p, no negative zero, on the curve, in the subgroup of prime order. ES256: compressed, on the curve.
    """
    if len(public_key) != PUBLIC_KEY_BYTES.get(alg, -1):
        raise InvalidKey(f"a key of {len(public_key)} bytes is no key of algorithm {alg}")
    if alg == ED25519:
        if not ed25519_points.is_prime_order(public_key):
            raise InvalidKey("the Ed25519 key is not a canonical point of prime order")
        return
    if public_key[0] not in (2, 3):
        raise InvalidKey("a P-256 key is given compressed: it begins with 02 or 03")
    try:
        _p256(public_key)
    except ValueError as error:
        raise InvalidKey(f"not a point of P-256: {error}") from error


def verify(alg: int, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` holds. The key must have passed `check_key` once."""
    if len(signature) != _SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES.get(alg, -1):
        return False
    if alg == ED25519:
        return _verify_ed25519(public_key, message, signature)
    return _verify_es256(public_key, message, signature)


def self_test() -> None:
    """Run the 13 edge cases. Raises UnfitLibrary naming the case that this machine's library decides differently."""
    for case in ed25519_points.edge_cases():
        accepted = ed25519_points.is_prime_order(case.public_key) and _verify_ed25519(
            case.public_key, case.message, case.signature
        )
        if accepted != case.valid:
            raise UnfitLibrary(
                f"the Ed25519 library of this machine decides the case `{case.name}` differently; it must not vote: "
                "install the versions of PyNaCl and libsodium that uv.lock names"
            )


def _verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if not ed25519_points.is_strict_signature(signature):
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


def _verify_es256(public_key: bytes, message: bytes, signature: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < P256_ORDER or not 0 < s <= P256_ORDER // 2:
        return False
    try:
        _p256(public_key).verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _p256(public_key: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
