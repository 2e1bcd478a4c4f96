"""The one task that changes a chain: what is shown is durable, what is executed is in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest

from doxedge.consensus.cosignature import Cosignature, holds
from doxedge.ledger.block import Block, decode_block
from doxedge.ledger.chain import AHEAD_MS_MAX, Extension
from doxedge.ledger.transaction import Transaction
from doxedge.node.channel_node import GROUP_BLOCKS
from doxedge.signing.canonical import Value
from doxedge.store.chain import ChainStore
from tests.ledger.channels import signer
from tests.node.bench import CHANNEL, Bench, HandClock, bench, block_of, chain_of
from tests.node.network import PATIENCE_S, Hand, until


class Witness:
    """Is told what is durable, and looks into the file at once, as another process would."""

    def __init__(self, node: Bench) -> None:
        self.path = node.host.node.store.path
        self.heights: list[int] = []
        self.cosigned: list[int] = []
        self.overtaken: list[Transaction] = []
        self.looks: list[asyncio.Task[int]] = []

    def block_is_final(self, extension: Extension, certificate: bytes) -> None:
        self.heights.append(extension.header.height)
        self.looks.append(asyncio.create_task(self._height_on_disk()))

    def head_is_cosigned(self, own: Cosignature) -> None:
        self.cosigned.append(own.height)

    def cannot_follow(self, dropped: Sequence[Transaction]) -> None:
        self.overtaken += dropped

    async def _height_on_disk(self) -> int:
        async with await ChainStore.open(self.path, CHANNEL, read_only=True, check=False) as store:
            head = await store.head()
            return 0 if head is None else head.height


def arrive(node: Bench, block: bytes) -> bool:
    return node.host.node.block_arrived(decode_block(block), len(block))


async def test_a_block_is_told_of_when_it_is_on_the_disk_and_in_order(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    async with bench(tmp_path) as leader:
        witness = leader.host.node.listener = Witness(leader)
        for number in range(4):
            await leader.submit(hand.configs(1, start=number))
        assert witness.heights == [1, 2, 3, 4]
        seen = await asyncio.gather(*witness.looks)
        assert all(on_disk >= height for on_disk, height in zip(seen, witness.heights, strict=True))


async def test_what_was_handed_in_and_not_ordered_is_ordered_after_a_restart(tmp_path: Path) -> None:
    transactions = Hand(CHANNEL).configs(3)
    async with bench(tmp_path, votes=False) as node:
        await node.host.submit([t.raw for t in transactions], wait="stored", timeout_s=1)
        root = node.host.node.chain.state.root
    async with bench(tmp_path) as node:
        assert await node.submit(transactions) == ["final"] * 3
        assert node.host.node.chain.state.root != root
    async with bench(tmp_path) as node:
        assert len(node.host.node.pool) == 0
        height = node.host.node.chain.height
        assert await node.submit(transactions) == ["final"] * 3
        assert node.host.node.chain.height == height


async def test_a_follower_reaches_the_same_roots_and_keeps_them(tmp_path: Path) -> None:
    blocks = await chain_of(tmp_path, Hand(CHANNEL).configs(GROUP_BLOCKS + 5))
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        witness = alpha.host.node.listener = Witness(alpha)
        assert [arrive(alpha, block) for block in blocks] == [True] * len(blocks)
        await until(lambda: alpha.height == len(blocks))
        await until(lambda: witness.cosigned and witness.cosigned[-1] == len(blocks))
        assert witness.heights == list(range(1, len(blocks) + 1))
        assert len(witness.cosigned) < len(blocks), (
            "a node that catches up signs the heads it writes, not every block"
        )
        head = decode_block(blocks[-1]).header
        assert alpha.host.node.chain.state.root == head.state_root
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        assert alpha.host.node.chain.head_id == head.block_id


async def test_the_own_cosignature_of_the_head_is_kept_and_holds(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        await until(lambda: leader.host.node.cosigned)
        head, key = leader.host.node.chain.head, signer("regulator node")
        assert head is not None
        (kept,) = await leader.host.node.store.cosignatures(1)
        given = Cosignature(kept.height, key.key_id, kept.data)
        assert holds(
            given, channel=CHANNEL, block_id=head.block_id, history_root=head.history_root, alg=key.alg,
            public_key=key.public_key,
        )  # fmt: skip


async def test_a_block_that_is_certified_and_comes_out_differently_stops_the_node(tmp_path: Path) -> None:
    """It is queued only with a certificate that holds; so either software or hardware is wrong here."""
    blocks = await chain_of(tmp_path, Hand(CHANNEL).configs(2))
    first, second = (decode_block(block) for block in blocks)
    wrong = Block(replace(first.header, state_root=bytes(32)), first.certificate, first.transactions)
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.host.node.block_arrived(wrong, 1_000)
        await until(lambda: alpha.host.node.standing.halted)
        assert "comes out differently" in alpha.host.node.standing.reasons(0)[0]
        alpha.host.node.block_arrived(second, 1_000)
        assert alpha.host.node.chain.height == 0
        assert alpha.host.node.cosigned is None


async def test_a_block_from_the_future_waits_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = HandClock(ahead_ms=10 * AHEAD_MS_MAX)
    hand = Hand(CHANNEL)
    async with bench(tmp_path, clock=ahead) as leader:
        await leader.submit(hand.configs(1))
        stored = await leader.host.node.store.block(1)
        assert stored is not None
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.host.node.block_arrived(block_of(stored), 1_000)
        await until(lambda: alpha.host.node.standing.is_early)
        turned_s = alpha.host.node.turned_s
        await until(lambda: alpha.host.node.turned_s > turned_s, what="another turn")
        alpha.host.node._wake.set()
        turned_s = alpha.host.node.turned_s
        await until(lambda: alpha.host.node.turned_s > turned_s, what="a third turn")
        assert alpha.host.node.chain.height == 0
        assert "check the time service" in alpha.host.node.standing.reasons(0)[0]
        assert caplog.text.count("ahead of this clock") == 1
        alpha.clock.ahead_ms = 10 * AHEAD_MS_MAX
        await until(lambda: alpha.height == 1)
        assert not alpha.host.node.standing.is_early


async def test_the_disk_forgets_a_record_that_became_final_in_another_envelope(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    alone = copy(device)
    body: list[Value] = ["alpha-1", "test.event", 946_684_800_000, "x"]
    single, batch = alone.say("event", body), device.batch([("event", body), ("event", body)])
    blocks = await chain_of(tmp_path, [*registrations, batch])
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        for block in blocks[:-1]:
            arrive(alpha, block)
        await until(lambda: alpha.height == len(blocks) - 1)
        alpha.host.node.standing.has_heard = True
        await alpha.host.submit([single.raw], wait="stored", timeout_s=1)
        assert await alpha.host.node.store.held() == [single.raw]
        arrive(alpha, blocks[-1])
        await until_held(alpha, [])
        assert await alpha.submit([single]) == ["final"]


async def test_what_waits_of_a_revoked_key_is_dropped_with_the_reason(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    revocation = hand.author("regulator officer").say("key.revoke", [signer("alpha device").key_id, "stolen"])
    blocks = await chain_of(tmp_path, [*registrations, revocation])
    waiting = device.say("event", ["alpha-1", "test.event", 946_684_800_000, "x"])
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        for block in blocks[:-1]:
            arrive(alpha, block)
        await until(lambda: alpha.height == len(blocks) - 1)
        alpha.host.node.standing.has_heard = True
        await alpha.host.submit([waiting.raw], wait="stored", timeout_s=1)
        arrive(alpha, blocks[-1])
        await until(lambda: len(alpha.host.node.pool) == 0)
        assert alpha.host.node.refusals.views[-1].code == "suspended"
        await until_held(alpha, [])


async def until_held(node: Bench, expected: list[bytes]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await node.host.node.store.held() != expected:  # noqa: ASYNC110 - the file does not tell
            await asyncio.sleep(0.01)


async def test_the_loop_turns_without_being_woken(tmp_path: Path) -> None:
    async with bench(tmp_path, "alpha") as alpha:
        before_s = alpha.host.node.turned_s
        await until(lambda: alpha.host.node.turned_s > before_s)
        before_s = alpha.host.relay.turned_s
        await until(lambda: alpha.host.relay.turned_s > before_s)
