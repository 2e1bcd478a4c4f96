"""Whether somebody set the clock: the time of day against the clock that is never set."""

from __future__ import annotations

from typing import Final

from doxedge.fieldbus.clock import Clock

STEP_MS: Final = 1_000
"""Slewing (at most 500 ppm, adjtimex(2)) stays far below this between two looks; a step of less does no harm."""


class ClockWatch:
    """Compares two clocks from look to look."""

    __slots__ = ("_at_ms", "_at_s", "_clock", "_speed")

    def __init__(self, clock: Clock) -> None:
        """Begin to watch."""
        self._clock = clock
        self._look()

    def _look(self) -> None:
        self._speed = self._clock.speed
        self._at_s = self._clock.monotonic_s()
        self._at_ms = self._clock.now_ms()

    def step_ms(self) -> int:
        """By how much the clock was set since the last look, in plant ms: forward is positive, 0 is `not at all`.

        A machine that slept looks like one whose clock was set forward, and rightly so: nothing was measured meanwhile.
        """
        before_ms, before_s, speed = self._at_ms, self._at_s, self._speed
        self._look()
        if self._speed != speed:
            return 0  # A compressed clock has caught up with the real one; no one set it.
        expected_ms = round((self._at_s - before_s) * 1_000 * speed)
        step_ms = self._at_ms - before_ms - expected_ms
        return step_ms if abs(step_ms) > STEP_MS * max(1.0, speed) else 0
