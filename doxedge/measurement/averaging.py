"""Readings to minute means: arithmetic, over usable readings only, on the fixed grid of UTC minutes.

A minute is half-open: a reading stamped at the full minute belongs to the minute that begins there. The mean does
not depend on the order in which readings arrive. Minutes are never clipped: a drift below zero is averaged as
measured, and only the hour says what becomes of a negative sum.
"""

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import MINUTE_MS

EXACT: Final = Context(prec=64, rounding=ROUND_HALF_EVEN)
"""Wide enough that a sum of decoded values of any instrument is exact, so that its order cannot matter."""


@dataclass(frozen=True, slots=True)
class MinuteMean:
    """One quantity over one minute."""

    start_ms: int
    mean: Decimal | None
    """In the quantity's unit; None when the minute is not valid."""

    minimum: Decimal | None
    maximum: Decimal | None
    n: int
    """Usable readings."""

    total: int
    """All readings, usable or not."""

    quality: Quality
    """Good, uncertain when a reading was, bad when too few were usable."""

    reasons: Mapping[Reason, int]
    """How many readings had each reason other than none."""

    def percent_of(self, reason: Reason) -> int:
        """Share of the minute's readings with this reason, in whole percent, rounded down."""
        return self.reasons.get(reason, 0) * 100 // self.total if self.total else 0


class MinuteBucket:
    """What one quantity said during one minute; small, since an hour of several quantities is held at once."""

    __slots__ = (
        "_maximum",
        "_minimum",
        "_offsets_ms",
        "_reasons",
        "_start_ms",
        "_sum",
        "_total",
        "_uncertain",
    )

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._offsets_ms = array("H")  # of the usable readings, ascending: a minute has 60,000 ms
        self._sum = Decimal(0)
        self._minimum: Decimal | None = None
        self._maximum: Decimal | None = None
        self._total = 0
        self._uncertain = False
        self._reasons: dict[Reason, int] = {}

    def add(self, reading: Reading) -> None:
        """Take a reading of this minute in. The caller has seen to it that none comes twice."""
        offset_ms = reading.at_ms - self._start_ms
        if not 0 <= offset_ms < MINUTE_MS:
            raise ValueError(
                f"a reading at {reading.at_ms} ms is outside the minute from {self._start_ms} ms"
            )
        self._total += 1
        if reading.reason is not Reason.NONE:
            self._reasons[reading.reason] = self._reasons.get(reading.reason, 0) + 1
        value = reading.value
        if value is None:
            return
        self._sum = EXACT.add(self._sum, value)
        self._minimum = value if self._minimum is None else min(self._minimum, value)
        self._maximum = value if self._maximum is None else max(self._maximum, value)
        self._uncertain = self._uncertain or reading.quality is Quality.UNCERTAIN
        self._offsets_ms.insert(bisect_left(self._offsets_ms, offset_ms), offset_ms)

    def mean(self, *, poll_period_ms: int, coverage_percent: int) -> MinuteMean:
        """The minute as it stands.

        It is valid when its usable readings are at least `coverage_percent` of those expected (45 s of 60 s).
        Readings closer together than half a poll period count once: a burst does not fill a hole.
        """
        expected = max(1, MINUTE_MS // poll_period_ms)
        n = len(self._offsets_ms)
        valid = n > 0 and self._spread(poll_period_ms) * 100 >= expected * coverage_percent
        quality = (Quality.UNCERTAIN if self._uncertain else Quality.GOOD) if valid else Quality.BAD
        return MinuteMean(
            self._start_ms,
            EXACT.divide(self._sum, Decimal(n)) if valid else None,
            self._minimum,
            self._maximum,
            n,
            self._total,
            quality,
            dict(self._reasons),
        )

    def has_reason(self, reasons: frozenset[Reason]) -> bool:
        """True when a reading of this minute had one of these reasons."""
        return not reasons.isdisjoint(self._reasons)

    def _spread(self, poll_period_ms: int) -> int:
        """How many readings lie at least half a poll period after the one counted before."""
        counted, next_ms = 0, 0
        for offset_ms in self._offsets_ms:
            if offset_ms >= next_ms:
                counted += 1
                next_ms = offset_ms + poll_period_ms // 2
        return counted
