"""A backlog under one signature: up to 64 records of one source in one transaction (wire.md 2)."""

from __future__ import annotations

from collections.abc import Sequence

from doxedge.signing import envelope, limits
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record, decode_payload
from doxedge.signing.signer import Signer
from doxedge.store import entry_check
from doxedge.store.rows import Entry

BATCH_KIND = "batch"


def count_sound(entries: Sequence[Entry], *, channel: bytes, signer: Signer) -> int:
    """How many of the first entries are as this key signed them, and follow each other.

    Only those may be signed once more as a batch: a record that somebody altered on the disk would get a good
    signature. What comes after them travels in its own envelope, and the ledger judges its signature.
    """
    for count, entry in enumerate(entries):
        if entry.seq != entries[0].seq + count or not is_as_signed(entry, channel=channel, signer=signer):
            return count
    return len(entries)


def is_as_signed(entry: Entry, *, channel: bytes, signer: Signer) -> bool:
    """Whether the envelope holds this very record, with a signature of this key that holds."""
    record, reasons = entry_check.reasons_against(
        channel=channel,
        source=entry.source,
        seq=entry.seq,
        record_id=entry.record_id,
        kind=entry.kind,
        sealed=entry.envelope,
    )
    return record is not None and not reasons and holds(envelope.decode(entry.envelope), channel, signer)


def holds(sealed: envelope.Envelope, channel: bytes, signer: Signer) -> bool:
    """Whether the signature of a record is one of this key."""
    if (sealed.alg, sealed.key_id) != (signer.alg, signer.key_id):
        return False
    try:
        sealed.verify(signer.public_key, object_name="tx", channel=channel)
    except envelope.InvalidEnvelope:
        return False
    return True


def batch_envelope(envelopes: Sequence[bytes], *, channel: bytes, signer: Signer) -> bytes:
    """The records of consecutive envelopes of one source, signed once more as one batch.

    The records keep their numbers and their record ids: whether they arrive alone or in a batch is the same to the
    ledger. Raises ValueError unless there are 2 to 64 records that follow each other.
    """
    records = [decode_payload(envelope.decode(data).payload) for data in envelopes]
    if not 2 <= len(records) <= limits.BATCH_RECORDS:
        raise ValueError(f"a batch holds 2 to {limits.BATCH_RECORDS} records, not {len(records)}")
    first = records[0]
    for position, record in enumerate(records):
        if record.source != first.source or record.seq != first.seq + position:
            raise ValueError("the records of a batch follow each other without a gap")
    body: list[Value] = [[record.kind, record.seq, record.prev, record.body] for record in records]
    batch = Record(BATCH_KIND, first.source, first.seq, first.prev, body)
    return envelope.seal(batch.payload(), object_name="tx", channel=channel, signer=signer).encode()
