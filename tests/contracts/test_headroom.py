"""§ 9 Emissions against holdings, and § 9's forecast worked by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from doxedge.contracts import accounts, day_book, emissions, figures, headroom
from doxedge.contracts.emissions import YearTotal
from doxedge.contracts.rule import Value
from doxedge.contracts.statements import Revision
from doxedge.quantity import DAY_MS, HOUR_MS
from tests.contracts.memory_book import MemoryBook
from tests.contracts.small_channel import (
    START_MS,
    SmallChannel,
    commission,
    hour,
    open_account,
    register_device,
    register_unit,
)


def _ms(year: int, month: int, day: int, hours: int = 0) -> int:
    """UTC milliseconds of a date."""
    at = dt.datetime(year, month, day, hours, tzinfo=dt.UTC)
    return int(at.timestamp()) * 1000


def _words(events: list[list[Value]]) -> list[Value]:
    return [event[0] for event in events if str(event[0]).startswith("headroom.")]


def test_a_warning_comes_when_the_headroom_falls_below_the_share_and_not_at_it() -> None:
    channel = SmallChannel.begin(warning_percent=20).commissioned(alpha_1=10_000)
    assert _words(channel.state("alpha-1", 1, 8_000)) == []
    assert _words(channel.state("alpha-1", 2, 1)) == ["headroom.warning"]


@pytest.mark.parametrize(
    ("percent", "emitted_g", "word"),
    [
        (0, 1_000, None),
        (0, 1_001, "headroom.exceeded"),
        (100, 0, None),
        (100, 1, "headroom.warning"),
        (100, 1_000, "headroom.warning"),
        (33, 670, None),
        (33, 671, "headroom.warning"),
        (20, 1_001, "headroom.exceeded"),
    ],
)
def test_the_share_is_compared_without_rounding(percent: int, emitted_g: int, word: str | None) -> None:
    channel = SmallChannel.begin(warning_percent=percent).commissioned(alpha_1=1_000)
    assert _words(channel.state("alpha-1", 1, emitted_g)) == ([word] if word else [])


def test_every_crossing_is_said_once() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    said = [_words(channel.state("alpha-1", number, 300)) for number in range(1, 7)]
    assert said == [[], [], ["headroom.warning"], ["headroom.exceeded"], [], []]


def test_an_exceedance_states_both_amounts() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    assert channel.state("alpha-1", 1, 1_001)[-1] == ["headroom.exceeded", "alpha-1", 2026, 1_001, 1_000]


def test_an_exceedance_that_ends_and_begins_again_is_said_again() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    channel.state("alpha-1", 1, 1_500)
    said = []
    for grams in (900, 1_500, 0, 1_001):
        entry = _latest(channel)
        facts = Revision(entry, "span check", hour("alpha-1", START_MS + HOUR_MS, grams))
        said.append(_words(channel.do("hour.revise", channel.device("alpha-gw"), facts)))
    assert said == [
        ["headroom.warning"],
        ["headroom.exceeded"],
        ["headroom.recovered"],
        ["headroom.exceeded"],
    ]


def test_an_account_without_credits_is_exceeded_by_its_first_gram_and_not_by_a_standstill() -> None:
    channel = SmallChannel.begin().commissioned()
    assert _words(channel.state("alpha-1", 1, 0)) == []
    assert channel.state("alpha-1", 2, 1)[-1] == ["headroom.exceeded", "alpha-1", 2026, 1, 0]


def test_trial_hours_warn_nobody() -> None:
    channel = SmallChannel.begin().with_plants()
    assert _words(channel.state("alpha-1", 0, 10**9)) == []


def test_the_new_year_begins_with_its_own_credits() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    channel.state("alpha-1", 1, 2_000)
    assert channel.state("alpha-1", 365 * 24, 5)[-1] == ["headroom.exceeded", "alpha-1", 2027, 5, 0]
    assert _words(channel.issue("alpha-1", 500, 2027)) == ["headroom.recovered"]
    positions = [accounts.position(channel.book, "alpha-1", year).headroom_g for year in (2026, 2027)]
    assert positions == [-1_000, 495]


def test_an_account_opened_after_the_emission_hears_of_it_with_its_credits() -> None:
    channel = SmallChannel.begin()
    channel.do("unit.register", channel.regulator, register_unit("alpha-1", "alpha"))
    channel.do("device.register", channel.officer("alpha"), register_device("alpha-gw", "alpha-1"))
    channel.state("alpha-1", 0, 1)
    channel.do("device.commission", channel.regulator, commission("alpha-gw", (START_MS, 1)))
    assert _words(channel.state("alpha-1", 1, 5_000)) == []
    channel.do("account.open", channel.regulator, open_account("late", "alpha", "alpha-1"))
    assert channel.issue("late", 1_000)[-1] == ["headroom.exceeded", "late", 2026, 5_000, 1_000]


def test_a_trading_account_is_not_looked_at() -> None:
    channel = SmallChannel.begin().commissioned()
    before = dict(channel.book.entries)
    headroom.look(channel.book, "alpha-trade", 2026)
    headroom.look(channel.book, "nowhere", 2026)
    assert channel.book.entries == before


def test_what_is_reserved_is_not_headroom() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    holding = channel.book.get(accounts.BALANCES, accounts.balance_key("alpha-1", 2026))
    assert isinstance(holding, list)
    channel.book.put(accounts.BALANCES, accounts.balance_key("alpha-1", 2026), [holding[0], 600, holding[2]])
    assert channel.state("alpha-1", 1, 401)[-1][0] == "headroom.exceeded"
    assert accounts.position(channel.book, "alpha-1", 2026).headroom_g == -1


FORECASTS = {
    # 1,000 g in 10 days are 100 g a day; 500 g more last 5 days.
    "a plain rate": (1_000, _ms(2026, 3, 1), _ms(2026, 3, 11), 500, _ms(2026, 3, 16)),
    # 3 g in an hour; 1 g lasts 20 minutes.
    "within the hour": (3, _ms(2026, 3, 1), _ms(2026, 3, 1, 1), 1, _ms(2026, 3, 1, 1) + 20 * 60_000),
    # 7 g in an hour; 1 g lasts 514,285.71 ms.
    "rounded down": (7, _ms(2026, 3, 1), _ms(2026, 3, 1, 1), 1, _ms(2026, 3, 1, 1) + 514_285),
    # 100 g a day from 20 February of a leap year; 900 g last 9 days: over 29 February to 2 March.
    "over a leap day": (200, _ms(2028, 2, 20), _ms(2028, 2, 22), 900, _ms(2028, 3, 2)),
    # The same in a common year ends a day later in the calendar.
    "where there is no leap day": (200, _ms(2026, 2, 20), _ms(2026, 2, 22), 900, _ms(2026, 3, 3)),
    # 100 g a day at the end of 21 December; 1,000 g last 10 days, to the last moment but one day of the year.
    "before the year ends": (100, _ms(2026, 12, 20), _ms(2026, 12, 21), 1_000, _ms(2026, 12, 31)),
    # 1,100 g last to midnight: the year's last hour is covered.
    "to the very end of the year": (100, _ms(2026, 12, 20), _ms(2026, 12, 21), 1_100, None),
    "a millisecond less": (
        DAY_MS,
        _ms(2026, 12, 20),
        _ms(2026, 12, 21),
        11 * DAY_MS - 1,
        _ms(2027, 1, 1) - 1,
    ),
    "beyond the year": (100, _ms(2026, 12, 20), _ms(2026, 12, 21), 2_000, None),
    "a single gram": (1, _ms(2026, 3, 1), _ms(2026, 3, 2), 3, _ms(2026, 3, 5)),
    "no rate": (0, _ms(2026, 3, 1), _ms(2026, 3, 11), 500, None),
    "no hour yet": (0, 0, 0, 500, None),
    # Used up at the end of the last hour or before: the forecast is no longer one.
    "nothing left": (1_000, _ms(2026, 3, 1), _ms(2026, 3, 11), 0, _ms(2026, 3, 11)),
    "exceeded already": (1_000, _ms(2026, 3, 1), _ms(2026, 3, 11), -300, _ms(2026, 3, 11)),
    "nothing left at the end of the year": (1_000, _ms(2026, 3, 1), _ms(2027, 1, 1), 0, _ms(2027, 1, 1)),
    # A gram in a year, and the greatest amount: 10^12 years, and no overflow anywhere.
    "never": (1, _ms(2026, 1, 1), _ms(2026, 12, 1), 2**40 - 1, None),
}


@pytest.mark.parametrize(
    ("emitted_g", "first_ms", "last_ms", "headroom_g", "expected_ms"), FORECASTS.values(), ids=FORECASTS
)
def test_the_credits_run_out_when_hand_calculation_says(
    emitted_g: int, first_ms: int, last_ms: int, headroom_g: int, expected_ms: int | None
) -> None:
    total = YearTotal(emitted_g, 1, first_ms, last_ms, False, False)
    year = dt.datetime.fromtimestamp(first_ms // 1000, dt.UTC).year
    assert headroom.forecast_ms(MemoryBook(), total, year, headroom_g) == expected_ms


@pytest.mark.parametrize(
    ("offset_min", "expected_ms"),
    [
        (0, _ms(2026, 12, 31, 23)),
        (60, None),  # it is next year there already
        (30, _ms(2026, 12, 31, 23)),  # the hour that begins at 23:30 local is the old year's last
        (-60, _ms(2026, 12, 31, 23)),
    ],
)
def test_the_year_of_a_forecast_is_the_geofences(offset_min: int, expected_ms: int | None) -> None:
    book = MemoryBook()
    book.put(figures.ROOM, b"utc_offset_min", [offset_min])
    total = YearTotal(24, 24, _ms(2026, 12, 30), _ms(2026, 12, 31), False, False)
    assert headroom.forecast_ms(book, total, 2026, 23) == expected_ms


def test_a_warning_carries_the_forecast() -> None:
    """900 g in the 3 hours from 01:00 to 04:00 are 300 g an hour: 100 g last 20 minutes."""
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    channel.state("alpha-1", 1, 300)
    channel.state("alpha-1", 3, 600)
    total = emissions.find(channel.book, "alpha-1", 2026)
    assert (total.warned, total.exceeded) == (True, False)
    assert channel.book.events[-1] == [
        "headroom.warning",
        "alpha-1",
        2026,
        100,
        _ms(2026, 1, 1, 4) + 20 * 60_000,
    ]


def test_a_warning_in_december_that_lasts_for_the_year_names_no_time() -> None:
    channel = SmallChannel.begin().commissioned(alpha_1=1_000)
    channel.state("alpha-1", 1, 450)
    said = channel.state("alpha-1", 364 * 24, 400)[-1]
    assert said == ["headroom.warning", "alpha-1", 2026, 150, None]


def _latest(channel: SmallChannel) -> bytes:
    entry = day_book.find_hour(channel.book, "alpha-1", START_MS + HOUR_MS)
    assert entry is not None
    return entry.latest
