"""The table of 40 CFR 75.31 and 75.33."""

from decimal import Decimal

import pytest

from doxedge.measurement.missing_data_rules import (
    DEFAULT_MAXIMUM,
    Reading,
    Statistic,
    rules_for,
)
from doxedge.measurement.parameters import KINDS, Kind

NOX = rules_for("NOXR", Kind.RATE)
SO2 = rules_for("SO2C", Kind.CONCENTRATION)


@pytest.mark.parametrize(
    ("percent", "gap", "code", "statistic", "share"),
    [
        ("100.0", 24, "11", Statistic.MEAN, 0),
        ("95.0", 24, "11", Statistic.MEAN, 0),
        ("95.0", 25, "08", Statistic.PERCENTILE, 90),
        ("94.9", 8, "11", Statistic.MEAN, 0),
        ("94.9", 9, "09", Statistic.PERCENTILE, 95),
        ("90.0", 9, "09", Statistic.PERCENTILE, 95),
        ("89.9", 1, "10", Statistic.MAXIMUM, 0),
        ("80.0", 999, "10", Statistic.MAXIMUM, 0),
        ("79.9", 1, "12", Statistic.POTENTIAL, 0),
        ("0.0", 1, "12", Statistic.POTENTIAL, 0),
    ],
)
def test_availability_and_length_of_the_gap_name_the_method(
    percent: str, gap: int, code: str, statistic: Statistic, share: int
) -> None:
    method = NOX.tier(Decimal(percent)).method(gap)
    assert (method.code, method.statistic, method.percent) == (code, statistic, share)
    assert method.or_neighbours is (code in ("08", "09"))
    plain = SO2.tier(Decimal(percent)).method(gap)
    assert plain.code == {"11": "06"}.get(code, code)


def test_a_parameter_has_its_look_back_and_places() -> None:
    assert (NOX.look_back_hours, NOX.initial_hours, NOX.by_load, NOX.places) == (2160, 2160, True, 3)
    assert (SO2.look_back_hours, SO2.initial_hours, SO2.by_load, SO2.places) == (720, 720, False, 1)
    assert (NOX.initial.statistic, SO2.initial.statistic) == (Statistic.MEAN, Statistic.NEIGHBOURS)
    assert NOX.oldest_clock_hours == 3 * 365 * 24
    assert NOX.reading is Reading.IN_RANGE
    assert rules_for("FLOW", Kind.FLOW).places == -3


def test_the_default_maxima_are_those_that_are_documented() -> None:
    assert {name: str(value) for name, value in DEFAULT_MAXIMUM.items()} == {
        "NOXR": "5.659",
        "NOX": "5.659",
        "NOXP": "5.659",
        "NOXC": "1600.0",
    }
    assert (rules_for("FLOW", Kind.FLOW).maximum, SO2.maximum) == (None, None)


@pytest.mark.parametrize("parameter", ["H2O", "O2D", "O2C"])
def test_where_the_safe_side_depends_on_the_equation_only_neighbours_are_sure(parameter: str) -> None:
    rules = rules_for(parameter, KINDS[parameter])
    assert (rules.initial, rules.initial_hours) == (SO2.initial, 720)
    for percent in (95, 90, 85, 0):
        for gap in (1, 30):
            ours, plain = (table.tier(Decimal(percent)).method(gap) for table in (rules, SO2))
            assert ours.code == plain.code
            assert ours.statistic is (plain.statistic if plain.code == "06" else Statistic.EITHER_SIDE)


def test_a_line_of_the_table_is_told_in_words() -> None:
    tier = NOX.tier(Decimal(97))
    assert tier.in_words(24).endswith("95 %, gap of at most 24 operating hours")
    assert tier.in_words(25).endswith("95 %, gap of more than 24 operating hours")
    assert NOX.tier(Decimal(85)).in_words(1) == "availability of at least 80 %"
    assert NOX.tier(Decimal(1)).in_words(1) == "availability below every threshold"
