"""A year of a real unit: the hourly layout in which EPA's emission data are passed on, read and summed up.

One row is one hour of one unit. The columns used here:

    ORISID, BLRID            plant and unit
    YYMMDD, HOUR             local standard time all year; the hour is labelled by its beginning, 0 to 23
    OPTIME                   operating time, 0 to 1 h
    NOXMASS                  lb in that hour
    NOXRATE                  lb/mmBtu
    HTINPUT                  mmBtu in that hour
    GLOAD, SLOAD             MW, or 1000 lb/h of steam, while operating; either may be absent
    ...MEASURE               source flags: 1 measured, 2 calculated, 3 substitute ...; blank when not operating

-9, like a blank, means missing. Columns may come in any order, and others are passed over. What is not exactly in
this layout is refused with line, column and value: a total that rests on a guess is worth nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Final, TypedDict

from doxedge.measurement.averaging import EXACT
from doxedge.measurement.table_file import TableError, open_table
from doxedge.quantity import DAY_MS, HOUR_MS, Grams, grams_from_pounds

REQUIRED: Final = ("ORISID", "BLRID", "YYMMDD", "HOUR", "OPTIME", "NOXMASS", "NOXRATE", "HTINPUT")
FLAGS: Final = ("HTINPUTMEASURE", "SO2MEASURE", "NOXMMEASURE", "NOXRMEASURE")
USED: Final = frozenset({*REQUIRED, "GLOAD", "SLOAD", *FLAGS})

MISSING: Final = Decimal(-9)
MISSING_FLAG: Final = "-9"

FIRST_YEAR: Final = 1970
"""Two-digit years from 70 on are of the last century; continuous monitoring reports begin in 1993."""

_NUMBER: Final = re.compile(r"-?(\d{1,12}(\.\d{0,9})?|\.\d{1,9})", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,3}", re.ASCII)
_DAY: Final = re.compile(r"\d{6}", re.ASCII)
_NAME: Final = re.compile(r"[0-9A-Za-z*#+./_ -]{1,20}")

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class HourlyFileError(TableError):
    """The file is not in the hourly layout."""


@dataclass(frozen=True, slots=True)
class HourlyRow:
    """One hour of one unit; None is missing."""

    line: int
    plant: str
    unit: str
    local_start_ms: int
    """Beginning of the hour in ms since 1970, in local standard time as if it were UTC."""

    operating_h: Decimal | None
    nox_lb: Decimal | None
    nox_rate_lb_per_mmbtu: Decimal | None
    heat_input_mmbtu: Decimal | None
    gross_mw: Decimal | None
    flags: Mapping[str, str]
    """Source flags of the columns that the file has; blank ones left out."""

    steam_klb_per_h: Decimal | None = None

    def start_ms(self, utc_offset_hours: int = 0) -> int:
        """Beginning of the hour in UTC, for a plant whose standard time is so far from UTC (New York: -5)."""
        return self.local_start_ms - utc_offset_hours * HOUR_MS

    @property
    def operating(self) -> bool:
        """True when the unit ran in this hour."""
        return self.operating_h is not None and self.operating_h > 0

    @property
    def grams(self) -> Grams | None:
        """The mass of the hour in whole grams, ties away from zero; None when it is missing."""
        return None if self.nox_lb is None else grams_from_pounds(self.nox_lb)

    @property
    def gross_mwh(self) -> Decimal | None:
        """Load times operating time; None when either is missing."""
        if self.gross_mw is None or self.operating_h is None:
            return None
        return self.gross_mw * self.operating_h

    @property
    def mismatches(self) -> bool:
        """True when mass and rate times heat input differ by more than the rounding of the three explains.

        Only for an operating hour that has all three: |mass - rate HI| <= 0.0005 HI + 0.05 rate + 0.05, half of
        the last place of a rate of three decimals, a heat input of one and a mass of one.
        """
        mass, rate, heat = self.nox_lb, self.nox_rate_lb_per_mmbtu, self.heat_input_mmbtu
        if not self.operating or mass is None or rate is None or heat is None:
            return False
        tolerance = Decimal("0.0005") * heat + Decimal("0.05") * rate + Decimal("0.05")
        return abs(mass - rate * heat) > tolerance


class HoursSummary(TypedDict):
    """What an audit prints of a file: whole counts and grams, decimal strings for anything else."""

    rows: int
    operating_hours: int
    partial_hours: int
    missing_nox_hours: int
    nox_lb: str
    nox_g: int
    gross_mwh: str | None
    mismatch_hours: int
    flags: dict[str, dict[str, int]]


def parse(lines: Iterable[str]) -> tuple[HourlyRow, ...]:
    """The rows of a file, in its order. `lines` are its text lines, with or without their ends.

    Accepted: what `table_file` accepts, and any order of hours.
    Raises HourlyFileError for all else: a column missing or twice, a row of another length, an hour twice, a value
    that is none, a line or a file beyond the bounds, no row at all.
    """
    return tuple(read_hours(lines))


def read_hours(lines: Iterable[str]) -> Iterator[HourlyRow]:
    """The same one by one, for files that are long."""
    line, header, records = open_table(lines, HourlyFileError)
    columns = _columns(header, line)
    units: dict[tuple[str, str], dict[int, int]] = {}
    for line, fields in records:
        row = _Fields(line, {name: fields[place].strip() for name, place in columns.items()}).row()
        first = units.setdefault((row.plant, row.unit), {}).setdefault(row.local_start_ms, line)
        if first != line:
            raise HourlyFileError(
                f"the same hour of the same unit is on line {first}", line=line, column="HOUR"
            )
        yield row
    if not units:
        raise HourlyFileError("the file names columns and holds no hour", line=line)


def summary(rows: Iterable[HourlyRow]) -> HoursSummary:
    """Sum a file up. Masses and loads count wherever they stand; the rest is about operating hours."""
    flags: dict[str, Counter[str]] = {}
    count = operating = partial = missing = mismatches = nox_g = 0
    nox_lb, gross_mwh = Decimal(0), None
    with localcontext(EXACT):
        for row in rows:
            count += 1
            if row.nox_lb is not None:
                nox_lb += row.nox_lb
                nox_g += grams_from_pounds(row.nox_lb)
            if (mwh := row.gross_mwh) is not None:
                gross_mwh = mwh + (gross_mwh or 0)
            if not row.operating:
                continue
            operating += 1
            partial += row.operating_h is not None and row.operating_h < 1
            missing += row.nox_lb is None
            mismatches += row.mismatches
            for column, flag in row.flags.items():
                flags.setdefault(column, Counter())[flag] += 1
    return {
        "rows": count,
        "operating_hours": operating,
        "partial_hours": partial,
        "missing_nox_hours": missing,
        "nox_lb": _text(nox_lb),
        "nox_g": nox_g,
        "gross_mwh": None if gross_mwh is None else _text(gross_mwh),
        "mismatch_hours": mismatches,
        "flags": {
            column: dict(sorted(flags[column].items(), key=lambda item: int(item[0])))
            for column in FLAGS
            if column in flags
        },
    }


def _columns(header: list[str], line: int) -> dict[str, int]:
    """Where each column that is used stands."""
    names = [name.strip().upper() for name in header]
    for name in USED:
        if names.count(name) > 1:
            raise HourlyFileError("the column is named twice", line=line, column=name)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise HourlyFileError(
            f"the first line must name the columns, and {', '.join(missing)} is not among them", line=line
        )
    return {name: place for place, name in enumerate(names) if name in USED}


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one line by column."""

    line: int
    texts: Mapping[str, str]

    def row(self) -> HourlyRow:
        operating_h = self.number("OPTIME")
        if operating_h is not None and operating_h > 1:
            raise self.error("OPTIME", "operating time is a share of the hour, 0 to 1")
        return HourlyRow(
            self.line,
            self.name("ORISID"),
            self.name("BLRID"),
            self.day_ms() + self.hour() * HOUR_MS,
            operating_h,
            self.number("NOXMASS"),
            self.number("NOXRATE"),
            self.number("HTINPUT"),
            self.number("GLOAD") if "GLOAD" in self.texts else None,
            {column: flag for column in FLAGS if (flag := self.flag(column))},
            self.number("SLOAD") if "SLOAD" in self.texts else None,
        )

    def number(self, column: str) -> Decimal | None:
        text = self.texts[column]
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise self.error(column, "not a plain decimal number (digits and a point); -9 means missing")
        value = Decimal(text)
        if value == MISSING:
            return None
        if value < 0:
            raise self.error(column, "must not be negative; -9 means missing")
        return value

    def name(self, column: str) -> str:
        text = self.texts[column]
        if not _NAME.fullmatch(text):
            raise self.error(
                column, "must name the plant or unit, in at most 20 letters, digits and * # + . / _ -"
            )
        return text

    def flag(self, column: str) -> str:
        text = self.texts.get(column, "")
        if text == MISSING_FLAG:
            return ""
        if text and not _WHOLE.fullmatch(text):
            raise self.error(column, "a source flag is a whole number or blank")
        return text

    def hour(self) -> int:
        text = self.texts["HOUR"]
        if not _WHOLE.fullmatch(text) or int(text) > 23:
            raise self.error("HOUR", "hours are 0 to 23 and name the beginning of the hour")
        return int(text)

    def day_ms(self) -> int:
        try:
            return _day_ms(self.texts["YYMMDD"])
        except ValueError as error:
            raise self.error("YYMMDD", str(error)) from None

    def error(self, column: str, reason: str) -> HourlyFileError:
        return HourlyFileError(reason, line=self.line, column=column, value=self.texts[column])


@lru_cache(maxsize=1_000)
def _day_ms(text: str) -> int:
    """The beginning of a day; 24 rows and more have the same. Raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError("a day is six digits: year, month, day (070131)")
    year = FIRST_YEAR // 100 * 100 + int(text[:2])
    try:
        day = date(year if year >= FIRST_YEAR else year + 100, int(text[2:4]), int(text[4:]))
    except ValueError:
        raise ValueError("there is no such day") from None
    return (day.toordinal() - _EPOCH_DAY) * DAY_MS


def _text(value: Decimal) -> str:
    """Exactly, without an exponent and without zeros that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
