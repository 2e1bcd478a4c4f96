"""A loop that is held up shows."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from doxedge.node.loop_watch import LOUD_S, LoopWatch
from tests.node.network import until


async def test_a_hold_up_is_measured_remembered_and_told(caplog: pytest.LogCaptureFixture) -> None:
    watch = LoopWatch()
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0)  # it begins to sleep
    time.sleep(LOUD_S + 0.2)  # noqa: ASYNC251 - what no code of ours may do
    await until(lambda: watch.worst_s >= LOUD_S, what="the hold-up")
    assert "the event loop was held up" in caplog.text
    worst_s = watch.worst_s
    await until(lambda: watch.last_s < worst_s, what="a turn that was quicker")
    assert watch.worst_s >= worst_s
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
