"""Files of comma-separated values that others hand us: read strictly, refused with line, column and value.

Accepted: a byte order mark, CR LF, blank lines and lines of commas, quoted fields, blank fields behind the last column
as spreadsheets leave them, columns in any order, columns that nobody asked for.
What is not exactly in the layout is refused: a verdict that rests on a guess is worth nothing.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from doxedge.quantity import DAY_MS, HOUR_MS

MAX_LINE_CHARACTERS: Final = 4_096
"""These layouts have at most some twenty short columns; a longer line is another file, or an attack on memory."""

MAX_ROWS: Final = 1_000_000
"""114 unit-years of hours."""

MAX_BLANK_LINES: Final = 1_000_000
"""A file of nothing must end too."""

NOTHING: Final = frozenset({"", "NULL"})
"""How the layouts write that there is no value."""

_NUMBER: Final = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_HOUR: Final = re.compile(r"\d{1,2}", re.ASCII)
_TEXT: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?", re.ASCII)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class TableError(ValueError):
    """The file is not in the layout. Says where (line from 1, column by name), what stood there, and what should."""

    def __init__(
        self, reason: str, *, line: int, column: str | None = None, value: str | None = None
    ) -> None:
        where = f"line {line}" + (f", column {column}" if column else "")
        found = f": {value[:40]!r}" if value is not None else ""
        super().__init__(f"{where}{found}: {reason}")
        self.line = line
        self.column = column
        self.value = value
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its number, and its fields by column."""

    line: int
    texts: Mapping[str, str]

    def has(self, column: str) -> bool:
        """Whether the column exists and says something here."""
        return self.texts.get(column, "") not in NOTHING

    def text(self, column: str) -> str:
        """A short printable text that is not blank."""
        text = self.texts[column]
        if not _TEXT.fullmatch(text):
            raise self.error(column, "must be 1 to 64 printable signs")
        return text

    def one_of(self, column: str, known: Iterable[str]) -> str:
        """One of a few words."""
        text = self.texts[column]
        if text not in (allowed := tuple(known)):
            raise self.error(column, f"must be one of {', '.join(allowed)}")
        return text

    def number(self, column: str) -> Decimal:
        """A plain decimal number."""
        text = self.texts[column]
        if not _NUMBER.fullmatch(text):
            raise self.error(column, "not a plain decimal number (digits and a point)")
        return Decimal(text)

    def number_or_none(self, column: str) -> Decimal | None:
        """The same, or None where the column is absent or says nothing."""
        return self.number(column) if self.has(column) else None

    def positive(self, column: str) -> Decimal:
        """A number above zero."""
        value = self.number(column)
        if value <= 0:
            raise self.error(column, "must be above zero")
        return value

    def day(self, column: str) -> str:
        """A day of the calendar, as it stands."""
        self.day_ms(column)
        return self.texts[column]

    def day_ms(self, column: str) -> int:
        """The beginning of a day, in ms since 1970, in local standard time as if it were UTC."""
        match = _DAY.fullmatch(self.texts[column])
        if not match:
            raise self.error(column, "a day is written 2021-01-31")
        try:
            day = date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            raise self.error(column, "there is no such day") from None
        return (day.toordinal() - _EPOCH_DAY) * DAY_MS

    def hour_ms(self, column: str) -> int:
        """The beginning of an hour within its day."""
        text = self.texts[column]
        if not _HOUR.fullmatch(text) or int(text) > 23:
            raise self.error(column, "hours are 0 to 23 and name the beginning of the hour")
        return int(text) * HOUR_MS

    def error(self, column: str, reason: str) -> TableError:
        """A refusal that points here."""
        return TableError(reason, line=self.line, column=column, value=self.texts.get(column))


def read(
    lines: Iterable[str], *, required: Sequence[str], optional: Sequence[str] = (), what: str = "row"
) -> tuple[Row, ...]:
    """The rows of a table in its order, with the columns that were asked for and are there.

    Column names are compared without regard to capitals. Raises TableError for a column that is missing or named
    twice, a row of another length, a line or a file beyond the bounds, no row at all.
    """
    return tuple(read_rows(lines, required=required, optional=optional, what=what))


def read_rows(
    lines: Iterable[str], *, required: Sequence[str], optional: Sequence[str] = (), what: str = "row"
) -> Iterator[Row]:
    """The same one by one, for files that are long."""
    line, header, records = open_table(lines)
    places = _places(header, line, required, optional)
    is_empty = True
    for line, fields in records:
        is_empty = False
        yield Row(line, {name: fields[place].strip() for name, place in places.items()})
    if is_empty:
        raise TableError(f"the file names columns and holds no {what}", line=line)


def open_table(
    lines: Iterable[str], refuse: Callable[..., TableError] = TableError
) -> tuple[int, list[str], Iterator[tuple[int, list[str]]]]:
    """Line and names of the header; and line and fields of each row below it, at least as many as there are names.

    `refuse` makes the error for a row of another length, and for too many of them.
    """
    records = _records(lines, refuse)
    try:
        line, names = next(records)
    except StopIteration:
        raise refuse("the file is empty; its first line must name the columns", line=1) from None
    while len(names) > 1 and not names[-1].strip():
        names.pop()
    return line, names, _below(len(names), records, refuse)


def _below(
    names: int, records: Iterator[tuple[int, list[str]]], refuse: Callable[..., TableError]
) -> Iterator[tuple[int, list[str]]]:
    for count, (line, fields) in enumerate(records):
        if len(fields) != names and (len(fields) < names or any(field.strip() for field in fields[names:])):
            raise refuse(f"{len(fields)} fields, but the first line names {names}", line=line)
        if count == MAX_ROWS:
            raise refuse(f"more than {MAX_ROWS} rows; split the file", line=line)
        yield line, fields


def _records(lines: Iterable[str], refuse: Callable[..., TableError]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and fields of the lines that say something."""
    blank = 0
    for line, text in enumerate(lines, start=1):
        if len(text) > MAX_LINE_CHARACTERS:
            raise refuse(f"longer than {MAX_LINE_CHARACTERS} characters", line=line)
        text = text.rstrip("\r\n")
        if line == 1:
            text = text.removeprefix("\ufeff")
        if not text.replace(",", "").strip():
            blank += 1
            if blank > MAX_BLANK_LINES:
                raise refuse(f"more than {MAX_BLANK_LINES} blank lines", line=line)
            continue
        yield line, _fields(text, line, refuse)


def _fields(text: str, line: int, refuse: Callable[..., TableError]) -> list[str]:
    if '"' not in text and "\r" not in text:
        return text.split(",")  # what the reader below makes of it, in a tenth of the time
    try:
        # Line by line, so that an open quote cannot swallow the rest of the file.
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise refuse(f"not comma-separated fields: {error}", line=line) from None


def _places(
    header: Sequence[str], line: int, required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    wanted = {name: name.lower() for name in (*required, *optional)}
    for name, lower in wanted.items():
        if names.count(lower) > 1:
            raise TableError("the column is named twice", line=line, column=name)
    missing = [name for name in required if name.lower() not in names]
    if missing:
        raise TableError(
            f"the first line must name the columns, and {', '.join(missing)} is not among them", line=line
        )
    return {name: names.index(lower) for name, lower in wanted.items() if lower in names}
