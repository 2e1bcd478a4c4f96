"""The recipe that is signed: bounded, by position, and enough to compute the hour again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from doxedge.measurement.apportioning import UNITS_MAX, Apportioning, By, StackHour, remarks_of
from doxedge.measurement.hour_history import KnownHour, substitutes_of
from doxedge.measurement.missing_data_rules import MASS_RATE
from doxedge.measurement.recipe_check import Recomputed, check_recipe
from doxedge.measurement.recipe_text import recipe_lines
from doxedge.measurement.substitute_recipe import (
    RECIPE_BYTES_MAX,
    RecipeValue,
    canonical_recipe,
    gap_in,
    is_recipe,
)
from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from tests.measurement.test_hour_history import RULES, hours

LONG = hours(1_000, 3_000, *[None] * 25, 8_000)
WANTED = {2 * HOUR_MS}


def recipe_of(known: list[KnownHour]) -> list[RecipeValue]:
    (one,) = substitutes_of(known, RULES, WANTED, began_ms=0)
    return canonical_recipe(one, RULES, ("operating_percent:assumed",))


def test_every_number_has_its_place() -> None:
    assert recipe_of(LONG) == [
        "part75/1",
        "availability of at least 95 %, gap of more than 24 operating hours",
        "neighbours",
        5_500,
        [5_002, 5_003, 1_000],
        [2 * HOUR_MS, 26 * HOUR_MS, 25, True],
        [500, 1_000, 5, 10],
        [5, "in-range", 2_160, 2, 0, HOUR_MS, "percentile", 90, 2, None, 3_000],
        [HOUR_MS, 3_000, 27 * HOUR_MS, 8_000],
        None,
        ["operating_percent:assumed"],
    ]


def test_the_longest_is_far_below_its_bound_and_is_canonical() -> None:
    late = [replace(hour, start_ms=hour.start_ms + 2**42 - 2**42 % HOUR_MS) for hour in LONG]
    (one, *_) = substitutes_of(late, RULES, {hour.start_ms for hour in late}, began_ms=0)
    how = Apportioning(By.OPERATING_TIME, tuple((str(n) * 32, 10**17) for n in range(UNITS_MAX)))
    divided = remarks_of(StackHour(100, 10**12, 10**12, how))
    data = canonical.encode([*canonical_recipe(one, RULES, ["x" * 40] * 20, divided)])
    assert len(data) < RECIPE_BYTES_MAX
    assert canonical.encode(canonical.decode(data)) == data


def test_a_gap_that_lasts_says_so() -> None:
    recipe = recipe_of(LONG[:-1])
    gap = gap_in(recipe)
    assert gap is not None
    assert (gap.operating_hours, gap.ended) == (25, False)
    assert recipe[8] == [HOUR_MS, 3_000, None, None]


def test_a_maximum_stands_alone() -> None:
    recipe = recipe_of(hours(0, 0, None)[2:])
    assert recipe[2:4] == ["potential", 9_000]
    assert recipe[7:10] == [None, None, 9_000]


@pytest.mark.parametrize(
    "value", [None, [], ["moisture_percent:default"], ["part75/2", *[None] * 10], "part75/1"]
)
def test_remarks_of_a_measured_hour_are_no_recipe(value: Any) -> None:
    assert not is_recipe(value)
    assert gap_in(value or []) is None
    assert recipe_lines(value or [], str) == [("recipe", "of another form; this software cannot read it")]


def test_a_person_reads_it_in_words() -> None:
    told = dict(recipe_lines(recipe_of(LONG), lambda at_ms: f"hour {at_ms // HOUR_MS}"))
    assert told == {
        "substitute": "neighbours: 5500 g/h while the unit runs",
        "rule": "availability of at least 95 %, gap of more than 24 operating hours",
        "availability": "100.0 % (5002 of 5003 operating hours)",
        "gap": "hour 2 to hour 26, 25 operating hours",
        "load": "500 W of 1000 W: range 5 of 10",
        "look-back": "2 hours of load range 5 (in-range), hour 0 to hour 1: percentile 3000 g/h (90th, rank 2 of 2)",
        "neighbours": "3000 g/h at hour 1, 8000 g/h at hour 27",
        "remarks": "operating_percent:assumed",
    }
    told = dict(recipe_lines(recipe_of(LONG[:-1]), str))
    assert told["gap"].endswith("not ended when this was stated: provisional")
    assert told["neighbours"].endswith("nothing after it yet")


@pytest.mark.parametrize("place", range(1, 11))
def test_a_recipe_of_anybody_never_breaks_a_reader(place: int) -> None:
    spoilt: list[RecipeValue] = list(recipe_of(LONG))
    values: list[RecipeValue] = [None, "", -1, [], [None] * 11, True]
    for value in values:
        spoilt[place] = value
        assert recipe_lines(spoilt, str)


def test_a_statement_is_computed_again_as_it_was_made() -> None:
    missing = replace(LONG[2], remarks=("operating_percent:assumed",))

    def verdict(
        known: list[KnownHour], recipe: list[RecipeValue], nox_g: int, code: str = "08"
    ) -> Recomputed:
        return check_recipe(
            known, missing, nox_g=nox_g, method_code=code, recipe=recipe, rules=RULES, began_ms=0
        )[0]

    assert verdict(LONG, recipe_of(LONG), 5_500) is Recomputed.PROVED
    assert verdict(LONG, recipe_of(LONG), 5_501) is Recomputed.DIFFERS
    assert verdict(LONG, recipe_of(LONG), 5_500, "11") is Recomputed.DIFFERS
    assert verdict(LONG, recipe_of(LONG[:-1]), 3_000) is Recomputed.PROVED  # while the gap lasted
    assert verdict(LONG, ["moisture_percent:default"], 5_500) is Recomputed.DIFFERS
    filled = [*LONG[:2], *hours(4_000, first=2), *LONG[3:]]
    assert verdict(filled, recipe_of(LONG), 5_500) is Recomputed.DIFFERS
    other = [replace(LONG[0], nox_g=999), *LONG[1:]]
    mean = replace(MASS_RATE, maximum=Decimal(1))
    assert (
        verdict(other, recipe_of(LONG), 5_500) is Recomputed.PROVED
    )  # its rate is not the one that was chosen
    assert check_recipe(
        LONG, missing, nox_g=5_500, method_code="08", recipe=recipe_of(LONG), rules=mean, began_ms=0
    ) == (Recomputed.DIFFERS, "2000 g by method 07")
