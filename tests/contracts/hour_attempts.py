"""Acts of a device that are accepted: an hour, its revision, a gap, an event."""

from __future__ import annotations

from doxedge.contracts import day_book
from doxedge.contracts.statements import Event, Gap, Revision
from doxedge.quantity import HOUR_MS
from tests.contracts.refusals import Attempt
from tests.contracts.small_channel import START_MS, SmallChannel, hour

SECOND_MS = START_MS + HOUR_MS
THIRD_MS = START_MS + 2 * HOUR_MS


def an_hour() -> Attempt:
    """The device counts from 01:00 on; it is 02:00, and the hour that has just ended is stated."""
    channel = SmallChannel.begin(unregistered_maps=0).commissioned(alpha_1=10_000)
    channel.now_ms = THIRD_MS
    return Attempt(channel, "hour", channel.device("alpha-gw"), hour("alpha-1", SECOND_MS, 4_000))


def a_revision() -> Attempt:
    """The hour was stated with 4,000 g, and should have been 3,000 g."""
    attempt = an_hour()
    attempt.judge()
    channel = attempt.channel
    facts = Revision(attempt.act.record_id, "span check", hour("alpha-1", SECOND_MS, 3_000))
    return Attempt(channel, "hour.revise", channel.device("alpha-gw"), facts)


def a_gap() -> Attempt:
    """Two hours are not known."""
    channel = SmallChannel.begin().commissioned()
    channel.now_ms = START_MS + 3 * HOUR_MS
    facts = Gap("alpha-1", SECOND_MS, START_MS + 3 * HOUR_MS, "power cut")
    return Attempt(channel, "gap", channel.device("alpha-gw"), facts)


def an_event() -> Attempt:
    """The cabinet was opened."""
    channel = SmallChannel.begin().with_plants()
    facts = Event("alpha-1", "door", START_MS, "the cabinet was opened")
    return Attempt(channel, "event", channel.device("alpha-gw"), facts)


def record_of(attempt: Attempt, start_ms: int) -> bytes:
    """The record id of an hour of alpha's unit."""
    return entry_of(attempt.channel, start_ms).original


def entry_of(channel: SmallChannel, start_ms: int) -> day_book.HourEntry:
    """What the ledger knows of an hour of alpha's unit."""
    entry = day_book.find_hour(channel.book, "alpha-1", start_ms)
    assert entry is not None
    return entry
