"""Years: the calendar of a geofence against the calendar of the standard library."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import emissions
from doxedge.quantity import DAY_MS

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@given(st.integers(0, (dt.datetime(2200, 12, 31, tzinfo=dt.UTC) - EPOCH) // dt.timedelta(milliseconds=1)))
def test_the_year_is_that_of_the_calendar(local_ms: int) -> None:
    assert emissions.calendar_year(local_ms) == (EPOCH + dt.timedelta(milliseconds=local_ms)).year


@pytest.mark.parametrize(
    ("local_ms", "year"), [(-1, 1970), (-(2**63), 1970), (2**63, 2200), (10**6 * DAY_MS, 2200)]
)
def test_times_outside_the_calendar_count_at_its_ends(local_ms: int, year: int) -> None:
    assert emissions.calendar_year(local_ms) == year


@pytest.mark.parametrize(
    ("number", "known"), [(1969, False), (1970, True), (2200, True), (2201, False), (-1, False)]
)
def test_a_vintage_is_a_year_of_the_calendar(number: int, known: bool) -> None:
    assert emissions.is_year(number) is known
