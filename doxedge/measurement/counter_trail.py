"""The readings of an energy counter since the last border, packed.

They are kept for an exchange of the meter that is told when the new one counts already; of all that an hour holds in
memory they were the most. Each is two instants and amounts as text, which gives back the same numbers, digit by digit.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.quantity import SECOND_MS

STEP_MS: Final = SECOND_MS
"""Readings are remembered no closer than this."""


@dataclass(frozen=True, slots=True)
class CounterPoint:
    """One reading."""

    at_ms: int
    counter_wh: Decimal
    total_wh: Decimal
    """Since the last border."""


class CounterTrail:
    """In the order of time."""

    __slots__ = ("_amounts", "_at_ms")

    def __init__(self, points: Iterable[CounterPoint] = ()) -> None:
        """Of these, however close they are."""
        self._at_ms = array("q")
        self._amounts: list[str] = []
        for point in points:
            self.append(point)

    def append(self, point: CounterPoint) -> None:
        """One more, which stays."""
        self._at_ms.append(point.at_ms)
        self._amounts.append(f"{point.counter_wh} {point.total_wh}")

    def follow(self, point: CounterPoint) -> None:
        """One more reading; where the last but one is closer than a step, the one between goes."""
        if len(self._at_ms) > 1 and point.at_ms - self._at_ms[-2] < STEP_MS:
            del self._at_ms[-1], self._amounts[-1]
        self.append(point)

    def points(self) -> list[CounterPoint]:
        """All of them."""
        return [
            CounterPoint(at_ms, *map(Decimal, amounts.split()))
            for at_ms, amounts in zip(self._at_ms, self._amounts, strict=True)
        ]
