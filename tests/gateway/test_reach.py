"""Who waits for a node is woken by the first that finds it."""

from __future__ import annotations

import asyncio

from doxedge.gateway.reach import Reach


async def test_all_who_wait_are_woken_at_once() -> None:
    reach = Reach()
    waiting = [asyncio.create_task(reach.wait(1_000.0), name=f"waits {n}") for n in range(3)]
    await asyncio.sleep(0)
    reach.found()
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)


async def test_who_waits_after_the_node_was_found_waits_anew() -> None:
    reach = Reach()
    reach.found()
    waiting = asyncio.create_task(reach.wait(1_000.0), name="waits")
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    reach.found()
    async with asyncio.timeout(60):
        await waiting


async def test_a_pause_ends_by_itself() -> None:
    async with asyncio.timeout(60):
        await Reach().wait(0.01)
