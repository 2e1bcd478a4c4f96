"""Energy from a counter."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.averaging import MinuteMean
from doxedge.measurement.energy import EnergyCounter, EnergyQuality, EnergySettings, HourEnergy
from doxedge.measurement.sample import Quality
from doxedge.quantity import HOUR_MS, MINUTE_MS, WattHours
from tests.measurement.readings import HOUR, reading

STEADY_WH = 60_000
"""Per hour: 1,000 Wh a minute."""


def counter(*told: tuple[float, int | str | None], settings: EnergySettings | None = None) -> EnergyCounter:
    made = EnergyCounter(settings or EnergySettings())
    feed(made, *told)
    return made


def feed(made: EnergyCounter, *told: tuple[float, int | str | None]) -> None:
    for minute, value in told:
        made.add(reading("energy_wh", value, HOUR + round(minute * MINUTE_MS)))


def steady(first: int, last: int, *, base_wh: int = 500_000) -> list[tuple[float, int]]:
    return [(minute, base_wh + 1_000 * minute) for minute in range(first, last)]


def energy(wh: int, quality: EnergyQuality = EnergyQuality.METERED) -> HourEnergy:
    return HourEnergy(WattHours(wh), quality)


def test_the_energy_of_an_hour_is_the_difference_between_its_borders() -> None:
    made = counter(*steady(-2, 124))
    assert made.close(HOUR) == energy(STEADY_WH)
    assert made.close(HOUR + HOUR_MS) == energy(STEADY_WH)


def test_a_border_between_two_readings_is_interpolated() -> None:
    made = counter((-1, 1000), (1, 1200), (59, 1300), (63, 1701))
    assert made.close(HOUR) == energy(300)  # 1100 to 1400.25
    feed(made, (119, 2000), (121, 2000))
    assert made.close(HOUR + HOUR_MS) == energy(600)  # the quarter of a watt-hour is not lost


def test_a_fraction_of_a_watt_hour_is_carried_and_never_rounded_up() -> None:
    made = counter((0, "0.0"), (60, "0.9"), (120, "1.8"), (180, "2.7"))
    assert [made.close(HOUR + n * HOUR_MS).energy_wh for n in range(3)] == [0, 1, 1]


def test_energy_counted_while_nobody_read_goes_to_the_hour_in_which_the_counter_is_read_again() -> None:
    made = counter(*steady(-1, 50))
    assert made.close(HOUR) == energy(49_000, EnergyQuality.CARRIED)
    assert made.close(HOUR + HOUR_MS) == energy(0, EnergyQuality.CARRIED)
    feed(made, *steady(150, 190))
    assert made.close(HOUR + 2 * HOUR_MS) == energy(131_000, EnergyQuality.CARRIED)
    assert 3 * STEADY_WH == 49_000 + 131_000


def test_bad_readings_are_no_readings() -> None:
    made = counter(*steady(-1, 30), (40, None), *steady(50, 62))
    assert made.close(HOUR) == energy(STEADY_WH)


def test_a_late_or_doubled_reading_is_ignored() -> None:
    made = counter(*steady(-1, 62), (61, 0), (30, 10**9))
    assert made.close(HOUR) == energy(STEADY_WH)


def test_the_first_hour_of_a_counter_is_incomplete() -> None:
    made = counter(*steady(20, 62))
    assert made.close(HOUR) == energy(40_000, EnergyQuality.INCOMPLETE)


def test_an_hour_without_any_reading_ever_is_incomplete() -> None:
    made = counter()
    assert made.close(HOUR) == energy(0, EnergyQuality.INCOMPLETE)
    assert made.mark is None
    feed(made, (130, 5))
    assert made.close(HOUR) == energy(0, EnergyQuality.INCOMPLETE)


def test_a_counter_that_rolls_over_goes_on() -> None:
    rolling = EnergySettings(rollover_wh=Decimal(1_000_000))
    told = [(minute, (980_000 + 1_000 * minute) % 1_000_000) for minute in range(-1, 62)]
    assert counter(*told, settings=rolling).close(HOUR) == energy(STEADY_WH)


def test_a_rollover_is_believed_only_from_the_last_tenth_of_the_counter() -> None:
    rolling = EnergySettings(rollover_wh=Decimal(1_000_000))
    made = counter(*steady(-1, 30), (30, 0), (59, 29_000), (61, 31_000), settings=rolling)
    assert made.close(HOUR) == energy(29_000 + 30_000, EnergyQuality.INCOMPLETE)


def test_with_the_meters_power_a_rollover_is_believed_when_it_is_possible() -> None:
    bounded = EnergySettings(rollover_wh=Decimal(1_000_000), max_power_w=Decimal(120_000))
    made = counter((-1, 400_000), (0, 998_000), (1, 999_500), (2, 1_000), (60, 50_000), settings=bounded)
    assert made.close(HOUR) == energy(51_000 + 1_000, EnergyQuality.INCOMPLETE)  # the jump to 998,000 is not


def test_a_counter_that_falls_back_starts_anew_and_the_hour_is_incomplete() -> None:
    made = counter(*steady(-1, 30), *steady(30, 62, base_wh=-29_000))
    assert made.close(HOUR) == energy(29_000 + 30_000, EnergyQuality.INCOMPLETE)
    feed(made, *steady(62, 122, base_wh=-29_000))
    assert made.close(HOUR + HOUR_MS) == energy(STEADY_WH)


def test_a_single_wild_reading_makes_no_energy() -> None:
    bounded = EnergySettings(max_power_w=Decimal(100_000))
    made = counter(*steady(-1, 30), (30, 10**12), *steady(31, 62), settings=bounded)
    assert made.close(HOUR) == energy(29_000 + 29_000, EnergyQuality.INCOMPLETE)


EXCHANGED_MS = HOUR + 30 * MINUTE_MS
NEW_METERS = {"a new one": 7, "a used one that shows more": 5_000_000, "one that shows the same": 530_000}


@pytest.mark.parametrize("new_wh", NEW_METERS.values(), ids=NEW_METERS.keys())
@pytest.mark.parametrize("told_after", [31, 32, 45, 61, 62])
def test_an_exchanged_meter_loses_nothing_whenever_it_is_told(new_wh: int, told_after: int) -> None:
    made = counter(*steady(-1, 30))
    new = [(minute, new_wh + 1_000 * (minute - 30)) for minute in range(31, 122)]
    feed(made, *[one for one in new if one[0] < told_after])
    made.check_exchange(EXCHANGED_MS, old_wh=Decimal(530_000), new_wh=Decimal(new_wh))
    made.exchange(EXCHANGED_MS, old_wh=Decimal(530_000), new_wh=Decimal(new_wh))
    feed(made, *[one for one in new if told_after <= one[0] < 62])
    assert made.close(HOUR) == energy(STEADY_WH)
    feed(made, *[one for one in new if one[0] >= 62])
    assert made.close(HOUR + HOUR_MS) == energy(STEADY_WH)


def test_two_exchanges_of_one_hour_are_both_believed() -> None:
    made = counter(*steady(-1, 20), *[(minute, 1_000 * (minute - 20)) for minute in range(21, 40)])
    feed(made, *[(minute, 1_000 * (minute - 40)) for minute in range(41, 62)])
    made.exchange(HOUR + 40 * MINUTE_MS, old_wh=Decimal(20_000), new_wh=Decimal(0))
    made.exchange(HOUR + 20 * MINUTE_MS, old_wh=Decimal(520_000), new_wh=Decimal(0))
    assert made.close(HOUR) == energy(STEADY_WH)


def test_a_counter_that_is_read_ten_times_a_second_takes_an_exchange_late() -> None:
    made = counter()
    for tenth in range(-600, 37_000):
        at_ms = HOUR + tenth * 100
        exchanged = tenth >= 18_000
        wh = Decimal(tenth) * 10 / 6 + (-20_000 if exchanged else 500_000)
        made.add(reading("energy_wh", str(round(wh, 3)), at_ms))
    made.exchange(EXCHANGED_MS - 10, old_wh=Decimal(530_000), new_wh=Decimal(10_000))
    hour = made.close(HOUR)
    assert hour.quality is EnergyQuality.METERED
    assert abs(hour.energy_wh - STEADY_WH) <= 2
    assert len(made._trail.points()) < 4_000


REFUSED_EXCHANGES = {
    "before a reading that shows more": (29, 1, 0, "cannot have shown 1 Wh"),
    "the old meter showed more before": (31, 400_000, 0, "cannot have shown 400000 Wh"),
    "the new meter shows less later": (31, 531_000, 900_000, "cannot have begun at 900000 Wh"),
    "before everything": (-30, 1, 0, "is known from"),
}


@pytest.mark.parametrize("case", REFUSED_EXCHANGES)
def test_an_exchange_that_does_not_fit_is_refused_and_changes_nothing(case: str) -> None:
    minute, old_wh, new_wh, reason = REFUSED_EXCHANGES[case]
    made = counter(*steady(-1, 62))
    at_ms = HOUR + minute * MINUTE_MS + 500
    for tell in (made.check_exchange, made.exchange):
        with pytest.raises(ValueError, match=reason):
            tell(at_ms, old_wh=Decimal(old_wh), new_wh=Decimal(new_wh))
    assert made.close(HOUR) == energy(STEADY_WH)


def power(watts: int, minutes: int = 60) -> list[MinuteMean]:
    mean = Decimal(watts)
    return [
        MinuteMean(HOUR + m * MINUTE_MS, mean, mean, mean, 12, 12, Quality.GOOD, {}) for m in range(minutes)
    ]


@pytest.mark.parametrize(
    ("watts", "minutes", "quality"),
    [
        (60_000, 60, EnergyQuality.METERED),
        (61_900, 60, EnergyQuality.METERED),
        (62_100, 60, EnergyQuality.DISPUTED),
        (57_900, 60, EnergyQuality.DISPUTED),
        (1_000, 59, EnergyQuality.METERED),
    ],
)
def test_the_counter_is_checked_against_power_where_all_minutes_are_there(
    watts: int, minutes: int, quality: EnergyQuality
) -> None:
    assert counter(*steady(-1, 62)).close(HOUR, power(watts, minutes)) == energy(STEADY_WH, quality)


def test_a_large_unit_may_differ_by_two_percent() -> None:
    big = [(minute, 10_000_000 * minute) for minute in range(62)]
    assert counter(*big).close(HOUR, power(611_000_000)).quality is EnergyQuality.METERED
    assert counter(*big).close(HOUR, power(613_000_000)).quality is EnergyQuality.DISPUTED


STEPS = st.lists(st.integers(0, 10_000), min_size=2, max_size=60)


@given(STEPS, st.integers(1, 7 * MINUTE_MS), st.integers(0, 5))
def test_the_energy_of_all_hours_is_what_the_counter_counted(
    steps: list[int], period_ms: int, restart_after: int
) -> None:
    """Also when the process restarts at a border and reads the stored readings of the open hour again."""
    total, told = 0, []
    for n, step in enumerate(steps):
        total += step
        told.append((HOUR + n * period_ms, total))
    last_ms = told[-1][0]
    made, summed, start_ms, hours = EnergyCounter(EnergySettings()), 0, HOUR, 0
    for at_ms, wh in told:
        made.add(reading("energy_wh", wh, at_ms))
    while start_ms <= last_ms:
        if hours == restart_after:
            made = EnergyCounter(EnergySettings(), mark=made.mark if hours else None)
            for at_ms, wh in told:
                if at_ms >= start_ms:
                    made.add(reading("energy_wh", wh, at_ms))
        hour = made.close(start_ms)
        assert hour.energy_wh >= 0
        summed += hour.energy_wh
        start_ms, hours = start_ms + HOUR_MS, hours + 1
    assert summed == total - steps[0]
