"""A double vote is proved by its two signatures, and nobody honest can be accused of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.consensus.certificate import VoteKind
from doxedge.consensus.equivocation import VOTE_BYTES_MAX, NoEquivocation, encode_vote, judge
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.signer import Signer
from tests.consensus.voters import BLOCK, CHANNEL, validator_set, vote, voter, voters

FOUR, KEYS = validator_set(4), voters(4)
NOTARIZE, NULLIFY, FINALIZE = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
OTHER = b"o" * 32


def given_vote(
    kind: VoteKind,
    block_id: bytes = BLOCK,
    *,
    key: Signer = KEYS[0],
    view: int = 7,
    epoch: int = 0,
    channel: bytes = CHANNEL,
) -> bytes:
    """A signed vote by itself."""
    signature = vote(key, kind, block_id=block_id, view=view, epoch=epoch, channel=channel)
    return encode_vote(
        kind, epoch=epoch, view=view, block_id=block_id, key_id=key.key_id, signature=signature
    )


@pytest.mark.parametrize("key", KEYS, ids=range(4))
@pytest.mark.parametrize(
    ("what", "first", "second"),
    [
        ("two notarized blocks", (NOTARIZE, BLOCK), (NOTARIZE, OTHER)),
        ("two finalized blocks", (FINALIZE, BLOCK), (FINALIZE, OTHER)),
        ("nullify and finalize", (NULLIFY, bytes(32)), (FINALIZE, BLOCK)),
        ("finalize and nullify", (FINALIZE, BLOCK), (NULLIFY, bytes(32))),
    ],
)
def test_a_double_vote_names_its_author_and_view(
    what: str, first: tuple[VoteKind, bytes], second: tuple[VoteKind, bytes], key: Signer
) -> None:
    votes = [given_vote(*one, key=key) for one in (first, second)]
    assert judge(*votes, channel=CHANNEL, validators=FOUR) == (key.key_id, 7)
    assert judge(*votes[::-1], channel=CHANNEL, validators=FOUR) == (key.key_id, 7)


@pytest.mark.parametrize(
    ("what", "first", "second"),
    [
        ("the same vote twice", given_vote(FINALIZE), given_vote(FINALIZE)),
        ("notarize, then finalize", given_vote(NOTARIZE), given_vote(FINALIZE)),
        ("notarize one, finalize what was certified", given_vote(NOTARIZE), given_vote(FINALIZE, OTHER)),
        ("notarize, then nullify", given_vote(NOTARIZE), given_vote(NULLIFY, bytes(32))),
        ("two views", given_vote(FINALIZE), given_vote(FINALIZE, OTHER, view=8)),
        ("two validators", given_vote(FINALIZE), given_vote(FINALIZE, OTHER, key=KEYS[1])),
        ("a stranger", given_vote(FINALIZE, key=voter(9)), given_vote(FINALIZE, OTHER, key=voter(9))),
        ("another epoch", given_vote(FINALIZE, epoch=1), given_vote(FINALIZE, OTHER, epoch=1)),
        (
            "another channel",
            given_vote(FINALIZE, channel=bytes(32)),
            given_vote(FINALIZE, OTHER, channel=bytes(32)),
        ),
    ],
)
def test_what_an_honest_validator_may_have_signed_is_no_equivocation(
    what: str, first: bytes, second: bytes
) -> None:
    with pytest.raises(NoEquivocation):
        judge(first, second, channel=CHANNEL, validators=FOUR)


def bent(place: int, value: Value) -> bytes:
    """A contradicting vote with one field changed after it was signed."""
    fields = canonical.decode(given_vote(FINALIZE, OTHER))
    assert isinstance(fields, list)
    fields[place] = value
    return canonical.encode(fields)


@pytest.mark.parametrize(
    ("what", "second"),
    [
        ("nothing", b""),
        ("noise", b"\xff\xff"),
        ("a list of another length", canonical.encode([2, 0, 7])),
        ("a kind that is none", bent(0, 3)),
        ("a kind that is true", bent(0, True)),
        ("an epoch that is false", bent(1, False)),
        ("a view before 0", bent(2, -1)),
        ("a view that is true", bent(2, True)),
        ("a block id of 31 bytes", bent(3, bytes(31))),
        ("another block than was signed", bent(3, b"x" * 32)),
        ("another key than signed", bent(4, KEYS[1].key_id)),
        ("a signature of zeros", bent(5, bytes(64))),
        ("a signature that is too short", bent(5, b"")),
        ("more bytes than a vote has", canonical.encode([bytes(VOTE_BYTES_MAX)])),
    ],
)
def test_a_vote_that_was_not_signed_accuses_nobody(what: str, second: bytes) -> None:
    for pair in ((given_vote(FINALIZE), second), (second, given_vote(FINALIZE))):
        with pytest.raises(NoEquivocation):
            judge(*pair, channel=CHANNEL, validators=FOUR)


@given(st.data())
def test_no_flipped_bit_makes_a_proof(data: st.DataObject) -> None:
    honest = given_vote(FINALIZE)
    bit = data.draw(st.integers(0, 8 * len(honest) - 1))
    forged = (int.from_bytes(honest) ^ 1 << bit).to_bytes(len(honest))
    with pytest.raises(NoEquivocation):
        judge(honest, forged, channel=CHANNEL, validators=FOUR)


def test_the_words_of_a_refusal_do_not_depend_on_the_library() -> None:
    """They stand on a receipt: whatever cbor2 says of these bytes, the text is one."""
    texts = set()
    for noise in (b"", b"\xff", b"\x9f\x01\xff", b"\x18\x01", b"\x62\xff\xff", b"\xfb" + bytes(8)):
        with pytest.raises(NoEquivocation) as refused:
            judge(noise, noise, channel=CHANNEL, validators=FOUR)
        texts.add(str(refused.value))
    assert texts == {"the bytes of a vote are not canonical"}
