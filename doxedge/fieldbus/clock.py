"""Plant time: the real clock, or one that runs faster for a demonstration.

A compressed clock is three numbers that all processes of a demonstration share through the environment variable
`DOXEDGE_PLANT_CLOCK="<real_origin_ms>,<plant_origin_ms>,<speed>"`. It starts in the past and never passes the real
clock, so that no record is ever from the future.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from doxedge.analysers.configuration import ConfigError

VARIABLE: Final = "DOXEDGE_PLANT_CLOCK"

MAX_SPEED: Final = 100_000.0
"""A day in less than a second; beyond it one poll would not fit between two instants of plant time."""


def real_ms() -> int:
    """UTC milliseconds since 1970 of this machine."""
    return time.time_ns() // 1_000_000


class Clock(Protocol):
    """Where the gateway and the simulators get their time from."""

    @property
    def speed(self) -> float:
        """Plant seconds in one real second."""
        ...

    def now_ms(self) -> int:
        """Plant time, UTC milliseconds since 1970. May step when somebody sets the machine's clock."""
        ...

    def monotonic_s(self) -> float:
        """Real seconds since some start; never steps."""
        ...

    async def sleep(self, plant_seconds: float) -> None:
        """Let this much plant time pass."""
        ...


class RealClock:
    """Plant time is the time of this machine."""

    speed: float = 1.0

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return real_ms()

    def monotonic_s(self) -> float:
        """Seconds since some start; never steps."""
        return time.monotonic()

    async def sleep(self, plant_seconds: float) -> None:
        """Wait; nothing for zero or less."""
        await asyncio.sleep(max(0.0, plant_seconds))


class CompressedClock:
    """Plant time runs `speed` times as fast as real time, from `plant_origin_ms` at `real_origin_ms`."""

    def __init__(
        self,
        *,
        real_origin_ms: int,
        plant_origin_ms: int,
        speed: float,
        real: Callable[[], int] = real_ms,
    ) -> None:
        if not (math.isfinite(speed) and 0 < speed <= MAX_SPEED):
            raise ValueError(f"a speed of {speed} is not within 0 to {MAX_SPEED:.0f}")
        if plant_origin_ms > real_origin_ms:
            raise ValueError("plant time starts after real time: its records would come from the future")
        self.real_origin_ms = real_origin_ms
        self.plant_origin_ms = plant_origin_ms
        self._speed = speed
        self._real = real

    @property
    def speed(self) -> float:
        """Plant seconds in one real second; 1 from the moment when plant time has caught up."""
        return self._speed if self._plant_ms(self._real()) < self._real() else 1.0

    def now_ms(self) -> int:
        """Plant time, UTC milliseconds since 1970."""
        real = self._real()
        return min(self._plant_ms(real), real)

    def monotonic_s(self) -> float:
        """Real seconds since some start; never steps."""
        return time.monotonic()

    async def sleep(self, plant_seconds: float) -> None:
        """Wait; nothing for zero or less."""
        await asyncio.sleep(max(0.0, plant_seconds) / self.speed)

    def _plant_ms(self, real: int) -> int:
        return self.plant_origin_ms + int((real - self.real_origin_ms) * self._speed)


def from_environment(environ: Mapping[str, str]) -> Clock:
    """The clock that `DOXEDGE_PLANT_CLOCK` asks for; real time when it is not set. ConfigError when it is wrong."""
    text = environ.get(VARIABLE, "")
    if not text:
        return RealClock()
    try:
        real_origin, plant_origin, speed = text.split(",")
        return CompressedClock(
            real_origin_ms=int(real_origin), plant_origin_ms=int(plant_origin), speed=float(speed)
        )
    except ValueError as error:
        reason = f"{text!r} is not <real_origin_ms>,<plant_origin_ms>,<speed>: {error}"
        raise ConfigError(source="environment", path=VARIABLE, reason=reason) from None
