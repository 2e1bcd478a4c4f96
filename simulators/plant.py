"""A power unit with a daily load curve, starts, stops and trips; the same seed always gives the same unit.

Everything is a pure function of (settings, time). The truth is laid down at knots five minutes apart and runs straight
between them, so that energy and mass can be integrated as exactly as anybody wants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from simulators.stack import StackState

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
KNOT_MS: Final = 5 * MINUTE_MS
_CACHE_ENTRIES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Order:
    """What the control room orders in place of the unit's own day. Of several that are on, the last given holds."""

    from_ms: int
    """A multiple of KNOT_MS: the unit has done what was ordered by then, and takes the five minutes before."""
    to_ms: int | None
    load: float | None
    """Share of the capacity; 0 stops the unit, None lets it run by its own curve, also at night."""

    def __post_init__(self) -> None:
        if self.from_ms % KNOT_MS or (self.to_ms is not None and self.to_ms % KNOT_MS):
            raise ValueError("orders are given on the grid of five minutes on which the plant is laid down")
        if self.load is not None and not 0 <= self.load <= 1:
            raise ValueError(f"a load of {self.load} is not within 0 to 1")

    def is_on(self, at_ms: int) -> bool:
        """Whether it holds at this instant."""
        return self.from_ms <= at_ms and (self.to_ms is None or at_ms < self.to_ms)


@dataclass(frozen=True, slots=True)
class PlantSettings:
    """What kind of unit it is. The numbers are those of a gas-fired boiler of middle size."""

    name: str = "unit-1"
    seed: int = 1
    capacity_mw: float = 100.0
    moisture_percent: float = 12.0
    """Constant, so that a gateway with this number in its configuration makes no error by it."""
    two_shift: bool = True
    """Whether the unit may stop for the night and trip; else it runs all the time."""
    nox_ppm_at_full_load: float = 110.0
    meter_origin_ms: int = 0
    """When the energy counter stood at 0. The counter is summed up from here: keep it within a year or so."""
    orders: tuple[Order, ...] = ()
    """In the order in which they are given."""

    def __post_init__(self) -> None:
        if not (self.capacity_mw > 0 and 0 <= self.moisture_percent <= 60 and self.nox_ppm_at_full_load >= 0):
            raise ValueError("a unit has a capacity above 0, moisture of 0 to 60 % and no negative NOx")


@dataclass(frozen=True, slots=True)
class _Knot:
    """The truth at one knot."""

    load: float
    flow: float
    temperature: float
    pressure: float
    o2: float
    no: float
    no2: float


class SimulatedPlant:
    """One unit. Asking it about any time is cheap; it remembers only what it worked out before."""

    def __init__(self, settings: PlantSettings) -> None:
        self.settings = settings
        self._knots: dict[int, _Knot] = {}
        self._day_energy: dict[int, float] = {}

    @property
    def flow_full_scale_m3_per_h(self) -> float:
        """A fifth above the largest flow."""
        return round(1.2 * self._flow_at(1.05), -2)

    def state(self, at_ms: int) -> StackState:
        """The truth at one instant."""
        index, into_ms = divmod(at_ms, KNOT_MS)
        a, b, part = self._knot(index), self._knot(index + 1), into_ms / KNOT_MS
        rest = 1 - part
        load = a.load * rest + b.load * part
        return StackState(
            operating=load > 0,
            power_w=load * self.settings.capacity_mw * 1e6,
            flow_m3_per_h=a.flow * rest + b.flow * part,
            temperature_c=a.temperature * rest + b.temperature * part,
            pressure_kpa=a.pressure * rest + b.pressure * part,
            moisture_percent=self.settings.moisture_percent,
            o2_percent=a.o2 * rest + b.o2 * part,
            no_ppm=a.no * rest + b.no * part,
            no2_ppm=a.no2 * rest + b.no2 * part,
        )

    def energy_wh(self, at_ms: int) -> int:
        """The energy counter: whole days from the origin, then the day under way."""
        origin_ms = self.settings.meter_origin_ms
        if at_ms <= origin_ms:
            return 0
        days, rest_ms = divmod(at_ms - origin_ms, DAY_MS)
        total = sum(self._energy_of_day(day) for day in range(days))
        return int(total + self._energy(origin_ms + days * DAY_MS, origin_ms + days * DAY_MS + rest_ms))

    def truth_g(self, start_ms: int, end_ms: int) -> int:
        """Grams of NOx in [start, end); Simpson's rule on each piece between knots, where all curves are smooth."""
        return round(integral(lambda at_ms: self.state(at_ms).nox_g_per_h, start_ms, end_ms))

    def _energy_of_day(self, day: int) -> float:
        if day not in self._day_energy:
            start_ms = self.settings.meter_origin_ms + day * DAY_MS
            self._day_energy[day] = self._energy(start_ms, start_ms + DAY_MS)
        return self._day_energy[day]

    def _energy(self, start_ms: int, end_ms: int) -> float:
        return integral(lambda at_ms: self._load(at_ms) * self.settings.capacity_mw * 1e6, start_ms, end_ms)

    def _load(self, at_ms: int) -> float:
        index, into_ms = divmod(at_ms, KNOT_MS)
        part = into_ms / KNOT_MS
        return self._knot(index).load * (1 - part) + self._knot(index + 1).load * part

    def _knot(self, index: int) -> _Knot:
        knot = self._knots.get(index)
        if knot is None:
            if len(self._knots) >= _CACHE_ENTRIES:
                self._knots.clear()
            knot = self._knots[index] = self._make_knot(index)
        return knot

    def _make_knot(self, index: int) -> _Knot:
        load = self._load_at_knot(index)
        if load == 0:
            # Fan off, air in the stack.
            return _Knot(load=0, flow=0, temperature=45, pressure=101.3, o2=20.9, no=0, no2=0)
        # Thermal NOx rises with load and falls with excess air; a few percent of it is NO2 at the stack.
        nox = (
            self.settings.nox_ppm_at_full_load * (0.55 + 0.45 * load) * (1 + 0.04 * self._noise("nox", index))
        )
        no2 = nox * (0.05 + 0.01 * self._noise("no2", index))
        return _Knot(
            load=load,
            flow=self._flow_at(load) * (1 + 0.01 * self._noise("flow", index)),
            temperature=95 + 45 * load + 1.5 * self._noise("temperature", index),
            pressure=100.6 + 0.4 * self._noise("pressure", index),
            o2=7.5 - 4.5 * load + 0.3 * self._noise("o2", index),
            no=nox - no2,
            no2=no2,
        )

    def _flow_at(self, load: float) -> float:
        """Wet actual m3/h: 10 MJ of fuel for a kWh at full load, about 0.26 m3 of dry gas for a MJ, hot and wet."""
        return self.settings.capacity_mw * 4_600 * (0.12 + 0.88 * load)

    def _load_at_knot(self, index: int) -> float:
        at_ms = index * KNOT_MS
        day, into_day_ms = divmod(at_ms, DAY_MS)
        order = next((order for order in reversed(self.settings.orders) if order.is_on(at_ms)), None)
        if order is not None and order.load is not None:
            return order.load
        if (
            order is None
            and self.settings.two_shift
            and (self._is_night(day, into_day_ms) or self._is_tripped(day, into_day_ms))
        ):
            return 0.0
        hour = into_day_ms / HOUR_MS
        # Low at four in the morning, a shoulder at noon, the peak towards seven in the evening.
        curve = (
            0.68 - 0.22 * math.cos((hour - 4) * math.tau / 24) + 0.08 * math.sin((hour - 4) * math.tau / 12)
        )
        return min(1.0, max(0.4, curve + 0.04 * self._noise("load", index) + 0.06 * self._noise("day", day)))

    def _is_night(self, day: int, into_day_ms: int) -> bool:
        """Off from about half past ten in the evening to about half past five, on about two nights of five."""
        start_ms = 5.5 * HOUR_MS + HOUR_MS * self._noise("start", day)
        stop_ms = 22.5 * HOUR_MS + HOUR_MS * self._noise("stop", day)
        early = into_day_ms < start_ms and self._noise("night", day - 1) < -0.2
        return early or (into_day_ms >= stop_ms and self._noise("night", day) < -0.2)

    def _is_tripped(self, day: int, into_day_ms: int) -> bool:
        """On one day of ten, off for forty minutes to two hours in the afternoon."""
        if self._noise("trip", day) < 0.8:
            return False
        start_ms = (14 + 2 * self._noise("trip-start", day)) * HOUR_MS
        return start_ms <= into_day_ms < start_ms + (80 + 40 * self._noise("trip-length", day)) * MINUTE_MS

    def _noise(self, stream: str, index: int) -> float:
        return noise(self.settings.seed, stream, index)


def noise(seed: int, stream: str, index: int) -> float:
    """A number within -1 and 1 that looks like chance and is a function of its arguments (splitmix64)."""
    name = int.from_bytes(stream.encode()[:8].ljust(8, b"\0"), "big")
    x = (seed * 0x9E3779B97F4A7C15 + name * 0xD1342543DE82EF95 + index * 0xA0761D6478BD642F) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((x ^ (x >> 31)) >> 11) / 2**52 - 1


_MASK: Final = 2**64 - 1


def integral(rate_per_h: Callable[[int], float], start_ms: int, end_ms: int) -> float:
    """The integral over time of a rate per hour, by Simpson's rule between knots."""
    total = 0.0
    at_ms = start_ms
    while at_ms < end_ms:
        next_ms = min(end_ms, (at_ms // KNOT_MS + 1) * KNOT_MS)
        middle_ms = (at_ms + next_ms) // 2
        weight = rate_per_h(at_ms) + 4 * rate_per_h(middle_ms) + rate_per_h(next_ms)
        total += weight / 6 * (next_ms - at_ms) / HOUR_MS
        at_ms = next_ms
    return total
