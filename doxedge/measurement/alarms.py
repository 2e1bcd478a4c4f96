"""When a condition becomes an alarm, and when it is over: delay, dead band, and exactly one of each per outage.

A condition is looked at again and again. Each look says that it holds, that it does not, or nothing: the value lies in
the dead band, or cannot be seen. The course of a condition remembers what was seen last and since when:

    raised    it held at every look that said anything, for `raise_after_ms`, the present look included
    cleared   it did not hold at every such look, for `clear_after_ms`, the present look included

A look that says nothing neither raises nor clears. A clock that is set back lets a delay count anew from there, and so
holds nothing up. Acknowledging is a person's act and changes no course: what is
over and was not acknowledged stays on the list when the rule says so (the latch).
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Priority(StrEnum):
    """How soon a person should act."""

    HIGH = "high"
    """Now: emission data are being lost, or the record is in doubt."""
    MEDIUM = "medium"
    """This shift."""
    LOW = "low"
    """When there is time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """How one kind of alarm behaves. Raises ValueError for a delay below zero."""

    code: str
    meaning: str
    """For a person, in one line."""
    priority: Priority
    raise_after_ms: int = 0
    clear_after_ms: int = 0
    latched: bool = True
    """Stays on the list when it is over, until a person has acknowledged it."""
    signed: bool = False
    """Matters to the regulator: raising and clearing are signed events."""

    def __post_init__(self) -> None:
        if self.raise_after_ms < 0 or self.clear_after_ms < 0:
            raise ValueError(f"{self.code}: a delay is not below zero")


@dataclass(frozen=True, slots=True)
class Band:
    """A dead band: holds above `over`, no longer at or below `back`. Raises ValueError when they are crossed."""

    over: Decimal
    back: Decimal

    def __post_init__(self) -> None:
        if self.back > self.over:
            raise ValueError(f"a dead band from {self.back} to {self.over} is crossed")

    def holds(self, value: Decimal | int | None) -> bool | None:
        """What a look at this value says; None within the band, and when there is no value."""
        if value is None:
            return None
        if value > self.over:
            return True
        return False if value <= self.back else None


class Change(StrEnum):
    """What happened to an alarm. The words are stored."""

    RAISED = "raised"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Course:
    """Where one condition of one subject stands."""

    raised: bool = False
    opposed_since_ms: int | None = None
    """Since when what is seen speaks against `raised`; None when it does not."""


QUIET: Final = Course()


def step(course: Course, rule: AlarmRule, *, holds: bool | None, now_ms: int) -> tuple[Course, Change | None]:
    """The course after one more look, and what changed by it."""
    if holds is None:
        return course, None
    if holds is course.raised:
        return Course(course.raised), None
    since_ms = now_ms if course.opposed_since_ms is None else min(course.opposed_since_ms, now_ms)
    delay_ms = rule.raise_after_ms if holds else rule.clear_after_ms
    if now_ms - since_ms < delay_ms:
        return Course(course.raised, since_ms), None
    return Course(holds), Change.RAISED if holds else Change.CLEARED


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at one condition."""

    code: str
    """Of the rule."""
    subject: str
    """What it is about: a unit, `<unit>.<instrument>`, `<unit>.<quantity>`, a line; empty for the machine."""
    holds: bool | None
    """None: in the dead band, or nothing could be seen."""
    text: str = ""
    """What was seen, with its figures."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person has seen an alarm."""

    name: str
    reason: str
    at_ms: int
    user: str
    """The account of the machine from which it was said: the name alone is only a claim."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One occurrence, from raising to clearing."""

    number: int
    """What a person calls it by."""
    code: str
    subject: str
    text: str
    """As it was when it was raised."""
    raised_ms: int
    cleared_ms: int | None = None
    acknowledged: Acknowledgement | None = None

    def is_listed(self, rule: AlarmRule) -> bool:
        """Whether it still wants a person's eye."""
        return self.cleared_ms is None or (rule.latched and self.acknowledged is None)
