"""What a source numbers and a signature covers: kind, source, sequence, previous record, body (wire.md 2)."""

from __future__ import annotations

from typing import Final

from doxedge.fact import fact
from doxedge.signing import canonical, limits
from doxedge.signing.tags import SHORT_ID_BYTES, ZERO_HASH, RecordId, SourceId, hash_tagged

PAYLOAD_VERSION: Final = 1
KIND_CHARACTERS_MAX: Final = 32
SEQ_MAX: Final = 2**63 - 1


class InvalidRecord(ValueError):
    """A payload that is not `[1, kind, source, seq, prev, body]`. The sender is wrong."""


@fact
class Record:
    """One numbered statement of one source."""

    kind: str
    """What is stated, as in wire.md 3: `hour`, `transfer`, …"""
    source: SourceId
    """Who numbers it: 16 bytes."""
    seq: int
    """From 1, without gaps."""
    prev: RecordId
    """The record id of the source's previous record, 32 zero bytes at first."""
    body: list[canonical.Value]

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode([PAYLOAD_VERSION, self.kind, self.source, self.seq, self.prev, self.body])

    def record_id(self, channel: bytes) -> RecordId:
        """The hash that the next record of this source names as its `prev`."""
        return RecordId(
            hash_tagged(
                "record", channel, canonical.encode([self.kind, self.source, self.seq, self.prev, self.body])
            )
        )


def decode_payload(payload: bytes) -> Record:
    """The record in `payload`. Raises NonCanonical or InvalidRecord."""
    return _record(canonical.decode(payload, limit=limits.ENVELOPE_BYTES))


def decode_frame(payload: bytes) -> tuple[Record, list[bytes]]:
    """As `decode_payload`, and the canonical bytes of each item of the body. Raises NonCanonical or InvalidRecord."""
    value, items = canonical.decode_apart(payload, limit=limits.ENVELOPE_BYTES)
    return _record(value), items


def _record(value: canonical.Value) -> Record:
    """The record that a payload says."""
    match value:
        case [int(version), str(kind), bytes(source), int(seq), bytes(prev), list(body)]:
            pass
        case _:
            raise InvalidRecord("a payload is [version, kind, source, seq, prev, body]")
    if version != PAYLOAD_VERSION or isinstance(version, bool):
        raise InvalidRecord(f"payload version {version}; this software reads {PAYLOAD_VERSION}")
    return checked(kind=kind, source=source, seq=seq, prev=prev, body=body)


def checked(*, kind: str, source: bytes, seq: int, prev: bytes, body: list[canonical.Value]) -> Record:
    """A record of these parts. Raises InvalidRecord when one is out of its bounds."""
    check_kind(kind)
    if len(source) != SHORT_ID_BYTES or len(prev) != len(ZERO_HASH):
        raise InvalidRecord(f"source has {SHORT_ID_BYTES} bytes and prev {len(ZERO_HASH)}")
    if isinstance(seq, bool) or not 1 <= seq <= SEQ_MAX:
        raise InvalidRecord(f"sequence number {seq} is not between 1 and 2^63-1")
    if seq == 1 and prev != ZERO_HASH:
        raise InvalidRecord("the first record of a source has a prev of zeros")
    return Record(kind, SourceId(source), seq, RecordId(prev), body)


def check_kind(kind: str) -> None:
    """Raise InvalidRecord unless it can name a kind, known here or not."""
    if not 0 < len(kind) <= KIND_CHARACTERS_MAX or not kind.isascii():
        raise InvalidRecord("a kind has 1 to 32 ASCII characters")
