"""A unit's rule set decides what is signed, from the samples to the outbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.plant import describe
from tests.gateway.unit_bench import GRAMS_PER_HOUR, bench, plan


async def hour_with_outage(folder: Path, lines: str, *, without: int) -> list[tuple[str, list[object]]]:
    """One hour of which the first minutes have no analyser."""
    async with bench(folder, planned=plan(lines=lines)) as unit:
        await unit.measure(without, nox_ppm=None)
        await unit.measure(62 - without)
        return [(kind, list(body)) for kind, body in await unit.said() if kind in {"hour", "gap"}]


@pytest.mark.parametrize(
    ("lines", "without", "rule_set", "clause"),
    [
        ("", 14, "us60/1", "60.13(h)(2)(i)"),
        ('rule_set = "alberta"', 14, "alberta/1", "Alberta CEMS Code 2021, as 60.13(h)(2)(i)"),
        ('rule_set = "eu"', 19, "eu/1", "EN 17255-1, 2/3 of 60 min"),
        ('rule_set = "eu"\naveraging_minutes = 30', 9, "eu/1", "EN 17255-1, 2/3 of 30 min"),
    ],
)
async def test_an_hour_is_signed_under_the_name_and_the_clause_of_its_rules(
    tmp_path: Path, lines: str, without: int, rule_set: str, clause: str
) -> None:
    ((kind, body),) = await hour_with_outage(tmp_path, lines, without=without)
    assert kind == "hour"
    assert (body[2], body[6], body[7]) == (rule_set, "extrapolated", clause)
    assert abs(int(str(body[4])) - GRAMS_PER_HOUR) < 3


@pytest.mark.parametrize(
    ("lines", "without", "clause"),
    [
        ("", 16, "60.13(h)(2)(i)"),
        ('rule_set = "eu"', 21, "EN 17255-1, 2/3 of 60 min: 39 min valid of 40"),
        (
            'rule_set = "eu"\naveraging_minutes = 30',
            11,
            "EN 17255-1, 2/3 of 30 min: first half 19 min valid of 20",
        ),
    ],
)
async def test_too_little_of_an_hour_is_a_gap_that_says_by_which_clause(
    tmp_path: Path, lines: str, without: int, clause: str
) -> None:
    ((kind, body),) = await hour_with_outage(tmp_path, lines, without=without)
    assert (kind, body[3]) == ("gap", f"too_few_points:nox_ppb:comms; {clause}")


async def test_a_start_up_is_signed_as_such(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=plan(lines='rule_set = "eu"')) as unit:
        await unit.measure(30, power_w=0)
        await unit.measure(32)
        (body,) = await unit.hours()
    assert (body[3], body[6]) == (50, "start_stop")
    assert body[7] == "EN 17255-1, 2/3 of 60 min: start-up or shut-down"
    assert abs(int(str(body[4])) - GRAMS_PER_HOUR / 2) < 3


def test_what_no_rule_set_has_is_refused_with_its_place_and_the_plan_says_what_is_used() -> None:
    with pytest.raises(ConfigError, match=r"unit\[0\]: averaging_minutes: us60 judges whole hours"):
        plan(lines="averaging_minutes = 30")
    half = plan(lines='rule_set = "eu"\naveraging_minutes = 30')
    assert (
        "  hours by rule set eu/1: EN 17255-1: two thirds in operation and valid, of an averaging period of 30 min"
        in describe((half,))
    )
    assert half.rules_hash != plan(lines='rule_set = "eu"').rules_hash
