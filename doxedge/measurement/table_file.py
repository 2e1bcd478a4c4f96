"""Files of comma-separated values that others hand us: read strictly, refused with line, column and value.

Accepted: a byte order mark, CR LF, blank lines, quoted fields, columns in any order, columns that nobody asked for.
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

MAX_ROWS: Final = 500_000
"""57 unit-years of hours."""

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
    records = table_records(lines)
    try:
        line, header = next(records)
    except StopIteration:
        raise TableError("the file is empty; its first line must name the columns", line=1) from None
    places = _places(header, line, required, optional)
    rows: list[Row] = []
    for line, fields in records:
        if len(fields) != len(header):
            raise TableError(f"{len(fields)} fields, but the first line names {len(header)}", line=line)
        if len(rows) == MAX_ROWS:
            raise TableError(f"more than {MAX_ROWS} rows; split the file", line=line)
        rows.append(Row(line, {name: fields[place].strip() for name, place in places.items()}))
    if not rows:
        raise TableError(f"the file names columns and holds no {what}", line=line)
    return tuple(rows)


def table_records(
    lines: Iterable[str], refuse: Callable[..., TableError] = TableError
) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and fields of the lines that are not blank. `refuse` makes the error."""
    for line, text in enumerate(lines, start=1):
        if len(text) > MAX_LINE_CHARACTERS:
            raise refuse(f"longer than {MAX_LINE_CHARACTERS} characters", line=line)
        text = text.rstrip("\r\n")
        if line == 1:
            text = text.removeprefix("\ufeff")
        if not text.strip():
            continue
        try:
            # Line by line, so that an open quote cannot swallow the rest of the file.
            fields = next(csv.reader([text], strict=True))
        except csv.Error as error:
            raise refuse(f"not comma-separated fields: {error}", line=line) from None
        yield line, fields


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
