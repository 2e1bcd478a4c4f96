"""A validator's double vote, kept as proof: two signed votes that an honest node never gives."""

from __future__ import annotations

from typing import Final

from doxedge.consensus.certificate import VoteKind, vote_bytes
from doxedge.consensus.validators import ValidatorSet
from doxedge.signing import algorithms, canonical
from doxedge.signing.tags import HASH_BYTES, KeyId

VOTE_BYTES_MAX: Final = 512


class NoEquivocation(ValueError):
    """The two votes do not contradict each other, or are not of this channel."""


def encode_vote(
    kind: VoteKind, *, epoch: int, view: int, block_id: bytes, key_id: bytes, signature: bytes
) -> bytes:
    """A signed vote by itself, as a proof keeps it: canonical `[kind, epoch, view, block_id, key_id, signature]`."""
    return canonical.encode([int(kind), epoch, view, block_id, key_id, signature])


def judge(first: bytes, second: bytes, *, channel: bytes, validators: ValidatorSet) -> tuple[KeyId, int]:
    """The validator and view of two contradicting votes.

    Votes are as `encode_vote` makes them. Contradicting are two of the same kind with different blocks, or nullify and
    finalize, in one view. Raises NoEquivocation, whose text is ours alone: it comes to stand on a receipt.
    """
    a, b = _open(first, channel, validators), _open(second, channel, validators)
    (kind_a, epoch_a, view_a, block_a, key_a), (kind_b, epoch_b, view_b, block_b, key_b) = a, b
    if (key_a, epoch_a, view_a) != (key_b, epoch_b, view_b):
        raise NoEquivocation("the votes are of different validators or views")
    same_kind = kind_a == kind_b and block_a != block_b
    crossed = {kind_a, kind_b} == {VoteKind.NULLIFY, VoteKind.FINALIZE}
    if not (same_kind or crossed):
        raise NoEquivocation("an honest validator may give both votes")
    return KeyId(key_a), view_a


def _open(data: bytes, channel: bytes, validators: ValidatorSet) -> tuple[VoteKind, int, int, bytes, bytes]:
    try:
        value = canonical.decode(data, limit=VOTE_BYTES_MAX)
    except canonical.NonCanonical:
        # What the library says of the bytes differs between its versions, and must not reach a receipt.
        raise NoEquivocation("the bytes of a vote are not canonical") from None
    match value:
        case [int(kind), int(epoch), int(view), bytes(block_id), bytes(key), bytes(signature)]:
            pass
        case _:
            raise NoEquivocation("a vote is [kind, epoch, view, block, key, signature]")
    place = validators.index_of(key)
    if place is None or epoch != validators.epoch:
        raise NoEquivocation("the key is not of a validator of this epoch")
    if any(isinstance(number, bool) for number in (kind, epoch, view)):
        raise NoEquivocation("true and false are not numbers")
    if kind not in set(VoteKind) or view < 0 or len(block_id) != HASH_BYTES:
        raise NoEquivocation("a field of a vote is out of its bounds")
    vote = VoteKind(kind)
    message = vote_bytes(vote, channel=channel, epoch=epoch, view=view, block_id=block_id)
    member = validators.members[place]
    if not algorithms.verify(member.alg, member.public_key, message, signature):
        raise NoEquivocation("a vote's signature does not verify")
    return vote, epoch, view, block_id, key
