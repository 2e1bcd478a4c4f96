"""PEM texts of keys for these tests, made from fixed numbers; none of them keeps anything."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from doxedge.signing.signer import Ed25519Signer, Es256Signer

SEED = bytes(range(32))
SCALAR = 0x1234567
ED25519_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
P256_KEY = ec.derive_private_key(SCALAR, ec.SECP256R1())
ED25519_SIGNER = Ed25519Signer(SEED)
ES256_SIGNER = Es256Signer(SCALAR)

AnyKey = (
    ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey
)


def pem(key: AnyKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    """PKCS#8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def locked_pem() -> bytes:
    """PKCS#8 under a passphrase."""
    return pem(ED25519_KEY, BestAvailableEncryption(b"a passphrase"))


def public_pem() -> bytes:
    """The public half."""
    return ED25519_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
