"""What is checked with gas: read from the file, and refused where it cannot work."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.qa_plan import describe_monitors
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.calibration import Limits
from doxedge.measurement.calibration_run import Gas, Timing
from doxedge.quantity import DAY_MS
from tests.gateway.calibrations import ZERO, calibration_text
from tests.gateway.plant_settings import settings_text


def plan(calibrations: str) -> PlannedUnit:
    settings = parse_settings(settings_text() + calibrations, source="gateway.toml")
    (unit,) = plan_units(settings, source="gateway.toml", clock=RealClock())
    return unit


def test_a_unit_without_a_table_has_no_monitors_and_the_hash_of_its_rules_is_as_it_was() -> None:
    unit = plan("")
    assert unit.monitors == ()
    assert plan(calibration_text()).rules_hash != unit.rules_hash


def test_a_monitor_is_planned_with_its_gases_times_and_defaults() -> None:
    (monitor,) = plan(calibration_text(lines="daily_at = 06:30:00")).monitors
    assert (monitor.unit, monitor.device, monitor.quantity, monitor.reads) == (
        "north-1", "north-1.analyser", "nox_ppb", "nox_ppb",
    )  # fmt: skip
    assert monitor.timing == Timing(180_000, 60_000, 3)
    assert monitor.daily_at_ms == 390 * 60_000
    assert (monitor.driven, monitor.back_to_last_pass, monitor.checks.limits) == (False, False, Limits.DAILY)
    upscale = monitor.checks.cylinders[Gas.UPSCALE]
    assert (upscale.reference, upscale.bottle, upscale.vendor) == (Decimal(400_000), "U-9", "a maker")
    assert upscale.expires_ms == 22_370 * DAY_MS  # 2031-04-01: the last day counts whole
    assert monitor.checks.cylinders[Gas.ZERO].expires_ms is None


@pytest.mark.parametrize(
    ("tables", "key", "reason"),
    [
        (calibration_text("co_ppb"), "calibration[0].quantity", "nothing delivers co_ppb"),
        (calibration_text() + calibration_text(), "calibration[1].quantity", "has a table already"),
        (calibration_text("flow_m3_per_h"), "calibration[0].quantity", "no flags zero and span"),
        (
            calibration_text(lines='reads = "calibration_nox_ppb"'),
            "calibration[0].reads",
            "left out in poll_ms",
        ),
        (calibration_text(lines='reads = "power_w"'), "calibration[0].reads", "comes from north-1.meter"),
        (calibration_text(lines="read_s = 5"), "calibration[0].read_s", "at least 6"),
        (calibration_text(span="350_000", zero=ZERO.replace("0,", "100000,")), "quantity", "zero gas"),
        (calibration_text(span="4_000_000"), "calibration[0].quantity", "upscale gas"),
        (
            calibration_text() + calibration_text("no_ppb", lines='control = "commands"'),
            "calibration",
            "same control",
        ),
        (
            calibration_text("o2_percent", lines='control = "commands"'),
            "calibration[0].quantity",
            "nothing delivers o2_percent",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_what_cannot_work_is_refused_by_name(tables: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plan(tables)
    assert key in refused.value.path
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "wrong",
    [
        calibration_text(span="0"),
        calibration_text(lines="settle_s = -1"),
        calibration_text(lines='limits = "weekly"'),
        calibration_text(lines='daily_at = "25:00"'),
        calibration_text(zero="zero = { reference = 0 }"),
        calibration_text(lines="spam = 1"),
    ],
)
def test_a_table_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="calibration"):
        parse_settings(settings_text() + wrong, source="gateway.toml")


def test_the_plan_says_in_plain_words_how_a_quantity_is_checked() -> None:
    by_hand = describe_monitors(plan(calibration_text()).monitors)
    (told,) = by_hand
    assert told.startswith(
        "nox_ppb does not count without a check that passed: span 500000, zero 0 (bottle Z-1), "
    )
    assert told.endswith(
        "upscale 400000 (bottle U-9), at no fixed time, switched by hand or by the instrument"
    )
    lines = 'daily_at = 06:30:00\ncontrol = "commands"'
    (driven,) = describe_monitors(plan(calibration_text(lines=lines)).monitors)
    assert driven.endswith("daily at 06:30 UTC, switched by the gateway")
