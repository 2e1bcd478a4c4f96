"""A validator whose clock is wrong by years: no block before a time server was heard, or a while has passed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from doxedge.fieldbus import kernel_clock
from doxedge.node.clock_leap import LEAP_MS_MAX, PATIENCE_S
from doxedge.quantity import DAY_MS
from tests.gateway.waiting import until
from tests.node.bench import CHANNEL, Bench, bench
from tests.node.network import Hand

YEARS_MS = 60 * 365 * DAY_MS


def undisciplined(patch: pytest.MonkeyPatch) -> None:
    """What the kernel says on a machine without a time server."""
    patch.setattr(kernel_clock, "kernel_clock", lambda: (kernel_clock.UNSYNCHRONISED, 0))


def newest_ms(leader: Bench) -> int:
    head = leader.host.node.chain.head
    assert head is not None
    return head.time_ms


async def test_a_clock_that_leaps_makes_no_block_until_it_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    undisciplined(monkeypatch)
    hand = Hand(CHANNEL)
    async with bench(tmp_path) as leader:
        first, second = hand.configs(1), hand.configs(1)
        assert await leader.submit(first) == ["final"]
        leader.clock.ahead_ms = YEARS_MS
        waiting = asyncio.create_task(leader.submit(second))
        await until(lambda: leader.host.node.standing.leap_ms > 0, what="the leap to be seen")
        (reason,) = leader.host.node.standing.reasons(1)
        assert reason.startswith("makes no block")
        assert leader.host.node.chain.height == 1
        leader.clock.ahead_ms = 0
        assert await waiting == ["final"]
        assert newest_ms(leader) < leader.clock.now_ms() + DAY_MS
        assert leader.host.node.standing.reasons(2) == []
        assert caplog.text.count("beyond the last block") == 1


async def test_where_no_time_server_is_a_long_rest_ends_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisciplined(monkeypatch)
    hand = Hand(CHANNEL)
    async with bench(tmp_path) as leader:
        first, second = hand.configs(1), hand.configs(1)
        assert await leader.submit(first) == ["final"]
        leader.clock.ahead_ms = 2 * LEAP_MS_MAX
        waiting = asyncio.create_task(leader.submit(second))
        await until(lambda: leader.host.node.standing.leap_ms > 0, what="the leap to be seen")
        leader.clock.later_s = PATIENCE_S
        assert await waiting == ["final"]
        assert newest_ms(leader) > leader.clock.now_ms() - DAY_MS


async def test_a_disciplined_clock_is_believed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_clock, "kernel_clock", lambda: (kernel_clock.SYNCHRONISED, 0))
    hand = Hand(CHANNEL)
    async with bench(tmp_path) as leader:
        first, second = hand.configs(1), hand.configs(1)
        assert await leader.submit(first) == ["final"]
        leader.clock.ahead_ms = 2 * LEAP_MS_MAX
        assert await leader.submit(second) == ["final"]
        assert leader.host.node.standing.leap_ms == 0
