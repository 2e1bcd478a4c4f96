"""Why values were missing, hour by hour: so that a gap says more than that there were too few points."""

from __future__ import annotations

from collections import Counter
from typing import Final

from doxedge.measurement.emission import HourGap
from doxedge.measurement.reading import Reading
from doxedge.quantity import HOUR_MS

HOURS_MAX: Final = 48
"""Open and revisable hours are far fewer; beyond it the oldest count is forgotten."""


class GapCauses:
    """Counts what was bad about the quantities that a mass needs."""

    __slots__ = ("_hours", "_needed")

    def __init__(self, needed: frozenset[str]) -> None:
        """`needed`: the quantities without which a minute has no mass."""
        self._needed = needed
        self._hours: dict[int, Counter[tuple[str, str]]] = {}

    def note(self, reading: Reading) -> None:
        """A reading that is bad."""
        if reading.quantity not in self._needed:
            return
        start_ms = reading.at_ms - reading.at_ms % HOUR_MS
        hour = self._hours.get(start_ms)
        if hour is None:
            hour = self._hours[start_ms] = Counter()
            if len(self._hours) > HOURS_MAX:
                del self._hours[min(self._hours)]
        hour[reading.quantity, reading.reason.value] += 1

    def cause(self, gap: HourGap) -> str:
        """The cause of a gap with what was missing most, and the clause that decided, where one did.

        `too_few_points:nox_ppb:comms; 60.13(h)(2)(i)`
        """
        cause = self._most_missing(gap)
        return f"{cause}; {gap.clause}" if gap.clause else cause

    def _most_missing(self, gap: HourGap) -> str:
        total: Counter[tuple[str, str]] = Counter()
        for start_ms, hour in self._hours.items():
            if gap.from_ms <= start_ms < gap.to_ms:
                total.update(hour)
        if not total:
            return gap.cause
        # The most frequent; of equals the first by name, so that a replay of the samples says the same.
        (quantity, reason), _ = min(total.items(), key=lambda item: (-item[1], item[0]))
        return f"{gap.cause}:{quantity}:{reason}"
