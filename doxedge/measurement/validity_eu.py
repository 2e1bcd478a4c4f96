"""When is an average valid: two thirds of the averaging period, in operation and measured (EN 17255-1).

    in operation for 2/3 of the period    a validated average, if valid in-operation time is 2/3 of the period
    in operation for less                 start-up or shut-down: no validated average, but the mass counts, if at
                                          least 2/3 of the time in operation is valid

The ledger's unit is the hour. Where the period is half an hour both halves are judged, an hour is valid only when each
half is, and the clause says which one was not. An hour of which one half is start-up or shut-down is of that class.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.measurement.validity import NOT_OPERATING, CalibrationCheck, Verdict, usable_from_ms
from doxedge.quantity import HOUR_MS, MINUTE_MS

AVERAGING_MINUTES: Final = (30, 60)
"""The short-term averages of the directive: half an hour for waste, the hour for large combustion plants."""

CLAUSE: Final = "EN 17255-1, 2/3 of {minutes} min"
START_STOP: Final = "start-up or shut-down"
HALVES: Final = ("first half ", "second half ")


def judge_averages(
    start_ms: int,
    *,
    operating_ms: Sequence[int],
    valid_minutes: Collection[int],
    checks: Sequence[CalibrationCheck] = (),
    averaging_minutes: int = 60,
) -> Verdict:
    """Judge the hour that begins at `start_ms`.

    operating_ms   for each of the 60 minutes, how long the unit ran (0 to 60,000)
    valid_minutes  minutes of the hour with a mass of their own
    checks         calibrations judged within the hour: after a failed one only what follows a pass counts

    Raises ValueError for an averaging period that no rule has.
    """
    if averaging_minutes not in AVERAGING_MINUTES:
        raise ValueError(f"averaging_minutes: {averaging_minutes} is not 30 or 60")
    clause = CLAUSE.format(minutes=averaging_minutes)
    usable_ms = usable_from_ms(start_ms, checks)
    if not any(operating_ms):
        return Verdict(None, NOT_OPERATING, start_ms)
    usable = {m for m in valid_minutes if start_ms + m * MINUTE_MS >= usable_ms}
    periods = list(_periods(operating_ms, usable, averaging_minutes))
    names = HALVES if len(periods) > 1 else ("",)
    told = "; ".join(
        f"{name}{period.told}" for name, period in zip(names, periods, strict=True) if period.told
    )
    return Verdict(
        not any(period.failed for period in periods),
        f"{clause}: {told}" if told else clause,
        usable_ms,
        start_stop=any(period.is_start_stop for period in periods),
    )


def minutes_wanted(averaging_minutes: int) -> int:
    """Valid minutes that an hour of uninterrupted operation needs, wherever they fall."""
    return HOUR_MS // MINUTE_MS // averaging_minutes * (2 * averaging_minutes // 3)


@dataclass(frozen=True, slots=True)
class _Period:
    """One averaging period, in ms."""

    length_ms: int
    operating_ms: int
    valid_ms: int
    """In operation, and with a mass of its own."""

    @property
    def is_start_stop(self) -> bool:
        """It ran, but for less than two thirds of the period."""
        return 0 < 3 * self.operating_ms < 2 * self.length_ms

    @property
    def needed_ms(self) -> int:
        """Two thirds of the period, or of the operation where that was shorter; rounded up."""
        of_ms = self.operating_ms if self.is_start_stop else self.length_ms
        return -(-2 * of_ms // 3)

    @property
    def failed(self) -> bool:
        """The unit ran, and too little of it is known."""
        return self.operating_ms > 0 and self.valid_ms < self.needed_ms

    @property
    def told(self) -> str:
        """What is not simply valid about it; empty when nothing is."""
        words = [START_STOP] if self.is_start_stop else []
        if self.failed:
            words.append(f"{self.valid_ms // MINUTE_MS} min valid of {-(-self.needed_ms // MINUTE_MS)}")
        return ", ".join(words)


def _periods(operating_ms: Sequence[int], usable: Collection[int], minutes: int) -> Iterator[_Period]:
    for first in range(0, len(operating_ms), minutes):
        span = range(first, first + minutes)
        yield _Period(
            minutes * MINUTE_MS,
            sum(operating_ms[m] for m in span),
            sum(operating_ms[m] for m in span if m in usable),
        )
