"""What `[unit.missing_data]` takes and refuses, and what it becomes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.missing_data_settings import describe_missing_data, plan_missing_data
from doxedge.gateway.settings import UnitTable, parse_settings
from doxedge.measurement.missing_data_rules import MASS_RATE, Reading
from tests.gateway.plant_settings import settings_text
from tests.house.tree import ROOT


def table(lines: str) -> UnitTable:
    text = settings_text(unit=f"[unit.missing_data]\n{lines}")
    return parse_settings(text, source="test").unit[0]


def test_without_the_table_gaps_stay_gaps_and_availability_is_judged_all_the_same() -> None:
    unit = parse_settings(settings_text(), source="test").unit[0]
    plan = plan_missing_data(unit.missing_data, max_power_w=None)
    assert not plan.substitutes
    assert plan.rules.tiers == MASS_RATE.tiers


def test_the_table_of_the_regulation_is_the_default_and_every_number_can_be_set() -> None:
    plan = plan_missing_data(
        table('rules = "part75"\nmaximum_g_per_h = 5000').missing_data, max_power_w=Decimal(70)
    )
    assert plan.substitutes
    assert (plan.rules.maximum, plan.rules.max_load) == (Decimal(5_000), Decimal(70))
    assert plan.rules.by_load
    assert (plan.rules.look_back_hours, plan.rules.initial_hours, plan.rules.places) == (2_160, 2_160, 0)
    assert plan.rules.tiers == MASS_RATE.tiers
    lines = """rules = "part75"
maximum_g_per_h = 5000
max_load_w = 90
load_ranges = 4
look_back = "among-last"
look_back_hours = 100
initial_hours = 50
prior_operating_hours = 10
prior_qa_hours = 9
[[unit.missing_data.tier]]
at_least_percent = 90.5
short_gap_hours = 3
short = { code = "11", statistic = "mean" }
long = { code = "09", statistic = "percentile", percent = 95, or_neighbours = true }
[[unit.missing_data.tier]]
at_least_percent = 0
long = { code = "12", statistic = "potential" }"""
    rules = plan_missing_data(table(lines).missing_data, max_power_w=Decimal(70)).rules
    assert (rules.max_load, rules.load_ranges, rules.reading) == (Decimal(90), 4, Reading.AMONG_LAST)
    assert (rules.look_back_hours, rules.initial_hours) == (100, 50)
    assert (rules.prior_operating_hours, rules.prior_qa_hours) == (10, 9)
    assert rules.tier(Decimal("90.5")).method(3).code == "11"
    assert rules.tier(Decimal("90.5")).method(4).percent == 95
    assert rules.tier(Decimal("90.4")).method(1).code == "12"


@pytest.mark.parametrize(
    "lines", ['rules = "part75"\nmaximum_g_per_h = 5\nload_ranges = 1', 'rules = "none"']
)
def test_without_ranges_or_a_greatest_load_the_load_does_not_matter(lines: str) -> None:
    power = Decimal(70) if "part75" in lines else None
    assert not plan_missing_data(table(lines).missing_data, max_power_w=power).rules.by_load


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('rules = "part75"', "part75 needs maximum_g_per_h"),
        ('rules = "part76"', "'none' or 'part75'"),
        ("maximum_g_per_h = 0", "greater than 0"),
        ("prior_qa_hours = 2", "cannot be more than prior_operating_hours"),
        ("maximum = 5", "no such key"),
        ("look_back_hours = 30000", "less than or equal to 26280"),
        (
            '[[unit.missing_data.tier]]\nat_least_percent = 95\nlong = { code = "10", statistic = "maximum" }',
            "the last is 0",
        ),
        (
            '[[unit.missing_data.tier]]\nat_least_percent = 0\nlong = { code = "08", statistic = "percentile" }',
            "a percentile has a `percent`",
        ),
        (
            '[[unit.missing_data.tier]]\nat_least_percent = 0\nshort_gap_hours=3\nlong={code="10", statistic="mean"}',
            "`short` and `short_gap_hours` go together",
        ),
        (
            '[[unit.missing_data.tier]]\nat_least_percent = 0\nlong = { code = "ten", statistic = "maximum" }',
            "match pattern",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_words(lines: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        table(lines)
    assert "unit[0].missing_data" in str(refused.value)


def test_the_example_shows_the_table_of_the_regulation() -> None:
    example = parse_settings(
        (ROOT / "firmware_configs" / "gateway.toml").read_text("utf-8"), source="example"
    )
    plan = plan_missing_data(example.unit[0].missing_data, max_power_w=None)
    assert plan.rules.tiers == MASS_RATE.tiers
    assert not plan.substitutes


def test_a_person_reads_what_is_planned() -> None:
    lines = 'rules = "part75"\nmaximum_g_per_h = 5000'
    told = [
        describe_missing_data(plan_missing_data(table(given).missing_data, max_power_w=power))
        for given, power in ((lines, Decimal(70)), (lines, None), ('rules = "none"', None))
    ]
    assert told == [
        "missing hours by part75: at most 5000 g/h, 10 load ranges of 70 W, 4 tiers of availability",
        "missing hours by part75: at most 5000 g/h, no load ranges, 4 tiers of availability",
        "missing hours stay gaps",
    ]
