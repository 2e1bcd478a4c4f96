"""Until when the tests of a unit's monitors are good, by how long the unit ran in each quarter.

The history of hours says how long. What it does not know counts as operation: the hours before it began, and the last
hour, which closes a little later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.measurement.qa_entry import BLOCKING, term_of
from doxedge.measurement.qa_terms import (
    OPERATING_HOURS_MIN,
    Due,
    Hours,
    QuarterHours,
    Term,
    due,
    next_quarter,
    quarter_begin,
    quarter_end,
)
from doxedge.quantity import DAY_MS, HOUR_MS, MINUTE_MS
from doxedge.store.hours import HourStore
from doxedge.store.qa_rows import QaEntry

QUARTERS_BACK: Final = 16
"""More than the longest term with its grace, and than the history knows; what is older counts as operation."""
SETTLED_MS: Final = 5 * MINUTE_MS
"""Into an hour: the one before is closed and in the history, unless a site waits longer for late samples."""
_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class TestTerm:
    """Until when the last test of a kind that passed is good."""

    __test__ = False
    kind: str
    until_ms: int
    """The first instant after it."""
    words: str
    """Until when, and what that rests on."""
    grace_left: int | None = None
    """Operating hours; None while it is good, and for a kind without grace."""

    def is_over(self, now_ms: int) -> bool:
        """Whether it is no longer good and no grace is left. A day that somebody gave has no grace."""
        return now_ms >= self.until_ms and not self.grace_left

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "kind": self.kind,
            "until_ms": self.until_ms,
            "grace_left_h": self.grace_left,
            "told": self.words,
        }


class TestTerms:
    """The terms of one unit, by the operation that was counted last."""

    __test__ = False

    def __init__(self, unit: str, history: HourStore | None) -> None:
        """Nothing is counted yet. `history` None: nothing is ever known."""
        self._unit, self._history = unit, history
        self._counted: Mapping[dt.date, QuarterHours] = {}
        self._counted_at: tuple[int, bool] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the hour before is counted as what it was, so that a term that is over is over."""
        return self._counted_at is not None and self._counted_at[1]

    async def follow(self, now_ms: int) -> None:
        """Count again, twice an hour. Raises StoreError."""
        hour_ms = now_ms - now_ms % HOUR_MS
        counted_at = (hour_ms, now_ms - hour_ms >= SETTLED_MS)
        if self._history is None or counted_at == self._counted_at:
            return
        counted = {}
        for first, begin_ms, end_ms in quarters_until(hour_ms):
            known, ran = await self._history.operation(self._unit, from_ms=begin_ms, to_ms=end_ms)
            counted[first] = quarter_hours(begin_ms, end_ms, known=known, ran=ran)
        self._counted, self._counted_at = counted, counted_at

    def of(self, passed: Mapping[str, Sequence[QaEntry]], *, now_ms: int) -> list[TestTerm]:
        """The term of each kind. `passed`: the tests of a monitor that passed, by kind."""
        return terms_of(passed, hours_in(self._counted), now_ms=now_ms)

    def over(self, passed: Mapping[str, Sequence[QaEntry]], *, now_ms: int) -> dict[str, str]:
        """The kinds without which data are invalid and whose last test is no longer good, grace included; and why."""
        return {
            term.kind: f"the last {term.kind} that passed {term.words}"
            for term in self.of(passed, now_ms=now_ms)
            if term.kind in BLOCKING and term.is_over(now_ms)
        }

    def good_until(self, passed: Sequence[QaEntry], day: dt.date, term: Term, *, now_ms: int) -> dt.date:
        """The last day of a test that was made now, after those of its kind that passed before."""
        tests = sorted([*_by_rules(passed), (day, term)], key=lambda one: one[0])
        until = tests.index((day, term)) + 1
        return due(tests[:until], hours_in(self._counted), today=_day_of(now_ms)).last_day


def terms_of(passed: Mapping[str, Sequence[QaEntry]], hours: Hours, *, now_ms: int) -> list[TestTerm]:
    """The term of each kind of test that passed."""
    today = _day_of(now_ms)
    return [
        _term(kind, entries, hours, today)
        for kind, entries in passed.items()
        if any(entry.body["good_until"] for entry in entries)
    ]


def passed_tests(entries: Sequence[QaEntry], *, now_ms: int) -> dict[str, dict[str, list[QaEntry]]]:
    """Of the tests of a unit those that had been made and passed, by quantity and kind."""
    found: dict[str, dict[str, list[QaEntry]]] = {}
    for entry in entries:
        if entry.body.get("passed") and _ms(dt.date.fromisoformat(entry.body["day"])) < now_ms:
            found.setdefault(entry.quantity, {}).setdefault(entry.body["kind"], []).append(entry)
    return found


def quarters_until(hour_ms: int) -> list[tuple[dt.date, int, int]]:
    """(first day, from, to) of the quarters that are counted, the running one up to `hour_ms`."""
    today = _day_of(hour_ms)
    first = quarter_begin(today)
    for _ in range(QUARTERS_BACK):
        first = quarter_begin(dt.date.fromordinal(first.toordinal() - 1))
    found = []
    while first <= today:
        after = next_quarter(first)
        found.append((first, _ms(first), min(hour_ms, _ms(after))))
        first = after
    return found


def quarter_hours(begin_ms: int, end_ms: int, *, known: int, ran: int) -> QuarterHours:
    """Of the hours of a quarter up to an instant: those without a row are not known."""
    return QuarterHours(ran, max(0, (end_ms - begin_ms) // HOUR_MS - known))


def hours_in(counted: Mapping[dt.date, QuarterHours]) -> Hours:
    """What was counted; of another quarter nothing is known."""

    def hours(first: dt.date) -> QuarterHours:
        whole = quarter_end(first).toordinal() - first.toordinal() + 1
        return counted.get(first, QuarterHours(0, whole * 24))

    return hours


def _term(kind: str, entries: Sequence[QaEntry], hours: Hours, today: dt.date) -> TestTerm:
    # Of tests of one day the one that was entered last.
    last = max(entries, key=lambda entry: (entry.body["day"], entry.number))
    tests = _by_rules(entries)
    if not tests:
        until = dt.date.fromisoformat(last.body["good_until"])
        return TestTerm(kind, _ms(until) + DAY_MS, f"is good until {until}")
    found = due(tests, hours, today=today)
    return TestTerm(kind, _ms(found.last_day) + DAY_MS, _words(found, tests[-1][1]), found.grace_left)


def _by_rules(entries: Sequence[QaEntry]) -> list[tuple[dt.date, Term]]:
    """(day, term) of the tests since the last whose term somebody gave, in the order of their days."""
    tests: list[tuple[dt.date, Term]] = []
    for entry in sorted(entries, key=lambda one: (one.body["day"], one.number)):
        term = _term_of(entry)
        if entry.body["good_until_by"] == "operator" or term is None:
            tests.clear()
        else:
            tests.append((dt.date.fromisoformat(entry.body["day"]), term))
    return tests


def _term_of(entry: QaEntry) -> Term | None:
    figures = entry.body["figures"]
    return term_of(entry.body["kind"], figures[0].get("frequency") if figures else None)


def _words(found: Due, term: Term) -> str:
    if found.grace_left is None:
        said = [f"is good until {found.last_day}"]
    else:
        left = f"{found.grace_left} of {term.grace_hours} operating hours of grace are left"
        said = [f"was good until {found.last_day}", left if found.grace_left else "no grace is left"]
    for quarters, why in (
        (found.passed_over, f"did not count: fewer than {OPERATING_HOURS_MIN} hours of operation"),
        (found.assumed, "counted, since the history of hours does not know all of it"),
    ):
        if quarters:
            said.append(f"{', '.join(map(_named, quarters))} {why}")
    return "; ".join(said)


def _named(first: dt.date) -> str:
    return f"{first.year} Q{(first.month + 2) // 3}"


def _day_of(at_ms: int) -> dt.date:
    return dt.date.fromordinal(_EPOCH_DAY + at_ms // DAY_MS)


def _ms(day: dt.date) -> int:
    return (day.toordinal() - _EPOCH_DAY) * DAY_MS
