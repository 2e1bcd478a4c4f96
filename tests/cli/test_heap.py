"""What was freed in the middle of the heap goes back to the system."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest

from doxedge.cli import heap

FREED_BETWEEN = """
from pathlib import Path
from doxedge.cli.heap import give_back
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1])
kept = [bytes(100_000) for _ in range(400)]
held = kept[::100]
del kept
before = resident()
print(give_back(), before - resident())
"""


def test_memory_between_what_is_in_use_is_given_back() -> None:
    """In a process of its own, whose heap nothing else has touched."""
    done = subprocess.run(
        [sys.executable, "-c", FREED_BETWEEN],
        env={"MALLOC_MMAP_THRESHOLD_": "10000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    has_gone_back, pages = done.stdout.split()
    assert has_gone_back == "True"
    assert int(pages) > 1_000


async def test_it_is_done_again_and_again_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = asyncio.Semaphore(0)

    def give_back() -> bool:
        turns.release()
        return True

    monkeypatch.setattr(heap, "give_back", give_back)
    task = asyncio.create_task(heap.give_back_forever(every_s=0.001))
    async with asyncio.timeout(60):
        for _ in range(3):
            await turns.acquire()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
