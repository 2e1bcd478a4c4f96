"""What a site states of its values goes before the register map's limits, and into the hash of the rules."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.quality import Assessor
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.gateway.plant_settings import settings_text


def planned(limits: str = "") -> PlannedUnit:
    (unit,) = plan_units(
        parse_settings(settings_text(unit=limits), source="g.toml"), source="g.toml", clock=RealClock()
    )
    return unit


def samples(*values: str, every_ms: int = MINUTE_MS) -> list[Sample]:
    return [
        Sample("north-1.analyser", n * every_ms, n * every_ms * 10**6, {"nox_ppb": Decimal(value)})
        for n, value in enumerate(values)
    ]


def judged(unit: PlannedUnit, given: list[Sample]) -> list[tuple[Quality, Reason]]:
    assessor = Assessor(unit.assessment)
    return [(reading.quality, reading.reason) for one in given for reading in assessor.assess(one)]


def test_a_jump_that_the_stack_cannot_make_is_bad_where_the_site_says_so() -> None:
    jump = samples("100000", "180000", "181000")

    assert judged(planned(), jump)[1] == (Quality.GOOD, Reason.NONE)
    assert judged(planned("limits.nox_ppb.max_rate_per_min = 50_000"), jump) == [
        (Quality.GOOD, Reason.NONE),
        (Quality.BAD, Reason.RATE),
        (Quality.GOOD, Reason.NONE),
    ]


def test_the_sites_ranges_go_before_the_maps() -> None:
    stated = planned("limits.nox_ppb = { hard_range = [-1_000, 900_000], soft_range = [0, 500_000] }")

    assert judged(stated, samples("450000", "600000", "950000")) == [
        (Quality.GOOD, Reason.NONE),
        (Quality.UNCERTAIN, Reason.RANGE),
        (Quality.BAD, Reason.RANGE),
    ]


def test_what_the_site_leaves_out_is_as_in_the_map() -> None:
    of_map = planned().assessment.limits["nox_ppb"]
    stated = planned("limits.nox_ppb.stuck_minutes = 5").assessment.limits["nox_ppb"]

    assert stated.stuck_ms == 5 * MINUTE_MS != of_map.stuck_ms
    assert (stated.hard_low, stated.hard_high, stated.span) == (
        of_map.hard_low,
        of_map.hard_high,
        of_map.span,
    )
    assert stated.stuck_tolerance == of_map.stuck_tolerance


def test_a_value_may_stand_still_for_ever_where_the_site_says_so() -> None:
    still = samples(*["100000"] * 30, every_ms=HOUR_MS)

    assert judged(planned(), still)[-1] == (Quality.BAD, Reason.STUCK)
    assert judged(planned("limits.nox_ppb.stuck_minutes = 0"), still)[-1] == (Quality.GOOD, Reason.NONE)


def test_limits_are_part_of_the_rules_whatever_their_order() -> None:
    one = "limits.nox_ppb.stuck_minutes = 30\nlimits.flow_m3_per_h.max_rate_per_min = 1_000"
    other = "limits.flow_m3_per_h.max_rate_per_min = 1_000\nlimits.nox_ppb.stuck_minutes = 30"

    assert planned(one).rules_hash == planned(other).rules_hash != planned().rules_hash


@pytest.mark.parametrize(
    ("limits", "path", "reason"),
    [
        ("limits.so2_ppb.stuck_minutes = 5", "unit[0].limits", "so2_ppb: no instrument of this unit delivers it"),
        ("limits.nox_ppb.soft_range = [0, 1e9]", "unit[0].limits", "leaves the hard one"),
        ("limits.nox_ppb.hard_range = [5, 5]", "unit[0].limits.nox_ppb", "5 is not below 5"),
        ("limits.nox_ppb.max_rate_per_min = 0", "max_rate_per_min", "greater than 0"),
        ("limits.nox_ppb.stuck_minutes = -1", "stuck_minutes", "greater than or equal to 0"),
        ("limits.nox_ppb.stuck_minutes = 1_000_000", "stuck_minutes", "less than or equal to 10080"),
        ("limits.nox_ppb.hard_range = [0, 1e99]", "hard_range", "less than or equal to"),
        ("limits.nox_ppb.max_rate = 5", "max_rate", "no such key"),
    ],
)  # fmt: skip
def test_limits_that_cannot_be_are_refused_by_name(limits: str, path: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        planned(limits)
    assert path in str(refused.value)
    assert reason in str(refused.value)
