"""A signed payload: COSE_Sign1 (RFC 9052, 4.2) with the algorithm and the key id protected, and nothing else.

The two CBOR maps of COSE are never parsed as maps: a protected header is one of few constant byte patterns, so it is
compared, not interpreted.
"""

from __future__ import annotations

import hashlib
from typing import Final

from doxedge.fact import fact
from doxedge.signing import algorithms, limits
from doxedge.signing.algorithms import ED25519, ES256
from doxedge.signing.signer import Signer
from doxedge.signing.tags import SHORT_ID_BYTES, KeyId, TxId, WireId, tag

_PROTECTED_START: Final = {ED25519: b"\xa2\x01\x27\x04\x50", ES256: b"\xa2\x01\x26\x04\x50"}
_ALG_OF_START: Final = {start: alg for alg, start in _PROTECTED_START.items()}
_PROTECTED_BYTES: Final = 5 + SHORT_ID_BYTES
_HEAD: Final = b"\x84" + bytes([0x40 | _PROTECTED_BYTES])
_EMPTY_MAP: Final = b"\xa0"
_SIGNATURE_HEAD: Final = b"\x58\x40"
SIGNATURE_BYTES: Final = 64


class InvalidEnvelope(ValueError):
    """Bytes that are no envelope of ours, or whose signature does not hold. The sender is wrong."""


@fact
class Envelope:
    """A payload and who signed it."""

    alg: int
    """COSE algorithm: -8 Ed25519, -7 ES256."""
    key_id: KeyId
    payload: bytes
    signature: bytes
    """64 bytes; for ES256 r and s, s low."""

    def encode(self) -> bytes:
        """The bytes that travel. Raises InvalidEnvelope for a signature that a signer made too long or too short."""
        if len(self.signature) != SIGNATURE_BYTES:
            raise InvalidEnvelope(f"a signature has {SIGNATURE_BYTES} bytes, not {len(self.signature)}")
        return b"".join(
            (
                _HEAD,
                protected_header(self.alg, self.key_id),
                _EMPTY_MAP,
                _byte_string_head(len(self.payload)),
                self.payload,
                _SIGNATURE_HEAD,
                self.signature,
            )
        )

    def tx_id(self, channel: bytes, *, object_name: str = "tx") -> TxId:
        """What is deduplicated, replayed and referred to; the signature is not part of it."""
        signed = sig_structure(
            self.payload, alg=self.alg, key_id=self.key_id, object_name=object_name, channel=channel
        )
        return TxId(hashlib.sha256(signed).digest())

    def wire_id(self) -> WireId:
        """The hash of the exact bytes: leaf of the transaction tree, name in gossip."""
        return WireId(hashlib.sha256(self.encode()).digest())

    def verify(self, public_key: bytes, *, object_name: str, channel: bytes) -> None:
        """Raise InvalidEnvelope unless `public_key` signed this payload for this purpose and channel."""
        signed = sig_structure(
            self.payload, alg=self.alg, key_id=self.key_id, object_name=object_name, channel=channel
        )
        if not algorithms.verify(self.alg, public_key, signed, self.signature):
            raise InvalidEnvelope(
                f"the signature of key {self.key_id.hex()} does not hold for `{object_name}` on channel "
                f"{channel[:8].hex()}; was it signed for another channel or changed on the way?"
            )


def protected_header(alg: int, key_id: bytes) -> bytes:
    """The CBOR of `{1: alg, 4: KeyId}`, 21 bytes."""
    if alg not in _PROTECTED_START or len(key_id) != SHORT_ID_BYTES:
        raise InvalidEnvelope(f"algorithm {alg} or a key id of {len(key_id)} bytes is not of the wire")
    return _PROTECTED_START[alg] + key_id


def sig_structure(payload: bytes, *, alg: int, key_id: bytes, object_name: str, channel: bytes) -> bytes:
    """What is signed: CBOR of `["Signature1", protected, tag || channel, payload]` (RFC 9052, 4.4)."""
    aad = tag(object_name) + channel
    return b"".join(
        (
            b"\x84\x6aSignature1",
            bytes([0x40 | _PROTECTED_BYTES]),
            protected_header(alg, key_id),
            _byte_string_head(len(aad)),
            aad,
            _byte_string_head(len(payload)),
            payload,
        )
    )


def seal(payload: bytes, *, object_name: str, channel: bytes, signer: Signer) -> Envelope:
    """Sign `payload` for one purpose on one channel. Raises InvalidEnvelope when it is too large to travel."""
    if len(payload) + 128 > limits.ENVELOPE_BYTES:
        raise InvalidEnvelope(
            f"a payload of {len(payload)} bytes does not fit an envelope of {limits.ENVELOPE_BYTES}"
        )
    signed = sig_structure(
        payload, alg=signer.alg, key_id=signer.key_id, object_name=object_name, channel=channel
    )
    return Envelope(signer.alg, signer.key_id, payload, signer.sign(signed))


def decode(data: bytes, *, limit: int = limits.ENVELOPE_BYTES) -> Envelope:
    """The envelope in `data`. Raises InvalidEnvelope unless the bytes are exactly what `encode` writes."""
    if len(data) > limit:
        raise InvalidEnvelope(f"{len(data)} bytes; an envelope here has at most {limit}")
    payload_at = len(_HEAD) + _PROTECTED_BYTES + len(_EMPTY_MAP)
    alg = _ALG_OF_START.get(data[2:7])
    if data[:2] != _HEAD or alg is None or data[payload_at - 1 : payload_at] != _EMPTY_MAP:
        raise InvalidEnvelope("the header is not that of an envelope with Ed25519 or ES256")
    size = len(data) - payload_at - len(_SIGNATURE_HEAD) - SIGNATURE_BYTES
    for head_bytes in (1, 2, 3, 5):
        length = size - head_bytes
        if length >= 0 and data[payload_at : payload_at + head_bytes] == _byte_string_head(length):
            end = payload_at + head_bytes + length
            break
    else:
        raise InvalidEnvelope("the length of the payload does not fit the length of the envelope")
    if data[end : end + 2] != _SIGNATURE_HEAD:
        raise InvalidEnvelope("a signature has 64 bytes")
    return Envelope(alg, KeyId(data[7 : 7 + SHORT_ID_BYTES]), data[end - length : end], data[end + 2 :])


def _byte_string_head(length: int) -> bytes:
    """The shortest CBOR head of a byte string (RFC 8949, 3.1)."""
    if length < 24:
        return bytes([0x40 | length])
    if length < 0x100:
        return bytes([0x58, length])
    if length < 0x1_0000:
        return b"\x59" + length.to_bytes(2, "big")
    return b"\x5a" + length.to_bytes(4, "big")
