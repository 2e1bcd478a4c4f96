"""A clock that is set shows; one that runs does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from doxedge.gateway.clock_watch import ClockWatch


@dataclass
class TwoClocks:
    """The time of day and the clock that is never set, moved by the test."""

    at_ms: int = 1_767_225_600_000
    at_s: float = 1_000.0
    speed: float = 1.0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, plant_seconds: float) -> None:
        raise AssertionError(plant_seconds)

    def run(self, seconds: float, *, set_by_ms: int = 0) -> None:
        self.at_s += seconds
        self.at_ms += round(seconds * 1_000 * self.speed) + set_by_ms


@pytest.mark.parametrize("speed", [1.0, 720.0])
@pytest.mark.parametrize("seconds_set", [-86_400, -60, -2, 2, 60, 86_400])
def test_a_clock_that_is_set_is_seen_once(speed: float, seconds_set: int) -> None:
    clocks = TwoClocks(speed=speed)
    watch = ClockWatch(clocks)
    clocks.run(5)
    assert watch.step_ms() == 0
    clocks.run(5, set_by_ms=round(seconds_set * 1_000 * speed))
    assert watch.step_ms() == round(seconds_set * 1_000 * speed)
    clocks.run(5)
    assert watch.step_ms() == 0


def test_slewing_and_a_busy_machine_are_no_step() -> None:
    clocks = TwoClocks()
    watch = ClockWatch(clocks)
    for offset_ms in (3, -3, 900, -900):
        clocks.run(5, set_by_ms=offset_ms)
        assert watch.step_ms() == 0


def test_a_compressed_clock_that_catches_up_was_not_set() -> None:
    clocks = TwoClocks(speed=720)
    watch = ClockWatch(clocks)
    clocks.speed = 1.0
    clocks.run(5)
    assert watch.step_ms() == 0
    clocks.run(5, set_by_ms=10_000)
    assert watch.step_ms() == 10_000
