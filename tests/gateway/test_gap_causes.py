"""A gap says what was missing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from doxedge.gateway.gap_causes import HOURS_MAX, GapCauses
from doxedge.measurement.emission import HourGap
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS, WattHours

NEEDED = frozenset({"nox_ppb", "flow_m3_per_h"})


def bad(quantity: str, at_ms: int, reason: Reason) -> Reading:
    return Reading("u.d", quantity, at_ms, Decimal(1), Quality.BAD, reason)


def gap(from_ms: int = 0, to_ms: int = HOUR_MS) -> HourGap:
    return HourGap("u", from_ms, to_ms, "too_few_points", "", 100, 0, 0, WattHours(0), "metered")


def test_the_most_frequent_reason_of_its_hours_is_named() -> None:
    causes = GapCauses(NEEDED)
    for at_ms in range(0, 10_000, 1_000):
        causes.note(bad("nox_ppb", at_ms, Reason.COMMS))
    causes.note(bad("flow_m3_per_h", 0, Reason.NAN))
    for _ in range(50):
        causes.note(bad("nox_ppb", HOUR_MS, Reason.SPAN))
        causes.note(bad("o2_percent", 0, Reason.NAN))
    assert causes.cause(gap()) == "too_few_points:nox_ppb:comms"
    assert causes.cause(gap(HOUR_MS, 3 * HOUR_MS)) == "too_few_points:nox_ppb:span"


def test_of_equals_always_the_same_is_named() -> None:
    first, second = GapCauses(NEEDED), GapCauses(NEEDED)
    readings = [bad("nox_ppb", 0, Reason.COMMS), bad("flow_m3_per_h", 0, Reason.COMMS)]
    for reading in readings:
        first.note(reading)
    for reading in reversed(readings):
        second.note(reading)
    assert first.cause(gap()) == second.cause(gap()) == "too_few_points:flow_m3_per_h:comms"


def test_a_gap_without_bad_readings_keeps_its_plain_cause() -> None:
    assert GapCauses(NEEDED).cause(gap()) == "too_few_points"


def test_what_is_remembered_is_bounded() -> None:
    causes = GapCauses(NEEDED)
    for hour in range(3 * HOURS_MAX):
        causes.note(bad("nox_ppb", hour * HOUR_MS, Reason.COMMS))
    assert causes.cause(gap()) == "too_few_points"
    last_ms = (3 * HOURS_MAX - 1) * HOUR_MS
    assert causes.cause(gap(last_ms, last_ms + HOUR_MS)) == "too_few_points:nox_ppb:comms"


def test_the_clause_that_decided_is_told_after_the_cause() -> None:
    judged = replace(gap(), clause="60.13(h)(2)(i)")
    assert GapCauses(NEEDED).cause(judged) == "too_few_points; 60.13(h)(2)(i)"
