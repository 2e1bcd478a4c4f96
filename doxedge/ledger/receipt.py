"""The final answer to a transaction: accepted, refused with its clause, or inadmissible (wire.md 4)."""

from __future__ import annotations

from enum import IntEnum

from doxedge.contracts.rule import Value
from doxedge.fact import fact
from doxedge.signing import canonical
from doxedge.signing.tags import TxId


class Outcome(IntEnum):
    """What became of it. Accepted and refused consume the number; inadmissible changes nothing at all."""

    ACCEPTED = 0
    REFUSED = 1
    INADMISSIBLE = 2


class InvalidReceipt(ValueError):
    """Bytes that are no receipt. The peer is wrong."""


@fact
class Receipt:
    """`[tx_id, outcome, clause|null, [event…]]`.

    A batch is accepted when each of its records is; its events hold `["record", seq, outcome, clause|null]` for every
    record, each before that record's own events.
    """

    tx_id: TxId
    outcome: Outcome
    clause: str | None
    events: tuple[list[Value], ...]

    def encode(self) -> bytes:
        """The canonical bytes: a leaf of the receipt tree."""
        events: list[Value] = list(self.events)
        return canonical.encode_known([self.tx_id, int(self.outcome), self.clause, events])


def decode_receipt(data: bytes) -> Receipt:
    """The receipt in `data`. Raises InvalidReceipt."""
    try:
        value = canonical.decode(data, limit=2 * 1024 * 1024)
    except canonical.NonCanonical as error:
        raise InvalidReceipt(str(error)) from error
    match value:
        case [bytes(tx_id), int(outcome), str() | None as clause, list(events)] if _is_outcome(outcome):
            pass
        case _:
            raise InvalidReceipt("a receipt is [tx_id, outcome, clause, events]")
    if len(tx_id) != 32 or not all(isinstance(event, list) for event in events):
        raise InvalidReceipt("a receipt names a transaction and lists events")
    return Receipt(
        TxId(tx_id), Outcome(outcome), clause, tuple(event for event in events if isinstance(event, list))
    )


def record_outcomes(receipt: Receipt) -> list[tuple[int, Outcome, str | None]]:
    """(seq, outcome, clause) of each record of a batch; empty for a receipt of a single record."""
    found = []
    for event in receipt.events:
        match event:
            case ["record", int(seq), int(outcome), str() | None as clause] if _is_outcome(outcome):
                found.append((seq, Outcome(outcome), clause))
    return found


def _is_outcome(number: int) -> bool:
    """Whether it is one of the three; true and false are integers to Python and not to the wire."""
    return not isinstance(number, bool) and number in set(Outcome)
