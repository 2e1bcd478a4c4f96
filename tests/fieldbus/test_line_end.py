"""One line after another on the same grid: every poll is made once, by the one or by the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from doxedge.fieldbus.line import Line, Poll
from doxedge.measurement.sample import Sample
from tests.fieldbus.line_bench import driver
from tests.fieldbus.test_line import PlainEndpoint, SteppedClock

BEGIN_MS = 1_000_000
BORDER_MS = 1_010_000
QUESTIONS = 2
"""In each poll."""


def line_of(
    clock: SteppedClock, taken: list[Sample], *, period_ms: int = 1_000, took_s: float = 0.01
) -> Line:
    return Line(
        "line-1",
        PlainEndpoint(clock, took_s=took_s),
        [Poll(driver("a"), "one", period_ms, phase_ms=0)],
        clock=clock,
        chance=lambda: 1.0,
        on_sample=taken.append,
        on_state=lambda _: None,
    )


async def spin(holds: Callable[[], bool]) -> None:
    """Let the tasks turn until something holds."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never held")


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("took_s", [0.01, 0.3, 0.8])
async def test_polls_before_the_end_are_the_old_ones_and_polls_from_it_on_the_new_ones(took_s: float) -> None:
    """Also when the last old answer comes after the end."""
    clock = SteppedClock(at_ms=BEGIN_MS)
    old: list[Sample] = []
    new: list[Sample] = []
    first, second = line_of(clock, old, took_s=took_s), line_of(clock, new, took_s=0.01)
    first.end_at(BORDER_MS)
    task = asyncio.create_task(first.run())
    await spin(lambda: first.has_done_its_part)
    await stop(task)
    following = asyncio.create_task(second.run(from_ms=BORDER_MS))
    await spin(lambda: len(new) >= 3)
    await stop(following)
    assert old[-1].at_ms - round(QUESTIONS * took_s * 1_000) < BORDER_MS
    if took_s < 0.5:
        due = [sample.at_ms // 1_000 * 1_000 for sample in [*old, *new]]
        assert due == list(range(BEGIN_MS + 1_000, due[-1] + 1, 1_000))


async def test_a_slow_poll_does_not_keep_the_line_from_being_done() -> None:
    clock = SteppedClock(at_ms=BEGIN_MS)
    line = line_of(clock, [], period_ms=900_000)
    assert not line.has_done_its_part
    line.end_at(BORDER_MS)
    task = asyncio.create_task(line.run())
    await asyncio.sleep(0)
    assert line.has_done_its_part
    await stop(task)


async def test_an_end_that_is_taken_back_is_none() -> None:
    clock, taken = SteppedClock(at_ms=BEGIN_MS), list[Sample]()
    line = line_of(clock, taken)
    line.end_at(BORDER_MS)
    task = asyncio.create_task(line.run())
    await spin(lambda: clock.at_ms >= BORDER_MS + 5_000)
    before = len(taken)
    line.end_at(None)
    await spin(lambda: len(taken) >= before + 3)
    assert not line.has_done_its_part
    await stop(task)
    assert before == 10 - 1


async def test_a_clock_that_is_set_back_finds_the_line_on_its_grid_also_before_an_end() -> None:
    clock, taken = SteppedClock(at_ms=BEGIN_MS, jumps={6: BEGIN_MS - 3_600_000}), list[Sample]()
    line = line_of(clock, taken)
    line.end_at(BEGIN_MS + 6_000)
    task = asyncio.create_task(line.run())
    await spin(lambda: len(taken) >= 20)
    await stop(task)
    assert taken[-1].at_ms < BEGIN_MS - 3_500_000
