"""Until when the next test is due, counted in QA operating quarters (40 CFR 75, Appendix B; 72.2).

A QA operating quarter is a calendar quarter in which the unit (of a common stack: any of its units) ran in at least
168 clock hours, whole or part.

    linearity  due in every QA operating quarter (2.2.1), and at the latest in the fourth calendar quarter after the
               last test (2.2.3(f)); 168 operating hours of grace (2.2.4)
    RATA       due two or four QA operating quarters after the quarter of the last (2.3.1.1), and at the latest in the
               eighth calendar quarter after it; 720 operating hours of grace (2.3.3)

Grace begins after the quarter in which the test was due. A linearity check that was made after that quarter stands for
what was due before it, so its own quarter wants one more (2.2.4); a RATA that was made so late is good for two QA
operating quarters, or for three in place of four (2.3.3(d)).

A quarter that is not over counts as one of operation, and so does an hour of which nothing is known: the strict side.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

OPERATING_HOURS_MIN: Final = 168
"""Of a QA operating quarter."""


@dataclass(frozen=True, slots=True)
class QuarterHours:
    """The hours of a quarter so far."""

    ran: int
    """Clock hours in which the unit is known to have run."""
    unknown: int
    """Clock hours of which nothing is known; they count as if it had run."""

    @property
    def counted(self) -> int:
        """What is held against the limits."""
        return self.ran + self.unknown


Hours: TypeAlias = Callable[[date], QuarterHours]
"""The hours of the quarter that begins on a day."""


@dataclass(frozen=True, slots=True)
class Term:
    """How long one kind of test is good."""

    quarters: int
    """QA operating quarters after its own; the next test is due in the last of them."""
    late_quarters: int
    """The same for a test that was made after the quarter in which it was due."""
    quarters_max: int
    """Calendar quarters after its own, whether the unit ran or not."""
    grace_hours: int
    """Operating hours after the quarter in which the next test was due."""


LINEARITY: Final = Term(1, 0, 4, 168)
RATA_TWO: Final = Term(2, 2, 8, 720)
RATA_FOUR: Final = Term(4, 3, 8, 720)


@dataclass(frozen=True, slots=True)
class Due:
    """When the next test is due."""

    last_day: date
    """The end of the quarter in which it is due; later, if a quarter until then turns out to be none of operation."""
    passed_over: tuple[date, ...]
    """Beginnings of quarters that did not count."""
    assumed: tuple[date, ...]
    """Beginnings of quarters that counted for want of knowledge: fewer than 168 hours of operation are known."""
    grace_left: int | None
    """Operating hours, not below 0, that are left since `last_day`; None while that is to come."""


def due(tests: Iterable[tuple[date, Term]], hours: Hours, *, today: date) -> Due:
    """After the last of these tests of a kind that passed: (day, term), in the order of their days.

    Raises ValueError without any.
    """
    found: Due | None = None
    for day, term in tests:
        late = found is not None and day > found.last_day
        found = _due(day, term, hours, today, late=late)
    if found is None:
        raise ValueError("without a test nothing follows from it")
    return found


def quarter_begin(day: date) -> date:
    """The first day of the quarter of a day."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def quarter_end(day: date, *, after: int = 0) -> date:
    """The last day of the quarter that comes so many after that of `day`."""
    quarter = day.year * 4 + (day.month - 1) // 3 + after + 1
    first_of_next = date(quarter // 4, quarter % 4 * 3 + 1, 1)
    return date.fromordinal(first_of_next.toordinal() - 1)


def next_quarter(day: date) -> date:
    """The first day of the quarter after that of `day`."""
    return date.fromordinal(quarter_end(day).toordinal() + 1)


def _due(day: date, term: Term, hours: Hours, today: date, *, late: bool) -> Due:
    wanted = term.late_quarters if late else term.quarters
    # A late linearity check leaves its own quarter without one; every other test serves the quarter of its day.
    quarter, wanted = (day, wanted) if wanted else (date.fromordinal(quarter_begin(day).toordinal() - 1), 1)
    passed_over, assumed = [], []
    for _ in range(term.quarters_max):
        quarter = next_quarter(quarter)
        if quarter_end(quarter) < today:
            ran = hours(quarter)
            if ran.counted < OPERATING_HOURS_MIN:
                passed_over.append(quarter)
                continue
            if ran.ran < OPERATING_HOURS_MIN:
                assumed.append(quarter)
        wanted -= 1
        if not wanted:
            break
    last_day = quarter_end(quarter)
    left = None if today <= last_day else _grace_left(last_day, term, hours, today)
    return Due(last_day, tuple(passed_over), tuple(assumed), left)


def _grace_left(last_day: date, term: Term, hours: Hours, today: date) -> int:
    left, quarter = term.grace_hours, next_quarter(last_day)
    while quarter <= today and left > 0:
        left -= hours(quarter).counted
        quarter = next_quarter(quarter)
    return max(0, left)
