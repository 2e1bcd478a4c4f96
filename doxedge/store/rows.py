"""What goes into the store and comes out of it: plain bytes and numbers, no opinion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from doxedge.signing.canonical import Value
from doxedge.signing.merkle import Frontier

LENGTH_BYTES: Final = 4


# A channel's ledger


class TransactionRow(NamedTuple):
    """One transaction of a block, to be written."""

    raw: bytes
    """The envelope as it travelled."""
    receipt: bytes
    tx_id: bytes
    wire_id: bytes
    """SHA-256 of `raw`."""
    record_ids: tuple[bytes, ...]
    """In the order of a batch; one for a single record."""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A final block, to be written."""

    height: int
    block_id: bytes
    header: bytes
    certificate: bytes | None
    """None for a block that is final through a descendant."""
    transactions: tuple[TransactionRow, ...]


class StateWrite(NamedTuple):
    """One key of the state after a block; a value of None deletes it."""

    room: str
    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Commit:
    """A block and what it changes."""

    block: BlockRow
    writes: tuple[StateWrite, ...]


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block as it was read."""

    height: int
    block_id: bytes
    header: bytes
    certificate: bytes | None
    transactions: tuple[bytes, ...] | None
    """None when only the header was asked for, or the body was pruned."""
    receipts: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction or a record stands."""

    height: int
    index: int
    """Of the transaction in its block."""
    record_index: int
    """Of the record in a batch, else 0."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A member's signature over a head."""

    height: int
    key_id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that a node needs in memory to go on."""

    genesis: bytes
    head: StoredBlock | None
    state: list[tuple[str, bytes, bytes]]
    """(room, key, canonical value)."""
    frontier: Frontier
    """Of the tree over all block ids, the head's included."""
    pool: list[bytes]
    """Transactions that were held, oldest first."""
    journal: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    what: str
    """`genesis`, `header`, `parent`, `history`, `certificate`, `transactions`, `receipts`, `name`, `state row`, `state`
    or `file`."""
    where: str
    """The block, key or row."""
    expected: str
    found: str


# The outbox


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that has no number yet."""

    kind: str
    body: list[Value]
    key: str
    """The same statement made again has the same key within its source, so that it is stored once."""


@dataclass(frozen=True, slots=True)
class Room:
    """How full an outbox is, and what must go first when it is full."""

    used_bytes: int
    bytes_max: int
    dropped_early: int
    """Proved records that were given up before their time since the file was opened."""
    next_closed_ms: int | None
    """When the proved record was proved that would go first; None when none can go."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The record that stands for a draft."""

    record_id: bytes
    seq: int
    new: bool
    """False when the key had been used: the earlier record stands."""


@dataclass(frozen=True, slots=True)
class SourceHead:
    """The last record of a source."""

    channel: bytes
    source: bytes
    seq: int
    """0 before the first record."""
    prev: bytes
    """Its record id; zeros before the first."""
    adopted: bool = False
    """The ledger knew records that this file does not: the file is fresh, or older than the ledger."""


EntryState = Literal["pending", "closed", "refused_at_admission"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record in the outbox and what became of it."""

    record_id: bytes
    channel: bytes
    source: bytes
    seq: int
    kind: str
    key: str
    envelope: bytes
    state: EntryState
    stored_ms: int
    closed_ms: int | None
    outcome: int | None
    """Of the final receipt: 0 accepted, 1 refused, 2 inadmissible."""
    clause: str | None
    reason: str | None
    proof: bytes | None


@dataclass(frozen=True, slots=True)
class Closing:
    """A record is final, and this proves it."""

    record_id: bytes
    proof: bytes
    outcome: int
    clause: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries there are in each state, and the room that the file takes."""

    pending: int
    closed: int
    refused: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Queue:
    """How far the records of one source have come."""

    pending: int
    oldest_seq: int | None
    """The first that is not final; None when all are."""
    oldest_ms: int | None
    """When it was stored."""
    final_seq: int
    """The last that is proved final and still kept; 0 when none is."""


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a source's records do not follow each other."""

    channel: bytes
    source: bytes
    seq: int
    reason: str


# Raw samples


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One poll of one device, to be written."""

    device: str
    at_ms: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class StoredSample:
    """One poll of one device, as it was read."""

    row_id: int
    """Grows with time and, within a millisecond, with arrival."""
    device: str
    at_ms: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class HourRoot:
    """The root of the tree over one unit's samples of one hour."""

    unit: str
    start_ms: int
    revision: int
    samples: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """Samples that were deleted: what is to be said about it on the ledger."""

    from_ms: int
    to_ms: int
    """Of the last one, inclusive."""
    samples: int


def pack(items: Iterable[bytes]) -> bytes:
    """Byte strings, each behind its length."""
    parts: list[bytes] = []
    for item in items:
        parts += (len(item).to_bytes(LENGTH_BYTES, "big"), item)
    return b"".join(parts)


def unpack(packed: bytes) -> tuple[bytes, ...]:
    """What was packed. Raises ValueError when the lengths do not fit: the bytes were changed."""
    return tuple(_pieces(packed))


def _pieces(packed: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packed):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(packed[at:start], "big")
        if start > len(packed) or at > len(packed):
            raise ValueError("a length points behind the end")
        yield packed[start:at]
