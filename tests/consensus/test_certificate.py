"""A certificate convinces anybody who knows the validators, and nothing else passes for one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.consensus.certificate import (
    CERTIFICATE_BYTES_MAX,
    Certificate,
    InvalidCertificate,
    VoteKind,
    assemble,
    check,
    decode_certificate,
    vote_bytes,
)
from doxedge.consensus.validators import VALIDATORS_MAX
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import BlockId, tag
from tests.consensus.voters import BLOCK, CHANNEL, certificate, validator_set, vote, voter, voters


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 20])
def test_a_quorum_convinces_and_one_vote_less_does_not(count: int) -> None:
    validators, keys = validator_set(count), voters(count)
    made = certificate(keys[-validators.quorum :], validators)
    check(made, channel=CHANNEL, validators=validators)
    assert decode_certificate(made.encode()) == made
    with pytest.raises(InvalidCertificate, match="the quorum is"):
        certificate(keys[1 - validators.quorum :] if validators.quorum > 1 else [], validators)


@given(st.sets(st.integers(0, 9)))
def test_whoever_signs_a_certificate_is_believed_exactly_from_the_quorum_on(signing: set[int]) -> None:
    """The twin counts heads; the bitmap is read bit by bit."""
    validators, keys = validator_set(10), voters(10)
    if len(signing) < validators.quorum:
        with pytest.raises(InvalidCertificate):
            certificate([keys[place] for place in signing], validators)
        return
    made = certificate([keys[place] for place in sorted(signing, reverse=True)], validators)
    check(made, channel=CHANNEL, validators=validators)
    bits = "".join(f"{byte:08b}"[::-1] for byte in made.bitmap)
    assert {place for place, bit in enumerate(bits) if bit == "1"} == signing


def test_the_signed_bytes_of_a_vote_are_tag_and_five_fields() -> None:
    signed = vote_bytes(VoteKind.NULLIFY, channel=CHANNEL, epoch=3, view=9, block_id=BLOCK)
    assert signed == tag("vote") + canonical.encode([1, CHANNEL, 3, 9, BLOCK])


def test_votes_of_strangers_are_not_counted() -> None:
    validators, keys = validator_set(4), voters(4)
    stranger = voter(99)
    votes = {bytes(key.key_id): vote(key) for key in (*keys[:2], stranger)}
    with pytest.raises(InvalidCertificate, match="2 votes; the quorum is 3"):
        assemble(VoteKind.FINALIZE, view=7, block_id=BLOCK, votes=votes, validators=validators)
    votes[bytes(keys[2].key_id)] = vote(keys[2])
    made = assemble(VoteKind.FINALIZE, view=7, block_id=BLOCK, votes=votes, validators=validators)
    check(made, channel=CHANNEL, validators=validators)
    assert len(made.signatures) == 3


FOUR = validator_set(4)
KEYS = voters(4)
GOOD = certificate(KEYS[:3], FOUR)


def swapped(signatures: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return (signatures[1], signatures[0], *signatures[2:])


@pytest.mark.parametrize(
    ("what", "forged"),
    [
        ("another kind of vote", replace(GOOD, kind=VoteKind.NOTARIZE)),
        ("another view", replace(GOOD, view=8)),
        ("another block", replace(GOOD, block_id=BlockId(bytes(32)))),
        ("another epoch", replace(GOOD, epoch=1)),
        ("signatures in another order", replace(GOOD, signatures=swapped(GOOD.signatures))),
        ("other signers in the bitmap", replace(GOOD, bitmap=b"\x0e")),
        ("one vote counted twice", replace(GOOD, signatures=(GOOD.signatures[0],) * 3)),
        ("a signer without a signature", replace(GOOD, bitmap=b"\x0f")),
        ("a signature without a signer", replace(GOOD, bitmap=b"\x03")),
        ("a signer beyond the validators", replace(GOOD, bitmap=b"\x13", signatures=GOOD.signatures)),
        ("a bitmap that is too long", replace(GOOD, bitmap=b"\x07\x00")),
        ("an empty bitmap", replace(GOOD, bitmap=b"", signatures=())),
        ("two of three votes", replace(GOOD, bitmap=b"\x03", signatures=GOOD.signatures[:2])),
        ("no votes", replace(GOOD, bitmap=b"\x00", signatures=())),
        ("a signature of zeros", replace(GOOD, signatures=(*GOOD.signatures[:2], bytes(64)))),
    ],
)
def test_a_certificate_that_was_changed_convinces_nobody(what: str, forged: Certificate) -> None:
    check(GOOD, channel=CHANNEL, validators=FOUR)
    with pytest.raises(InvalidCertificate):
        check(forged, channel=CHANNEL, validators=FOUR)


def test_a_certificate_is_good_on_its_channel_in_its_epoch_and_for_its_quorum_only() -> None:
    with pytest.raises(InvalidCertificate, match="does not verify"):
        check(GOOD, channel=bytes(32), validators=FOUR)
    with pytest.raises(InvalidCertificate, match="this is epoch 1"):
        check(GOOD, channel=CHANNEL, validators=validator_set(4, epoch=1))
    with pytest.raises(InvalidCertificate, match="the quorum is 4"):
        check(GOOD, channel=CHANNEL, validators=validator_set(4, quorum=4))


@given(st.data())
def test_a_flipped_bit_of_the_bytes_is_refused(data: st.DataObject) -> None:
    encoded = GOOD.encode()
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    changed = (int.from_bytes(encoded) ^ 1 << bit).to_bytes(len(encoded))
    with pytest.raises(InvalidCertificate):
        check(decode_certificate(changed), channel=CHANNEL, validators=FOUR)


def changed(place: int, value: Value) -> bytes:
    """The bytes of the good certificate with one field changed."""
    fields = canonical.decode(GOOD.encode())
    assert isinstance(fields, list)
    fields[place] = value
    return canonical.encode(fields)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", b""),
        ("a number", b"\x01"),
        ("a field less", canonical.encode([2, 0, 7, BLOCK, b"\x07"])),
        ("a kind that is none", changed(0, 3)),
        ("a negative kind", changed(0, -1)),
        ("a kind that is true", changed(0, True)),
        ("an epoch that is false", changed(1, False)),
        ("a view that is true", changed(2, True)),
        ("a view before 0", changed(2, -1)),
        ("a short block id", changed(3, bytes(31))),
        ("a bitmap that is a number", changed(4, 7)),
        ("a signature of 63 bytes", changed(5, [bytes(63)])),
        ("a signature that is a text", changed(5, ["s" * 64])),
        ("more signatures than validators can be", changed(5, [bytes(64)] * (VALIDATORS_MAX + 1))),
        ("bytes behind it", GOOD.encode() + b"\0"),
        ("more bytes than it can have", bytes(CERTIFICATE_BYTES_MAX + 1)),
    ],
)
def test_other_bytes_are_no_certificate(what: str, data: bytes) -> None:
    with pytest.raises(InvalidCertificate):
        decode_certificate(data)


def test_a_certificate_of_the_largest_set_can_be_read() -> None:
    validators = validator_set(VALIDATORS_MAX)
    made = certificate(voters(VALIDATORS_MAX), validators)
    assert decode_certificate(made.encode()) == made
    check(made, channel=CHANNEL, validators=validators)
