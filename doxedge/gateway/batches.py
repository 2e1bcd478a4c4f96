"""A backlog under one signature: up to 64 records of one source in one transaction (wire.md 2)."""

from __future__ import annotations

from collections.abc import Sequence

from doxedge.signing import envelope, limits
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record, decode_payload
from doxedge.signing.signer import Signer

BATCH_KIND = "batch"


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
