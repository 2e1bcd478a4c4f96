"""Recomputed results beside reported ones: what differs by more than the rules allow.

A cell that says nothing (blank, NULL, or a column that is absent) is not compared: who states nothing states nothing
wrong. Rows are matched by their identity and, where several have the same, by their order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

from doxedge.measurement.conversion import reported
from doxedge.measurement.table_file import Row

Cell: TypeAlias = str | int | None

MAX_PLACES: Final = 12


@dataclass(frozen=True, slots=True)
class Audited:
    """One row that was recomputed from raw values."""

    key: tuple[str, ...]
    shown: dict[str, Cell]
    """The row under the column names of the results file; decimals as text, rounded for the report."""

    exact: Mapping[str, Decimal] = field(default_factory=dict)
    """What is shown rounded, before rounding."""

    allowed: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict)
    """Other values that the rules allow in a column."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell that differs; or a row that only one side has, `column` then being None."""

    line: int | None
    """Line of the reported results; None for a row that is not among them."""

    key: tuple[str, ...]
    column: str | None
    reported: str
    recomputed: str

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
    waiting: dict[tuple[str, ...], list[Audited]] = {}
    for audited in ours:
        waiting.setdefault(audited.key, []).append(audited)
    differences: list[Difference] = []
    for row in theirs:
        same = waiting.get(key(row))
        if not same:
            differences.append(Difference(row.line, key(row), None, "a result", "no such test"))
            continue
        audited = same.pop(0)
        for column, rule in rules.items():
            if row.has(column) and not rule(audited, row, column):
                told = str(audited.shown.get(column, "nothing"))
                differences.append(Difference(row.line, audited.key, column, row.texts[column], told))
    left = [audited for same in waiting.values() for audited in same]
    differences += [Difference(None, audited.key, None, "no result", "a test") for audited in left]
    return differences


def same_text(audited: Audited, row: Row, column: str) -> bool:
    """The same word, or another that the rules allow."""
    return row.texts[column] in (audited.shown[column], *audited.allowed.get(column, ()))


def same_number(audited: Audited, row: Row, column: str) -> bool:
    """The same number, however many zeros it is written with."""
    shown = audited.shown[column]
    return shown is not None and row.number(column) == Decimal(shown)


def as_written(audited: Audited, row: Row, column: str) -> bool:
    """The exact value, rounded to as many decimals as the report wrote."""
    stated = row.number(column)
    exact = audited.exact.get(column)
    _, _, decimals = row.texts[column].partition(".")
    return exact is not None and reported(exact, places=min(len(decimals), MAX_PLACES)) == stated


def within(tolerance: Decimal) -> Rule:
    """At most so far from the value shown, or from another that the rules allow."""

    def rule(audited: Audited, row: Row, column: str) -> bool:
        stated = row.number(column)
        known = (audited.shown[column], *audited.allowed.get(column, ()))
        return any(value is not None and abs(stated - Decimal(value)) <= tolerance for value in known)

    return rule
