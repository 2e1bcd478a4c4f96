"""Whether every line still delivers: a poll that hangs must not look like a quiet plant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.line import Line

PATIENCE_S: Final = 45.0
"""Real seconds; longer than any time-out times the questions of a visit."""
PERIODS: Final = 3
"""A slow poll may be due so many periods ago."""


class LineProgress:
    """Remembers when the number of samples of each line last grew. A device that is away still gives samples."""

    def __init__(self, lines: Sequence[Line], *, longest_period_ms: int, clock: Clock) -> None:
        """Begin to watch. `longest_period_ms` is plant time: how far apart two samples of a line may be."""
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        self.watch(lines, longest_period_ms=longest_period_ms)

    def watch(self, lines: Sequence[Line], *, longest_period_ms: int) -> None:
        """From now on these."""
        self._longest_period_ms = longest_period_ms
        self._lines = tuple(lines)
        since_s = self._clock.monotonic_s()
        self._seen = {line.name: self._seen.get(line.name, (-1, since_s)) for line in lines}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all lines."""
        return tuple(line.name for line in self._lines)

    def stalled(self) -> list[str]:
        """The lines that delivered nothing for too long."""
        now_s = self._clock.monotonic_s()
        late = []
        for line in self._lines:
            polls = sum(counters.polls for counters in line.counters.values())
            before, since_s = self._seen[line.name]
            if polls != before:
                self._seen[line.name] = (polls, now_s)
            elif now_s - since_s > PATIENCE_S + PERIODS * self._longest_period_ms / 1_000 / self._clock.speed:
                late.append(line.name)
        return late
