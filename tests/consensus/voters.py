"""Validators for tests: keys from seeds, sets of any size, votes and certificates of whoever is asked to sign."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from doxedge.consensus.certificate import Certificate, VoteKind, assemble, sign_vote
from doxedge.consensus.header import Header
from doxedge.consensus.validators import Validator, ValidatorSet, make_set, smallest_quorum
from doxedge.signing.signer import Ed25519Signer, Es256Signer, Signer
from doxedge.signing.tags import BlockId, ChannelId

CHANNEL = ChannelId(bytes(range(32)))
BLOCK = BlockId(b"b" * 32)
START_MS = 1_767_225_600_000


def voter(number: int) -> Signer:
    """The key of a validator, always the same; every third one is of the other algorithm."""
    if number % 3 == 2:
        return Es256Signer(20_261_125 + number)
    return Ed25519Signer(hashlib.sha256(b"voter %d" % number).digest())


def voters(count: int) -> list[Signer]:
    """The keys of so many validators, in the order of their key ids."""
    return sorted((voter(number) for number in range(count)), key=lambda key: key.key_id)


def validator_set(count: int, *, quorum: int | None = None, epoch: int = 0) -> ValidatorSet:
    """Their set."""
    members = [Validator(key.alg, key.public_key) for key in voters(count)]
    return make_set(epoch, members, smallest_quorum(count) if quorum is None else quorum)


def vote(
    key: Signer,
    kind: VoteKind = VoteKind.FINALIZE,
    *,
    channel: bytes = CHANNEL,
    epoch: int = 0,
    view: int = 7,
    block_id: bytes = BLOCK,
) -> bytes:
    """A signature over one vote."""
    return sign_vote(kind, channel=channel, epoch=epoch, view=view, block_id=block_id, signer=key)


def certificate(
    signing: Sequence[Signer], validators: ValidatorSet, kind: VoteKind = VoteKind.FINALIZE, view: int = 7
) -> Certificate:
    """Their certificate of the block."""
    votes = {bytes(key.key_id): vote(key, kind, view=view, epoch=validators.epoch) for key in signing}
    return assemble(kind, view=view, block_id=BLOCK, votes=votes, validators=validators)


def header(
    *,
    view: int = 1,
    parent_view: int = 0,
    parent_id: bytes = CHANNEL,
    height: int = 1,
    time_ms: int = START_MS,
    epoch: int = 0,
    root: bytes = b"t" * 32,
    seal: bytes | None = None,
) -> Header:
    """A header whose roots mean nothing: consensus does not look at them."""
    return Header(
        channel=CHANNEL,
        epoch=epoch,
        view=view,
        parent_view=parent_view,
        parent_id=BlockId(parent_id),
        height=height,
        time_ms=time_ms,
        tx_count=1,
        tx_root=root,
        receipt_root=b"r" * 32,
        state_root=b"s" * 32,
        history_root=b"h" * 32,
        rules_version=1,
        next_validators_hash=seal,
    )
