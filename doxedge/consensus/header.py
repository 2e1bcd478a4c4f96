"""The header of a block: what validators agree on (wire.md 4). Its roots are opaque here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from doxedge.signing import canonical
from doxedge.signing.tags import BlockId, ChannelId, hash_tagged

HEADER_VERSION: Final = 1
HEADER_BYTES_MAX: Final = 1_024


class InvalidBlock(ValueError):
    """A header, body or certificate that cannot be right. The peer who made it is wrong."""


@dataclass(frozen=True, slots=True)
class Header:
    """Fifteen fields in the order of the wire."""

    channel: ChannelId
    epoch: int
    view: int
    parent_view: int
    parent_id: BlockId
    """Id of the parent; the channel id at height 1."""
    height: int
    """From 1."""
    time_ms: int
    """UTC milliseconds of the proposer's clock: later than the parent's; serves consensus only."""
    tx_count: int
    tx_root: bytes
    """RFC 9162 over wire ids."""
    receipt_root: bytes
    """RFC 9162 over receipt bytes."""
    state_root: bytes
    """Compact sparse tree over the state after this block."""
    history_root: bytes
    """RFC 9162 over the ids of all earlier blocks."""
    rules_version: int
    next_validators_hash: bytes | None
    """Names the next validators in a sealing block, else null."""

    def encode(self) -> bytes:
        """The canonical bytes."""
        return canonical.encode(
            [
                HEADER_VERSION,
                self.channel,
                self.epoch,
                self.view,
                self.parent_view,
                self.parent_id,
                self.height,
                self.time_ms,
                self.tx_count,
                self.tx_root,
                self.receipt_root,
                self.state_root,
                self.history_root,
                self.rules_version,
                self.next_validators_hash,
            ]
        )

    @property
    def block_id(self) -> BlockId:
        """SHA-256(tag("block") || header)."""
        return block_id(self.encode())


def block_id(header: bytes) -> BlockId:
    """The id of a block from its header's bytes."""
    return BlockId(hash_tagged("block", header))


def decode_header(data: bytes) -> Header:
    """The header in `data`. Raises InvalidBlock."""
    try:
        value = canonical.decode(data, limit=HEADER_BYTES_MAX)
    except canonical.NonCanonical as error:
        raise InvalidBlock(f"header: {error}") from error
    match value:
        case [
            int(version),
            bytes(channel),
            int(epoch),
            int(view),
            int(parent_view),
            bytes(parent_id),
            int(height),
            int(time_ms),
            int(tx_count),
            bytes(tx_root),
            bytes(receipt_root),
            bytes(state_root),
            bytes(history_root),
            int(rules_version),
            bytes() | None as seal,
        ] if version == HEADER_VERSION:
            pass
        case _:
            raise InvalidBlock("header: not the fifteen fields of version 1")
    numbers = (version, epoch, view, parent_view, height, time_ms, tx_count, rules_version)
    hashes = (channel, parent_id, tx_root, receipt_root, state_root, history_root)
    if any(isinstance(n, bool) or n < 0 for n in numbers) or height < 1 or any(len(h) != 32 for h in hashes):
        raise InvalidBlock("header: a field is out of its bounds")
    if seal is not None and len(seal) != 32:
        raise InvalidBlock("header: the hash of the next validators has 32 bytes")
    return Header(
        ChannelId(channel),
        epoch,
        view,
        parent_view,
        BlockId(parent_id),
        height,
        time_ms,
        tx_count,
        tx_root,
        receipt_root,
        state_root,
        history_root,
        rules_version,
        seal,
    )
