"""Votes, and the certificate that enough of them make: what proves to anybody that a block is final."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from doxedge.consensus.header import InvalidBlock
from doxedge.consensus.validators import VALIDATORS_MAX, ValidatorSet
from doxedge.signing import algorithms, canonical
from doxedge.signing.signer import Signer
from doxedge.signing.tags import BlockId, tag

CERTIFICATE_BYTES_MAX: Final = 8 * 1024


class VoteKind(IntEnum):
    """What a vote says; one certificate holds votes of one kind."""

    NOTARIZE = 0
    NULLIFY = 1
    FINALIZE = 2


class InvalidCertificate(InvalidBlock):
    """A certificate without a quorum of good signatures. The peer who showed it is wrong."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`[kind, epoch, view, block_id, bitmap, [signature…]]`: who signed is in the bitmap, first validator in bit 0."""

    kind: VoteKind
    epoch: int
    view: int
    block_id: BlockId
    bitmap: bytes
    signatures: tuple[bytes, ...]
    """In the order of the validators."""

    def encode(self) -> bytes:
        """The canonical bytes."""
        signatures: list[canonical.Value] = list(self.signatures)
        return canonical.encode(
            [int(self.kind), self.epoch, self.view, self.block_id, self.bitmap, signatures]
        )


def vote_bytes(kind: VoteKind, *, channel: bytes, epoch: int, view: int, block_id: bytes) -> bytes:
    """What a validator signs: tag("vote") and `[kind, channel, epoch, view, block_id]`."""
    return tag("vote") + canonical.encode([int(kind), channel, epoch, view, block_id])


def sign_vote(
    kind: VoteKind, *, channel: bytes, epoch: int, view: int, block_id: bytes, signer: Signer
) -> bytes:
    """A signature of 64 bytes over the vote."""
    return signer.sign(vote_bytes(kind, channel=channel, epoch=epoch, view=view, block_id=block_id))


def assemble(
    kind: VoteKind, *, view: int, block_id: BlockId, votes: Mapping[bytes, bytes], validators: ValidatorSet
) -> Certificate:
    """A certificate of the votes, given by key id. Raises InvalidCertificate below the quorum."""
    places = {validators.index_of(key): signature for key, signature in votes.items()}
    signed = [(place, places[place]) for place in range(len(validators.members)) if place in places]
    if len(signed) < validators.quorum:
        raise InvalidCertificate(f"{len(signed)} votes; the quorum is {validators.quorum}")
    bits = sum(1 << place for place, _ in signed)
    bitmap = bits.to_bytes(-(-len(validators.members) // 8), "little")
    return Certificate(
        kind, validators.epoch, view, block_id, bitmap, tuple(signature for _, signature in signed)
    )


def decode_certificate(data: bytes) -> Certificate:
    """The certificate in `data`, its signatures not yet checked. Raises InvalidCertificate."""
    try:
        value = canonical.decode(data, limit=CERTIFICATE_BYTES_MAX)
    except canonical.NonCanonical as error:
        raise InvalidCertificate(f"certificate: {error}") from error
    match value:
        case [int(kind), int(epoch), int(view), bytes(block_id), bytes(bitmap), list(signatures)]:
            pass
        case _:
            raise InvalidCertificate("certificate: not [kind, epoch, view, block, bitmap, signatures]")
    if bool in (type(kind), type(epoch), type(view)):
        raise InvalidCertificate("certificate: true and false are no numbers")
    if kind not in set(VoteKind) or min(epoch, view) < 0 or len(block_id) != 32:
        raise InvalidCertificate("certificate: a field is out of its bounds")
    if len(signatures) > VALIDATORS_MAX or not all(isinstance(s, bytes) and len(s) == 64 for s in signatures):
        raise InvalidCertificate("certificate: a signature has 64 bytes, and at most 64 validators sign")
    signed = tuple(signature for signature in signatures if isinstance(signature, bytes))
    return Certificate(VoteKind(kind), epoch, view, BlockId(block_id), bitmap, signed)


def check(certificate: Certificate, *, channel: bytes, validators: ValidatorSet) -> None:
    """Raise InvalidCertificate unless a quorum of this epoch's validators signed exactly this vote."""
    members = validators.members
    bits = int.from_bytes(certificate.bitmap, "little")
    if certificate.epoch != validators.epoch:
        raise InvalidCertificate(f"epoch {certificate.epoch}; this is epoch {validators.epoch}")
    if len(certificate.bitmap) != -(-len(members) // 8) or bits >> len(members):
        raise InvalidCertificate("the bitmap does not fit the validators")
    signers = [member for place, member in enumerate(members) if bits >> place & 1]
    if len(signers) != len(certificate.signatures):
        raise InvalidCertificate(f"{len(certificate.signatures)} signatures for {len(signers)} signers")
    if len(signers) < validators.quorum:
        raise InvalidCertificate(f"{len(signers)} votes; the quorum is {validators.quorum}")
    vote = vote_bytes(
        certificate.kind,
        channel=channel,
        epoch=certificate.epoch,
        view=certificate.view,
        block_id=certificate.block_id,
    )
    for member, signature in zip(signers, certificate.signatures, strict=True):
        if not algorithms.verify(member.alg, member.public_key, vote, signature):
            raise InvalidCertificate(f"the vote of validator {member.key_id.hex()} does not verify")
