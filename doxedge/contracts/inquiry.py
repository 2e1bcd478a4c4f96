"""§ 10 Requests for raw samples

Raw samples stay with the operator, under the root that each stated hour carries. The regulator may ask for those of a
unit; the unit's device answers with the hash of a file that it keeps, or says that samples are lost. Request, deadline
and answer stand on the ledger, the samples do not. A request is *open* until it is answered, also after its deadline:
an answer that comes late is taken and marked *late*, and one that does not come stays open for everybody to see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from doxedge.contracts import units
from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Act, Book, Value, require, require_found
from doxedge.fact import fact
from doxedge.quantity import DAY_MS, HOUR_MS

ROOM: Final = "inquiries"
OPEN: Final = "inquiries.open"
"""Per unit, the record ids of its open requests, one after the other in one string of bytes."""
ANSWERS: Final = "inquiries.answers"
_INQUIRY: Final = shape(str, int, int, int, int, str, (bytes, None))
_ANSWER: Final = shape(bytes, str, int, bytes, int, str, str)
_OPEN: Final = shape(bytes)
ID_BYTES: Final = 32
REQUEST_HOURS_MAX: Final = 24
"""A longer period is asked for in parts of at most a day, so that one answer stays a file that can be carried."""
OPEN_MAX: Final = 16
"""Open requests of one unit: what a gateway looks up and a desk shows stays small."""
DUE_MS_MIN: Final = HOUR_MS
"""Whoever is asked has at least an hour: a gateway may be without a connection for a while."""
DUE_MS_MAX: Final = 366 * DAY_MS
"""A question that may wait longer than a year is asked later."""
PRODUCED: Final = "produced"
LOST: Final = "lost"


@fact
class Request:
    """Facts of `samples.request`."""

    unit: str
    from_ms: int
    to_ms: int
    due_ms: int
    reason: str


@fact
class Answer:
    """Facts of `samples.answer`."""

    request: bytes
    """Record id of the request."""
    content_hash: bytes
    """Of the answer file, so that it can be told from any other."""
    samples: int
    """How many the file holds."""
    outcome: str
    """`produced`: all that stand under the roots of the period; `lost`: not all of them are there any more."""
    text: str


@fact
class InquiryEntry:
    """A request as it stands."""

    unit: str
    from_ms: int
    to_ms: int
    due_ms: int
    asked_ms: int
    """The execution clock at the request."""
    reason: str
    answer: bytes | None
    """Record id of the answer, None while the request is open."""


@fact
class AnswerEntry:
    """An answer as it stands, kept under the request's record id."""

    record_id: bytes
    device: str
    answered_ms: int
    """The execution clock at the answer: later than the request's `due_ms`, and the answer is late."""
    content_hash: bytes
    samples: int
    outcome: str
    text: str


def find_request(book: Book, record_id: bytes) -> InquiryEntry | None:
    """The entry of a request, or None."""
    fields = fields_of(book.get(ROOM, record_id), _INQUIRY)
    return None if fields is None else InquiryEntry(*fields)


def find_answer(book: Book, request: bytes) -> AnswerEntry | None:
    """The answer to a request, or None."""
    fields = fields_of(book.get(ANSWERS, request), _ANSWER)
    return None if fields is None else AnswerEntry(*fields)


def find_open(book: Book, unit: str) -> list[bytes]:
    """Record ids of the open requests of a unit, oldest first."""
    fields = fields_of(book.get(OPEN, unit.encode()), _OPEN)
    joined: bytes = b"" if fields is None else fields[0]
    return [joined[at : at + ID_BYTES] for at in range(0, len(joined), ID_BYTES)]


def find_all(book: Book) -> Iterator[tuple[bytes, InquiryEntry]]:
    """Every request with its record id. For screens."""
    for record_id, _ in book.items(ROOM):
        entry = find_request(book, record_id)
        if entry is not None:
            yield record_id, entry


def request_samples(book: Book, act: Act, facts: Request) -> None:
    """The regulator asks for the raw samples of some hours of a unit, and says until when."""
    require(act.is_regulator, "10.1", "only the regulator asks for samples")
    require_found(units.find_unit(book, facts.unit), "10.2", "the unit is not registered")
    whole = facts.from_ms % HOUR_MS == 0 and facts.to_ms % HOUR_MS == 0 and 0 <= facts.from_ms < facts.to_ms
    require(whole, "10.3", "the period begins and ends on a whole hour")
    hours = (facts.to_ms - facts.from_ms) // HOUR_MS
    require(hours <= REQUEST_HOURS_MAX, "10.4", "a period longer than 24 hours is asked for in parts")
    require(facts.to_ms <= act.clock_ms, "10.5", "the period has not ended")
    wait_ms = facts.due_ms - act.clock_ms
    require(
        DUE_MS_MIN <= wait_ms <= DUE_MS_MAX, "10.6", "an answer is due after an hour to 366 days from now"
    )
    require(bool(facts.reason), "10.7", "a request states its reason")
    waiting = find_open(book, facts.unit)
    require(len(waiting) < OPEN_MAX, "10.8", "sixteen requests to this unit are open already")
    put_request(
        book,
        act.record_id,
        InquiryEntry(facts.unit, facts.from_ms, facts.to_ms, facts.due_ms, act.clock_ms, facts.reason, None),
    )
    put_open(book, facts.unit, [*waiting, act.record_id])
    book.emit(["samples.requested", facts.unit, facts.from_ms, facts.to_ms, facts.due_ms, facts.reason])


def answer_request(book: Book, act: Act, facts: Answer) -> None:
    """The unit's device answers: with the hash of a file that holds the samples, or that samples are lost."""
    name = require_found(act.device, "10.9", "only a device answers a request for samples")
    asked = require_found(find_request(book, facts.request), "10.10", "there is no such request")
    unit = units.find_unit(book, asked.unit)
    present = unit is not None and unit.device == name
    require(present, "10.11", "the device is not the present device of the unit that was asked")
    require(asked.answer is None, "10.12", "the request is answered already")
    require(facts.outcome in {PRODUCED, LOST}, "10.13", "samples are produced or lost")
    require(facts.samples >= 0, "10.14", "a file holds no less than no samples")
    require(facts.outcome == PRODUCED or bool(facts.text), "10.15", "a loss is told in words")
    answered = InquiryEntry(
        asked.unit, asked.from_ms, asked.to_ms, asked.due_ms, asked.asked_ms, asked.reason, act.record_id
    )
    put_request(book, facts.request, answered)
    value: list[Value] = [
        act.record_id,
        name,
        act.clock_ms,
        facts.content_hash,
        facts.samples,
        facts.outcome,
        facts.text,
    ]
    book.put(ANSWERS, facts.request, value)
    put_open(book, asked.unit, [other for other in find_open(book, asked.unit) if other != facts.request])
    word = "late" if act.clock_ms > asked.due_ms else "in time"
    book.emit(["samples.answered", asked.unit, facts.request, facts.outcome, facts.samples, word])


def put_request(book: Book, record_id: bytes, entry: InquiryEntry) -> None:
    """Write the entry of a request."""
    value: list[Value] = [
        entry.unit,
        entry.from_ms,
        entry.to_ms,
        entry.due_ms,
        entry.asked_ms,
        entry.reason,
        entry.answer,
    ]
    book.put(ROOM, record_id, value)


def put_open(book: Book, unit: str, ids: list[bytes]) -> None:
    """Write which requests of a unit are open."""
    book.put(OPEN, unit.encode(), [b"".join(ids)] if ids else None)
