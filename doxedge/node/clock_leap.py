"""Whether a validator's clock is so far beyond the last block that a time server should be heard before the next one.

A machine whose clock has no battery begins anywhere. A block from the future would stop every other node until that
time has come, and the channel's clock never goes back: this is the one mistake of a leader that nothing mends.
"""

from __future__ import annotations

from typing import Final

from doxedge.fieldbus import kernel_clock
from doxedge.node.standing import Standing
from doxedge.quantity import DAY_MS

LEAP_MS_MAX: Final = 7 * DAY_MS
"""A node may be off for so long and lead again at once; a clock without a battery is wrong by years."""
PATIENCE_S: Final = 900.0
"""Real seconds in which a time server may be heard. Where there is none, the clock is believed then."""


class ClockLeap:
    """Remembers since when the clock leaps."""

    __slots__ = ("_since_s", "_standing")

    def __init__(self, standing: Standing) -> None:
        """`standing` tells the operator."""
        self._standing = standing
        self._since_s: float | None = None

    def waits(self, *, leap_ms: int, now_s: float) -> bool:
        """Whether to make no block now. `leap_ms` is from the last block to our clock; `now_s` never steps."""
        if leap_ms <= LEAP_MS_MAX or kernel_clock.is_disciplined():
            self._since_s = None
            self._standing.clock_leaps(0)
            return False
        if self._since_s is None:
            self._since_s = now_s
        waits = now_s - self._since_s < PATIENCE_S
        self._standing.clock_leaps(leap_ms if waits else 0)
        return waits
