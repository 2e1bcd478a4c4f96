"""A block as it travels: one encoding, a body that its header names, and limits on both."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.consensus.header import Header, InvalidBlock
from doxedge.consensus.validators import VALIDATORS_MAX
from doxedge.gossip import message
from doxedge.ledger.block import (
    BLOCK_BYTES_MAX,
    TRANSACTIONS_MAX,
    Block,
    check_body,
    decode_block,
    tx_root,
    wire_id,
)
from doxedge.signing import canonical, limits, merkle
from doxedge.signing.canonical import Value
from tests.consensus.voters import certificate, header, validator_set, voters
from tests.ledger.channels import TestChannel, certified


def header_of(transactions: tuple[bytes, ...]) -> Header:
    """A header that names this body."""
    return replace(header(), tx_count=len(transactions), tx_root=tx_root(transactions))


def block_of(*transactions: bytes) -> Block:
    return Block(header_of(transactions), b"certificate", transactions)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_a_block_comes_back_from_its_bytes(transactions: list[bytes]) -> None:
    made = block_of(*transactions)
    assert decode_block(made.encode()) == made


def test_the_root_of_a_body_is_the_rfc_9162_root_of_the_hashes_of_what_travels() -> None:
    raws = [b"a", b"b", b"c"]
    ids = [hashlib.sha256(raw).digest() for raw in raws]
    assert [wire_id(raw) for raw in raws] == ids
    pair = merkle.node_hash(merkle.leaf_hash(ids[0]), merkle.leaf_hash(ids[1]))
    assert tx_root(raws) == merkle.node_hash(pair, merkle.leaf_hash(ids[2]))


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("one missing", (b"a", b"b")),
        ("one more", (b"a", b"b", b"c", b"d")),
        ("one doubled at the end", (b"a", b"b", b"c", b"c")),
        ("another order", (b"b", b"a", b"c")),
        ("one changed", (b"a", b"b", b"x")),
        ("none", ()),
    ],
)
def test_another_body_is_not_the_one_that_the_header_names(what: str, body: tuple[bytes, ...]) -> None:
    named = header_of((b"a", b"b", b"c"))
    check_body(named, (b"a", b"b", b"c"))
    with pytest.raises(InvalidBlock, match="not the one"):
        check_body(named, body)
    with pytest.raises(InvalidBlock, match="not the one"):
        decode_block(Block(named, b"certificate", body).encode())


@cache
def largest() -> tuple[bytes, ...]:
    """Exactly two mebibytes in envelopes of the largest size."""
    count = limits.BODY_BYTES // limits.ENVELOPE_BYTES
    return tuple(bytes([number]) * limits.ENVELOPE_BYTES for number in range(count))


def test_a_body_of_two_mebibytes_is_a_block_and_one_byte_more_is_none() -> None:
    made = block_of(*largest())
    assert sum(map(len, made.transactions)) == 2 * 1024 * 1024
    assert decode_block(made.encode()) == made
    with pytest.raises(InvalidBlock, match="over its limits"):
        decode_block(block_of(*largest(), b"x").encode())


def test_as_many_transactions_as_a_proposal_names_are_a_block_and_one_more_is_none() -> None:
    raws = tuple(number.to_bytes(2) for number in range(TRANSACTIONS_MAX))
    assert len(decode_block(block_of(*raws).encode()).transactions) == TRANSACTIONS_MAX
    with pytest.raises(InvalidBlock, match="over its limits"):
        decode_block(block_of(*raws, b"one more").encode())


def test_a_proposal_of_the_largest_block_fits_one_message() -> None:
    """Header, certificate of all validators, and names: 96 KiB with everything around them (wire.md 4)."""
    everybody = certificate(voters(VALIDATORS_MAX), validator_set(VALIDATORS_MAX))
    names = bytes(32 * TRANSACTIONS_MAX)
    biggest = replace(
        header(seal=bytes(32)), view=2**64 - 1, parent_view=2**64 - 1, height=2**64 - 1, time_ms=2**64 - 1
    )
    body: list[Value] = [biggest.encode(), everybody.encode(), names, []]
    sealed = message.seal(message.Kind.FINAL, body, channel=bytes(32), signer=voters(1)[0])
    assert len(sealed) <= limits.MESSAGE_BYTES == 96 * 1024


def test_the_largest_body_of_the_smallest_transactions_fits_a_block_file() -> None:
    share = limits.BODY_BYTES // TRANSACTIONS_MAX
    everybody = certificate(voters(VALIDATORS_MAX), validator_set(VALIDATORS_MAX)).encode()
    raws = tuple(number.to_bytes(2) * (share // 2) for number in range(TRANSACTIONS_MAX))
    made = Block(header_of(raws), everybody, raws)
    assert len(made.encode()) <= BLOCK_BYTES_MAX
    assert decode_block(made.encode()) == made


GOOD = block_of(b"a", b"b")


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", b""),
        ("a number", b"\x01"),
        ("two fields", canonical.encode([GOOD.header.encode(), b""])),
        ("a header that is none", canonical.encode([b"header", b"", [b"a", b"b"]])),
        ("a certificate that is a text", canonical.encode([GOOD.header.encode(), "", [b"a", b"b"]])),
        ("a transaction that is a text", canonical.encode([GOOD.header.encode(), b"", [b"a", "b"]])),
        ("a transaction that is a list", canonical.encode([GOOD.header.encode(), b"", [b"a", [b"b"]]])),
        ("bytes behind it", GOOD.encode() + b"\0"),
        ("more bytes than a block has", bytes(BLOCK_BYTES_MAX + 1)),
    ],
)
def test_other_bytes_are_no_block(what: str, data: bytes) -> None:
    with pytest.raises(InvalidBlock):
        decode_block(data)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_worse(noise: bytes) -> None:
    with pytest.raises(InvalidBlock):
        decode_block(noise)


@given(st.data())
def test_a_flipped_bit_is_refused_or_stands_in_the_certificate_or_the_rest_of_the_header(
    data: st.DataObject,
) -> None:
    encoded = GOOD.encode()
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    changed = (int.from_bytes(encoded) ^ 1 << bit).to_bytes(len(encoded))
    try:
        decoded = decode_block(changed)
    except InvalidBlock:
        return
    assert decoded.transactions == GOOD.transactions
    assert decoded.encode() == changed
    assert (decoded.certificate, decoded.header.block_id) != (GOOD.certificate, GOOD.header.block_id)


def test_a_real_block_comes_back_too() -> None:
    channel = TestChannel.begin().with_units()
    extension = channel.block(channel.authors["alpha-1 device"].say("event", [None, "note", 0, ""]))
    made = certified(extension, channel.chain)
    assert decode_block(made.encode()) == made
