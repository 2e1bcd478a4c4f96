"""The ledger as a gateway sees it: hand in signed records, follow them, fetch their proof.

One protocol, whoever keeps the ledger behind it: the node on the same machine over HTTP, a chain of our own in one
process, or another network altogether. Submitting is at least once: the same bytes again give the same answer, so
whoever is in doubt submits again and never needs to know whether the first attempt arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from doxedge.fact import fact

Wait: TypeAlias = Literal["none", "stored", "seen", "final"]
WAITS: Final[tuple[Wait, ...]] = ("none", "stored", "seen", "final")
"""How long a submission waits (wire.md 5): until the node holds it durably, until enough other members say that they
hold it too, or until it is in a final block. `none` asks for nothing; a node never answers before it has stored, so
there it gives as much as `stored`."""

State: TypeAlias = Literal["stored", "seen", "final", "conflict", "refused_at_admission"]
STATES: Final[tuple[State, ...]] = ("stored", "seen", "final", "conflict", "refused_at_admission")
UNFINISHED: Final[dict[Wait, frozenset[State]]] = {
    "none": frozenset(),
    "stored": frozenset(),
    "seen": frozenset({"stored"}),
    "final": frozenset({"stored", "seen"}),
}
"""What a wait waits to be left."""

SUBMISSION_ENVELOPES: Final = 64
"""Envelopes of one submission: 64 batches of 64 hours are half a year."""
PROOFS_OF_ONE_REQUEST: Final = 64


@fact
class RecordStatus:
    """How far one record has come (wire.md 5)."""

    record_id: bytes
    state: State
    """`stored` on the node's disk; `seen` by enough other members too, which is a hint and no proof; `final` in a
    certified block; `conflict`: another record has this number; `refused_at_admission`: it never entered, the code
    says why."""
    outcome: int | None = None
    """Of a final record: 0 accepted, 1 refused, 2 inadmissible."""
    clause: str | None = None
    """The clause that refused it."""
    reason: str | None = None
    height: int | None = None
    """The block it is final in."""
    code: str | None = None
    """The stable name of a refusal at admission: `wrong_sequence`, `bad_signature`, …"""
    seen_by: tuple[str, ...] = ()
    """Of a record that is not final: the other members who say that they hold it, by name."""


@fact
class TransactionStatus:
    """The answer to one submitted envelope."""

    tx_id: bytes | None
    """None when the bytes are no transaction at all; then `code` and `reason` say why."""
    wire_id: bytes
    records: tuple[RecordStatus, ...]
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SourceHead:
    """Where the numbering of a source stands in final blocks."""

    seq: int
    """The last number that was consumed, 0 for a source that has said nothing yet."""
    prev: bytes
    """The record id of that number, 32 zero bytes at first."""
    suspended: bool
    holder: bytes
    """The id of the key that may give the next number."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request for raw samples that waits for its answer."""

    record_id: bytes
    unit: str
    from_ms: int
    to_ms: int
    due_ms: int
    reason: str
    hours: tuple[tuple[int, bytes | None], ...]
    """(start_ms, record id) of each hour of the period: its latest statement, None where nothing is stated."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest final block of a channel on this node."""

    height: int
    block_id: bytes
    state_root: bytes
    time_ms: int
    """Its header time, UTC."""
    clock_ms: int
    """The execution clock after it (wire.md 1)."""
    catching_up: bool
    """Whether a later certified block is known that this node does not have yet."""


class LedgerError(Exception):
    """The ledger could not answer. The two kinds below say who must act."""


class Unreachable(LedgerError):
    """Nobody answered, or the answer was `not now`: try again later.

    `outcome_unknown` is true when the request may have arrived; submitting the same bytes again is safe.
    """

    def __init__(self, text: str, *, outcome_unknown: bool = False, retry_after_s: int | None = None) -> None:
        """Keep what the caller needs to plan the next attempt."""
        super().__init__(text)
        self.outcome_unknown = outcome_unknown
        self.retry_after_s = retry_after_s


class Rejected(LedgerError):
    """The request itself is wrong: repeating it unchanged will not help."""

    def __init__(self, text: str, *, status: int, code: str | None = None, clause: str | None = None) -> None:
        """Keep the HTTP status and the stable names beside the text."""
        super().__init__(text)
        self.status = status
        self.code = code
        self.clause = clause


class Unauthorised(Rejected):
    """The node does not know this caller: token missing, wrong, or unreadable."""


class Ledger(Protocol):
    """What a backend offers. Every method raises Unreachable or Rejected, and nothing else of the network."""

    async def submit(
        self,
        channel: bytes,
        envelopes: Sequence[bytes],
        *,
        wait: Wait = "stored",
        timeout_ms: int | None = None,
    ) -> list[TransactionStatus]:
        """Hand in at most 64 envelopes; one status each, in order. With wait `seen` or `final` the answer after
        `timeout_ms` says how far they are by then."""
        ...

    async def record_status(self, channel: bytes, record_id: bytes) -> RecordStatus | None:
        """How far a record is, or None when this ledger has never seen it."""
        ...

    async def proofs(self, channel: bytes, record_ids: Sequence[bytes]) -> list[bytes | None]:
        """The evidence file of each of at most 64 records, None where a record is not final yet."""
        ...

    async def source_head(self, channel: bytes, source: bytes) -> SourceHead | None:
        """Where a source's numbering stands, or None when the channel does not know the source."""
        ...

    async def head(self, channel: bytes) -> Head:
        """The newest final block."""
        ...

    async def open_requests(self, channel: bytes, unit: str) -> list[OpenRequest]:
        """The requests for raw samples of a unit that are not answered, at most 16, oldest first."""
        ...

    async def put_live(self, unit: str, live: Mapping[str, object]) -> None:
        """Show an unsigned live value on the node's status page; it is never stored."""
        ...

    async def close(self) -> None:
        """Give back the connection and the thread."""
        ...
