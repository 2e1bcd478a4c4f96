"""Plant time, real and compressed."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import VARIABLE, CompressedClock, RealClock, from_environment


def compressed(real_now_ms: list[int], *, speed: float = 720) -> CompressedClock:
    return CompressedClock(
        real_origin_ms=1_000_000, plant_origin_ms=400_000, speed=speed, real=lambda: real_now_ms[0]
    )


def test_without_the_variable_plant_time_is_real_time() -> None:
    clock = from_environment({})
    assert isinstance(clock, RealClock)
    assert clock.speed == 1
    before_ms = time.time_ns() // 1_000_000
    assert before_ms <= clock.now_ms() <= time.time_ns() // 1_000_000


def test_plant_time_runs_at_its_speed_from_its_origin() -> None:
    now = [1_000_000]
    clock = compressed(now, speed=100)
    assert clock.now_ms() == 400_000
    now[0] += 50
    assert clock.now_ms() == 405_000
    assert clock.speed == 100


def test_plant_time_stops_hurrying_when_it_has_caught_up_with_real_time() -> None:
    now = [1_000_000]
    clock = compressed(now, speed=100)
    now[0] += 60_000
    assert clock.now_ms() == 1_060_000
    assert clock.speed == 1


@given(st.lists(st.integers(0, 10_000_000), min_size=2), st.floats(0.5, 1_000))
def test_plant_time_never_passes_real_time_and_never_runs_backwards(steps: list[int], speed: float) -> None:
    now = [1_000_000]
    clock = compressed(now, speed=speed)
    seen = [clock.now_ms()]
    for step in steps:
        now[0] += step
        seen.append(clock.now_ms())
        assert clock.now_ms() <= now[0]
    assert seen == sorted(seen)


def test_processes_with_one_variable_agree() -> None:
    variable = {VARIABLE: f"{time.time_ns() // 1_000_000},1167609600000,720"}
    one, other = from_environment(variable), from_environment(variable)
    seen = [one.now_ms(), other.now_ms(), one.now_ms(), other.now_ms()]
    assert seen == sorted(seen)
    assert 1_167_609_600_000 <= seen[0] <= seen[-1] < 1_167_609_600_000 + 720 * 60_000


async def test_sleep_lets_plant_seconds_pass() -> None:
    clock = from_environment({VARIABLE: f"{time.time_ns() // 1_000_000},1167609600000,1000"})
    started_s = asyncio.get_running_loop().time()
    await clock.sleep(20)
    await clock.sleep(-5)
    assert 0.015 <= asyncio.get_running_loop().time() - started_s < 60


@pytest.mark.parametrize(
    "text",
    [
        "720",
        "1,2",
        "1,2,3,4",
        "a,2,3",
        "1000,1000,0",
        "1000,1000,-1",
        "1000,1000,nan",
        "1000,1000,inf",
        "1000,1001,2",
    ],
)
def test_a_variable_that_makes_no_clock_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=VARIABLE):
        from_environment({VARIABLE: text})
