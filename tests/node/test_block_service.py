"""Blocks for members who missed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.gossip import catch_up
from doxedge.gossip.catch_up import CatchUp
from doxedge.ledger.block import decode_block
from doxedge.node.block_service import ANSWERS_BURST, ANSWERS_PER_S, BlockService
from tests.ledger.channels import signer
from tests.node.bench import CHANNEL, bench, blocks_of
from tests.node.network import Hand

ASKER, OTHER = signer("alpha node").key_id, signer("beta node").key_id


async def test_an_answer_holds_the_blocks_from_the_height_that_was_asked_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        for transaction in Hand(CHANNEL).configs(5):
            await leader.submit([transaction])
        blocks = await blocks_of(leader)
        service = BlockService(leader.host.node.store)
        body = await service.answer(ASKER, from_height=3, offset=0, own_height=5, now_s=0)
        assert body == [3, 0, 0, blocks[2:]]
        assert await service.answer(ASKER, from_height=6, offset=0, own_height=5, now_s=0) == [6, 0, 0, []]


async def test_a_large_block_goes_in_parts_that_an_asker_puts_together(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    regulator = hand.author("regulator officer")
    large = [regulator.say("config", ["warning_percent", n, "x" * 4_000]) for n in range(1, 60)]
    async with bench(tmp_path, block_interval_ms=400) as leader:
        await leader.submit(large)
        (block,) = [data for data in await blocks_of(leader) if len(data) > 2 * catch_up.PART_BYTES]
        height = decode_block(block).header.height
        service, asking = BlockService(leader.host.node.store), CatchUp()
        asking.saw_head(OTHER, height)
        found: list[bytes] = []
        rounds = 0
        while not found:
            question = asking.next_question(height - 1, now_s=rounds)
            assert question is not None
            body = await service.answer(
                ASKER,
                from_height=question.from_height,
                offset=question.offset,
                own_height=height,
                now_s=rounds,
            )
            assert body is not None
            found = asking.answered(OTHER, question.correlation, body)
            rounds += 1
        assert found == [block]
        assert rounds == -(-len(block) // catch_up.PART_BYTES)


async def test_an_asker_has_a_budget_of_his_own_that_fills_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        service = BlockService(leader.host.node.store)

        async def is_answered(asker: bytes, now_s: float) -> bool:
            return await service.answer(asker, from_height=1, offset=0, own_height=1, now_s=now_s) is not None

        answers = [await is_answered(ASKER, 0) for _ in range(int(ANSWERS_BURST) + 1)]
        assert answers == [True] * int(ANSWERS_BURST) + [False]
        assert await is_answered(OTHER, 0)
        assert await is_answered(ASKER, 2 / ANSWERS_PER_S)


@pytest.mark.parametrize("offset", [1, 10**9, 2**63])
async def test_an_offset_behind_the_end_brings_an_empty_part_and_no_error(
    tmp_path: Path, offset: int
) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        (block,) = await blocks_of(leader)
        service = BlockService(leader.host.node.store)
        body = await service.answer(ASKER, from_height=1, offset=offset, own_height=1, now_s=0)
        assert body == [1, len(block), offset, block[offset:]]


async def test_a_block_whose_body_was_pruned_is_not_here(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        for transaction in Hand(CHANNEL).configs(3):
            await leader.submit([transaction])
        last = (await blocks_of(leader))[2]
        await leader.host.node.store.prune_bodies(3)
        service = BlockService(leader.host.node.store)
        assert await service.answer(ASKER, from_height=1, offset=0, own_height=3, now_s=0) == [1, 0, 0, []]
        body = await service.answer(ASKER, from_height=3, offset=0, own_height=3, now_s=0)
        assert body == [3, 0, 0, [last]]
