"""What the regulator's reception desk sees of a unit: how complete, how often revised, which clock, map and rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Book
from doxedge.contracts.statements import Hour
from doxedge.fact import fact
from doxedge.quantity import HOUR_MS

ROOM: Final = "reception"
_SHEET: Final = shape(*[int] * 7, str, int, bytes, str, bytes, int)


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
    rules_hash: bytes = b""
    """Of the last hour: the settings by which it was made of its samples."""
    rules_since_ms: int = 0
    """Start of the first hour that was made by them without others in between."""


def find(book: Book, unit: str) -> UnitReception:
    """The desk's sheet of a unit; empty before its first statement."""
    fields = fields_of(book.get(ROOM, unit.encode()), _SHEET)
    return UnitReception() if fields is None else UnitReception(*fields)


class OpenSheet:
    """The sheet of a unit while its hours are stated one after the other: it changes in place and is put back once."""

    __slots__ = (
        "_read", "clock_offset_ms", "clock_state", "events", "firmware", "first_start_ms", "gap_hours", "hours",
        "last_end_ms", "profile_hash", "revisions", "rules_hash", "rules_since_ms", "trial_hours",
    )  # fmt: skip

    def __init__(self, read: UnitReception) -> None:
        """As it stands on the ledger."""
        self._read = read
        self.first_start_ms, self.last_end_ms = read.first_start_ms, read.last_end_ms
        self.hours, self.trial_hours, self.gap_hours = read.hours, read.trial_hours, read.gap_hours
        self.revisions, self.events = read.revisions, read.events
        self.clock_state, self.clock_offset_ms = read.clock_state, read.clock_offset_ms
        self.profile_hash, self.firmware = read.profile_hash, read.firmware
        self.rules_hash, self.rules_since_ms = read.rules_hash, read.rules_since_ms

    def add_hour(self, hour: Hour, *, trial: bool, filled_gap: bool) -> None:
        """An hour has come."""
        start_ms = hour.start_ms
        end_ms = start_ms + HOUR_MS
        if not self.last_end_ms or start_ms < self.first_start_ms:
            self.first_start_ms = start_ms
        self.hours += 1
        self.trial_hours += trial
        self.gap_hours -= filled_gap
        if end_ms >= self.last_end_ms:
            self.last_end_ms = end_ms
            self.clock_state, self.clock_offset_ms = hour.clock_state, hour.clock_offset_ms
            self.profile_hash, self.firmware = hour.profile_hash, hour.firmware
            if hour.rules_hash != self.rules_hash:
                self.rules_hash, self.rules_since_ms = hour.rules_hash, start_ms

    def close(self, book: Book, unit: str) -> None:
        """Write it where it has changed."""
        now = UnitReception(
            self.first_start_ms,
            self.last_end_ms,
            self.hours,
            self.trial_hours,
            self.gap_hours,
            self.revisions,
            self.events,
            self.clock_state,
            self.clock_offset_ms,
            self.profile_hash,
            self.firmware,
            self.rules_hash,
            self.rules_since_ms,
        )
        if now != self._read:
            put(book, unit, now)


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
            sheet.rules_hash,
            sheet.rules_since_ms,
        ],
    )
