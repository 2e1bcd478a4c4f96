"""Requests for raw samples as a desk and a gateway see them: how each stands, and which hours are asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from doxedge.contracts import day_book, inquiry
from doxedge.contracts.rule import Book
from doxedge.quantity import HOUR_MS

Status: TypeAlias = Literal["open", "overdue", "answered", "answered late", "lost", "lost, told late"]
ROWS_MAX: Final = 1_000
"""Requests that a desk shows, newest kept."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request of the desk."""

    record_id: bytes
    request: inquiry.InquiryEntry
    answer: inquiry.AnswerEntry | None
    status: Status


@dataclass(frozen=True, slots=True)
class Unfit:
    """Answers of one device that came after the deadline, and answers that samples are lost."""

    late: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class WantedHour:
    """One hour of a request."""

    start_ms: int
    record_id: bytes | None
    """The latest statement of it, an hour or a gap; None where nothing is stated."""


def rows(book: Book, *, now_ms: int) -> list[RequestRow]:
    """The newest requests, newest first."""
    found = sorted(inquiry.find_all(book), key=lambda one: (one[1].asked_ms, one[0]), reverse=True)
    return [_row(book, record_id, entry, now_ms) for record_id, entry in found[:ROWS_MAX]]


def open_rows(book: Book, unit: str, *, now_ms: int) -> list[RequestRow]:
    """The open requests of a unit, oldest first; there are at most sixteen (clause 10.8)."""
    found = []
    for record_id in inquiry.find_open(book, unit):
        entry = inquiry.find_request(book, record_id)
        if entry is not None:
            found.append(_row(book, record_id, entry, now_ms))
    return found


def unfit_answers(book: Book) -> dict[str, Unfit]:
    """By device, how many of its answers were late or told a loss; a device with none is not in it."""
    found: dict[str, Unfit] = {}
    for record_id, entry in inquiry.find_all(book):
        answer = inquiry.find_answer(book, record_id) if entry.answer is not None else None
        if answer is None:
            continue
        late, lost = answer.answered_ms > entry.due_ms, answer.outcome == inquiry.LOST
        if late or lost:
            known = found.get(answer.device, Unfit())
            found[answer.device] = Unfit(known.late + late, known.lost + lost)
    return found


def wanted_hours(book: Book, request: inquiry.InquiryEntry) -> list[WantedHour]:
    """Each hour of the period with its latest statement."""
    hours = []
    for start_ms in range(request.from_ms, request.to_ms, HOUR_MS):
        entry = day_book.find_hour(book, request.unit, start_ms)
        hours.append(WantedHour(start_ms, None if entry is None else entry.latest))
    return hours


def _row(book: Book, record_id: bytes, entry: inquiry.InquiryEntry, now_ms: int) -> RequestRow:
    answer = inquiry.find_answer(book, record_id)
    return RequestRow(record_id, entry, answer, _status(entry, answer, now_ms))


def _status(entry: inquiry.InquiryEntry, answer: inquiry.AnswerEntry | None, now_ms: int) -> Status:
    """How a request stands; an open one by the clock of the reader, an answered one by that of the ledger."""
    if answer is None:
        return "overdue" if now_ms > entry.due_ms else "open"
    late = answer.answered_ms > entry.due_ms
    if answer.outcome == inquiry.LOST:
        return "lost, told late" if late else "lost"
    return "answered late" if late else "answered"
