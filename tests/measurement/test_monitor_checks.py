"""A failed check takes away what its own monitor measured, and decides the hour only where nothing stood in for it."""

from dataclasses import replace

import pytest

from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.hour_settings import backup_name
from doxedge.measurement.monitor_checks import EVERYTHING, MonitorChecks
from doxedge.measurement.validity import CalibrationCheck
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import FLOW_M3_PER_H, G_PER_H, HOUR, reading, settings

NOX, SPARE = "nox_ppb", backup_name("nox_ppb")
POLL_MS = 20_000


def measured(
    *checks: tuple[str, int, bool],
    spare: range = range(60),
    rule_set: str = "us60",
    backups: frozenset[str] = frozenset({NOX}),
) -> HourRecord | HourGap:
    """An hour of 300 ppm by the first and of 100 ppm by its backup. `checks`: quantity, minute, passed."""
    made = replace(
        settings(), backups=backups, default_poll_period_ms=POLL_MS, coverage_percent=100, rule_set=rule_set
    )
    assembler = HourAssembler(made, start_ms=HOUR)
    for at_ms in range(HOUR, HOUR + HOUR_MS, POLL_MS):
        assembler.add([reading("flow_m3_per_h", FLOW_M3_PER_H, at_ms, device="flow")])
        assembler.add([reading(NOX, 300_000, at_ms, device="one")])
        if (at_ms - HOUR) // MINUTE_MS in spare:
            assembler.add([reading(SPARE, 100_000, at_ms, device="two")])
    for quantity, minute, passed in checks:
        assembler.calibration(HOUR + minute * MINUTE_MS, passed=passed, quantity=quantity)
    (result,) = assembler.close(HOUR + HOUR_MS + 90_000)
    return result


def hour(result: HourRecord | HourGap) -> HourRecord:
    assert isinstance(result, HourRecord), result
    return result


def gap(result: HourRecord | HourGap) -> HourGap:
    assert isinstance(result, HourGap), result
    return result


@pytest.mark.parametrize("rule_set", ["us60", "eu", "alberta"])
def test_a_sound_backup_makes_the_hour_in_which_the_first_failed(rule_set: str) -> None:
    record = hour(measured((NOX, 5, False), rule_set=rule_set))
    assert (record.nox_g, record.method_code, record.minutes_valid) == (G_PER_H, "02", 60)
    assert record.remarks == ("backup_minutes:60", "nox_ppb:calibration_failed")
    assert record.quality == "valid"


def test_the_clause_is_that_of_an_hour_with_quality_assurance() -> None:
    assert hour(measured((NOX, 5, False))).clause == "60.13(h)(2)(iii)(A)"


def test_after_a_pass_the_first_counts_again() -> None:
    record = hour(measured((NOX, 5, False), (NOX, 30, True)))
    assert record.nox_g == 2 * G_PER_H
    assert record.remarks == ("backup_minutes:30", "nox_ppb:calibration_failed")


def test_the_pass_of_another_monitor_makes_nothing_of_the_first_count_again() -> None:
    failed = measured((NOX, 5, False), ("flow_m3_per_h", 30, True), backups=frozenset())
    assert (gap(failed).cause, gap(failed).clause) == ("calibration_failed", "60.13(h)(2)(iv)")


def test_a_backup_that_failed_as_well_stands_in_for_nothing() -> None:
    found = gap(measured((NOX, 5, False), (SPARE, 40, False)))
    assert (found.cause, found.clause, found.minutes_valid) == ("calibration_failed", "60.13(h)(2)(iv)", 0)


def test_a_backup_that_failed_while_the_first_was_sound_changes_nothing_but_the_clause() -> None:
    record = hour(measured((SPARE, 40, False)))
    assert (record.nox_g, record.method_code, record.remarks) == (3 * G_PER_H, "01", ())
    assert record.clause == "60.13(h)(2)(iii)(A)"


def test_a_backup_that_was_there_too_short_leaves_a_gap_that_names_the_check() -> None:
    found = gap(measured((NOX, 5, False), spare=range(10)))
    assert (found.cause, found.minutes_valid) == ("calibration_failed", 10)


def test_a_backup_that_was_not_there_leaves_the_hour_to_what_came_after_the_pass() -> None:
    record = hour(measured((NOX, 5, False), (NOX, 30, True), spare=range(0)))
    assert (record.clause, record.minutes_valid, record.method_code) == ("60.13(h)(2)(iv)", 30, "01")


def test_two_failed_monitors_wait_for_the_later_pass() -> None:
    checks = MonitorChecks(HOUR)
    for quantity, minute, passed in ((NOX, 5, False), (NOX, 10, True), ("o2", 7, False), ("o2", 20, True)):
        checks.add(CalibrationCheck(HOUR + minute * MINUTE_MS, passed), quantity)
    assert [one.at_ms - HOUR for one in checks.deciding([NOX, "o2"])] == [7 * MINUTE_MS, 20 * MINUTE_MS]
    assert checks.deciding(["flow"]) == []
    checks.add(CalibrationCheck(HOUR + 30 * MINUTE_MS, False))
    assert checks.usable_from_ms(EVERYTHING) == HOUR + HOUR_MS
    assert [one.at_ms - HOUR for one in checks.deciding([NOX])] == [30 * MINUTE_MS]
