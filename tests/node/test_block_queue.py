"""Certified blocks wait for their turn, within bounds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.ledger.block import Block
from doxedge.node.block_queue import BYTES_MAX, WINDOW, BlockQueue
from tests.ledger.channels import TestChannel, certified


@cache
def _first_block() -> Block:
    channel = TestChannel.begin()
    return certified(channel.block(), channel.chain)


def block(height: int) -> Block:
    first = _first_block()
    return replace(first, header=replace(first.header, height=height))


@pytest.mark.parametrize(
    ("what", "height", "is_taken"),
    [
        ("the own height", 5, False),
        ("below it", 4, False),
        ("the next one", 6, True),
        ("the last of the window", 5 + WINDOW, True),
        ("behind the window", 6 + WINDOW, False),
    ],
)
def test_only_heights_within_the_window_are_kept(what: str, height: int, is_taken: bool) -> None:
    assert BlockQueue().put(block(height), 100, own_height=5) is is_taken


def test_a_height_is_kept_once_and_stays_until_it_is_in_the_chain() -> None:
    queue = BlockQueue()
    assert queue.put(block(1), 100, own_height=0)
    assert not queue.put(block(1), 100, own_height=0)
    assert queue.get(1) == queue.get(1) == block(1)
    assert queue.contiguous_height(0) == 1
    queue.forget(1)
    assert queue.get(1) is None
    assert not queue.holds(1)


def test_what_lies_below_the_one_that_is_executed_is_forgotten_with_its_bytes() -> None:
    queue = BlockQueue()
    for height in (1, 2, 3):
        queue.put(block(height), BYTES_MAX // 3, own_height=0)
    queue.forget(2)
    assert [height for height in (1, 2, 3) if queue.holds(height)] == [3]
    assert queue.put(block(4), BYTES_MAX // 2, own_height=2)


def test_a_full_queue_still_takes_the_block_that_everything_waits_for() -> None:
    queue = BlockQueue()
    assert queue.put(block(2), BYTES_MAX, own_height=0)
    assert not queue.put(block(3), 1, own_height=0)
    assert queue.put(block(1), 100, own_height=0)
    assert queue.contiguous_height(0) == 2


@given(st.lists(st.integers(1, 12), max_size=20), st.integers(0, 3))
def test_blocks_are_at_hand_up_to_the_first_gap(heights: list[int], own_height: int) -> None:
    queue = BlockQueue()
    for height in heights:
        queue.put(block(height), 100, own_height=own_height)
    kept = {height for height in heights if height > own_height}
    expected = next(h for h in range(own_height, 14) if h + 1 not in kept)
    assert queue.contiguous_height(own_height) == expected
