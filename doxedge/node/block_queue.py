"""Final blocks of others on their way into the chain: only certified ones enter, each waits for its turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from doxedge.ledger.block import Block

BYTES_MAX: Final = 16 * 1024 * 1024
WINDOW: Final = 1_024
"""Heights above the own one that are kept: what comes earlier than that is fetched again in time."""


@dataclass(slots=True)
class BlockQueue:
    """By height, bounded in bytes and in how far ahead."""

    _blocks: dict[int, tuple[Block, int]] = field(default_factory=dict)
    _size_bytes: int = 0

    def put(self, block: Block, size_bytes: int, *, own_height: int) -> bool:
        """Keep a block above the own height; False when it is there, too far ahead, or too much."""
        height = block.header.height
        if not own_height < height <= own_height + WINDOW or height in self._blocks:
            return False
        if self._size_bytes + size_bytes > BYTES_MAX and height != own_height + 1:
            return False
        self._blocks[height] = (block, size_bytes)
        self._size_bytes += size_bytes
        return True

    def get(self, height: int) -> Block | None:
        """The block of this height. It stays until it is executed, or it would be asked for again meanwhile."""
        found = self._blocks.get(height)
        return None if found is None else found[0]

    def forget(self, height: int) -> None:
        """What lies at or below this height is in the chain."""
        for old in [h for h in self._blocks if h <= height]:
            self._size_bytes -= self._blocks.pop(old)[1]

    def holds(self, height: int) -> bool:
        """Whether the block of this height is here."""
        return height in self._blocks

    def contiguous_height(self, own_height: int) -> int:
        """Up to where blocks are at hand without a gap: from there on it is worth asking."""
        height = own_height
        while height + 1 in self._blocks:
            height += 1
        return height
