"""The port of every consensus engine: events in, effects out, no clock, no disk, no network.

The node carries the effects out in order: what is to be persisted is durable before anything after it is sent. The
engine never executes: it asks for a block (`Build`), or for a judgement of one (`Check`), and the node answers. What
it orders is opaque to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from doxedge.consensus.certificate import Certificate
from doxedge.consensus.header import Header
from doxedge.signing.tags import BlockId


@dataclass(frozen=True, slots=True)
class Started:
    """The node is up; `journal` holds what the engine had persisted."""

    now_ms: int
    journal: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class WorkArrived:
    """There are transactions to order."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The time asked for by `WakeAt` has come."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Built:
    """Answer to Build: a header whose body the node holds, or None when there was nothing to order after all."""

    now_ms: int
    header: Header | None


@dataclass(frozen=True, slots=True)
class Checked:
    """Answer to Check. False only for what is invalid for ever."""

    block_id: BlockId
    valid: bool


@dataclass(frozen=True, slots=True)
class Received:
    """A consensus message of another validator, its gossip signature checked."""

    now_ms: int
    sender: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class Committed:
    """Answer to Commit: the block is durable here."""

    now_ms: int
    header: Header


Event: TypeAlias = Started | WorkArrived | TimePassed | Built | Checked | Received | Committed


@dataclass(frozen=True, slots=True)
class Build:
    """Make a block on this parent."""

    epoch: int
    view: int
    parent_view: int
    parent_id: BlockId
    height: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Check:
    """Execute this proposal and compare its roots."""

    header: Header


@dataclass(frozen=True, slots=True)
class Persist:
    """Make these records durable before going on; None deletes."""

    journal: dict[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Send:
    """Publish to all validators, or to one."""

    message: bytes
    to: bytes | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """The block is final: write it and all its ancestors, with this certificate."""

    header: Header
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send TimePassed at this time; replaces an earlier wish."""

    at_ms: int


Effect: TypeAlias = Build | Check | Persist | Send | Commit | WakeAt


class Engine(Protocol):
    """What a node drives."""

    def step(self, event: Event) -> list[Effect]:
        """Take one event; return what must be done, in this order."""
        ...


class AmnesiaError(RuntimeError):
    """The engine's journal says more than the chain holds: an old disk was restored. This node must not vote."""
