"""Availability and the price of the next missing hour: told, and watched with one alarm a threshold."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.alarm_rules import RULES
from doxedge.gateway.availability import MonitorOutlook, availability_sightings, watched_subjects
from doxedge.measurement.alarms import Priority, Sighting
from doxedge.measurement.hour_history import outlook
from doxedge.measurement.missing_data_rules import MASS_RATE
from tests.gateway.missing_hours import RATE, planned, remember
from tests.gateway.unit_bench import bench
from tests.measurement.test_hour_history import hours

T, F, N = True, False, None


def low(seen: MonitorOutlook, code: str = "availability.low") -> list[Sighting]:
    return [one for one in availability_sightings("alpha-1", seen) if one.code == code]


def seen(percent: int, *, tenths: int = 0, substitutes: bool = True, young: bool = False) -> MonitorOutlook:
    """A monitor with so much availability before one more good hour, in a window of 1,000."""
    good = percent * 10 + tenths
    rules = replace(
        MASS_RATE,
        by_load=False,
        maximum=Decimal(9_000),
        initial_hours=10**6 if young else 1,
        prior_operating_hours=0,
    )
    known = hours(*[1_000] * good, *[None] * (999 - good), 1_000)
    return MonitorOutlook(outlook(known, rules, began_ms=0), rules, substitutes=substitutes)


@pytest.mark.parametrize(
    ("percent", "tenths", "holds"),
    [
        pytest.param(97, 0, [F, F, F], id="above all"),
        pytest.param(95, 3, [N, F, F], id="within the band of 95"),
        pytest.param(95, 4, [F, F, F], id="at the end of the band"),
        pytest.param(94, 9, [N, F, F], id="exactly at 95"),
        pytest.param(94, 8, [T, F, F], id="below 95"),
        pytest.param(89, 8, [T, T, F], id="below 90"),
        pytest.param(70, 0, [T, T, T], id="below all"),
    ],
)
def test_each_threshold_is_an_alarm_with_a_band(percent: int, tenths: int, holds: list[bool | None]) -> None:
    sightings = low(seen(percent, tenths=tenths))
    assert [one.holds for one in sightings] == holds
    assert [one.subject for one in sightings] == ["alpha-1.95%", "alpha-1.90%", "alpha-1.80%"]
    assert {one.subject for one in sightings} == watched_subjects("alpha-1", MASS_RATE)


@pytest.mark.parametrize(
    ("percent", "tenths", "holds"),
    [
        pytest.param(96, 4, [F, F, F], id="far above all"),
        pytest.param(96, 3, [N, F, F], id="within the band"),
        pytest.param(95, 9, [N, F, F], id="exactly a per cent above"),
        pytest.param(95, 8, [T, F, F], id="near 95"),
        pytest.param(94, 9, [T, F, F], id="exactly at 95"),
        pytest.param(94, 8, [F, F, F], id="below it the other alarm stands"),
        pytest.param(90, 3, [F, T, F], id="near 90"),
    ],
)
def test_a_threshold_that_is_near_is_an_alarm_before_it(
    percent: int, tenths: int, holds: list[bool | None]
) -> None:
    sightings = low(seen(percent, tenths=tenths), "availability.falling")
    assert [one.holds for one in sightings] == holds
    assert {one.subject for one in sightings} == watched_subjects("alpha-1", MASS_RATE)
    assert "is near; the next missing hour is stated as " in sightings[0].text


def test_an_alarm_names_the_price_of_the_next_missing_hour() -> None:
    (*_, last) = low(seen(70))
    assert last.text == (
        "70.1 % of the last operating hours were quality-assured, less than 80 %; "
        "the next missing hour is stated as 9.000 kg"
    )
    (first, *_) = low(seen(70, substitutes=False))
    assert "no rules put a mass in its place" in first.text
    assert RULES["availability.low"].priority is Priority.MEDIUM


def test_a_young_monitor_and_one_that_nobody_has_looked_at_raise_nothing() -> None:
    assert {one.holds for one in availability_sightings("alpha-1", seen(50, young=True))} == {False}
    assert list(availability_sightings("alpha-1", None)) == []


async def test_after_every_hour_it_is_computed_anew(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        assert unit.pipeline.missing_data.outlook is None
        await remember(unit.history, 3_000)
        await unit.measure(1)
        told = unit.pipeline.missing_data.outlook
        assert told is not None
        assert (told.as_dict()["percent"], told.price_g) == ("100.0", RATE)
        await unit.measure(61, nox_ppm=None)
        told = unit.pipeline.missing_data.outlook
        assert told is not None
        assert json.loads(json.dumps(told.as_dict())) == {
            "percent": "100.0",
            "qa_hours": 3_000,
            "operating_hours": 3_001,
            "initial": False,
            "next_gap_hour_g": RATE,
            "next_gap_hour_method": "11",
        }
