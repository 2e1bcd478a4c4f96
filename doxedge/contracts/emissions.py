"""What a unit has emitted in a year: the sum of the latest revisions of its counted hours."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Final

from doxedge.contracts import figures
from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Book, Value
from doxedge.fact import fact
from doxedge.quantity import DAY_MS, HOUR_MS, MINUTE_MS

ROOM: Final = "emissions"
_TOTAL: Final = shape(int, int, int, int, bool, bool)
_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
WELL, WARNED, EXCEEDED = range(3)
"""How an account stands to the emissions of its unit (§ 9)."""
YEAR_MIN: Final = 1970
YEAR_MAX: Final = 2200


@fact
class YearTotal:
    """One unit in one year."""

    emitted_g: int
    hours: int
    first_start_ms: int
    last_end_ms: int
    warned: bool
    """The account is below the warning threshold, and that was said."""
    exceeded: bool
    """Emissions have passed the holding, and that was said."""

    @property
    def standing(self) -> int:
        """What was said last."""
        return EXCEEDED if self.exceeded else WARNED if self.warned else WELL


NOTHING: Final = YearTotal(0, 0, 0, 0, False, False)


def find(book: Book, unit: str, year: int) -> YearTotal:
    """The total; empty where no hour counts yet, and for a number that is not a year."""
    return book.read(ROOM, _key(unit, year), _total) if is_year(year) else NOTHING


def put(book: Book, unit: str, year: int, total: YearTotal) -> None:
    """Write the total."""
    book.put(
        ROOM,
        _key(unit, year),
        [total.emitted_g, total.hours, total.first_start_ms, total.last_end_ms, total.warned, total.exceeded],
    )


class OpenTotal:
    """The total of a year while hours are stated one after the other: it changes in place and is put back once."""

    __slots__ = ("emitted_g", "first_start_ms", "hours", "last_end_ms", "standing", "year")

    def __init__(self, year: int, read: YearTotal) -> None:
        """As it stands on the ledger."""
        self.year = year
        self.emitted_g, self.hours = read.emitted_g, read.hours
        self.first_start_ms, self.last_end_ms = read.first_start_ms, read.last_end_ms
        self.standing = read.standing
        """What was said last of the account: WELL, WARNED or EXCEEDED."""

    def add(self, start_ms: int, *, grams: int, hours: int) -> None:
        """An hour has come, or another statement of it."""
        if not self.hours or start_ms < self.first_start_ms:
            self.first_start_ms = start_ms
        self.emitted_g += grams
        self.hours += hours
        self.last_end_ms = max(self.last_end_ms, start_ms + HOUR_MS)

    def read(self) -> YearTotal:
        """As it is now."""
        return YearTotal(
            self.emitted_g,
            self.hours,
            self.first_start_ms,
            self.last_end_ms,
            self.standing >= WARNED,
            self.standing == EXCEEDED,
        )


def year_of(book: Book, at_ms: int) -> int:
    """The calendar year in the geofence's standard time (figure `utc_offset_min`)."""
    return calendar_year(at_ms + utc_offset_ms(book))


def utc_offset_ms(book: Book) -> int:
    """What is added to UTC for the geofence's standard time."""
    return figures.figure(book, "utc_offset_min") * MINUTE_MS


def calendar_year(local_ms: int) -> int:
    """The year of a time that is already local. Times beyond 2200 count as 2200, before 1970 as 1970."""
    if local_ms < 0:
        return YEAR_MIN
    return _year_of_day(min(local_ms // DAY_MS, 366 * (YEAR_MAX - YEAR_MIN)))


def is_year(number: int) -> bool:
    """Whether a number can be a vintage."""
    return YEAR_MIN <= number <= YEAR_MAX


@lru_cache(maxsize=1_024)
def _year_of_day(days: int) -> int:
    """Of a day since 1970. The hours of a batch fall on few days."""
    return min(YEAR_MAX, dt.date.fromordinal(_EPOCH_ORDINAL + days).year)


def _total(value: Value) -> YearTotal:
    fields = fields_of(value, _TOTAL)
    return NOTHING if fields is None else YearTotal(*fields)


def _key(unit: str, year: int) -> bytes:
    return unit.encode() + b"\0" + year.to_bytes(4, "big")
