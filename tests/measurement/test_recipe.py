"""The recipe of a substitute."""

import json
from dataclasses import replace
from decimal import Decimal

from doxedge.measurement.missing_data_rules import rules_for
from doxedge.measurement.parameters import Kind
from doxedge.measurement.recipe import recipe
from doxedge.measurement.substitution import OperatingHour, max_load_of, substitutes
from doxedge.quantity import HOUR_MS

RULES = replace(
    rules_for("NOXR", Kind.RATE),
    max_load=Decimal(50),
    prior_operating_hours=5_000,
    prior_qa_hours=5_000,
)
VALUES = ["0.1", "0.2", *[None] * 25, "0.4"]
HOURS = [
    OperatingHour(
        n + 2, n * HOUR_MS, None if value is None else Decimal(value), value is not None, Decimal(40)
    )
    for n, value in enumerate(VALUES)
]


def test_a_recipe_holds_every_number_as_text_or_count_and_survives_json() -> None:
    first, *_ = substitutes(HOURS, RULES)
    told = recipe(first, RULES, max_load_of(HOURS, RULES))
    assert (
        json.loads(json.dumps(told))
        == told
        == {
            "rule": "availability of at least 95 %, gap of more than 24 operating hours",
            "statistic": "mean of the hours before and after the gap",
            "exact": "0.3",
            "decimals": 3,
            "availability": {"qa_hours": 5002, "operating_hours": 5003, "percent": "100.0"},
            "gap": {"first": "1970-01-01 02", "last": "1970-01-02 02", "operating_hours": 25, "ended": True},
            "load": {"load": "40", "max_load": "50", "range": 8, "ranges": 10},
            "look_back": {
                "load_range": 8,
                "reading": "in-range",
                "wanted_hours": 2160,
                "hours": 2,
                "first": "1970-01-01 00",
                "last": "1970-01-01 01",
                "statistic": "percentile of the look-back",
                "value": "0.2",
                "percent": 90,
                "rank": 2,
            },
            "neighbours": {
                "before": {"hour": "1970-01-01 01", "value": "0.2"},
                "after": {"hour": "1970-01-02 03", "value": "0.4"},
                "mean": "0.3",
            },
            "maximum_potential": None,
        }
    )


def test_a_maximum_is_told_where_it_is_what_stands() -> None:
    (one,) = substitutes(HOURS[2:3], replace(RULES, maximum=Decimal("1.25")))
    told = recipe(one, replace(RULES, maximum=Decimal("1.25")), Decimal(50))
    assert (told["look_back"], told["neighbours"], told["maximum_potential"]) == (None, None, "1.25")
    assert told["gap"]["ended"] is False
