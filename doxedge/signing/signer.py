"""Who signs: the port behind which a key file, a TPM or a token may sit, and the two software signers."""

from __future__ import annotations

from typing import Final, Protocol

import nacl.bindings
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from doxedge.signing.algorithms import ED25519, ES256, P256_ORDER
from doxedge.signing.tags import KeyId, key_id


class Signer(Protocol):
    """A private key that can be used and not seen."""

    @property
    def alg(self) -> int:
        """COSE algorithm number."""
        ...

    @property
    def public_key(self) -> bytes:
        """32 bytes for Ed25519, 33 compressed for ES256."""
        ...

    @property
    def key_id(self) -> KeyId:
        """The name of the key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        ...


class Ed25519Signer:
    """Ed25519 in software (RFC 8032), deterministic."""

    SEED_BYTES: Final = 32
    __slots__ = ("_secret", "alg", "key_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Raises ValueError unless the seed has 32 bytes."""
        if len(seed) != self.SEED_BYTES:
            raise ValueError(f"an Ed25519 seed has 32 bytes, not {len(seed)}")
        self.alg = ED25519
        self.public_key, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self.key_id = key_id(self.alg, self.public_key)

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        return nacl.bindings.crypto_sign(message, self._secret)[:64]


class Es256Signer:
    """ECDSA over P-256 with SHA-256 in software: nonce by RFC 6979, s in the lower half."""

    __slots__ = ("_key", "alg", "key_id", "public_key")

    def __init__(self, scalar: int) -> None:
        """Raises ValueError unless the scalar is a private key of P-256."""
        if not 0 < scalar < P256_ORDER:
            raise ValueError("a private key of P-256 is a number from 1 to below the order of the curve")
        self.alg = ES256
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())
        self.public_key = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.key_id = key_id(self.alg, self.public_key)

    def sign(self, message: bytes) -> bytes:
        """r and s of 32 bytes each."""
        der = self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
