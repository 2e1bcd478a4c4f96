"""A node's word that it executed a final block and found the same (wire.md 4).

With one validator, finality is one party's word; cosignatures of the other members make it everybody's.
"""

from __future__ import annotations

from dataclasses import dataclass

from doxedge.signing import algorithms, canonical
from doxedge.signing.signer import Signer
from doxedge.signing.tags import BlockId, KeyId, tag


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One node's signature over `[height, block_id, history_root]`."""

    height: int
    key_id: KeyId
    signature: bytes


def cosigned_bytes(*, channel: bytes, height: int, block_id: BlockId, history_root: bytes) -> bytes:
    """What is signed: tag("cosign"), the channel, and the three fields."""
    return tag("cosign") + channel + canonical.encode([height, block_id, history_root])


def cosign(
    *, channel: bytes, height: int, block_id: BlockId, history_root: bytes, signer: Signer
) -> Cosignature:
    """Sign a head that was executed here."""
    message = cosigned_bytes(channel=channel, height=height, block_id=block_id, history_root=history_root)
    return Cosignature(height, signer.key_id, signer.sign(message))


def holds(
    cosignature: Cosignature,
    *,
    channel: bytes,
    block_id: BlockId,
    history_root: bytes,
    alg: int,
    public_key: bytes,
) -> bool:
    """Whether the signature is of this key and over this head."""
    message = cosigned_bytes(
        channel=channel, height=cosignature.height, block_id=block_id, history_root=history_root
    )
    return algorithms.verify(alg, public_key, message, cosignature.signature)
