"""The last refusals of a channel, for the status page: by a rule, or at the door."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from doxedge.contracts import parties
from doxedge.contracts.rule import Book
from doxedge.ledger.receipt import Outcome, Receipt
from doxedge.ledger.transaction import Transaction
from doxedge.web.node_port import RefusalView

KEPT: Final = 100


@dataclass(slots=True)
class Refusals:
    """Newest last."""

    channel: bytes
    views: deque[RefusalView] = field(default_factory=lambda: deque(maxlen=KEPT))
    counts: dict[str, int] = field(default_factory=lambda: {"rule": 0, "door": 0})
    """Since start, by who refused."""
    _shown: deque[tuple[bytes, str]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def at_the_door(
        self,
        book: Book,
        transaction: Transaction,
        *,
        code: str,
        reason: str,
        at_ms: int,
        clause: str | None = None,
    ) -> None:
        """A transaction was not admitted; whoever tries again does not fill the list with it."""
        name = (transaction.tx_id, code)
        if name in self._shown:
            return
        self._shown.append(name)
        self.counts["door"] += 1
        self._add(book, transaction, clause=clause, code=code, reason=reason, at_ms=at_ms, height=None)

    def by_rule(
        self, book: Book, transaction: Transaction, receipt: Receipt, *, at_ms: int, height: int
    ) -> None:
        """A final receipt says no, for the whole or for some record of a batch."""
        if receipt.outcome is Outcome.ACCEPTED:
            return
        self.counts["rule"] += 1
        words = [str(event[2]) for event in receipt.events if event[:1] == ["refused"] and len(event) == 3]
        reason = words[0] if words else "inadmissible"
        self._add(
            book, transaction, clause=receipt.clause, code=None, reason=reason, at_ms=at_ms, height=height
        )

    def _add(
        self,
        book: Book,
        transaction: Transaction,
        *,
        clause: str | None,
        code: str | None,
        reason: str,
        at_ms: int,
        height: int | None,
    ) -> None:
        key = parties.find_key(book, transaction.envelope.key_id)
        party = None if key is None else key.party
        kind = transaction.record.kind
        self.views.append(
            RefusalView(
                at_ms=at_ms,
                channel=self.channel,
                what=f"{kind} {transaction.first_seq} of {party or 'somebody unknown'}",
                kind=kind,
                clause=clause,
                code=code,
                reason=reason,
                party=party,
                height=height,
            )
        )
