"""Minute means."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.averaging import MinuteBucket, MinuteMean
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import MINUTE_MS
from tests.measurement.readings import HOUR, POLL_MS, reading


def mean_of(
    readings: list[Reading], *, poll_period_ms: int = POLL_MS, coverage_percent: int = 75
) -> MinuteMean:
    bucket = MinuteBucket(HOUR)
    for one in readings:
        bucket.add(one)
    return bucket.mean(poll_period_ms=poll_period_ms, coverage_percent=coverage_percent)


def every_poll(values: list[int]) -> list[Reading]:
    return [reading("nox_ppb", value, HOUR + n * POLL_MS) for n, value in enumerate(values)]


def test_the_mean_is_arithmetic_and_keeps_extremes_and_count() -> None:
    minute = mean_of(every_poll([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 24]))
    assert (minute.mean, minute.minimum, minute.maximum) == (Decimal("7.5"), Decimal(1), Decimal(24))
    assert (minute.n, minute.total, minute.quality) == (12, 12, Quality.GOOD)


@pytest.mark.parametrize(("usable", "valid"), [(9, True), (8, False)])
def test_a_minute_needs_three_quarters_of_its_readings(usable: int, valid: bool) -> None:
    readings = every_poll([10] * usable)
    readings += [reading("nox_ppb", None, HOUR + n * POLL_MS) for n in range(usable, 12)]
    minute = mean_of(readings)
    assert (minute.mean is not None) is valid
    assert (minute.quality is Quality.GOOD) is valid
    assert minute.total == 12


def test_bad_readings_do_not_pull_the_mean() -> None:
    zero = reading("nox_ppb", 0, HOUR + 59_000, quality=Quality.BAD, reason=Reason.ZERO)
    minute = mean_of([*every_poll([10] * 11), zero])
    assert minute.mean == 10
    assert minute.percent_of(Reason.ZERO) == 8
    assert minute.percent_of(Reason.SPAN) == 0


def test_one_uncertain_reading_makes_the_minute_uncertain() -> None:
    doubtful = reading("nox_ppb", 10, HOUR + 59_000, quality=Quality.UNCERTAIN, reason=Reason.RANGE)
    assert mean_of([*every_poll([10] * 11), doubtful]).quality is Quality.UNCERTAIN


def test_a_drift_below_zero_is_averaged_as_measured() -> None:
    assert mean_of(every_poll([-4] * 6 + [2] * 6)).mean == -1


def test_a_burst_does_not_fill_a_hole() -> None:
    burst = [reading("nox_ppb", 10, HOUR + n * 100) for n in range(60)]
    assert mean_of(burst).mean is None
    assert mean_of([*burst, *every_poll([10] * 12)]).mean == 10


def test_an_empty_minute_has_no_mean() -> None:
    minute = mean_of([])
    assert (minute.mean, minute.n, minute.quality, minute.percent_of(Reason.COMMS)) == (
        None,
        0,
        Quality.BAD,
        0,
    )


def test_a_device_read_once_a_minute_needs_one_reading() -> None:
    assert mean_of(every_poll([10]), poll_period_ms=MINUTE_MS).mean == 10


def test_the_minute_is_half_open() -> None:
    bucket = MinuteBucket(HOUR)
    bucket.add(reading("nox_ppb", 1, HOUR))
    bucket.add(reading("nox_ppb", 1, HOUR + MINUTE_MS - 1))
    for outside in (HOUR - 1, HOUR + MINUTE_MS):
        with pytest.raises(ValueError, match="outside the minute"):
            bucket.add(reading("nox_ppb", 1, outside))


VALUES = st.decimals(-(10**9), 10**9, places=6)


@given(
    st.lists(st.tuples(st.integers(0, MINUTE_MS - 1), VALUES), max_size=40, unique_by=lambda r: r[0]),
    st.data(),
)
def test_the_order_of_arrival_does_not_matter(
    arrived: list[tuple[int, Decimal]], data: st.DataObject
) -> None:
    readings = [reading("nox_ppb", value, HOUR + offset_ms) for offset_ms, value in arrived]
    shuffled = data.draw(st.permutations(readings))
    assert mean_of(readings, coverage_percent=1) == mean_of(shuffled, coverage_percent=1)


@given(st.lists(VALUES, min_size=12, max_size=12))
def test_a_mean_lies_between_the_extremes(values: list[Decimal]) -> None:
    minute = mean_of([reading("nox_ppb", value, HOUR + n * POLL_MS) for n, value in enumerate(values)])
    assert minute.mean is not None
    assert minute.minimum == min(values)
    assert minute.maximum == max(values)
    assert min(values) <= minute.mean <= max(values)


@given(st.sets(st.integers(0, 11)), st.integers(0, 11))
def test_one_more_reading_never_makes_a_minute_invalid(polled: set[int], more: int) -> None:
    fewer = [reading("nox_ppb", 10, HOUR + n * POLL_MS) for n in sorted(polled)]
    if mean_of(fewer).mean is not None and more not in polled:
        assert mean_of([*fewer, reading("nox_ppb", 10, HOUR + more * POLL_MS)]).mean == 10
