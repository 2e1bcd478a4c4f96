"""What the HTTP rooms ask of a node, as a protocol: the daemon implements it, a test stands in with a small one.

Ids and channels are bytes here and hexadecimal text in the answers. Times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from doxedge.backends.port import RecordStatus, SourceHead, TransactionStatus, Wait
from doxedge.contracts.rule import Book


class UnknownChannel(LookupError):
    """This node keeps no such channel."""


class NotNow(Exception):
    """The node cannot say or take this at the moment; the caller comes back later."""

    code: ClassVar[str] = "not_now"
    """Stable, for the problem details."""

    def __init__(self, text: str, *, retry_after_s: int) -> None:
        """Keep the time to wait, in seconds."""
        super().__init__(text)
        self.retry_after_s = retry_after_s


class PoolFull(NotNow):
    """As much waits here as may wait."""

    code = "pool_full"


class NotInStep(NotNow):
    """This node is behind its channel, and what it would say may be out of date."""

    code = "not_in_step"


class DiskFull(NotNow):
    """What is handed in cannot be made durable, so it is not acknowledged."""

    code = "disk_full"


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel as this node sees it now."""

    channel: bytes
    name: str
    place: str
    height: int
    block_id: bytes
    state_root: bytes
    time_ms: int
    """Header time of the head; 0 before the first block."""
    clock_ms: int
    """Execution clock after the head (wire.md 1)."""
    validators: int
    is_validator: bool
    catching_up: bool
    best_height: int
    """The highest certified height that anybody has shown."""
    pool_transactions: int
    pool_bytes: int


@dataclass(frozen=True, slots=True)
class PeerView:
    """One node key of a channel and what was last heard of its holder."""

    key_id: bytes
    party: str
    role: str
    is_self: bool
    height: int | None
    last_seen_ms: int | None
    cosigned_height: int | None


@dataclass(frozen=True, slots=True)
class RefusalView:
    """Something that was refused: by a rule (clause, height) or at the door (code)."""

    at_ms: int
    channel: bytes
    what: str
    """In words: `transfer 3 of Acme to Beta`."""
    kind: str
    """The transaction kind."""
    clause: str | None
    code: str | None
    reason: str
    party: str | None
    height: int | None


@dataclass(frozen=True, slots=True)
class EventView:
    """One event of a final receipt, and where it stands."""

    height: int
    index: int
    """Of the transaction in its block."""
    number: int
    """Of the event in its receipt."""
    event: list[object]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the process works, and whether its channels are in step."""

    alive: bool
    ready: bool
    reasons: tuple[str, ...]
    """What is not well, and what to do."""


class NodePort(Protocol):
    """A node, seen from its own HTTP server. Methods without `async` answer from memory."""

    @property
    def party(self) -> str:
        """The name of the party that runs this node."""
        ...

    @property
    def version(self) -> str:
        """The version of the software."""
        ...

    def now_ms(self) -> int:
        """The plant's UTC time."""
        ...

    def channels(self) -> Sequence[ChannelView]:
        """All channels, in a stable order."""
        ...

    def book(self, channel: bytes) -> Book:
        """The state after the head, to read only. Raises UnknownChannel, as do the methods below."""
        ...

    def peers(self, channel: bytes) -> Sequence[PeerView]:
        """One entry for each node key of the channel."""
        ...

    def refusals(self, channel: bytes) -> Sequence[RefusalView]:
        """The last refusals, at least 20 when there were as many, newest last."""
        ...

    def source_head(self, channel: bytes, source: bytes) -> SourceHead | None:
        """Where a source's numbering stands, None for a source the channel does not know. Raises NotInStep."""
        ...

    async def submit(
        self, channel: bytes, envelopes: Sequence[bytes], *, wait: Wait, timeout_s: float
    ) -> Sequence[TransactionStatus]:
        """One status for each envelope, in order; a bad envelope is a status, not an error.

        With wait `seen` or `final`, returns after `timeout_s` at the latest. Raises NotNow when nothing can be
        taken.
        """
        ...

    async def record_status(self, channel: bytes, record_id: bytes) -> RecordStatus | None:
        """How far a record is, None when it was never seen."""
        ...

    async def evidence(self, channel: bytes, record_id: bytes) -> bytes | None:
        """The evidence file of the record's transaction, None while it is not final."""
        ...

    async def events(self, channel: bytes, *, after: int, limit: int) -> Sequence[EventView]:
        """Events of the blocks above height `after`, whole blocks only, about `limit` of them."""
        ...

    def health(self) -> Health:
        """Alive and in step?"""
        ...

    def metrics(self) -> bytes:
        """Prometheus text."""
        ...
