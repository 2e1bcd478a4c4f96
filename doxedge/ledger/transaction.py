"""A signed record, or a batch of them, as it travels: opened, named, and not yet judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from doxedge.signing import canonical, envelope, limits
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import InvalidRecord, Record, checked, decode_payload
from doxedge.signing.signer import Signer
from doxedge.signing.tags import RecordId, TxId, WireId, tag

BATCH: Final = "batch"
TICK: Final = "tick"
TX: Final = "tx"
_NOT_IN_A_BATCH: Final = frozenset({BATCH, TICK})
_RECORD_TAG: Final = tag("record")
_FIVE_ITEMS: Final = b"\x85"
"""CBOR head of an array of five (RFC 8949, 3.1)."""
_FIVE_ITEMS_AT: Final = 2
"""A payload is the head of an array of six, the version 1, and then the five items that a record id covers."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One envelope of tag("tx") with everything that can be told without the ledger."""

    raw: bytes
    envelope: Envelope
    record: Record
    """What was signed; for a batch the frame around its records."""
    records: tuple[Record, ...]
    """The records that are numbered: the one, or those of the batch."""
    record_ids: tuple[RecordId, ...]
    tx_id: TxId
    wire_id: WireId
    facts: list[object | None] = field(default_factory=list, compare=False, repr=False)
    """Of each record, where they follow from its body alone; None for the others. Empty until the
    admission has been over all records, and then there for the execution."""

    @property
    def source(self) -> bytes:
        """16 bytes: whose numbering."""
        return self.record.source

    @property
    def first_seq(self) -> int:
        """The number of the first record."""
        return self.record.seq

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        return self.records[-1].seq


def open_transaction(raw: bytes, channel: bytes) -> Transaction:
    """Decode and name `raw`; the signature is checked later, by whoever knows the key.

    Raises InvalidEnvelope, NonCanonical or InvalidRecord: the sender is wrong, and the bytes are worth nothing.
    """
    opened = envelope.decode(raw)
    record = decode_payload(opened.payload)
    if record.kind == BATCH:
        records, ids = _open_batch(record, channel)
    else:
        records, ids = (record,), (_name(channel, _FIVE_ITEMS + opened.payload[_FIVE_ITEMS_AT:]),)
    return Transaction(
        raw=raw,
        envelope=opened,
        record=record,
        records=records,
        record_ids=ids,
        tx_id=opened.tx_id(channel, object_name=TX),
        wire_id=WireId(hashlib.sha256(raw).digest()),
    )


def sign_record(record: Record, *, channel: bytes, signer: Signer) -> Transaction:
    """Seal a record and open it again: what its signer hands to a node."""
    sealed = envelope.seal(record.payload(), object_name=TX, channel=channel, signer=signer)
    return open_transaction(sealed.encode(), channel)


def _name(channel: bytes, five_items: bytes) -> RecordId:
    """The record id over the canonical bytes of `[kind, source, seq, prev, body]` (wire.md 2)."""
    return RecordId(hashlib.sha256(_RECORD_TAG + channel + five_items).digest())


def _open_batch(frame: Record, channel: bytes) -> tuple[tuple[Record, ...], tuple[RecordId, ...]]:
    """The records of a batch and their ids, each following the one before."""
    if not 1 <= len(frame.body) <= limits.BATCH_RECORDS:
        raise InvalidRecord(f"a batch holds 1 to {limits.BATCH_RECORDS} records, not {len(frame.body)}")
    source, seq, prev = frame.source, frame.seq, frame.prev
    records: list[Record] = []
    ids: list[RecordId] = []
    for entry in frame.body:
        match entry:
            case [str() as kind, int() as own_seq, bytes() as own_prev, list() as body]:
                pass
            case _:
                raise InvalidRecord("a record of a batch is [kind, seq, prev, body]")
        if kind in _NOT_IN_A_BATCH:
            raise InvalidRecord(f"a {kind} does not stand in a batch")
        if own_seq != seq or own_prev != prev:
            raise InvalidRecord(f"record {len(records)} of the batch does not follow the one before it")
        records.append(checked(kind=kind, source=source, seq=own_seq, prev=own_prev, body=body))
        # The frame was found canonical as a whole, so its parts need no second look before they are encoded.
        prev = _name(channel, canonical.encode_checked([kind, source, seq, own_prev, body]))
        ids.append(prev)
        seq += 1
    return tuple(records), tuple(ids)
