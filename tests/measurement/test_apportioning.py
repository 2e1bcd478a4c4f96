"""A stack's grams become its units' grams: all of them, none twice, none to a unit that stood still."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.apportioning import (
    UNITS_MAX,
    Apportioning,
    By,
    StackHour,
    UnitHour,
    apportioning,
    remarks_of,
    stack_hour_in,
)

NAMES = [f"unit-{letter}" for letter in "abcdefgh"]
HOURS = st.builds(
    lambda units, order: [units[place] for place in order if place < len(units)],
    st.lists(
        st.tuples(st.integers(0, 3_600_000), st.none() | st.integers(0, 10**10)),
        min_size=1,
        max_size=UNITS_MAX,
    ).map(lambda rows: [UnitHour(name, *row) for name, row in zip(NAMES, rows, strict=False)]),
    st.permutations(range(UNITS_MAX)),
)


@given(HOURS, st.integers(0, 10**9))
def test_the_parts_add_up_and_each_is_within_a_gram_of_its_share(hours: list[UnitHour], total: int) -> None:
    how = apportioning(hours)
    if not any(one.operating_ms for one in hours):
        total = 0
    parts = how.divide(total)
    assert sum(parts.values()) == total
    whole = sum(weight for _, weight in how.weights)
    for unit, weight in how.weights:
        assert whole == 0 or abs(parts[unit] - Fraction(total * weight, whole)) < 1
    for one in hours:
        assert one.operating_ms or parts[one.unit] == 0, "a unit that stood still emitted nothing"


@given(HOURS, st.integers(0, 10**9))
def test_the_order_in_which_units_are_told_makes_no_difference(hours: list[UnitHour], total: int) -> None:
    assert apportioning(hours) == apportioning(list(reversed(hours)))


@given(HOURS, st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**9), st.integers(0, 100))
def test_what_an_hour_says_of_its_stack_is_all_that_is_needed(
    hours: list[UnitHour], nox_g: int | None, unadjusted_g: int | None, percent: int
) -> None:
    stack = StackHour(percent, nox_g, unadjusted_g, apportioning(hours))
    assert stack_hour_in(["moisture_percent:default", *remarks_of(stack), "baf:1.052"]) == stack


@pytest.mark.parametrize(
    ("hours", "total", "parts"),
    [
        pytest.param([("a", 60, 2), ("b", 60, 1)], 300, (200, 100), id="by load"),
        pytest.param([("a", 60, 2), ("b", 60, 1)], 100, (67, 33), id="the larger remainder gets the gram"),
        pytest.param([("a", 60, 1), ("b", 60, 1)], 101, (51, 50), id="of equal remainders the first by name"),
        pytest.param(
            [("a", 60, 5), ("b", 0, 7)], 101, (101, 0), id="a load of a unit that did not run is none"
        ),
        pytest.param([("a", 60, None), ("b", 20, 7)], 80, (60, 20), id="a load that is not known: by time"),
        pytest.param([("a", 60, 0), ("b", 20, 0)], 80, (60, 20), id="nobody has any load: by time"),
        pytest.param(
            [("a", 60, 5), ("b", 0, None)], 80, (80, 0), id="nobody asks for the load of an idle unit"
        ),
        pytest.param([("a", 0, None), ("b", 0, 3)], 0, (0, 0), id="nobody ran"),
    ],
)
def test_what_decides(hours: list[tuple[str, int, int | None]], total: int, parts: tuple[int, int]) -> None:
    assert tuple(apportioning(UnitHour(*one) for one in hours).divide(total).values()) == parts


def test_a_mass_that_nobody_can_have_made_is_refused() -> None:
    with pytest.raises(ValueError, match="5 g are nobody's: no unit on the stack ran"):
        Apportioning(By.LOAD, (("a", 0), ("b", 0))).divide(5)


@pytest.mark.parametrize(
    "remarks",
    [
        [],
        ["apportioned_by:load", "load_wh:a:5"],
        ["stack_operating_percent:100", "apportioned_by:load"],
        ["stack_operating_percent:100", "apportioned_by:love", "load_wh:a:5"],
        ["stack_operating_percent:101", "apportioned_by:load", "load_wh:a:5"],
        ["stack_operating_percent:100", "apportioned_by:load", "load_wh:a:-5"],
        ["stack_operating_percent:100", "apportioned_by:load", "load_wh:a:5", "load_wh:a:6"],
        ["stack_operating_percent:100", "apportioned_by:load", f"load_wh:a:{'9' * 19}"],
        ["stack_operating_percent:100", "apportioned_by:load", *(f"load_wh:{n}:5" for n in range(9))],
        [7, None, b"apportioned_by:load"],
    ],
)
def test_remarks_that_do_not_say_everything_say_nothing(remarks: list[object]) -> None:
    assert stack_hour_in(remarks) is None
