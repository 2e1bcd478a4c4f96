"""What the regulator's reception desk sees of a unit: how complete, how often revised, with which clock and map."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Book
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


def with_hour(sheet: UnitReception, hour: Hour, *, trial: bool, filled_gap: bool) -> UnitReception:
    """The sheet after an hour has come."""
    first_ms, last_ms, end_ms = sheet.first_start_ms, sheet.last_end_ms, hour.start_ms + HOUR_MS
    newest = hour if end_ms >= last_ms else sheet
    return UnitReception(
        first_ms if last_ms and first_ms < hour.start_ms else hour.start_ms,
        max(end_ms, last_ms),
        sheet.hours + 1,
        sheet.trial_hours + trial,
        sheet.gap_hours - filled_gap,
        sheet.revisions,
        sheet.events,
        newest.clock_state,
        newest.clock_offset_ms,
        newest.profile_hash,
        newest.firmware,
    )


def note_gap(book: Book, unit: str, *, hours: int, to_ms: int) -> None:
    """Hours without a known mass."""
    sheet = find(book, unit)
    first_ms = to_ms - hours * HOUR_MS
    put(
        book,
        unit,
        replace(
            sheet,
            gap_hours=sheet.gap_hours + hours,
            first_start_ms=min(sheet.first_start_ms, first_ms) if sheet.last_end_ms else first_ms,
            last_end_ms=max(sheet.last_end_ms, to_ms),
        ),
    )


def note_event(book: Book, unit: str) -> None:
    """Something happened."""
    sheet = find(book, unit)
    put(book, unit, replace(sheet, events=sheet.events + 1))


def put(book: Book, unit: str, sheet: UnitReception) -> None:
    """Write the sheet."""
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
