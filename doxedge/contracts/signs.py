"""What a unit's device says of itself and a regulator should see: alarms that stand, and events by their code.

A device signs `alarm.raised` and `alarm.cleared` with a text that begins `code subject: `; that names the sign.
Everything else is counted by the code of the event, with the time of the last one.
"""

from __future__ import annotations

from typing import Any, Final

from doxedge.contracts.rule import Book, Value
from doxedge.contracts.statements import Event
from doxedge.fact import fact

ROOM: Final = "signs"
RAISED: Final = "alarm.raised"
CLEARED: Final = "alarm.cleared"
STANDING_MAX: Final = 32
"""Alarms that stand at once; of more the oldest are not shown."""
CODES_MAX: Final = 32
OTHER: Final = "other"
"""Under which events of further codes are counted."""
NAME_CHARACTERS_MAX: Final = 128


@fact
class Standing:
    """An alarm that was raised and not cleared."""

    name: str
    since_ms: int


@fact
class Counted:
    """Events of one code."""

    code: str
    count: int
    last_ms: int


@fact
class Signs:
    """Of one unit, since its present device was registered."""

    standing: tuple[Standing, ...]
    """In the order in which they were raised."""
    events: tuple[Counted, ...]
    """In the order in which their codes first came; alarms are not among them."""


def find(book: Book, unit: str) -> Signs:
    """The signs of a unit."""
    standing, events = _lists(book, unit)
    return Signs(
        tuple(Standing(name, since_ms) for name, since_ms in standing),
        tuple(Counted(code, count, last_ms) for code, count, last_ms in events),
    )


def note(book: Book, unit: str, event: Event) -> None:
    """The present device of the unit has stated an event."""
    standing, events = _lists(book, unit)
    name = event.text.partition(": ")[0][:NAME_CHARACTERS_MAX]
    if event.code in (RAISED, CLEARED):
        others = [row for row in standing if row[0] != name]
        since_ms = next((row[1] for row in standing if row[0] == name), event.at_ms)
        standing = [*others, [name, since_ms]][-STANDING_MAX:] if event.code == RAISED else others
    else:
        events = _counted(events, event.code[:NAME_CHARACTERS_MAX], event.at_ms)
    value: list[Value] = [standing, events]
    book.put(ROOM, unit.encode(), value)


def forget(book: Book, unit: str) -> None:
    """Another device takes over: it does not know what the one before has said."""
    book.put(ROOM, unit.encode(), None)


def _counted(events: list[Any], code: str, at_ms: int) -> list[Any]:
    known = any(row[0] == code for row in events)
    if not known and len(events) >= CODES_MAX:
        code = OTHER
        known = any(row[0] == code for row in events)
    if not known:
        return [*events, [code, 1, at_ms]]
    return [[row[0], row[1] + 1, at_ms] if row[0] == code else row for row in events]


def _lists(book: Book, unit: str) -> tuple[list[Any], list[Any]]:
    """As this module wrote them."""
    stored = book.get(ROOM, unit.encode())
    match stored:
        case [list(standing), list(events)]:
            return standing, events
    return [], []
