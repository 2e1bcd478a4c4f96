"""Who votes in a channel, and how many votes decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.signing.tags import KeyId, key_id

VALIDATORS_MAX: Final = 64
"""Every validator hears every vote: beyond some dozens the bus is full, and a certificate must fit a header's place."""


@dataclass(frozen=True, slots=True)
class Validator:
    """One voting node."""

    alg: int
    public_key: bytes

    @property
    def key_id(self) -> KeyId:
        """The name of its key."""
        return key_id(self.alg, self.public_key)


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The validators of one epoch, sorted by key id, and the quorum."""

    epoch: int
    members: tuple[Validator, ...]
    quorum: int

    def index_of(self, key: bytes) -> int | None:
        """The place of a key in the bitmap, or None."""
        return next((place for place, member in enumerate(self.members) if member.key_id == key), None)

    def leader(self, view: int) -> Validator:
        """Whose turn a view is (ledger.md 2.4, rule 1)."""
        return self.members[(self.epoch + view) % len(self.members)]


def smallest_quorum(validators: int) -> int:
    """ceil((n + f + 1) / 2) with f = (n - 1) // 3 (ledger.md 2.3): two quorums share an honest validator."""
    faulty = (validators - 1) // 3
    return -(-(validators + faulty + 1) // 2)


def make_set(epoch: int, members: Sequence[Validator], quorum: int) -> ValidatorSet:
    """A set that is safe to begin with. Raises ValueError for an unsafe quorum, a doubled key or too many of them."""
    ordered = tuple(sorted(members, key=lambda member: member.key_id))
    if not ordered or len({member.key_id for member in ordered}) != len(ordered):
        raise ValueError("a channel has at least one validator, and each once")
    if len(ordered) > VALIDATORS_MAX:
        raise ValueError(f"{len(ordered)} validators; a certificate holds at most {VALIDATORS_MAX} votes")
    if not smallest_quorum(len(ordered)) <= quorum <= len(ordered):
        raise ValueError(
            f"a quorum of {quorum} is not between {smallest_quorum(len(ordered))} and {len(ordered)} validators"
        )
    return ValidatorSet(epoch, ordered, quorum)
