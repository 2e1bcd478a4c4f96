"""A pause of the machine is noted; being busy is none."""

from __future__ import annotations

import asyncio

from tests.day.standstill import LOOK_S, STOOD_S, watch_machine


def noted(*slept_s: float) -> list[float]:
    """What is noted of sleeps that took so long."""
    stood_s: list[float] = []
    left, clock_s = list(slept_s), [100.0]

    async def sleep(_: float) -> None:
        if not left:
            raise asyncio.CancelledError
        clock_s[0] += left.pop(0)

    async def watch() -> None:
        await watch_machine(stood_s, now_s=lambda: clock_s[0], sleep=sleep)

    try:
        asyncio.run(watch())
    except asyncio.CancelledError:
        return stood_s
    raise AssertionError("it ended by itself")


def test_each_pause_of_the_machine_is_noted_with_its_length() -> None:
    assert noted(LOOK_S, 12.1, LOOK_S, STOOD_S + LOOK_S + 0.01) == [12.0, 1.0]


def test_what_a_busy_machine_is_late_is_no_pause() -> None:
    assert noted(LOOK_S, LOOK_S + 0.9, 0.0) == []
