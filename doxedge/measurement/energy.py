"""Energy from a counter: differences, never power times time.

What a counter counts is not lost while nobody reads it. Each hour gets the energy between its two borders; where a
border falls into a hole of the readings the energy goes to the hour in which the counter is read again, so that the
sum over hours is the sum of the counter. Energy that cannot be known (a counter that fell back without rolling
over, a jump beyond the meter's power) is not invented: the counting starts anew and the hour says `incomplete`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from doxedge.measurement.averaging import MinuteMean
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.counter_trail import CounterPoint, CounterTrail
from doxedge.measurement.reading import Reading
from doxedge.quantity import HOUR_MS, MINUTE_MS, WattHours, round_down

MINUTES_PER_HOUR: Final = 60


class EnergyQuality(StrEnum):
    """How the energy of an hour came about."""

    METERED = "metered"
    CARRIED = "carried"  # a border fell into a hole: some energy is booked with a neighbouring hour
    INCOMPLETE = "incomplete"  # the counter was not known for some of the hour
    DISPUTED = "disputed"  # counter and power do not agree
    UNMETERED = "unmetered"  # no counter


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySettings:
    """What is known of the energy counter."""

    quantity: str = "energy_wh"
    power_quantity: str = "power_w"
    rollover_wh: Decimal | None = None
    """The counter's modulus: 1000000 for one that goes from 999999 to 0. None when it does not roll over."""

    max_power_w: Decimal | None = None
    """No difference may be larger than this power could make; also tells a rollover from a reset."""

    max_hole_ms: int = 10 * MINUTE_MS
    """A border between two readings no further apart is interpolated."""

    cross_check_percent: int = 2
    """Counter and integrated power may differ by this share ..."""

    cross_check_floor_wh: int = 2_000
    """... or by this: a 32-bit float counter at 10^9 Wh moves in steps of 64 Wh."""


@dataclass(frozen=True, slots=True)
class EnergyMark:
    """Where the counting stands at the border of an hour; enough to go on after a restart."""

    at_ms: int
    """The last reading at or before the border."""

    counter_wh: Decimal
    before_border_wh: Decimal
    """What that reading lacks to the border (0 or negative)."""


@dataclass(frozen=True, slots=True)
class HourEnergy:
    """The energy of one hour."""

    energy_wh: WattHours
    quality: EnergyQuality


class EnergyCounter:
    """Follows one counter. Readings must come in the order of their stamps; a late one is ignored."""

    __slots__ = ("_broken_at_ms", "_has_border", "_points", "_settings", "_trail")

    def __init__(self, settings: EnergySettings, *, mark: EnergyMark | None = None) -> None:
        self._settings = settings
        self._points: list[CounterPoint] = []
        self._broken_at_ms: list[int] = []  # when energy went unknown
        self._has_border = mark is not None
        if mark is not None:
            self._points.append(CounterPoint(mark.at_ms, mark.counter_wh, mark.before_border_wh))
        self._trail = CounterTrail(self._points)  # not thinned to the two of an hour

    @property
    def quantity(self) -> str:
        """What is followed."""
        return self._settings.quantity

    @property
    def power_quantity(self) -> str:
        """What it is checked against."""
        return self._settings.power_quantity

    def add(self, reading: Reading) -> None:
        """Take a reading of the counter in. A bad one says nothing."""
        if reading.value is not None:
            self._read(reading.at_ms, reading.value)

    def exchange(self, at_ms: int, *, old_wh: Decimal, new_wh: Decimal) -> None:
        """A meter was exchanged: the old one was read last at `old_wh`, the new one begins at `new_wh`.

        It may be told before the new meter counts or after, as long as the hour is not closed. Raises ValueError, and
        changes nothing, when it does not fit what was read.
        """
        booked_wh, after = self._fit(at_ms, old_wh, new_wh)
        if after is None:
            total_wh = booked_wh + (self._points[-1].total_wh if self._points else 0)
            self._points.append(CounterPoint(at_ms, new_wh, total_wh))
            self._trail.append(self._points[-1])
            return
        self._points = [_booked(point, booked_wh, after) for point in self._points]
        self._trail = CounterTrail(_booked(point, booked_wh, after) for point in self._trail.points())
        self._broken_at_ms = [at for at in self._broken_at_ms if not at_ms <= at <= after.at_ms]

    def check_exchange(self, at_ms: int, *, old_wh: Decimal, new_wh: Decimal) -> None:
        """Raises ValueError where `exchange` would."""
        self._fit(at_ms, old_wh, new_wh)

    def _fit(self, at_ms: int, old_wh: Decimal, new_wh: Decimal) -> tuple[Decimal, CounterPoint | None]:
        """What is to be booked beside what was, and from which reading on; None: from the exchange on."""
        trail = self._trail.points()
        before = next((point for point in reversed(trail) if point.at_ms <= at_ms), None)
        after = next((point for point in trail if point.at_ms > at_ms), None)
        if before is None:
            if after is None:
                return Decimal(0), None
            raise ValueError(
                f"the counter is known from {after.at_ms} ms on only, the exchange is at {at_ms} ms"
            )
        with localcontext(PRECISE):
            up_to_wh = self._difference(before, at_ms, old_wh)
            if up_to_wh is None:
                raise ValueError(
                    f"the counter was read with {before.counter_wh} Wh at {before.at_ms} ms, and the old meter cannot "
                    f"have shown {old_wh} Wh after that"
                )
            if after is None:
                return up_to_wh, None
            since_wh = self._difference(
                CounterPoint(at_ms, new_wh, Decimal(0)), after.at_ms, after.counter_wh
            )
            if since_wh is None:
                raise ValueError(
                    f"the counter was read with {after.counter_wh} Wh at {after.at_ms} ms, and the new meter cannot "
                    f"have begun at {new_wh} Wh before that"
                )
            return up_to_wh + since_wh - (after.total_wh - before.total_wh), after

    def close(self, start_ms: int, power: Sequence[MinuteMean] = ()) -> HourEnergy:
        """The energy of the hour that begins at `start_ms`; the next call must be for the hour after it.

        `power` holds the minute means of the same hour, in W, for the cross-check.
        """
        end_ms = start_ms + HOUR_MS
        if not self._points or self._points[0].at_ms > end_ms:
            return HourEnergy(WattHours(0), EnergyQuality.INCOMPLETE)
        if not self._has_border:
            # What the counter counted before the first hour is no hour's energy.
            self._subtract(self._total_at(start_ms))
            self._has_border = True
        bracketed_before = self._is_bracketed(start_ms)
        border_wh, bracketed_after = self._total_at(end_ms), self._is_bracketed(end_ms)
        energy_wh = max(0, round_down(*border_wh.as_integer_ratio()))
        broken = (
            any(start_ms <= at <= end_ms for at in self._broken_at_ms) or self._points[0].at_ms > start_ms
        )
        quality = EnergyQuality.METERED
        if broken:
            quality = EnergyQuality.INCOMPLETE
        elif not (bracketed_before and bracketed_after):
            quality = EnergyQuality.CARRIED
        elif not self._agrees(energy_wh, power):
            quality = EnergyQuality.DISPUTED
        self._move_border(end_ms, energy_wh)
        return HourEnergy(WattHours(energy_wh), quality)

    @property
    def mark(self) -> EnergyMark | None:
        """The last border: to be stored, and given to the next counter after a restart."""
        if not self._points:
            return None
        first = self._points[0]
        return EnergyMark(first.at_ms, first.counter_wh, first.total_wh)

    def _read(self, at_ms: int, counter_wh: Decimal) -> None:
        if not self._points:
            self._points.append(CounterPoint(at_ms, counter_wh, Decimal(0)))
            self._trail.append(self._points[-1])
            return
        last = self._points[-1]
        if at_ms <= last.at_ms:
            return
        with localcontext(PRECISE):
            counted_wh = self._difference(last, at_ms, counter_wh)
            if counted_wh is None:
                self._broken_at_ms.append(at_ms)
                counted_wh = Decimal(0)
            # Borders need the first and the last point of each hour; those between are let go.
            if len(self._points) > 1 and self._points[-2].at_ms // HOUR_MS == at_ms // HOUR_MS:
                del self._points[-1]
            self._points.append(CounterPoint(at_ms, counter_wh, last.total_wh + counted_wh))
        self._trail.follow(self._points[-1])

    def _difference(self, last: CounterPoint, at_ms: int, counter_wh: Decimal) -> Decimal | None:
        """Energy since the last point; None when it cannot be known."""
        settings = self._settings
        difference_wh = counter_wh - last.counter_wh
        if difference_wh < 0 and settings.rollover_wh is not None:
            difference_wh += settings.rollover_wh
            # Without a power bound only a counter in its last tenth is believed to have rolled over.
            if settings.max_power_w is None and last.counter_wh * 10 < settings.rollover_wh * 9:
                return None
        if difference_wh < 0:
            return None
        if settings.max_power_w is not None:
            possible_wh = settings.max_power_w * (at_ms - last.at_ms) / HOUR_MS
            if difference_wh > possible_wh + settings.cross_check_floor_wh:
                return None
        return difference_wh

    def _is_bracketed(self, at_ms: int) -> bool:
        """True when readings on both sides of an instant lie close together, or one lies on it."""
        before, after = self._around(at_ms)
        if before is not None and before.at_ms == at_ms:
            return True
        return (
            before is not None
            and after is not None
            and after.at_ms - before.at_ms <= self._settings.max_hole_ms
        )

    def _total_at(self, at_ms: int) -> Decimal:
        before, after = self._around(at_ms)
        if before is None:
            return Decimal(0)
        if after is None or not self._is_bracketed(at_ms):
            return before.total_wh
        with localcontext(PRECISE):
            share = Decimal(at_ms - before.at_ms) / (after.at_ms - before.at_ms)
            return before.total_wh + (after.total_wh - before.total_wh) * share

    def _around(self, at_ms: int) -> tuple[CounterPoint | None, CounterPoint | None]:
        before = after = None
        for point in self._points:
            if point.at_ms <= at_ms:
                before = point
            else:
                after = point
                break
        return before, after

    def _move_border(self, end_ms: int, energy_wh: int) -> None:
        """Totals count from the new border on, and points that lie wholly before it are dropped."""
        while len(self._points) > 1 and self._points[1].at_ms <= end_ms:
            del self._points[0]
        first_ms = self._points[0].at_ms
        self._trail = CounterTrail(point for point in self._trail.points() if point.at_ms >= first_ms)
        self._subtract(Decimal(energy_wh))
        self._broken_at_ms = [at for at in self._broken_at_ms if at > end_ms]

    def _subtract(self, wh: Decimal) -> None:
        with localcontext(PRECISE):
            self._points = [replace(point, total_wh=point.total_wh - wh) for point in self._points]
            self._trail = CounterTrail(
                replace(point, total_wh=point.total_wh - wh) for point in self._trail.points()
            )

    def _agrees(self, energy_wh: int, power: Sequence[MinuteMean]) -> bool:
        """Counter against power; an hour without all its power minutes is not checked."""
        watts = [minute.mean for minute in power if minute.mean is not None]
        if len(watts) < MINUTES_PER_HOUR:
            return True
        # A start or stop lies somewhere between two polls: the largest swing within a minute is doubt of the integral.
        swings = [m.maximum - m.minimum for m in power if m.maximum is not None and m.minimum is not None]
        with localcontext(PRECISE):
            integral_wh = sum(watts, Decimal(0)) / MINUTES_PER_HOUR
            allowed_wh = max(
                abs(integral_wh) * self._settings.cross_check_percent / 100,
                Decimal(self._settings.cross_check_floor_wh),
            )
            allowed_wh += max(swings, default=Decimal(0)) / MINUTES_PER_HOUR
        return abs(integral_wh - energy_wh) <= allowed_wh


def _booked(point: CounterPoint, wh: Decimal, since: CounterPoint) -> CounterPoint:
    """A reading with what is to be added to all from `since` on."""
    if point.at_ms < since.at_ms:
        return point
    with localcontext(PRECISE):
        return replace(point, total_wh=point.total_wh + wh)
