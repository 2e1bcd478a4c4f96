"""Emission limits from the file to the alarms: refused, described, and watched on a running unit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.gateway_status import _limits
from doxedge.gateway.limit_sightings import limit_sightings, limited_subjects, limits_as_dicts
from doxedge.gateway.plant import describe
from doxedge.measurement.alarms import Sighting
from doxedge.quantity import HOUR_MS
from tests.gateway.unit_bench import bench, plan
from tests.ledger.channels import START_MS

PERMIT = """
[[unit.emission_limit]]
name = "permit"
mg_per_m3 = 220
o2_reference_percent = 6
"""
MASS = '\n[[unit.emission_limit]]\nname = "mass"\nkg_per_h = 15\n'
O2 = Decimal(6)


def seen(found: list[Sighting]) -> dict[tuple[str, str], bool | None]:
    return {(one.code, one.subject): one.holds for one in found}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('name = "a"', "either mg_per_m3 or kg_per_h"),
        ('name = "a"\nkg_per_h = 1\nmg_per_m3 = 1', "either mg_per_m3 or kg_per_h"),
        ('name = "a"\nmg_per_m3 = 0', "emission_limit"),
        ('name = "a"\nmg_per_m3 = 1\no2_reference_percent = 20.95', "emission_limit"),
        ('name = "A limit"\nmg_per_m3 = 1', "emission_limit"),
        ('name = "a"\nmg_per_m3 = 1\no2_reference_percent = 3\no2 = "oxygen"', "nothing delivers oxygen"),
        ('name = "a"\nmg_per_m3 = 1\n[[unit.emission_limit]]\nname = "a"\nmg_per_m3 = 2', "the same name"),
    ],
)
def test_a_limit_that_cannot_be_watched_is_refused(lines: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan(lines=f"\n[[unit.emission_limit]]\n{lines}\n", oxygen=True)


def test_a_limit_is_told_in_words_and_is_under_the_hash_of_the_rules() -> None:
    limited = plan(lines=PERMIT + MASS, oxygen=True)
    told = "\n".join(describe((limited,)))
    assert "limit permit: averages of 60 min are held against 220 mg/m3 at 6 % O2" in told
    assert "limit mass: averages of 60 min are held against 15000 g/h" in told
    assert limited.rules_hash != plan(oxygen=True).rules_hash
    european = plan(lines='rule_set = "eu"\naveraging_minutes = 30\n' + PERMIT, oxygen=True)
    assert "averages of 30 min, less 20 % of the limit, are held against 220 mg/m3" in "\n".join(
        describe((european,))
    )
    assert european.emission_limits[0].standard.o2_air == 21
    assert limited.emission_limits[0].standard.o2_air == Decimal("20.9")
    assert limited_subjects("alpha-1", limited.emission_limits, limited.hour.stacks) == {
        "alpha-1.permit",
        "alpha-1.mass",
    }


async def test_an_average_is_foretold_then_told(tmp_path: Path) -> None:
    """100 ppm are 205 mg/m3, 150 ppm 308: the hour goes beyond 220 in its course."""
    async with bench(tmp_path, planned=plan(lines=PERMIT + MASS, oxygen=True)) as unit:
        assert seen([*limit_sightings("alpha-1", unit.pipeline.limit_courses())]) == dict.fromkeys(
            [("limit.predicted", "alpha-1.permit"), ("limit.exceeded", "alpha-1.permit"),
             ("limit.predicted", "alpha-1.mass"), ("limit.exceeded", "alpha-1.mass")]
        )  # fmt: skip
        await unit.measure(30, o2_percent=O2)
        found = seen([*limit_sightings("alpha-1", unit.pipeline.limit_courses())])
        assert found["limit.predicted", "alpha-1.permit"] is False
        assert found["limit.predicted", "alpha-1.mass"] is False
        await unit.measure(6, nox_ppm=Decimal(150), o2_percent=O2)
        permit, mass = unit.pipeline.limit_courses()
        assert permit.projected == pytest.approx(
            Decimal("205.25") * (30 + Decimal("1.5") * 30) / 60, rel=Decimal("0.0001")
        )
        (dumped, _) = limits_as_dicts([permit, mass])
        assert (dumped["limit"], dumped["minutes_valid"], dumped["average"]) == ("permit", 36, "222.4")
        found = seen([*limit_sightings("alpha-1", unit.pipeline.limit_courses())])
        assert found["limit.predicted", "alpha-1.permit"] is True
        assert found["limit.exceeded", "alpha-1.permit"] is None
        await unit.measure(26, nox_ppm=Decimal(150), o2_percent=O2)
        sightings = [*limit_sightings("alpha-1", unit.pipeline.limit_courses())]
        assert seen(sightings)["limit.exceeded", "alpha-1.permit"] is True
        (told,) = [
            one.text for one in sightings if (one.code, one.subject) == ("limit.exceeded", "alpha-1.permit")
        ]
        assert (
            told == "the average from 00:00 UTC on is 256.6 of 220.0 mg/m3"
            or " UTC on is 256.6 of 220.0" in told
        )
        await unit.measure(62, nox_ppm=Decimal(90), o2_percent=O2)
        assert (
            seen([*limit_sightings("alpha-1", unit.pipeline.limit_courses())])[
                "limit.exceeded", "alpha-1.permit"
            ]
            is False
        )


async def test_half_hours_are_judged_by_themselves_and_a_restart_goes_on(tmp_path: Path) -> None:
    planned = plan(lines='rule_set = "eu"\naveraging_minutes = 30\n' + PERMIT, oxygen=True)
    async with bench(tmp_path, planned=planned) as unit:
        await unit.measure(30, nox_ppm=Decimal(140), o2_percent=O2)
        await unit.measure(12, nox_ppm=Decimal(100), o2_percent=O2)
        clock = unit.clock
    async with bench(tmp_path, planned=planned, clock=clock) as unit:
        (course,) = unit.pipeline.limit_courses()
        assert (course.start_ms, course.last_start_ms) == (START_MS + HOUR_MS // 2, START_MS)
        # 287.35 mg/m3 less a fifth of 220; the half hour that runs has 205.25 less the same.
        assert course.last == pytest.approx(Decimal("243.35"), rel=Decimal("0.0001"))
        assert course.average == pytest.approx(Decimal("161.25"), rel=Decimal("0.0001"))
        rows = _limits([{"unit": "alpha-1", "limits": limits_as_dicts([course])}])[0].rows
        assert rows[0][:3] == ["alpha-1", "permit", "220 mg/m3"]
        assert rows[0][-1].startswith("243.4 from ")


async def test_gas_that_is_nearly_air_says_nothing_of_a_limit(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=plan(lines=PERMIT, oxygen=True)) as unit:
        await unit.measure(20, o2_percent=Decimal("20.8"))
        (course,) = unit.pipeline.limit_courses()
        assert (course.minutes_valid, course.average, course.projected) == (0, None, None)
