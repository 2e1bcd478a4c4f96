"""A block as it is stored and sent: header, certificate, and the transactions under one root."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.consensus.header import Header, InvalidBlock, decode_header
from doxedge.signing import canonical, limits, merkle

TRANSACTIONS_MAX: Final = 2_900
"""A proposal lists wire ids of 32 bytes in at most 96 KiB (wire.md 4)."""
BLOCK_BYTES_MAX: Final = limits.BODY_BYTES + 64 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """One final block."""

    header: Header
    certificate: bytes
    transactions: tuple[bytes, ...]

    def encode(self) -> bytes:
        """`[header, certificate, [transaction…]]`, canonical."""
        transactions: list[canonical.Value] = list(self.transactions)
        return canonical.encode([self.header.encode(), self.certificate, transactions])


def wire_id(raw: bytes) -> bytes:
    """SHA-256 of the bytes that travel: a leaf of the transaction tree."""
    return hashlib.sha256(raw).digest()


def tx_root(transactions: Sequence[bytes]) -> bytes:
    """RFC 9162 over the wire ids."""
    return merkle.root([wire_id(raw) for raw in transactions])


def decode_block(data: bytes) -> Block:
    """The block in `data`; its body is checked against its header. Raises InvalidBlock."""
    try:
        value = canonical.decode(data, limit=BLOCK_BYTES_MAX)
    except canonical.NonCanonical as error:
        raise InvalidBlock(f"block: {error}") from error
    match value:
        case [bytes(header), bytes(certificate), list(transactions)]:
            pass
        case _:
            raise InvalidBlock("a block is [header, certificate, transactions]")
    raws = tuple(raw for raw in transactions if isinstance(raw, bytes))
    if len(raws) != len(transactions):
        raise InvalidBlock("a transaction is a byte string")
    block = Block(decode_header(header), certificate, raws)
    check_body(block.header, raws)
    return block


def check_size(transactions: Sequence[bytes]) -> None:
    """Raise InvalidBlock when they are more than a block may hold."""
    if len(transactions) > TRANSACTIONS_MAX or sum(map(len, transactions)) > limits.BODY_BYTES:
        raise InvalidBlock("the body of the block is over its limits")


def check_body(header: Header, transactions: Sequence[bytes]) -> None:
    """Raise InvalidBlock unless these are the transactions that the header counts and roots."""
    check_size(transactions)
    if len(transactions) != header.tx_count or tx_root(transactions) != header.tx_root:
        raise InvalidBlock("the body is not the one that the header names")
