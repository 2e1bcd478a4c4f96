"""A follower takes a block only when all of it holds: place, certificate, time, body, and every root."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from doxedge.consensus.certificate import InvalidCertificate, VoteKind, assemble, sign_vote
from doxedge.consensus.header import InvalidBlock
from doxedge.ledger.block import Block, decode_block, tx_root
from doxedge.ledger.chain import AHEAD_MS_MAX, ChainState, Extension
from doxedge.ledger.receipt import Outcome, decode_receipt
from doxedge.ledger.state import State
from doxedge.ledger.transaction import Transaction
from doxedge.signing import canonical, envelope, merkle
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, certified, genesis, hour, signer
from tests.ledger.running import NOTE, device, follower_of, rewound, wrongly_signed

BLOCKS = 5


def extended(channel: TestChannel, *transactions: Transaction) -> Extension:
    """The next block, built and not taken."""
    chain = channel.chain
    leader = channel.author("regulator node", signer("regulator node"))
    view = chain.head.view if chain.head else 0
    time_ms = max(channel.now_ms, chain.head.time_ms + 1 if chain.head else 0)
    tick = rewound(leader).say("tick", [channel.now_ms])
    return chain.build([tick, *transactions], view=view + 1, parent_view=view, time_ms=time_ms)


def test_a_follower_reaches_the_same_roots_from_the_bytes_alone() -> None:
    channel = TestChannel.begin()
    follower = ChainState(channel.chain.genesis_bytes)
    taken = channel.chain.take
    blocks: list[bytes] = []

    def keep(extension: Extension) -> None:
        taken(extension)
        blocks.append(certified(extension, channel.chain).encode())

    channel.chain.take = keep  # type: ignore[method-assign]
    channel.with_units()
    for number in range(BLOCKS):
        channel.now_ms += HOUR_MS
        author = device(channel)
        channel.block(
            author.say("hour", hour("alpha-1", START_MS + number * HOUR_MS)), author.say("hour", [])
        )
    for data in blocks:
        follower.take(follower.check(decode_block(data), now_ms=channel.now_ms))
        assert follower.head is not None
        assert follower.frontier.size == follower.height == follower.head.height
    assert follower.state.root == channel.chain.state.root
    assert follower.state.rooms == channel.chain.state.rooms
    assert follower.head_id == channel.chain.head_id
    assert follower.clock_ms == channel.now_ms


def test_the_history_root_is_over_the_ids_of_all_earlier_blocks() -> None:
    channel = TestChannel.begin()
    ids: list[bytes] = []
    for _ in range(BLOCKS):
        header = channel.block().header
        assert header.history_root == merkle.root(ids)
        assert header.parent_id == (ids[-1] if ids else channel.chain.channel)
        ids.append(header.block_id)


def test_the_other_roots_are_over_wire_ids_receipts_and_state() -> None:
    channel = TestChannel.begin().with_units()
    extension = channel.block(device(channel).say("event", NOTE))
    header = extension.header
    assert header.tx_root == tx_root([transaction.raw for transaction in extension.transactions])
    assert header.receipt_root == merkle.root(extension.receipts)
    assert header.state_root == channel.chain.state.root
    names = [decode_receipt(receipt).tx_id for receipt in extension.receipts]
    assert names == [transaction.tx_id for transaction in extension.transactions]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", bytes(32)),
        ("epoch", 1),
        ("view", 1),
        ("view", 0),
        ("parent_view", 0),
        ("parent_view", 2),
        ("parent_id", bytes(32)),
        ("height", 1),
        ("height", 3),
        ("time_ms", START_MS),
        ("time_ms", START_MS - 1),
        ("tx_count", 1),
        ("tx_count", 3),
        ("tx_root", bytes(32)),
        ("receipt_root", bytes(32)),
        ("state_root", bytes(32)),
        ("history_root", bytes(32)),
        ("rules_version", 2),
        ("next_validators_hash", bytes(32)),
    ],
)
def test_a_certified_header_with_one_wrong_field_is_refused(field: str, value: object) -> None:
    """Its certificate is in order: what is refused is what the validators should never have signed."""
    channel = TestChannel.begin().with_units()
    follower = follower_of(channel)
    good = extended(channel, device(channel).say("event", NOTE))
    assert follower.check(certified(good, channel.chain), now_ms=None).header == good.header
    changed: dict[str, Any] = {field: value}
    forged = replace(good, header=replace(good.header, **changed))
    root = follower.state.root
    with pytest.raises(InvalidBlock):
        follower.check(certified(forged, channel.chain), now_ms=None)
    assert (follower.height, follower.state.root) == (1, root)


def test_a_later_view_on_the_same_parent_is_fine() -> None:
    channel = TestChannel.begin().with_units()
    follower = follower_of(channel)
    leader = channel.authors["regulator node"]
    chain = channel.chain
    assert chain.head is not None
    later = chain.build(
        [rewound(leader).say("tick", [START_MS])], view=9, parent_view=1, time_ms=chain.head.time_ms + 1
    )
    follower.take(follower.check(certified(later, chain), now_ms=None))
    assert follower.head == later.header


@pytest.mark.parametrize("kind", [VoteKind.NOTARIZE, VoteKind.NULLIFY])
def test_only_a_finalization_makes_a_block_final(kind: VoteKind) -> None:
    channel = TestChannel.begin()
    good = extended(channel)
    header, leader = good.header, signer("regulator node")
    vote = sign_vote(
        kind, channel=header.channel, epoch=0, view=header.view, block_id=header.block_id, signer=leader
    )
    made = assemble(
        kind, view=header.view, block_id=header.block_id, votes={leader.key_id: vote},
        validators=channel.chain.validators,
    )  # fmt: skip
    block = replace(certified(good, channel.chain), certificate=made.encode())
    with pytest.raises(InvalidCertificate, match="only a finalization"):
        channel.chain.check(block, now_ms=None)


def test_a_certificate_of_another_block_or_of_somebody_else_is_refused() -> None:
    channel = TestChannel.begin()
    first = extended(channel)
    channel.now_ms += 5
    second = extended(channel)
    one, two = certified(first, channel.chain), certified(second, channel.chain)
    header, stranger = first.header, signer("stranger")
    vote = sign_vote(
        VoteKind.FINALIZE, channel=header.channel, epoch=0, view=1, block_id=header.block_id, signer=stranger
    )
    made = assemble(
        VoteKind.FINALIZE, view=1, block_id=header.block_id,
        votes={signer("regulator node").key_id: vote}, validators=channel.chain.validators,
    )  # fmt: skip
    for certificate in (two.certificate, made.encode(), b"", b"certificate"):
        with pytest.raises(InvalidCertificate):
            channel.chain.check(replace(one, certificate=certificate), now_ms=None)
    channel.chain.check(one, now_ms=None)


def test_a_block_is_at_most_fifteen_seconds_ahead_of_the_own_clock() -> None:
    channel = TestChannel.begin()
    block = certified(extended(channel), channel.chain)
    assert block.header.time_ms == START_MS
    assert AHEAD_MS_MAX == 15_000
    for now_ms in (START_MS + HOUR_MS, START_MS, START_MS - 15_000, None):
        assert channel.chain.check(block, now_ms=now_ms).header == block.header
    with pytest.raises(InvalidBlock, match="15001 ms ahead"):
        channel.chain.check(block, now_ms=START_MS - 15_001)


def test_a_tick_is_not_later_than_its_block() -> None:
    """The header's time is held to the clocks of the validators; so the rules' clock cannot run ahead of them."""
    channel = TestChannel.begin()
    leader = channel.author("regulator node", signer("regulator node"))
    honest = rewound(leader).say("tick", [START_MS])
    ahead = rewound(leader).say("tick", [START_MS + 1])
    good = channel.chain.build([honest], view=1, parent_view=0, time_ms=START_MS)
    with pytest.raises(InvalidBlock, match="1 ms later than the block"):
        channel.chain.build([ahead], view=1, parent_view=0, time_ms=START_MS)
    made = channel.chain.build([ahead], view=1, parent_view=0, time_ms=START_MS + 1)
    lowered = replace(made, header=replace(made.header, time_ms=good.header.time_ms))
    with pytest.raises(InvalidBlock, match="1 ms later than the block"):
        channel.chain.check(certified(lowered, channel.chain), now_ms=None)


def with_body(channel: TestChannel, *raws: bytes) -> Block:
    """A certified block of any bytes behind an honest tick."""
    honest = extended(channel)
    body = (honest.transactions[0].raw, *raws)
    header = replace(honest.header, tx_count=len(body), tx_root=tx_root(body))
    block = certified(replace(honest, header=header), channel.chain)
    return replace(block, transactions=body)


def test_a_transaction_that_cannot_be_read_makes_its_block_invalid() -> None:
    channel = TestChannel.begin().with_units()
    key, name = device(channel).signer, channel.chain.channel
    payload = envelope.seal(b"\xff", object_name="tx", channel=name, signer=key).encode()
    version = canonical.encode([2, "event", bytes(16), 1, bytes(32), []])
    record = envelope.seal(version, object_name="tx", channel=name, signer=key).encode()
    for noise in (b"", b"noise", payload, record):
        with pytest.raises(InvalidBlock, match=r"transaction [0-9a-f]{64}"):
            channel.chain.check(with_body(channel, noise), now_ms=None)


def test_a_transaction_that_is_merely_inadmissible_stands_in_a_block_with_its_receipt() -> None:
    channel = TestChannel.begin().with_units()
    device(channel).say("event", NOTE)
    channel.authors["alpha-1 device"] = rewound(device(channel), seq=0, prev=bytes(32))
    forged = wrongly_signed(channel)
    made = extended(channel, forged)
    checked = follower_of(channel).check(certified(made, channel.chain), now_ms=None)
    assert checked.execution.receipts[1].outcome is Outcome.INADMISSIBLE


def test_a_body_that_was_exchanged_on_the_way_is_refused() -> None:
    channel = TestChannel.begin().with_units()
    one, two = device(channel).say("event", NOTE), device(channel, "beta").say("event", NOTE)
    block = certified(extended(channel, one, two), channel.chain)
    tick, first, second = block.transactions
    for body in ((tick, second, first), (tick, first), (tick, first, second, second), (tick, first, first)):
        with pytest.raises(InvalidBlock, match="not the one that the header names"):
            channel.chain.check(replace(block, transactions=body), now_ms=None)


def test_only_what_extends_the_head_is_taken() -> None:
    channel = TestChannel.begin()
    first = extended(channel)
    channel.now_ms += 5
    rival = extended(channel)
    channel.chain.take(first)
    for late in (first, rival):
        with pytest.raises(InvalidBlock, match="does not extend the head"):
            channel.chain.take(late)
    assert channel.chain.head == first.header


def test_a_chain_is_restored_from_its_head_its_state_and_its_history() -> None:
    channel = TestChannel.begin().with_units()
    restored = follower_of(channel)
    assert (restored.height, restored.head_id) == (1, channel.chain.head_id)
    following = extended(channel, device(channel).say("event", NOTE))
    restored.take(restored.check(certified(following, channel.chain), now_ms=None))
    channel.chain.take(following)
    assert restored.state.root == channel.chain.state.root


def test_a_state_or_a_history_that_is_not_the_head_s_is_refused() -> None:
    channel = TestChannel.begin().with_units()
    chain = channel.chain
    draft = chain.state.draft()
    draft.put("units", b"alpha-1", ["beta", "boiler", 1, "zone", None, None])
    changed = State(dict(chain.state.rooms), draft.seal().tree)
    with pytest.raises(InvalidBlock, match="the file was changed"):
        ChainState(chain.genesis_bytes, head=chain.head, state=changed, frontier=chain.frontier)
    with pytest.raises(InvalidBlock, match="0 block ids for 1 blocks"):
        ChainState(chain.genesis_bytes, head=chain.head, state=chain.state)
    with pytest.raises(InvalidBlock, match="1 block ids for 0 blocks"):
        ChainState(chain.genesis_bytes, frontier=chain.frontier)
    with pytest.raises(InvalidBlock, match="the file was changed"):
        ChainState(genesis("south").encode(), head=chain.head, frontier=chain.frontier)


def test_building_changes_nothing_until_the_block_is_taken() -> None:
    channel = TestChannel.begin().with_units()
    before = (channel.chain.head_id, channel.chain.state.root, channel.chain.frontier.root())
    extended(channel, device(channel).say("event", NOTE))
    assert (channel.chain.head_id, channel.chain.state.root, channel.chain.frontier.root()) == before
