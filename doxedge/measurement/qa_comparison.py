"""Recomputed results beside reported ones: whatever differs, where the rules do not allow for it.

A cell that says nothing (blank, NULL, or a column that is absent) is not compared: who states nothing states nothing
wrong. Rows are matched by their identity and, where several have the same, with the one that is nearest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

from doxedge.measurement.conversion import reported
from doxedge.measurement.table_file import Row, TableError

Cell: TypeAlias = str | int | None

MAX_PLACES: Final = 12

MAX_LOOKED_AT: Final = 64
"""Rows of one identity among which the nearest is looked for."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One row that was recomputed from raw values."""

    key: tuple[str, ...]
    shown: dict[str, Cell]
    """The row under the column names of the results file; decimals as text, rounded for the report."""

    exact: Mapping[str, Decimal] = field(default_factory=dict)
    """What is shown rounded, before rounding."""

    allowed: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict)
    """Other values that the rules allow in a column, and what a column that is not shown should say."""

    def told(self, column: str) -> str:
        """What a column should say."""
        return str(next((value for value in self.known(column) if value is not None), "nothing"))

    def known(self, column: str) -> tuple[Cell, ...]:
        """Everything that is right in a column."""
        return (self.shown.get(column), *self.allowed.get(column, ()))


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell that differs; or a row that only one side has, `column` then being None."""

    line: int | None
    """Line of the reported results; None for a row that is not among them."""

    key: tuple[str, ...]
    column: str | None
    reported: str
    recomputed: str
    place: int | None = field(default=None, compare=False)
    """Which of the recomputed rows, from 0; None for a result that none of them is."""

    def in_words(self) -> str:
        """For people."""
        where = f"line {self.line}" if self.line is not None else "not in the results"
        column = f", {self.column}" if self.column else ""
        return f"{where}, {' '.join(self.key)}{column}: {self.reported}, but recomputed is {self.recomputed}"


Rule: TypeAlias = Callable[[Audited, Row, str], bool]
"""Whether the reported cell of a column (which says something) agrees with the recomputed row."""


def compare(
    ours: Sequence[Audited],
    theirs: Sequence[Row],
    *,
    key: Callable[[Row], tuple[str, ...]],
    rules: Mapping[str, Rule],
) -> list[Difference]:
    """Every difference, in the order of the reported rows, then what they lack. Raises TableError for a bad cell."""
    waiting: dict[tuple[str, ...], list[tuple[int, Audited]]] = {}
    for place, audited in enumerate(ours):
        waiting.setdefault(audited.key, []).append((place, audited))
    differences: list[Difference] = []
    for row in theirs:
        same = waiting.get(key(row))
        if not same:
            differences.append(Difference(row.line, key(row), None, "a result", "no such test"))
            continue
        found: list[list[str]] = []
        for _, audited in same[:MAX_LOOKED_AT]:
            found.append(_differing(audited, row, rules))
            if not found[-1]:
                break
        nearest = min(range(len(found)), key=lambda at: len(found[at]))
        place, audited = same.pop(nearest)
        for column in found[nearest]:
            stated, told = row.texts[column], audited.told(column)
            differences.append(Difference(row.line, audited.key, column, stated, told, place))
    left = [one for same in waiting.values() for one in same]
    return differences + [
        Difference(None, audited.key, None, "no result", "a test", place) for place, audited in left
    ]


def _differing(audited: Audited, row: Row, rules: Mapping[str, Rule]) -> list[str]:
    return [column for column, rule in rules.items() if row.has(column) and not rule(audited, row, column)]


def same_text(audited: Audited, row: Row, column: str) -> bool:
    """The same word, or another that the rules allow."""
    return row.texts[column] in audited.known(column)


def same_number(audited: Audited, row: Row, column: str) -> bool:
    """The same number, however many zeros it is written with, or another that the rules allow."""
    stated = row.number(column)
    return any(value is not None and stated == Decimal(value) for value in audited.known(column))


def as_given(audited: Audited, row: Row, column: str) -> bool:
    """Results state the raw values and names that were recomputed from, or leave them out; as numbers or as words."""
    given = Row(row.line, {column: str(audited.shown.get(column) or "")})
    if not given.has(column) or given.texts[column] == row.texts[column]:
        return True
    try:
        return given.number(column) == row.number(column)
    except TableError:
        return False


def as_written(audited: Audited, row: Row, column: str) -> bool:
    """The exact value, rounded to as many decimals as the report wrote."""
    stated = row.number(column)
    exact = audited.exact.get(column)
    _, _, decimals = row.texts[column].partition(".")
    return exact is not None and reported(exact, places=min(len(decimals), MAX_PLACES)) == stated
