"""Files of hourly values with method codes and bias adjustment (the ECMPS layout): one row for each hour and parameter.

oris, location, date, hour, parameter    whose hour; local standard time, labelled by its beginning
unadjusted, adjusted                     before and after the bias factor; blank where there is none
modc                                     method of determination code, two digits
percent_available                        monitor data availability that was reported; may be absent
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.measurement.parameters import KINDS, Kind
from doxedge.measurement.table_file import Row, read_rows

REQUIRED: Final = ("oris", "location", "date", "hour", "parameter", "unadjusted", "adjusted")
OPTIONAL: Final = ("modc", "percent_available")
_METHODS: Final = frozenset(f"{code:02d}" for code in range(1, 100))


@dataclass(frozen=True, slots=True)
class HourlyValue:
    """One hour of one parameter at one place."""

    line: int
    oris: str
    location: str
    parameter: str
    start_ms: int
    """Beginning of the hour in ms since 1970, in local standard time as if it were UTC."""

    unadjusted: Decimal | None
    adjusted: Decimal | None
    method: str | None
    percent_available: Decimal | None

    @property
    def series(self) -> tuple[str, str, str]:
        """What it is an hour of."""
        return (self.oris, self.location, self.parameter)

    @property
    def kind(self) -> Kind:
        """Which limits and rounding apply."""
        return KINDS[self.parameter]


def parse(lines: Iterable[str]) -> tuple[HourlyValue, ...]:
    """The hours of a file in its order. Raises TableError, also for an hour twice."""
    values: list[HourlyValue] = []
    seen: dict[tuple[object, ...], int] = {}
    for row in read_rows(lines, required=REQUIRED, optional=OPTIONAL, what="hour"):
        value = _value(row)
        first = seen.setdefault((*value.series, value.start_ms), row.line)
        if first != row.line:
            raise row.error("hour", f"the same hour of the same parameter is on line {first}")
        values.append(value)
    return tuple(values)


def _value(row: Row) -> HourlyValue:
    if row.text("parameter") not in KINDS:
        raise row.error("parameter", f"no parameter that we know; known are {', '.join(KINDS)}")
    method = row.texts.get("modc", "") if row.has("modc") else None
    if method is not None and method.zfill(2) not in _METHODS:
        raise row.error("modc", "a method code is two digits")
    return HourlyValue(
        row.line,
        row.text("oris"),
        row.text("location"),
        row.texts["parameter"],
        row.day_ms("date") + row.hour_ms("hour"),
        row.number_or_none("unadjusted"),
        row.number_or_none("adjusted"),
        method.zfill(2) if method is not None else None,
        row.number_or_none("percent_available"),
    )
