"""Two records with one number: what a leader keeps until his next block can hold the proof."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from doxedge.contracts import numbering
from doxedge.contracts.rule import Book
from doxedge.ledger.execution import CONFLICT
from doxedge.ledger.transaction import Transaction
from doxedge.signing import limits
from doxedge.signing.canonical import Value

KEPT_MAX: Final = 256
"""Accusations waiting for a block. Each suspends a source, so an honest channel has none."""
PER_BLOCK: Final = 8
"""Proofs in one block: eight of 64 KiB leave three quarters of the body to everybody else."""
FRAME_BYTES: Final = 512
"""Envelope, tag and array heads around the two envelopes of a proof."""


@dataclass(slots=True)
class Accusations:
    """Proofs of conflict by source and number, oldest first."""

    _waiting: OrderedDict[tuple[bytes, int], list[Value]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, book: Book, *, source: bytes, seq: int, first: bytes, second: bytes) -> bool:
        """Keep the two envelopes; False when it is known, too many wait, or the two do not fit one record."""
        name = (source, seq)
        if name in self._waiting or stands(book, source, seq) or len(self._waiting) >= KEPT_MAX:
            return False
        if len(first) + len(second) + FRAME_BYTES > limits.ENVELOPE_BYTES:
            return False
        self._waiting[name] = [first, second]
        return True

    def bodies(self, book: Book, *, consumed_now: Container[tuple[bytes, int]] = ()) -> list[list[Value]]:
        """Bodies of `conflict` records for the next block: of numbers that are consumed, or that it consumes itself."""
        for name in [name for name in self._waiting if stands(book, *name)]:
            del self._waiting[name]
        ripe = [
            body
            for (source, seq), body in self._waiting.items()
            if (source, seq) in consumed_now or _is_consumed(book, source, seq)
        ]
        return ripe[:PER_BLOCK]

    def judged(self, transactions: Iterable[Transaction]) -> None:
        """Forget what a final block has answered: a refused proof would come back in every block."""
        if not self._waiting:
            return
        answered = [
            r.body for t in transactions if CONFLICT in t.kinds for r in t.records if r.kind == CONFLICT
        ]
        for name in [name for name, body in self._waiting.items() if body in answered]:
            del self._waiting[name]


def stands(book: Book, source: bytes, seq: int) -> bool:
    """Whether the ledger holds a proof against this number."""
    return book.get(numbering.FORKS, source + seq.to_bytes(8, "big")) is not None


def _is_consumed(book: Book, source: bytes, seq: int) -> bool:
    entry = numbering.find_source(book, source)
    return entry is not None and entry.seq >= seq
