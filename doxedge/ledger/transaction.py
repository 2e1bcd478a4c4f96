"""A signed record, or a batch of them, as it travels: opened, named, and not yet judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import field
from typing import Any, Final

from doxedge.fact import fact
from doxedge.signing import envelope, limits
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import SEQ_MAX, InvalidRecord, Record, check_kind, decode_frame, decode_payload
from doxedge.signing.signer import Signer
from doxedge.signing.tags import RecordId, TxId, WireId, tag

BATCH: Final = "batch"
TICK: Final = "tick"
TX: Final = "tx"
_NOT_IN_A_BATCH: Final = frozenset({BATCH, TICK})
_RECORD_TAG: Final = tag("record")
_sha256 = hashlib.sha256
_FIVE_ITEMS: Final = b"\x85"
"""CBOR head of an array of five (RFC 8949, 3.1)."""
_ENTRY: Final = [str, int, bytes, list]
"""Types of `[kind, seq, prev, body]`, exact: true and false are integers to Python and not to the wire."""
_SOURCE_HEAD: Final = b"\x50"
"""Of a byte string of sixteen."""
_FIVE_ITEMS_AT: Final = 2
"""A payload is the head of an array of six, the version 1, and then the five items that a record id covers."""
_BATCH_START: Final = b"\x86\x01\x65batch"
"""How the canonical payload of a batch begins: version and kind."""


@fact
class Transaction:
    """One envelope of tag("tx") with everything that can be told without the ledger."""

    raw: bytes
    envelope: Envelope
    record: Record
    """What was signed; for a batch the frame around its records, without them."""
    records: tuple[Record, ...]
    """The records that are numbered: the one, or those of the batch."""
    kinds: frozenset[str]
    """Of its records."""
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
    if opened.payload.startswith(_BATCH_START):
        record, entries = decode_frame(opened.payload)
        records, ids, kinds = _open_batch(record, entries, channel)
        record = Record(record.kind, record.source, record.seq, record.prev, [])
    else:
        record = decode_payload(opened.payload)
        records, ids = (record,), (_name(channel, _FIVE_ITEMS + opened.payload[_FIVE_ITEMS_AT:]),)
        kinds = frozenset((record.kind,))
    return Transaction(
        raw=raw,
        envelope=opened,
        record=record,
        records=records,
        kinds=kinds,
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
    return RecordId(_sha256(_RECORD_TAG + channel + five_items).digest())


def _open_batch(
    frame: Record, encoded: Sequence[bytes], channel: bytes
) -> tuple[tuple[Record, ...], tuple[RecordId, ...], frozenset[str]]:
    """The records of a batch, their ids, each following the one before, and their kinds.

    `encoded` are the bytes of its entries: with the source behind the kind, they are what a record id covers.
    """
    if not 1 <= len(frame.body) <= limits.BATCH_RECORDS:
        raise InvalidRecord(f"a batch holds 1 to {limits.BATCH_RECORDS} records, not {len(frame.body)}")
    source, seq, prev = frame.source, frame.seq, frame.prev
    if seq + len(frame.body) - 1 > SEQ_MAX:
        raise InvalidRecord("the batch numbers its records beyond 2^63-1")
    records: list[Record] = []
    ids: list[RecordId] = []
    kinds: set[str] = set()
    last_kind, start, kind_end = "", b"", 0
    for entry, data in zip(frame.body, encoded, strict=True):
        if type(entry) is not list or [*map(type, entry)] != _ENTRY:
            raise InvalidRecord("a record of a batch is [kind, seq, prev, body]")
        fields: list[Any] = entry
        kind, own_seq, own_prev, body = fields
        if kind != last_kind:
            _check_inner_kind(kind)
            kinds.add(kind)
            last_kind, kind_end = kind, len(kind) + (2 if len(kind) < 24 else 3)
            start = b"".join((_RECORD_TAG, channel, _FIVE_ITEMS, data[1:kind_end], _SOURCE_HEAD, source))
        if own_seq != seq or own_prev != prev:
            raise InvalidRecord(f"record {len(records)} of the batch does not follow the one before it")
        # Source, number and predecessor follow from those of the frame, which were checked; what is equal is kept once.
        records.append(Record(last_kind, source, own_seq, prev, body))
        prev = RecordId(_sha256(start + data[kind_end:]).digest())
        ids.append(prev)
        seq += 1
    return tuple(records), tuple(ids), frozenset(kinds)


def _check_inner_kind(kind: str) -> None:
    check_kind(kind)
    if kind in _NOT_IN_A_BATCH:
        raise InvalidRecord(f"a {kind} does not stand in a batch")
