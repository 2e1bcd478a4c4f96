"""Monitor data availability."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.availability import WINDOW_HOURS, Availability, AvailabilityCounter


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_availability_is_the_share_of_all_hours_while_there_are_few(hours: list[bool]) -> None:
    counter = AvailabilityCounter()
    for n, good in enumerate(hours, start=1):
        assert counter.count(quality_assured=good) == Availability(sum(hours[:n]), n)


def test_after_a_year_the_oldest_hour_leaves_the_window() -> None:
    hours = [n % 7 != 0 for n in range(WINDOW_HOURS + 3_000)]
    counter = AvailabilityCounter()
    for n, good in enumerate(hours, start=1):
        found = counter.count(quality_assured=good)
        if n % 997 == 0:
            last = hours[max(0, n - WINDOW_HOURS) : n]
            assert found == Availability(sum(last), len(last))


@pytest.mark.parametrize(
    ("qa", "operating", "percent"),
    [
        (0, 0, "100.0"),
        (1, 1, "100.0"),
        (2, 3, "66.7"),
        (949, 1000, "94.9"),
        (9495, 10000, "95.0"),
        (9494, 10000, "94.9"),
    ],
)
def test_the_reported_figure_has_one_decimal_and_ties_away_from_zero(
    qa: int, operating: int, percent: str
) -> None:
    assert str(Availability(qa, operating).percent) == percent


def test_hours_before_the_series_count_by_number() -> None:
    counter = AvailabilityCounter(prior_operating_hours=10, prior_qa_hours=8)
    assert counter.count(quality_assured=False) == Availability(8, 11)


def test_of_many_prior_hours_the_window_keeps_the_missing_ones() -> None:
    """The figure is never better than it was: what is known by number only is not forgiven first."""
    counter = AvailabilityCounter(prior_operating_hours=20_000, prior_qa_hours=19_000)
    assert counter.count(quality_assured=True) == Availability(WINDOW_HOURS - 1_000, WINDOW_HOURS)
    counter = AvailabilityCounter(prior_operating_hours=20_000, prior_qa_hours=0)
    assert counter.count(quality_assured=True) == Availability(1, WINDOW_HOURS)


@pytest.mark.parametrize(("operating", "qa"), [(1, 2), (0, 1), (5, -1)])
def test_more_good_hours_than_hours_are_refused(operating: int, qa: int) -> None:
    with pytest.raises(ValueError, match="cannot be among"):
        AvailabilityCounter(prior_operating_hours=operating, prior_qa_hours=qa)
