"""§ 8: what accepted hours, revisions, gaps and events leave on the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from doxedge.contracts import accounts, day_book, emissions, figures, hours, reception
from doxedge.contracts.statements import Revision
from doxedge.quantity import DAY_MS, HOUR_MS, MAX_AMOUNT_G
from tests.contracts.hour_attempts import (
    SECOND_MS,
    THIRD_MS,
    a_gap,
    a_revision,
    an_event,
    an_hour,
    entry_of,
)
from tests.contracts.refusals import (
    Attempt,
)
from tests.contracts.small_channel import (
    OTHER_MAP,
    START_MS,
    SmallChannel,
    commission,
    hour,
    register_device,
    register_unit,
)


def test_a_counted_hour_is_kept_and_added_to_the_year() -> None:
    attempt = an_hour()
    channel = attempt.channel
    assert attempt.judge() == [["hour.accepted", "alpha-1", SECOND_MS, 4_000, "counted"]]
    record_id = attempt.act.record_id
    assert entry_of(channel, SECOND_MS) == day_book.HourEntry(
        SECOND_MS, 4_000, 50_000_000, record_id, record_id, 0, day_book.COUNTED, "alpha-gw", True
    )
    total = emissions.find(channel.book, "alpha-1", 2026)
    assert total == emissions.YearTotal(4_000, 1, SECOND_MS, THIRD_MS, False, False)
    assert accounts.position(channel.book, "alpha-1", 2026).headroom_g == 6_000


def test_hours_before_the_commissioning_are_trial_and_do_not_count() -> None:
    channel = SmallChannel.begin().commissioned()
    assert entry_of(channel, START_MS).standing == day_book.TRIAL
    assert emissions.find(channel.book, "alpha-1", 2026).emitted_g == 0
    late = SmallChannel.begin().with_plants()
    assert late.state("alpha-1", 0, 7)[0][-1] == "trial"


def test_an_hour_before_the_witnessed_ones_is_trial_even_when_it_comes_late() -> None:
    channel = SmallChannel.begin().with_plants()
    channel.state("alpha-1", 5, 70)
    channel.do("device.commission", channel.regulator, commission("alpha-gw", (START_MS + 5 * HOUR_MS, 70)))
    assert channel.state("alpha-1", 4, 9)[0][-1] == "trial"
    assert channel.state("alpha-1", 6, 9)[0][-1] == "counted"


def test_a_backlog_in_any_order_adds_up() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=10_000)
    for number in (30, 1, 29, 2, 24, 23):
        channel.state("alpha-1", number, number)
    total = emissions.find(channel.book, "alpha-1", 2026)
    assert (total.emitted_g, total.hours) == (109, 6)
    assert (total.first_start_ms, total.last_end_ms) == (SECOND_MS, START_MS + 31 * HOUR_MS)
    starts = [e.start_ms for e in day_book.day(channel.book, "alpha-1", START_MS)]
    assert starts == [START_MS + number * HOUR_MS for number in (0, 1, 2, 23)]


@pytest.mark.parametrize(
    ("ahead_ms", "clause"), [(hours.AHEAD_MS_MAX, None), (hours.AHEAD_MS_MAX + 1, "8.4")]
)
def test_an_hour_may_end_a_little_after_the_execution_clock(ahead_ms: int, clause: str | None) -> None:
    attempt = an_hour()
    attempt.by(clock_ms=THIRD_MS - ahead_ms)
    assert attempt.cited() == clause


@pytest.mark.parametrize(
    ("ahead_ms", "clause"), [(hours.AHEAD_MS_MAX, None), (hours.AHEAD_MS_MAX + 1, "8.17")]
)
def test_a_gap_may_end_a_little_after_the_execution_clock(ahead_ms: int, clause: str | None) -> None:
    attempt = a_gap()
    attempt.by(clock_ms=attempt.facts.to_ms - ahead_ms)
    assert attempt.cited() == clause


def test_the_first_hour_of_all_is_an_hour() -> None:
    attempt = an_hour()
    attempt.channel.book.put(figures.ROOM, b"hours_before_registration", [1])
    attempt.saying(start_ms=0)
    assert attempt.judge()[0] == ["hour.accepted", "alpha-1", 0, 4_000, "trial"]


@pytest.mark.parametrize(
    "changes",
    [
        {"nox_g": 0}, {"nox_g": MAX_AMOUNT_G}, {"energy_wh": 0}, {"energy_wh": hours.ENERGY_WH_MAX},
        {"operating_percent": 0}, {"minutes_valid": 0}, {"samples": 0}, {"samples": 2**63},
    ],
    ids=str,
)  # fmt: skip
def test_the_bounds_themselves_are_accepted(changes: dict[str, int]) -> None:
    attempt = an_hour()
    attempt.saying(**changes)
    assert attempt.cited() is None


def test_an_hour_is_accepted_even_when_it_exceeds_everything() -> None:
    attempt = an_hour()
    attempt.saying(nox_g=MAX_AMOUNT_G)
    assert attempt.judge()[-1] == ["headroom.exceeded", "alpha-1", 2026, MAX_AMOUNT_G, 10_000]


@pytest.mark.parametrize(
    ("registered_ms", "clause"),
    [(SECOND_MS, None), (THIRD_MS - 1, None), (THIRD_MS, "8.8"), (THIRD_MS + DAY_MS, "8.8")],
)
def test_a_device_states_the_hour_in_which_it_was_registered_but_none_before(
    registered_ms: int, clause: str | None
) -> None:
    channel = SmallChannel.begin()
    channel.do("unit.register", channel.regulator, register_unit("alpha-1", "alpha"))
    channel.now_ms = registered_ms
    channel.do("device.register", channel.officer("alpha"), register_device("alpha-gw", "alpha-1"))
    channel.now_ms = THIRD_MS + DAY_MS
    attempt = Attempt(channel, "hour", channel.device("alpha-gw"), hour("alpha-1", SECOND_MS))
    assert attempt.cited() == clause
    channel.book.put(figures.ROOM, b"hours_before_registration", [1])
    assert attempt.cited() == (None if clause else "8.7")


def test_an_hour_with_an_unregistered_map_is_trial_and_said_once_where_the_channel_allows_it() -> None:
    channel = SmallChannel.begin().commissioned()
    said = ["device.unregistered_map", "alpha-gw", "alpha-1", OTHER_MAP]
    reopened = ["device.reopened", "alpha-gw", OTHER_MAP, SECOND_MS]
    assert channel.state("alpha-1", 1, 5, profile_hash=OTHER_MAP) == [
        reopened,
        ["hour.accepted", "alpha-1", SECOND_MS, 5, "trial"],
        said,
    ]
    assert channel.state("alpha-1", 2, 5, profile_hash=OTHER_MAP) == [
        ["hour.accepted", "alpha-1", THIRD_MS, 5, "trial"]
    ]
    assert channel.state("alpha-1", 3, 7)[0][-1] == "counted"
    assert said in channel.state("alpha-1", 4, 5, profile_hash=OTHER_MAP)
    assert not entry_of(channel, SECOND_MS).with_own_map
    total = emissions.find(channel.book, "alpha-1", 2026)
    assert (total.emitted_g, total.hours) == (7, 1)


def test_a_revision_with_an_unregistered_map_is_said_as_well() -> None:
    channel = SmallChannel.begin().commissioned()
    channel.state("alpha-1", 1, 5)
    facts = Revision(
        entry_of(channel, SECOND_MS).latest, "new map", hour("alpha-1", SECOND_MS, 4, profile_hash=OTHER_MAP)
    )
    events = channel.do("hour.revise", channel.device("alpha-gw"), facts)
    assert events[1] == ["device.unregistered_map", "alpha-gw", "alpha-1", OTHER_MAP]


@pytest.mark.parametrize("nox_g", [0, 3_000, 4_000, 9_000, 50_000])
def test_the_latest_revision_counts_whether_less_or_more(nox_g: int) -> None:
    attempt = a_revision()
    channel = attempt.channel
    attempt.saying(hour=replace(attempt.facts.hour, nox_g=nox_g, energy_wh=5))
    assert attempt.judge()[0] == ["hour.revised", "alpha-1", SECOND_MS, 4_000, nox_g]
    entry = entry_of(channel, SECOND_MS)
    assert (entry.nox_g, entry.energy_wh, entry.revision, entry.latest) == (
        nox_g,
        5,
        1,
        attempt.act.record_id,
    )
    assert entry.original == attempt.facts.revised
    total = emissions.find(channel.book, "alpha-1", 2026)
    assert (total.emitted_g, total.hours) == (nox_g, 1)


@pytest.mark.parametrize("named", ["original", "latest"])
def test_a_second_revision_names_the_first_statement_or_the_latest(named: str) -> None:
    attempt = a_revision()
    attempt.judge()
    channel = attempt.channel
    revised: bytes = getattr(entry_of(channel, SECOND_MS), named)
    facts = Revision(revised, "again", hour("alpha-1", SECOND_MS, 1))
    channel.do("hour.revise", channel.device("alpha-gw"), facts)
    assert emissions.find(channel.book, "alpha-1", 2026).emitted_g == 1
    assert entry_of(channel, SECOND_MS).revision == 2


def test_a_revision_between_the_first_and_the_latest_is_no_longer_named() -> None:
    attempt = a_revision()
    attempt.judge()
    channel = attempt.channel
    between = entry_of(channel, SECOND_MS).latest
    channel.do("hour.revise", channel.device("alpha-gw"), replace(attempt.facts, reason="again"))
    stale = Attempt(
        channel, "hour.revise", channel.device("alpha-gw"), replace(attempt.facts, revised=between)
    )
    assert stale.cited() == "8.12"


def test_a_trial_hour_stays_trial_when_it_is_revised_after_the_commissioning() -> None:
    channel = SmallChannel.begin().commissioned()
    facts = Revision(entry_of(channel, START_MS).original, "recalculated", hour("alpha-1", START_MS, 9_999))
    channel.do("hour.revise", channel.device("alpha-gw"), facts)
    assert entry_of(channel, START_MS).standing == day_book.TRIAL
    assert emissions.find(channel.book, "alpha-1", 2026).emitted_g == 0


def test_a_unit_does_not_revise_the_hour_of_another_unit_of_its_company() -> None:
    attempt = a_revision()
    channel = attempt.channel
    channel.do("unit.register", channel.regulator, register_unit("alpha-2", "alpha"))
    channel.do("device.register", channel.officer("alpha"), register_device("alpha-gw-b", "alpha-2"))
    attempt.by(device="alpha-gw-b")
    assert attempt.cited() == "8.2"
    attempt.saying(hour=replace(attempt.facts.hour, unit="alpha-2"))
    assert attempt.cited() == "8.8"
    channel.book.put(figures.ROOM, b"hours_before_registration", [1])
    assert attempt.cited() == "8.10"


def test_a_revision_in_the_new_year_changes_the_old_year_only() -> None:
    """Whoever revises downward after a sale frees nothing in the year that runs."""
    channel = SmallChannel.begin(utc_offset_min=0).commissioned(alpha_1=10_000)
    last, first = 365 * 24 - 1, 365 * 24
    channel.state("alpha-1", last, 3_000)
    channel.state("alpha-1", first, 50)
    entry = entry_of(channel, START_MS + last * HOUR_MS)
    facts = Revision(entry.latest, "span check", hour("alpha-1", entry.start_ms, 1_000))
    channel.do("hour.revise", channel.device("alpha-gw"), facts)
    totals = [emissions.find(channel.book, "alpha-1", year).emitted_g for year in (2026, 2027)]
    assert totals == [1_000, 50]


@pytest.mark.parametrize(
    ("offset_min", "hours_of_2026"),
    [(0, 1), (60, 0), (-60, 2), (330, 0), (-30, 2), (30, 1), (840, 0)],
)
def test_the_year_of_an_hour_is_that_of_its_start_in_the_geofences_standard_time(
    offset_min: int, hours_of_2026: int
) -> None:
    channel = SmallChannel.begin(utc_offset_min=offset_min).commissioned()
    for number in (365 * 24 - 1, 365 * 24):
        channel.state("alpha-1", number, 10)
    assert emissions.find(channel.book, "alpha-1", 2026).hours == hours_of_2026
    assert emissions.find(channel.book, "alpha-1", 2027).hours == 2 - hours_of_2026


def test_a_gap_is_filled_by_the_hour_that_is_found_later() -> None:
    attempt = a_gap()
    channel = attempt.channel
    assert attempt.judge() == [["unit.gap", "alpha-1", SECOND_MS, START_MS + 3 * HOUR_MS, "power cut"]]
    record_id = attempt.act.record_id
    assert entry_of(channel, SECOND_MS) == day_book.HourEntry(
        SECOND_MS, 0, 0, record_id, record_id, 0, day_book.GAP, "alpha-gw", False
    )
    assert reception.find(channel.book, "alpha-1").gap_hours == 2
    assert channel.state("alpha-1", 1, 40)[0][-1] == "counted"
    sheet = reception.find(channel.book, "alpha-1")
    assert (sheet.gap_hours, sheet.hours, sheet.trial_hours) == (1, 2, 1)
    assert emissions.find(channel.book, "alpha-1", 2026).emitted_g == 40


def test_a_gap_of_a_month_of_31_days_is_one_statement() -> None:
    attempt = a_gap()
    end_ms = SECOND_MS + hours.GAP_HOURS_MAX * HOUR_MS
    attempt.by(clock_ms=end_ms)
    attempt.saying(to_ms=end_ms)
    attempt.judge()
    assert reception.find(attempt.channel.book, "alpha-1").gap_hours == 744
    assert attempt.channel.book.get(day_book.ROOM, b"alpha-1\0" + (SECOND_MS // DAY_MS).to_bytes(4, "big"))


def test_an_event_stands_on_the_receipt_and_in_the_count_of_its_unit() -> None:
    attempt = an_event()
    book = attempt.channel.book
    assert attempt.judge() == [["device.event", "alpha-gw", "door", START_MS, "the cabinet was opened"]]
    assert reception.find(book, "alpha-1").events == 1
    attempt.saying(unit=None)
    assert attempt.cited() is None
    assert reception.find(book, "alpha-1").events == 1


def test_the_reception_sheet_keeps_the_newest_hours_words_and_all_counts() -> None:
    channel = SmallChannel.begin().commissioned()
    channel.state("alpha-1", 3, 1, clock_state="free running", clock_offset_ms=-7, firmware="1.1")
    channel.state("alpha-1", 2, 1)
    channel.state("alpha-1", 1, 1)
    facts = Revision(entry_of(channel, SECOND_MS).latest, "why not", hour("alpha-1", SECOND_MS, 2))
    channel.do("hour.revise", channel.device("alpha-gw"), facts)
    sheet = reception.find(channel.book, "alpha-1")
    assert (sheet.clock_state, sheet.clock_offset_ms, sheet.firmware) == ("free running", -7, "1.1")
    assert (sheet.hours, sheet.trial_hours, sheet.revisions) == (4, 1, 1)
    assert (sheet.first_start_ms, sheet.last_end_ms) == (START_MS, START_MS + 4 * HOUR_MS)


@pytest.mark.parametrize(
    "look",
    [
        lambda book, at_ms: day_book.find_hour(book, "alpha-1", at_ms),
        lambda book, at_ms: day_book.trial_g(book, "alpha-1", "alpha-gw", at_ms, own_map=True),
    ],
    ids=["find", "trial"],
)
@pytest.mark.parametrize("at_ms", [-1, -HOUR_MS, 1, START_MS + 1, 2**62, day_book.START_MS_MAX + HOUR_MS])
def test_no_hour_stands_at_a_time_that_begins_none(look: Callable[[Any, int], object], at_ms: int) -> None:
    assert look(SmallChannel.begin().commissioned().book, at_ms) is None
