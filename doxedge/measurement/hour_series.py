"""Series of operating hours out of the two hourly layouts: which hours were quality-assured, and what was reported.

The EPA CEM layout (`hourly_file`) has the NOx rate of a unit; an hour is quality-assured when its rate is there and
NOXRMEASURE calls it measured (1) or calculated (2), or says nothing. The ECMPS layout (`hourly_values`) has a method
code for each hour of any parameter; every row is an operating hour, and there is no load.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Final

from doxedge.measurement import hourly_file, hourly_values
from doxedge.measurement.parameters import Kind
from doxedge.measurement.substitution import OperatingHour
from doxedge.measurement.table_file import MAX_BLANK_LINES
from doxedge.quantity import DAY_MS, HOUR_MS

QUALITY_ASSURED_METHODS: Final = frozenset(
    ["01", "02", "03", "04", "14", "16", "17", "19", "20", "21", "22", "47", "53", "54"]
)
"""Method codes of quality-assured hours, as EPA's check engine counts them."""

MEASURED_FLAGS: Final = frozenset({"1", "2"})
RATE: Final = "NOXR"


@dataclass(frozen=True, slots=True)
class ReportedHour:
    """What a file says of an hour besides what the rules need."""

    method: str | None
    """Method code, or source flag in the EPA CEM layout."""

    heat_input_mmbtu: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The operating hours of one parameter at one place, in the order of time."""

    plant: str
    unit: str
    parameter: str
    kind: Kind
    hours: tuple[OperatingHour, ...]
    reported: dict[int, ReportedHour]
    """By the beginning of the hour."""

    load_unit: str | None
    """What the load is in: MW, or 1000 lb/h of steam; None without load."""

    @property
    def quality_assured(self) -> int:
        """Hours that were."""
        return sum(1 for hour in self.hours if hour.quality_assured)


def parse(lines: Iterable[str]) -> list[Series]:
    """The series of a file in either layout, which its first line tells. Raises TableError."""
    lines = iter(lines)
    head: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip("\ufeff, \t\r\n") or len(head) > MAX_BLANK_LINES:
            break
    everything = chain(head, lines)
    if head and "ORISID" in head[-1].upper():
        return _of_units(hourly_file.parse(everything))
    return _of_parameters(hourly_values.parse(everything))


def hour_text(start_ms: int) -> str:
    """An hour as people write it, `2007-03-05 19`: local standard time, labelled by its beginning."""
    days, rest_ms = divmod(start_ms, DAY_MS)
    return f"{date.fromordinal(date(1970, 1, 1).toordinal() + days)} {rest_ms // HOUR_MS:02d}"


def _of_units(rows: Sequence[hourly_file.HourlyRow]) -> list[Series]:
    units: dict[tuple[str, str], list[hourly_file.HourlyRow]] = {}
    for row in rows:
        units.setdefault((row.plant, row.unit), []).append(row)
    return [_of_unit(sorted(unit, key=lambda row: row.local_start_ms)) for unit in units.values()]


def _of_unit(rows: Sequence[hourly_file.HourlyRow]) -> Series:
    operating = [row for row in rows if row.operating]
    electric = any(row.gross_mw is not None for row in operating)
    steam = not electric and any(row.steam_klb_per_h is not None for row in operating)
    hours = tuple(
        OperatingHour(
            row.line,
            row.local_start_ms,
            row.nox_rate_lb_per_mmbtu,
            _is_measured(row),
            row.gross_mw if electric else row.steam_klb_per_h,
        )
        for row in operating
    )
    told = {
        row.local_start_ms: ReportedHour(row.flags.get("NOXRMEASURE"), row.heat_input_mmbtu)
        for row in operating
    }
    load_unit = "MW" if electric else "1000 lb/h" if steam else None
    return Series(rows[0].plant, rows[0].unit, RATE, Kind.RATE, hours, told, load_unit)


def _is_measured(row: hourly_file.HourlyRow) -> bool:
    if row.nox_rate_lb_per_mmbtu is None:
        return False
    return row.flags.get("NOXRMEASURE", "1") in MEASURED_FLAGS


def _of_parameters(values: Sequence[hourly_values.HourlyValue]) -> list[Series]:
    series: dict[tuple[str, str, str], list[hourly_values.HourlyValue]] = {}
    for value in values:
        series.setdefault(value.series, []).append(value)
    return [_of_parameter(sorted(one, key=lambda value: value.start_ms)) for one in series.values()]


def _of_parameter(values: Sequence[hourly_values.HourlyValue]) -> Series:
    hours = tuple(
        OperatingHour(value.line, value.start_ms, _final(value), _is_quality_assured(value))
        for value in values
    )
    told = {value.start_ms: ReportedHour(value.method) for value in values}
    oris, location, parameter = values[0].series
    return Series(oris, location, parameter, values[0].kind, hours, told, None)


def _final(value: hourly_values.HourlyValue) -> Decimal | None:
    return value.adjusted if value.adjusted is not None else value.unadjusted


def _is_quality_assured(value: hourly_values.HourlyValue) -> bool:
    if _final(value) is None:
        return False
    return value.method is None or value.method in QUALITY_ASSURED_METHODS
