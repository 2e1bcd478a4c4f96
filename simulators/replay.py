"""A real unit's hourly file as a simulated plant: each hour's mass, load and operating time, spread evenly over it.

The file has the columns of the US EPA's hourly data (ORISID, BLRID, YYMMDD, HOUR, NOXMASS, OPTIME, GLOAD, HTINPUT and
more; -9 = missing). It is read here on its own, not by the product's reader, so that a mistake of the one shows against
the other. Local standard time is taken for UTC.
"""

from __future__ import annotations

import bisect
import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from simulators.plant import HOUR_MS
from simulators.stack import MG_PER_M3_PER_PPM, STANDARD_KPA, ZERO_CELSIUS_K, StackState

GRAMS_PER_POUND: Final = 453.59237
NORMAL_M3_PER_MMBTU: Final = 362.0
"""Dry gas at 6 % O2 from bituminous coal: Fd 9,780 dscf/mmBtu x 20.9/14.9, at 0 degC."""
_FLOW_WITHOUT_HEAT_INPUT: Final = 100_000.0
_STACK_C: Final = 120.0
_MISSING: Final = -9.0
_MAX_ROWS: Final = 500_000


class ReplayError(ValueError):
    """The file is not an hourly file. Names line and column."""


@dataclass(frozen=True, slots=True)
class ReplayHour:
    """One row of the file."""

    start_ms: int
    operating_ms: int
    """The unit runs from the start of the hour for this long."""
    nox_g: float | None
    """None: the unit ran, and its analyser had no valid value."""
    load_mw: float
    dry_normal_m3_per_h: float


class ReplayPlant:
    """The unit of the file. Outside the file's hours it stands still and its analyser has no valid value."""

    def __init__(
        self, hours: Iterable[ReplayHour], *, moisture_percent: float = 12.0, shift_ms: int = 0
    ) -> None:
        """`shift_ms` is added to the file's times, to bring an old year to the plant clock."""
        self._hours = sorted(hours, key=lambda hour: hour.start_ms)
        if not self._hours:
            raise ReplayError("the file has no rows")
        self._starts = [hour.start_ms for hour in self._hours]
        self._moisture_percent = moisture_percent
        self._shift_ms = shift_ms
        self._wet_actual_per_dry_normal = (
            (ZERO_CELSIUS_K + _STACK_C) / ZERO_CELSIUS_K / (1 - moisture_percent / 100)
        )
        self._energy_wh = [0.0]
        for hour in self._hours:
            self._energy_wh.append(self._energy_wh[-1] + hour.load_mw * 1e6 * hour.operating_ms / HOUR_MS)

    @property
    def start_ms(self) -> int:
        """Of the first hour, on the plant clock."""
        return self._hours[0].start_ms + self._shift_ms

    @property
    def end_ms(self) -> int:
        """Of the last hour, on the plant clock."""
        return self._hours[-1].start_ms + HOUR_MS + self._shift_ms

    @property
    def flow_full_scale_m3_per_h(self) -> float:
        """A fifth above the largest flow of the file."""
        largest = max(hour.dry_normal_m3_per_h for hour in self._hours)
        return round(1.2 * largest * self._wet_actual_per_dry_normal + 1, -2) or 100.0

    def state(self, at_ms: int) -> StackState:
        """The hour's mean flow and concentration while the unit runs."""
        hour = self._hour_at(at_ms)
        runs = hour is not None and at_ms - self._shift_ms < hour.start_ms + hour.operating_ms
        if hour is None or not runs:
            return StackState(
                operating=False,
                power_w=0,
                flow_m3_per_h=0,
                temperature_c=45,
                pressure_kpa=STANDARD_KPA,
                moisture_percent=self._moisture_percent,
                o2_percent=20.9,
                no_ppm=0,
                no2_ppm=0,
                measured=hour is not None,
            )
        g_per_h = (hour.nox_g or 0.0) * HOUR_MS / hour.operating_ms
        nox_ppm = g_per_h * 1_000 / (MG_PER_M3_PER_PPM * hour.dry_normal_m3_per_h)
        return StackState(
            operating=True,
            power_w=hour.load_mw * 1e6,
            flow_m3_per_h=hour.dry_normal_m3_per_h * self._wet_actual_per_dry_normal,
            temperature_c=_STACK_C,
            pressure_kpa=STANDARD_KPA,
            moisture_percent=self._moisture_percent,
            o2_percent=6.0,
            no_ppm=0.95 * nox_ppm,
            no2_ppm=0.05 * nox_ppm,
            measured=hour.nox_g is not None,
        )

    def energy_wh(self, at_ms: int) -> int:
        """The energy counter: 0 at the file's first hour."""
        index = bisect.bisect_right(self._starts, at_ms - self._shift_ms) - 1
        if index < 0:
            return 0
        hour = self._hours[index]
        into_ms = min(at_ms - self._shift_ms - hour.start_ms, hour.operating_ms)
        return int(self._energy_wh[index] + hour.load_mw * 1e6 * into_ms / HOUR_MS)

    def truth_g(self, start_ms: int, end_ms: int) -> int:
        """Grams of the file in [start, end); a part of an hour has the part of its operating time."""
        total = 0.0
        for hour in self._hours:
            first_ms = max(start_ms - self._shift_ms, hour.start_ms)
            last_ms = min(end_ms - self._shift_ms, hour.start_ms + hour.operating_ms)
            if hour.nox_g and last_ms > first_ms:
                total += hour.nox_g * (last_ms - first_ms) / hour.operating_ms
        return round(total)

    def _hour_at(self, at_ms: int) -> ReplayHour | None:
        index = bisect.bisect_right(self._starts, at_ms - self._shift_ms) - 1
        if index < 0 or at_ms - self._shift_ms >= self._starts[index] + HOUR_MS:
            return None
        return self._hours[index]


def read_hours(lines: Iterable[str]) -> list[ReplayHour]:
    """The rows of an hourly file. ReplayError names the line and column that cannot be read."""
    reader = csv.DictReader(lines)
    wanted = ("YYMMDD", "HOUR", "NOXMASS", "OPTIME", "GLOAD", "HTINPUT")
    if missing := [name for name in wanted if name not in (reader.fieldnames or ())]:
        raise ReplayError(f"the header lacks the columns {', '.join(missing)}")
    hours: list[ReplayHour] = []
    for row in reader:
        if len(hours) >= _MAX_ROWS:
            raise ReplayError(f"more than {_MAX_ROWS} rows")
        hours.append(_hour(row, reader.line_num))
    return hours


def _hour(row: dict[str, str], line: int) -> ReplayHour:
    numbers: dict[str, float] = {}
    for name in ("HOUR", "NOXMASS", "OPTIME", "GLOAD", "HTINPUT"):
        try:
            numbers[name] = float(row[name])
        except (TypeError, ValueError):
            raise ReplayError(f"line {line}, column {name}: {row[name]!r} is not a number") from None
    try:
        day = datetime.strptime(row["YYMMDD"], "%y%m%d").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        raise ReplayError(f"line {line}, column YYMMDD: {row['YYMMDD']!r} is not a day") from None
    if not (0 <= numbers["HOUR"] <= 23 and (0 <= numbers["OPTIME"] <= 1 or numbers["OPTIME"] == _MISSING)):
        raise ReplayError(f"line {line}: HOUR is 0 to 23 and OPTIME 0 to 1")
    operating = max(0.0, numbers["OPTIME"])
    heat = numbers["HTINPUT"]
    pounds = numbers["NOXMASS"]
    return ReplayHour(
        start_ms=int(day.timestamp()) * 1_000 + int(numbers["HOUR"]) * HOUR_MS,
        operating_ms=round(operating * HOUR_MS),
        nox_g=None if pounds == _MISSING and operating else max(0.0, pounds) * GRAMS_PER_POUND,
        load_mw=max(0.0, numbers["GLOAD"]),
        dry_normal_m3_per_h=heat / operating * NORMAL_M3_PER_MMBTU
        if heat > 0 and operating
        else _FLOW_WITHOUT_HEAT_INPUT,
    )
