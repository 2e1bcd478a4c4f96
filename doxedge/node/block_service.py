"""Blocks for members who missed them: read from the disk, cut into messages, within a budget for each asker."""

from __future__ import annotations

import asyncio
from typing import Final

from doxedge.consensus.header import decode_header
from doxedge.gossip import catch_up
from doxedge.gossip.rate import TokenBucket
from doxedge.ledger.block import Block
from doxedge.signing.canonical import Value
from doxedge.store.chain import ChainStore
from doxedge.store.rows import StoredBlock

ANSWERS_PER_S: Final = 50
"""To one member: at 96 KiB each more than a line of 30 Mbit/s carries."""
ANSWERS_BURST: Final = 200


class BlockService:
    """Answers questions of members, cheaply for a block that goes in parts."""

    def __init__(self, store: ChainStore) -> None:
        """Read from the channel's store."""
        self._store = store
        self._buckets: dict[bytes, TokenBucket] = {}
        self._large: tuple[int, bytes] | None = None
        """Height and bytes of the block that goes in parts now."""

    async def answer(
        self, asker: bytes, *, from_height: int, offset: int, own_height: int, now_s: float
    ) -> list[Value] | None:
        """The body of the answer; None when the asker is over his budget and gets none."""
        bucket = self._buckets.get(asker)
        if bucket is None:
            bucket = self._buckets[asker] = TokenBucket(per_s=ANSWERS_PER_S, burst=ANSWERS_BURST, now_s=now_s)
        if not bucket.take(1, now_s=now_s):
            return None
        if from_height > own_height:
            return catch_up.answer(from_height, 0, [])
        if offset and self._large is not None and self._large[0] == from_height:
            return catch_up.answer(from_height, offset, [self._large[1]])
        last = min(own_height, from_height + catch_up.BLOCKS_PER_ANSWER - 1)
        stored = await self._store.blocks(from_height, last, bytes_max=catch_up.PART_BYTES)
        encoded = await asyncio.to_thread(_encode, stored)
        if encoded and len(encoded[0]) > catch_up.PART_BYTES:
            self._large = (from_height, encoded[0])
        return catch_up.answer(from_height, offset, encoded)


def _encode(stored: list[StoredBlock]) -> list[bytes]:
    """As they travel, up to the first whose body was pruned."""
    encoded = []
    for block in stored:
        if block.transactions is None or block.certificate is None:
            break
        encoded.append(Block(decode_header(block.header), block.certificate, block.transactions).encode())
    return encoded
