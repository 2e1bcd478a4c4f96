"""A cosignature is one member's word about one head of one channel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doxedge.consensus.cosignature import Cosignature, cosign, cosigned_bytes, holds
from doxedge.signing import canonical
from doxedge.signing.signer import Signer
from doxedge.signing.tags import BlockId, ChannelId, tag
from tests.consensus.voters import BLOCK, CHANNEL, voter

HISTORY = b"h" * 32


def given_by(key: Signer) -> Cosignature:
    """Its word about height 5."""
    return cosign(channel=CHANNEL, height=5, block_id=BLOCK, history_root=HISTORY, signer=key)


def is_believed(
    given: Cosignature,
    key: Signer,
    *,
    channel: bytes = CHANNEL,
    block_id: bytes = BLOCK,
    history: bytes = HISTORY,
) -> bool:
    return holds(
        given,
        channel=channel,
        block_id=BlockId(block_id),
        history_root=history,
        alg=key.alg,
        public_key=key.public_key,
    )


def test_the_signed_bytes_are_tag_channel_and_three_fields() -> None:
    signed = cosigned_bytes(channel=CHANNEL, height=5, block_id=BLOCK, history_root=HISTORY)
    assert signed == tag("cosign") + CHANNEL + canonical.encode([5, BLOCK, HISTORY])


@pytest.mark.parametrize("number", [0, 2], ids=["Ed25519", "ES256"])
def test_a_cosignature_holds_for_its_key_channel_height_block_and_history(number: int) -> None:
    key = voter(number)
    given = given_by(key)
    assert (given.height, given.key_id) == (5, key.key_id)
    assert is_believed(given, key)
    assert not is_believed(given, voter(number + 3))
    assert not is_believed(given, key, channel=ChannelId(bytes(32)))
    assert not is_believed(given, key, block_id=bytes(32))
    assert not is_believed(given, key, history=bytes(32))
    assert not is_believed(replace(given, height=6), key)
    assert not is_believed(replace(given, signature=bytes(64)), key)
    assert not is_believed(replace(given, signature=b""), key)


def test_a_vote_for_the_block_is_no_cosignature_of_it() -> None:
    from tests.consensus.voters import vote

    key = voter(0)
    assert not is_believed(replace(given_by(key), signature=vote(key)), key)
