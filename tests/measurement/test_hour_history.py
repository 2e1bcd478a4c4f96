"""From signed hours to rates and loads, and from a rate back to grams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.hour_history import (
    KnownHour,
    grams,
    operating_hours,
    outlook,
    rate_g_per_h,
    substitutes_of,
)
from doxedge.measurement.missing_data_rules import MASS_RATE, Method, Statistic, Tier
from doxedge.measurement.substitution import substitutes
from doxedge.quantity import HOUR_MS

RULES = replace(
    MASS_RATE,
    maximum=Decimal(9_000),
    max_load=Decimal(1_000),
    prior_operating_hours=5_000,
    prior_qa_hours=5_000,
)


def hours(*masses: int | None, percent: int = 100, first: int = 0) -> list[KnownHour]:
    """Hours in a row at half load; None is missing."""
    return [
        KnownHour(
            (first + n) * HOUR_MS,
            percent,
            mass,
            5 * percent,
            True,
            "" if mass is None else "01",
            mass is not None,
        )
        for n, mass in enumerate(masses)
    ]


@pytest.mark.parametrize(
    ("nox_g", "percent", "rate"), [(1_000, 100, 1_000), (1_000, 50, 2_000), (1, 3, 33), (0, 1, 0), (5, 8, 63)]
)
def test_a_rate_is_the_mass_over_the_operating_share(nox_g: int, percent: int, rate: int) -> None:
    assert rate_g_per_h(nox_g, percent) == rate


@given(st.integers(0, 2**40), st.integers(1, 100))
def test_a_rate_gives_back_its_mass_to_half_a_gram(nox_g: int, percent: int) -> None:
    assert abs(grams(Decimal(rate_g_per_h(nox_g, percent)), percent) - nox_g) <= 1


def test_the_load_is_the_mean_power_while_the_unit_ran() -> None:
    (half,) = hours(10, percent=50)
    assert half.load_w == 500
    assert replace(half, is_load_known=False).load_w is None
    assert replace(half, operating_percent=0).load_w is None


def test_hours_in_which_the_unit_did_not_run_are_no_operating_hours() -> None:
    known = [*hours(1_000), *hours(0, percent=0, first=1), *hours(None, first=2)]
    assert [(hour.start_ms, hour.value) for hour in operating_hours(known)] == [
        (0, 1_000),
        (2 * HOUR_MS, None),
    ]


def test_only_wanted_hours_are_computed_and_each_gap_by_its_own_look_back() -> None:
    known = hours(1_000, None, 3_000, None, None, 2_000)
    found = list(substitutes_of(known, RULES, {3 * HOUR_MS}, began_ms=0))
    (one,) = found
    assert (one.hour.start_ms, one.value, len(one.gap.hours)) == (3 * HOUR_MS, Decimal(2_000), 2)
    assert list(substitutes_of(known, RULES, {2 * HOUR_MS}, began_ms=0)) == []


def test_what_is_older_than_three_years_before_the_gap_counts_nowhere() -> None:
    always = Tier(Decimal(0), Method("11", Statistic.MEAN))
    rules = replace(RULES, oldest_clock_hours=3, initial_hours=0, tiers=(always,))
    known = hours(9_000, 1_000, 2_000, 3_000, None, 1_000)
    (one,) = substitutes_of(known, rules, {4 * HOUR_MS}, began_ms=0)
    assert (one.value, one.availability.operating_hours) == (Decimal(2_000), 4)
    (young,) = substitutes_of(known, rules, {4 * HOUR_MS}, began_ms=2 * HOUR_MS)
    assert young.availability.operating_hours == 5_004  # hours before the history count while it is young


@given(st.lists(st.one_of(st.none(), st.integers(0, 9_999)), max_size=40))
def test_gap_by_gap_is_the_same_as_the_whole_series(masses: Sequence[int | None]) -> None:
    known = hours(*masses)
    wanted = {hour.start_ms for hour in known if hour.is_missing}
    found = [(one.value, one.method.code) for one in substitutes_of(known, RULES, wanted, began_ms=0)]
    assert found == [(one.value, one.method.code) for one in substitutes(operating_hours(known), RULES)]


def test_the_outlook_is_availability_and_the_price_of_the_next_missing_hour() -> None:
    ahead = outlook(hours(1_000, 3_000, None), RULES, began_ms=0)
    assert (ahead.availability.qa_hours, ahead.availability.operating_hours) == (5_002, 5_003)
    assert ahead.next_gap_hour is not None
    assert (ahead.next_gap_hour.value, len(ahead.next_gap_hour.gap.hours)) == (Decimal(2_000), 2)
    assert not ahead.is_initial
    young = replace(RULES, prior_operating_hours=0, prior_qa_hours=0)
    assert outlook(hours(1_000), young, began_ms=0).is_initial
    assert outlook([], RULES, began_ms=0).next_gap_hour is None
