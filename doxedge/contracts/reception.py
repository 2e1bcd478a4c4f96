"""What the regulator's reception desk sees of a unit: how complete, how often revised, with which clock and map."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Book, Value
from doxedge.contracts.statements import Hour
from doxedge.fact import fact
from doxedge.quantity import HOUR_MS

ROOM: Final = "reception"
_SHEET: Final = shape(*[int] * 7, str, int, bytes, str)


@fact
class UnitReception:
    """Counts since the unit's first statement."""

    first_start_ms: int = 0
    last_end_ms: int = 0
    hours: int = 0
    trial_hours: int = 0
    gap_hours: int = 0
    revisions: int = 0
    events: int = 0
    clock_state: str = ""
    clock_offset_ms: int = 0
    profile_hash: bytes = b""
    """Of the last hour: compare with the registered one."""
    firmware: str = ""


def find(book: Book, unit: str) -> UnitReception:
    """The desk's sheet of a unit; empty before its first statement."""
    fields = fields_of(book.get(ROOM, unit.encode()), _SHEET)
    return UnitReception() if fields is None else UnitReception(*fields)


def note_hour(book: Book, hour: Hour, *, trial: bool, filled_gap: bool) -> bytes:
    """An hour has come. Returns the register map of the hour before it, empty at first.

    Every hour passes here, so that the sheet is written without being opened as a whole.
    """
    key, end_ms = hour.unit.encode(), hour.start_ms + HOUR_MS
    fields = fields_of(book.get(ROOM, key), _SHEET) or [0, 0, 0, 0, 0, 0, 0, "", 0, b"", ""]
    first_ms, last_ms, hours, trial_hours, gap_hours, revisions, events, *origin = fields
    counts = [hours + 1, trial_hours + trial, gap_hours - filled_gap, revisions, events]
    own: list[Value] = [hour.clock_state, hour.clock_offset_ms, hour.profile_hash, hour.firmware]
    newest: list[Value] = own if end_ms >= last_ms else origin
    first_ms = min(first_ms, hour.start_ms) if last_ms else hour.start_ms
    book.put(ROOM, key, [first_ms, max(last_ms, end_ms), *counts, *newest])
    before: bytes = origin[2]
    return before


def note_gap(book: Book, unit: str, *, hours: int, to_ms: int) -> None:
    """Hours without a known mass."""
    sheet = find(book, unit)
    first_ms = to_ms - hours * HOUR_MS
    _put(
        book,
        unit,
        replace(
            sheet,
            gap_hours=sheet.gap_hours + hours,
            first_start_ms=min(sheet.first_start_ms, first_ms) if sheet.last_end_ms else first_ms,
            last_end_ms=max(sheet.last_end_ms, to_ms),
        ),
    )


def note_revision(book: Book, unit: str) -> None:
    """An hour was stated anew."""
    sheet = find(book, unit)
    _put(book, unit, replace(sheet, revisions=sheet.revisions + 1))


def note_event(book: Book, unit: str) -> None:
    """Something happened."""
    sheet = find(book, unit)
    _put(book, unit, replace(sheet, events=sheet.events + 1))


def _put(book: Book, unit: str, sheet: UnitReception) -> None:
    book.put(
        ROOM,
        unit.encode(),
        [
            sheet.first_start_ms,
            sheet.last_end_ms,
            sheet.hours,
            sheet.trial_hours,
            sheet.gap_hours,
            sheet.revisions,
            sheet.events,
            sheet.clock_state,
            sheet.clock_offset_ms,
            sheet.profile_hash,
            sheet.firmware,
        ],
    )
