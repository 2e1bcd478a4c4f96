"""Domain tags, and the names that are hashes (wire.md 2).

Every hash and every signature starts with a tag, so that bytes made for one purpose never pass for another.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NewType

ChannelId = NewType("ChannelId", bytes)
KeyId = NewType("KeyId", bytes)
SourceId = NewType("SourceId", bytes)
TxId = NewType("TxId", bytes)
WireId = NewType("WireId", bytes)
RecordId = NewType("RecordId", bytes)
BlockId = NewType("BlockId", bytes)

HASH_BYTES: Final = 32
SHORT_ID_BYTES: Final = 16
ZERO_HASH: Final = bytes(HASH_BYTES)


@lru_cache(maxsize=64)
def tag(object_name: str) -> bytes:
    """`doxedge/<object>/1` in ASCII and a NUL."""
    return b"doxedge/" + object_name.encode("ascii") + b"/1\0"


def hash_tagged(object_name: str, *parts: bytes) -> bytes:
    """SHA-256 of the tag and the parts, 32 bytes."""
    return hashlib.sha256(tag(object_name) + b"".join(parts)).digest()


def channel_id(genesis: bytes) -> ChannelId:
    """The name of a channel: the hash of its genesis bytes."""
    return ChannelId(hash_tagged("genesis", genesis))


def channel_short(channel: bytes) -> str:
    """The first 16 hex digits, used in topics and file names."""
    return channel[:8].hex()


def key_id(alg: int, public_key: bytes) -> KeyId:
    """First 16 bytes of the hash over the COSE algorithm number (one signed byte) and the public key."""
    return KeyId(hash_tagged("key", alg.to_bytes(1, "big", signed=True), public_key)[:SHORT_ID_BYTES])


def source_id(channel: bytes, anchor: bytes) -> SourceId:
    """What numbers its records: a hash of the registration's record id, or of the KeyId for keys of the genesis."""
    return SourceId(hash_tagged("source", channel, anchor)[:SHORT_ID_BYTES])
