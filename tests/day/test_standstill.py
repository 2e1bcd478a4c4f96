"""A pause of the machine is noted, and a process that gets no processor; being late for a moment is neither."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from tests.day.standstill import LOOK_S, STOOD_S, processor_waits_s, watch_machine


def noted(*slept_s: float, waits_s: tuple[Mapping[int, float], ...] = ()) -> list[float]:
    """What is noted of sleeps that took so long; `waits_s` is what is known at the start and after each."""
    stood_s: list[float] = []
    left, known, clock_s = list(slept_s), list(waits_s), [100.0]

    async def sleep(_: float) -> None:
        if not left:
            raise asyncio.CancelledError
        clock_s[0] += left.pop(0)

    async def watch() -> None:
        await watch_machine(
            stood_s, now_s=lambda: clock_s[0], waited_s=lambda: known.pop(0) if known else {}, sleep=sleep
        )

    try:
        asyncio.run(watch())
    except asyncio.CancelledError:
        return stood_s
    raise AssertionError("it ended by itself")


def test_each_pause_of_the_machine_is_noted_with_its_length() -> None:
    assert noted(LOOK_S, 12.0 + LOOK_S, LOOK_S, STOOD_S + LOOK_S + 0.01) == [12.0, 1.0]


def test_what_a_busy_machine_is_late_is_no_pause() -> None:
    assert noted(LOOK_S, LOOK_S + 0.9, 0.0) == []


def test_a_process_that_gets_no_processor_is_noted_with_how_long_it_waited() -> None:
    waits_s = ({1: 5.0, 2: 7.0}, {1: 5.4, 2: 7.2}, {1: 5.5, 2: 7.8})
    assert noted(LOOK_S, LOOK_S, waits_s=waits_s) == [0.6]


def test_a_process_that_was_started_between_has_waited_since() -> None:
    assert noted(LOOK_S, waits_s=({1: 5.0}, {2: 0.7})) == [0.7]
    assert noted(LOOK_S, waits_s=({1: 5.0}, {2: 0.3})) == []


def test_the_scheduler_knows_of_living_processes_only() -> None:
    own = os.getpid()
    assert processor_waits_s([own, 2**22 + 1]).keys() == {own}
    assert processor_waits_s([own])[own] >= 0.0
