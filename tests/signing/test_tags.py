"""Tags keep purposes apart; names are hashes of exactly what wire.md says."""

from __future__ import annotations

import hashlib

import pytest

from doxedge.signing.algorithms import ED25519, ES256
from doxedge.signing.tags import channel_id, channel_short, hash_tagged, key_id, source_id, tag

OBJECTS = ["genesis", "key", "tx", "record", "source", "block", "vote", "cosign", "state-key", "state-value"]


def test_a_tag_is_ascii_and_ends_in_a_nul() -> None:
    assert tag("tx") == b"doxedge/tx/1\x00"
    with pytest.raises(UnicodeEncodeError):
        tag("t\u00fc")


def test_no_tag_begins_another_so_no_bytes_serve_two_purposes() -> None:
    tags = [tag(name) for name in OBJECTS]
    assert not [(a, b) for a in tags for b in tags if a != b and a.startswith(b)]
    assert len({hash_tagged(name, b"the same bytes") for name in OBJECTS}) == len(OBJECTS)


def test_a_tagged_hash_is_that_of_the_tag_and_the_parts_in_their_order() -> None:
    assert hash_tagged("tx", b"a", b"b") == hashlib.sha256(b"doxedge/tx/1\0ab").digest()
    assert hash_tagged("tx", b"a", b"b") != hash_tagged("tx", b"b", b"a")


def test_the_name_of_a_key_covers_its_algorithm_as_a_signed_byte() -> None:
    key = bytes(range(32))
    assert key_id(ED25519, key) == hashlib.sha256(b"doxedge/key/1\0\xf8" + key).digest()[:16]
    assert key_id(ES256, key) == hashlib.sha256(b"doxedge/key/1\0\xf9" + key).digest()[:16]
    for alg in (-129, 128):
        with pytest.raises(OverflowError):
            key_id(alg, key)


def test_a_source_belongs_to_one_channel() -> None:
    north, south = channel_id(b"north"), channel_id(b"south")
    anchor = bytes(16)
    assert source_id(north, anchor) == hashlib.sha256(b"doxedge/source/1\0" + north + anchor).digest()[:16]
    assert source_id(north, anchor) != source_id(south, anchor)


def test_the_short_name_of_a_channel_is_its_first_16_digits() -> None:
    channel = channel_id(b"north")
    assert channel_short(channel) == channel.hex()[:16]
