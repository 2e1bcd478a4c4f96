"""Each rule set decides by its own text and puts its own name on the hour."""

from dataclasses import replace

import pytest

from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings, HourGap, HourRecord
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.rule_sets import RULE_SETS
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import G_PER_H, HOUR, polls, reading, settings, stack

END = HOUR + HOUR_MS
LATER = END + 90_000


def closed(
    rule_set: str,
    *,
    measured: tuple[int, int] = (0, 60),
    running: tuple[int, int] = (0, 60),
    failed_check: bool = False,
) -> HourRecord | HourGap:
    """The hour of a unit that ran and was measured between these minutes."""
    operating = OperatingSettings(on_above=1000, off_below=1000, hold_ms=2 * HOUR_MS)  # type: ignore[arg-type]
    made = replace(settings(operating=operating), rule_set=rule_set)
    assembler = HourAssembler(made, start_ms=HOUR)
    for at_ms in polls(HOUR, END):
        minute = (at_ms - HOUR) / MINUTE_MS
        watts = 5000 if running[0] <= minute < running[1] else 0
        assembler.add([reading("power_w", watts, at_ms, device="meter")])
        if measured[0] <= minute < measured[1]:
            assembler.add(stack(at_ms))
    if failed_check:
        assembler.calibration(HOUR + MINUTE_MS, passed=False)
    (result,) = assembler.close(LATER)
    return result


def test_the_name_on_the_hour_has_its_version_and_the_clause_its_text() -> None:
    told = {}
    for name in RULE_SETS:
        record = closed(name)
        assert isinstance(record, HourRecord)
        told[record.rule_set] = record.clause
        assert (record.nox_g, record.quality) == (G_PER_H, "valid")
    assert told == {
        "us60/1": "60.13(h)(2)(i)",
        "alberta/1": "Alberta CEMS Code 2021, as 60.13(h)(2)(i)",
        "eu/1": "EN 17255-1, 2/3 of 60 min",
    }


def test_forty_minutes_in_a_row_are_an_hour_in_europe_and_a_gap_where_quarters_count() -> None:
    assert isinstance(closed("us60", measured=(0, 40)), HourGap)
    assert isinstance(closed("alberta", measured=(0, 40)), HourGap)
    record = closed("eu", measured=(0, 40))
    assert isinstance(record, HourRecord)
    assert (record.quality, record.nox_g) == ("extrapolated", G_PER_H)
    gap = closed("eu", measured=(0, 39))
    assert isinstance(gap, HourGap)
    assert (gap.cause, gap.clause) == ("too_few_points", "EN 17255-1, 2/3 of 60 min: 39 min valid of 40")


def test_a_point_in_each_quarter_is_an_hour_in_america_and_a_gap_in_europe() -> None:
    assert isinstance(closed("us60", measured=(14, 46)), HourRecord)
    assert isinstance(closed("eu", measured=(14, 46)), HourGap)


def test_a_start_up_keeps_its_mass_and_has_a_class_of_its_own() -> None:
    record = closed("eu", running=(30, 60))
    assert isinstance(record, HourRecord)
    assert (record.quality, record.operating_percent) == ("start_stop", 50)
    assert record.clause == "EN 17255-1, 2/3 of 60 min: start-up or shut-down"
    assert abs(record.nox_g - G_PER_H // 2) <= G_PER_H // 700
    assert record.remarks == ()
    scaled = closed("eu", running=(30, 60), measured=(38, 60))
    assert isinstance(scaled, HourRecord)
    assert (scaled.quality, scaled.remarks) == ("start_stop", ("nox_g:extrapolated",))
    assert scaled.nox_g == record.nox_g
    assert isinstance(closed("eu", running=(30, 60), measured=(50, 60)), HourGap)


def test_a_standstill_is_an_hour_of_zero_under_every_rule_set() -> None:
    for name in RULE_SETS:
        record = closed(name, running=(0, 0), measured=(0, 0))
        assert isinstance(record, HourRecord)
        assert (record.nox_g, record.clause, record.quality) == (0, "not operating", "valid")


@pytest.mark.parametrize("name", RULE_SETS)
def test_a_failed_calibration_leaves_a_gap_that_says_so(name: str) -> None:
    gap = closed(name, failed_check=True)
    assert isinstance(gap, HourGap)
    assert gap.cause == "calibration_failed"


def test_settings_that_no_rule_set_has_are_refused() -> None:
    emission = EmissionSettings(concentration_basis=Basis.DRY, flow_basis=FlowBasis.NORMAL_DRY)
    with pytest.raises(ValueError, match="rule_set: 'us30' is not known; known are alberta, eu, us60"):
        HourSettings(unit="u", emission=emission, rule_set="us30")
    with pytest.raises(ValueError, match="averaging_minutes: us60 judges whole hours"):
        HourSettings(unit="u", emission=emission, averaging_minutes=30)
    with pytest.raises(ValueError, match="averaging_minutes: 20 is not 30 or 60"):
        HourSettings(unit="u", emission=emission, rule_set="eu", averaging_minutes=20)
