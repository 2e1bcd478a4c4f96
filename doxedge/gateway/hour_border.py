"""Whether the clock may close hours. A machine whose clock has no battery begins anywhere until it hears a time server.

What the clock says is held against the first hour that is not closed. `sure` is a clock that a time server disciplines:

    it fits                     hours close as they fall due
    further on, sure            the time between is a gap, in parts of a month; of more than three years nobody would
                                state one: the unit begins anew with the present hour
    further on, not sure        nothing closes for a quarter of an hour, in which a time server may be heard; then up
                                to a month is believed, and more is an alarm until the clock is sure or an operator acts
    behind it by hours, sure    hours were closed by a clock that was ahead: the unit begins anew with the present hour
    behind it, not sure         nothing closes, and that is an alarm

To begin anew revises nothing: what is signed stays, and the hours between are not stated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from doxedge.evidence.content import time_text
from doxedge.gateway.clock_state import ClockReading, is_sure
from doxedge.quantity import DAY_MS, HOUR_MS

log = logging.getLogger(__name__)

FURTHER_MS: Final = 3 * HOUR_MS
"""An hour is open for its own length and the grace time; more is a gateway that was off, or a clock that was set."""
BEHIND_MS: Final = 2 * HOUR_MS
"""A clock that is set back by less reaches the open hour soon, and nothing is stated twice meanwhile."""
YEARS_MS: Final = 1_096 * DAY_MS
"""As far as rules for missing data look back."""
PATIENCE_S: Final = 900.0
"""Real seconds in which a time server may be heard after a start."""


class Border(Enum):
    """What to do about hours that are due."""

    CLOSE = "close"
    WAIT = "wait"
    ANEW = "begin anew"


class HourBorder:
    """The judgement for one unit."""

    __slots__ = ("_memory_file", "_monotonic_s", "_since_s", "_unit", "doubt")

    def __init__(self, unit: str, *, memory_file: Path, monotonic_s: Callable[[], float]) -> None:
        """`monotonic_s` never steps; `memory_file` is what an operator deletes to begin anew."""
        self._unit, self._memory_file, self._monotonic_s = unit, memory_file, monotonic_s
        self._since_s: float | None = None
        self.doubt = ""
        """Why no hour closes until somebody acts; empty while they do, and while it may mend itself."""

    def look(self, *, open_from_ms: int, now_ms: int, reading: ClockReading, gap_ms_max: int) -> Border:
        """What to do now; `open_from_ms` is the first hour that is not closed."""
        ahead_ms = now_ms - open_from_ms
        found = self._judge(ahead_ms, gap_ms_max, reading)
        is_stuck = found is Border.WAIT and self._has_waited
        if not is_stuck:
            self.doubt = ""
        elif not self.doubt:
            what = "further on than" if ahead_ms > 0 else "behind"
            says, opened = time_text(now_ms), time_text(open_from_ms)
            self.doubt = (
                f"the clock says {says}, {abs(ahead_ms) // HOUR_MS} hours {what} the first open hour at {opened}, and "
                "no time server disciplines it: correct the clock, or stop the gateway and delete "
                f"{self._memory_file} to begin anew"
            )
            log.error("unit %s: %s", self._unit, self.doubt)
        return found

    def anew(self, *, open_from_ms: int, now_ms: int) -> str:
        """What is told of a unit that begins anew."""
        from_ms = now_ms - now_ms % HOUR_MS
        was, goes_on = time_text(open_from_ms), time_text(from_ms)
        text = f"hours were open from {was} by a clock that was wrong; they go on at {goes_on}"
        log.warning("unit %s: %s", self._unit, text)
        return text

    def _judge(self, ahead_ms: int, gap_ms_max: int, reading: ClockReading) -> Border:
        fits = -BEHIND_MS <= ahead_ms <= FURTHER_MS
        if fits or is_sure(reading):
            self._since_s = None
            return Border.CLOSE if fits or 0 < ahead_ms <= YEARS_MS else Border.ANEW
        if self._since_s is None:
            self._since_s = self._monotonic_s()
        return Border.CLOSE if self._has_waited and 0 < ahead_ms <= gap_ms_max else Border.WAIT

    @property
    def _has_waited(self) -> bool:
        return self._since_s is not None and self._monotonic_s() - self._since_s >= PATIENCE_S
