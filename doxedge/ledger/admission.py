"""At the door: what may enter a block at all (wire.md 3, admission and outcome).

A refusal here has a stable code and says what to do. It is about form, key and number; whether a rule says yes is
another matter, and stands on a receipt.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from doxedge.contracts import numbering, parties
from doxedge.contracts.rule import Book
from doxedge.ledger import bodies
from doxedge.ledger.transaction import BATCH, TICK, TX, Transaction
from doxedge.signing.envelope import InvalidEnvelope

KINDS: Final = frozenset(bodies.SHAPES) | {BATCH, TICK}
"""All there are; a batch is a frame around records, and a tick is made by the leader for his block."""


class Inadmissible(Exception):
    """The transaction may not enter a block. The sender must act as the text says."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep the stable code beside the words."""
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class SequenceConflict(Inadmissible):
    """Another record has consumed this number: a double spend, or a device that was cloned."""

    def __init__(self, seq: int, consumed: bytes | None) -> None:
        """`consumed` is the record id that stands, where it is known."""
        super().__init__("conflict", f"another record of this source has the number {seq}")
        self.seq = seq
        self.consumed = consumed


def find_signer(book: Book, transaction: Transaction) -> tuple[numbering.SourceEntry, parties.KeyEntry]:
    """Whose record it is. Raises Inadmissible for unknown, revoked or suspended ones."""
    key = parties.find_key(book, transaction.envelope.key_id)
    if key is None:
        text = f"key {transaction.envelope.key_id.hex()} is not enrolled on this channel; was it meant for another one?"
        raise Inadmissible("unknown_key", text)
    if key.revoked:
        raise Inadmissible(
            "revoked_key", "the key was revoked or has a successor; sign with a key that is in force"
        )
    source = numbering.find_source(book, transaction.source)
    if source is None or source.holder_key_id != transaction.envelope.key_id:
        raise Inadmissible(
            "unknown_source", "this key does not number the records of this source on this channel"
        )
    if source.suspended:
        text = "the source stated two records with one number; the regulator must reinstate it first"
        raise Inadmissible("suspended", text)
    if key.alg != transaction.envelope.alg:
        raise Inadmissible("bad_signature", "the envelope names another algorithm than the key")
    return source, key


def check_number(source: numbering.SourceEntry, transaction: Transaction) -> None:
    """Raise Inadmissible unless number and prev follow what the source last said."""
    first, prev = transaction.first_seq, transaction.record.prev
    if first <= source.seq:
        if transaction.last_seq == source.seq and transaction.record_ids[-1] == source.prev:
            raise Inadmissible("duplicate", f"record {transaction.last_seq} is on the ledger already")
        raise Inadmissible("wrong_sequence", f"number {first} was consumed; the next is {source.seq + 1}")
    if first > source.seq + 1:
        raise Inadmissible("wrong_sequence", f"number {first} leaves a hole; the next is {source.seq + 1}")
    if prev != source.prev:
        text = f"the record does not name {source.prev.hex()} as its previous record; was one removed or altered?"
        raise Inadmissible("wrong_previous", text)


def check_signature(
    transaction: Transaction, key: parties.KeyEntry, *, channel: bytes, verified: Container[bytes]
) -> None:
    """Raise Inadmissible unless the signature holds; skipped for wire ids that were checked before."""
    if transaction.wire_id in verified:
        return
    try:
        transaction.envelope.verify(key.public_key, object_name=TX, channel=channel)
    except InvalidEnvelope as error:
        raise Inadmissible("bad_signature", str(error)) from error


def check_kinds(transaction: Transaction) -> None:
    """Raise Inadmissible for a kind that this version of the rules does not have."""
    for kind in sorted(transaction.kinds.difference(KINDS)):
        raise Inadmissible("unknown_kind", f"`{kind}` is not a kind of record on this channel")
