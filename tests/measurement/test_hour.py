"""Readings in, hours out: the usual day."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings, HourGap, HourRecord
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour import HourAssembler, HourSettings, Placed
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS, MINUTE_MS, SECOND_MS
from tests.measurement.readings import G_PER_H, HOUR, POLL_MS, polls, reading, settings, stack

GRACE_MS = 90 * SECOND_MS
END = HOUR + HOUR_MS
POWER = OperatingSettings(on_above=Decimal(1_000_000), off_below=Decimal(500_000))


def fill(assembler: HourAssembler, start_ms: int, end_ms: int, *, reason: Reason = Reason.NONE) -> None:
    for at_ms in polls(start_ms, end_ms):
        bad = reason is not Reason.NONE
        assert assembler.add(stack(at_ms, ppb=None if bad else 100_000, reason=reason)) is Placed.OPEN


def power(assembler: HourAssembler, start_ms: int, end_ms: int, watts: int) -> None:
    for at_ms in polls(start_ms, end_ms):
        assembler.add([reading("power_w", watts, at_ms, device="meter")])


def only_record(closed: Iterable[HourRecord | HourGap]) -> HourRecord:
    (record,) = closed
    assert isinstance(record, HourRecord)
    return record


def only_gap(closed: Iterable[HourRecord | HourGap]) -> HourGap:
    (gap,) = closed
    assert isinstance(gap, HourGap)
    return gap


def minute(number: float) -> int:
    return HOUR + round(number * MINUTE_MS)


def test_a_full_hour_closes_once_at_its_end_and_grace() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, END)
    assert assembler.close(END + GRACE_MS - 1) == ()
    record = only_record(assembler.close(END + GRACE_MS))
    assert record == HourRecord(
        unit="unit-1",
        start_ms=HOUR,
        rule_set="us60/1",
        operating_percent=100,
        nox_g=record.nox_g,
        energy_wh=record.energy_wh,
        quality="valid",
        clause="60.13(h)(2)(i)",
        method_code="01",
        minutes_valid=60,
        samples=720,
        energy_quality="unmetered",
    )
    assert (record.nox_g, record.energy_wh) == (G_PER_H, 0)
    assert assembler.close(END + GRACE_MS) == ()


def test_a_missing_minute_is_extrapolated_and_an_empty_quadrant_is_a_gap_without_a_mass() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, minute(50))
    fill(assembler, END, END + 45 * MINUTE_MS)
    record, gap = assembler.close(END + HOUR_MS + GRACE_MS)
    assert isinstance(record, HourRecord)
    assert (record.quality, record.minutes_valid, record.nox_g) == ("extrapolated", 50, G_PER_H)
    assert isinstance(gap, HourGap)
    assert (gap.cause, gap.clause, gap.minutes_valid) == ("too_few_points", "60.13(h)(2)(i)", 45)
    assert (gap.from_ms, gap.to_ms) == (END, END + HOUR_MS)
    assert not hasattr(gap, "nox_g")


def test_a_partial_hour_counts_the_time_in_operation_only() -> None:
    assembler = HourAssembler(settings(operating=POWER), start_ms=HOUR)
    power(assembler, HOUR, minute(20), 0)
    power(assembler, minute(20), minute(55), 10_000_000)
    power(assembler, minute(55), END + MINUTE_MS, 0)
    fill(assembler, HOUR, END)
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.clause, record.operating_percent, record.minutes_valid) == ("60.13(h)(2)(ii)", 58, 35)
    assert record.nox_g == 11_973  # 20,525 x 35 / 60 = 11,972.9
    assert record.quality == "valid"


def test_a_unit_that_ran_for_forty_seconds_has_a_mass_and_one_percent() -> None:
    assembler = HourAssembler(settings(operating=POWER), start_ms=HOUR)
    power(assembler, HOUR, minute(30), 0)
    power(assembler, minute(30), minute(30) + 40_000, 10_000_000)
    power(assembler, minute(30) + 40_000, END + MINUTE_MS, 0)
    fill(assembler, HOUR, END)
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.operating_percent, record.minutes_valid, record.nox_g) == (1, 1, 228)


def test_a_unit_that_stands_still_all_hour_has_a_record_of_zero_and_needs_no_analyser() -> None:
    assembler = HourAssembler(settings(operating=POWER), start_ms=HOUR)
    power(assembler, HOUR, END + MINUTE_MS, 0)
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.clause, record.operating_percent, record.nox_g) == ("not operating", 0, 0)
    assert (record.quality, record.method_code, record.minutes_valid) == ("valid", "01", 0)


def test_a_lost_operating_signal_hides_nothing_and_is_remarked() -> None:
    assembler = HourAssembler(settings(operating=POWER), start_ms=HOUR)
    fill(assembler, HOUR, END)
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.nox_g, record.operating_percent, record.remarks) == (G_PER_H, 100, ("power_w:assumed",))


def test_zero_gas_makes_it_a_check_hour_and_stays_out_of_the_mass() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, minute(20))
    fill(assembler, minute(20), minute(40), reason=Reason.ZERO)
    fill(assembler, minute(40), END)
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.clause, record.quality) == ("60.13(h)(2)(iii)(A)", "extrapolated")
    assert (record.minutes_valid, record.nox_g) == (40, G_PER_H)


@pytest.mark.parametrize(
    ("reason", "clause"),
    [
        (Reason.MAINTENANCE, "60.13(h)(2)(iii)(A)"),
        (Reason.SPAN, "60.13(h)(2)(iii)(A)"),
        (Reason.DEVICE_FAULT, None),
    ],
)
def test_a_flow_monitor_that_is_looked_after_makes_it_a_check_hour_too(
    reason: Reason, clause: str | None
) -> None:
    """Its quarter of the hour has no point, and needs none; a fault is no quality assurance."""
    assembler = HourAssembler(settings(), start_ms=HOUR)
    for at_ms in polls(HOUR, END):
        nox, flow = stack(at_ms)
        if minute(15) <= at_ms < minute(30):
            flow = replace(flow, quality=Quality.BAD, reason=reason)
        assembler.add([nox, flow])
    (closed,) = assembler.close(END + GRACE_MS)
    assert isinstance(closed, HourGap if clause is None else HourRecord)
    assert closed.clause == (clause or "60.13(h)(2)(i)")
    assert closed.minutes_valid == 45


def test_a_check_while_the_unit_stands_does_not_make_a_check_hour() -> None:
    assembler = HourAssembler(settings(operating=POWER), start_ms=HOUR)
    power(assembler, HOUR, minute(15), 0)
    power(assembler, minute(15), END + MINUTE_MS, 10_000_000)
    fill(assembler, HOUR, minute(10), reason=Reason.SPAN)
    fill(assembler, minute(10), END)
    assert only_record(assembler.close(END + GRACE_MS)).clause == "60.13(h)(2)(ii)"


def test_a_failed_calibration_leaves_only_what_came_after_the_pass() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    for at_ms in polls(HOUR, END):
        assembler.add(stack(at_ms, ppb=900_000 if at_ms < minute(30) else 100_000))
    assembler.calibration(minute(5), passed=False)
    assembler.calibration(minute(30), passed=True)
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.clause, record.minutes_valid, record.quality) == ("60.13(h)(2)(iv)", 30, "extrapolated")
    assert record.nox_g == G_PER_H


def test_a_failed_calibration_without_a_pass_makes_a_gap() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, END)
    assembler.calibration(minute(5), passed=False)
    gap = only_gap(assembler.close(END + GRACE_MS))
    assert (gap.cause, gap.clause, gap.samples) == ("calibration_failed", "60.13(h)(2)(iv)", 720)


def test_a_negative_hour_is_zero_with_its_method_code() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    for at_ms in polls(HOUR, END):
        assembler.add(stack(at_ms, ppb=-100))
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.nox_g, record.method_code, record.quality) == (0, "21", "valid")


def test_a_sample_on_the_full_hour_belongs_to_the_hour_that_begins() -> None:
    assembler = HourAssembler(settings(coverage_percent=1), start_ms=HOUR)
    for at_ms in (minute(0), minute(15), minute(30), minute(45), END):
        assembler.add(stack(at_ms))
    record, gap = assembler.close(END + HOUR_MS + GRACE_MS)
    assert isinstance(record, HourRecord)
    assert isinstance(gap, HourGap)
    assert (record.samples, gap.samples) == (4, 1)


def test_what_is_not_needed_for_the_mass_counts_as_a_sample_and_nothing_more() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, END)
    for at_ms in polls(HOUR, END):
        assert assembler.add([reading("o2_percent", 5, at_ms, device="oxygen")]) is Placed.OPEN
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.nox_g, record.samples) == (G_PER_H, 1440)


def test_a_second_device_with_the_same_quantity_is_not_mixed_in() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, minute(1))
    assert assembler.add([reading("nox_ppb", 900_000, minute(0.5), device="other")]) is Placed.IGNORED
    assert assembler.counters.foreign == 1
    fill(assembler, minute(1), END)
    assert only_record(assembler.close(END + GRACE_MS)).nox_g == G_PER_H


def test_a_sample_without_values_is_ignored() -> None:
    assert HourAssembler(settings(), start_ms=HOUR).add([]) is Placed.IGNORED


MOIST = HourSettings(
    unit="unit-1",
    emission=EmissionSettings(concentration_basis=Basis.DRY, flow_basis=FlowBasis.NORMAL_WET),
    poll_period_ms={"moisture_percent": MINUTE_MS},
)


def moisture(at_ms: int, value: int | None = 20) -> list[Reading]:
    uncertain = Quality.UNCERTAIN if value is not None else Quality.BAD
    reason = Reason.DEFAULT if value is not None else Reason.COMMS
    return [reading("moisture_percent", value, at_ms, device="constants", quality=uncertain, reason=reason)]


def test_a_moisture_that_comes_once_a_minute_bridges_a_missed_poll_and_marks_the_hour() -> None:
    assembler = HourAssembler(MOIST, start_ms=HOUR)
    fill(assembler, HOUR, END)
    for number in range(0, 60, 2):
        assembler.add(moisture(minute(number) + 3))
    record = only_record(assembler.close(END + GRACE_MS))
    assert (record.quality, record.minutes_valid) == ("valid", 60)
    assert (record.nox_g, record.remarks) == (G_PER_H * 80 // 100, ("moisture_percent:default",))


def test_a_moisture_stands_over_the_border_of_the_hour() -> None:
    assembler = HourAssembler(MOIST, start_ms=HOUR)
    fill(assembler, HOUR, END + HOUR_MS)
    for number in range(120):
        if number != 60:
            assembler.add(moisture(minute(number)))
    assert [h.minutes_valid for h in assembler.close(END + HOUR_MS + GRACE_MS)] == [60, 60]


def test_a_slow_value_that_turned_bad_or_is_gone_for_long_does_not_stand() -> None:
    assembler = HourAssembler(MOIST, start_ms=HOUR)
    fill(assembler, HOUR, END)
    for number in range(60):
        if not 20 <= number < 30:
            assembler.add(moisture(minute(number), None if number == 40 else 20))
    record = only_record(assembler.close(END + GRACE_MS))
    # Minutes 22 to 29 are gone (two polls are bridged), and minute 40 is bad at once.
    assert (record.minutes_valid, record.quality) == (51, "extrapolated")


def test_energy_goes_with_its_hour_and_with_a_gap_too() -> None:
    metered = HourSettings(
        unit="unit-1",
        emission=settings().emission,
        energy=EnergySettings(),
    )
    assembler = HourAssembler(metered, start_ms=HOUR)
    for at_ms in polls(HOUR, END + HOUR_MS + 2 * POLL_MS):
        if at_ms < END:
            assembler.add(stack(at_ms))
        counted = (at_ms - HOUR) // SECOND_MS * 10
        meter = [
            reading("energy_wh", counted, at_ms, device="meter"),
            reading("power_w", 36_000, at_ms, device="meter"),
        ]
        assembler.add(meter)
    record, gap = assembler.close(END + HOUR_MS + GRACE_MS)
    assert (record.energy_wh, record.energy_quality) == (36_000, "metered")
    assert isinstance(gap, HourGap)
    assert (gap.energy_wh, gap.energy_quality) == (36_000, "metered")


def test_the_running_hour_shows_what_is_there_and_what_is_missing() -> None:
    assembler = HourAssembler(settings(), start_ms=HOUR)
    fill(assembler, HOUR, minute(10))
    running = assembler.preview(minute(10))
    assert (running.minutes_elapsed, running.minutes_valid, running.quadrants_empty) == (10, 10, ())
    assert running.nox_g == 3_421  # a sixth of 20,525
    later = assembler.preview(minute(20))
    assert (later.minutes_operating, later.minutes_valid, later.quadrants_empty) == (20, 10, (1,))
    fill(assembler, minute(10), minute(20))
    assert assembler.preview(minute(20)).minutes_valid == 20
    assert assembler.preview(END).minutes_elapsed == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rule_set": "us61"}, "rule_set: 'us61' is not known; known are alberta, eu, us60"),
        ({"coverage_percent": 0}, "coverage_percent: 0"),
        ({"coverage_percent": 101}, "coverage_percent: 101"),
        ({"grace_ms": -1}, "grace_ms: -1"),
        ({"keep_closed_hours": 0}, "at least one hour"),
        ({"max_gap_hours": 0}, "at least one hour"),
        ({"default_poll_period_ms": 0}, "0 ms for default"),
        ({"poll_period_ms": {"nox_ppb": -5}}, "-5 ms for nox_ppb"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HourSettings(unit="unit-1", emission=settings().emission, **wrong)  # type: ignore[arg-type]


COARSE_MS = 15 * SECOND_MS
COARSE = HourSettings(unit="unit-1", emission=settings().emission, default_poll_period_ms=COARSE_MS)


def coarse_hour(instants: Iterable[int]) -> HourRecord | HourGap:
    assembler = HourAssembler(COARSE, start_ms=HOUR)
    for at_ms in instants:
        assembler.add(stack(at_ms, ppb=1_000 * (at_ms % 97)))
    (closed,) = assembler.close(END + GRACE_MS)
    return closed


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.data(), st.sets(st.integers(0, 239), max_size=80))
def test_the_hour_does_not_depend_on_the_order_in_which_its_samples_come(
    data: st.DataObject, lost: set[int]
) -> None:
    instants = [at_ms for n, at_ms in enumerate(polls(HOUR, END, COARSE_MS)) if n not in lost]
    assert coarse_hour(data.draw(st.permutations(instants))) == coarse_hour(instants)


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 239), min_size=1, max_size=239))
def test_an_hour_is_a_record_or_a_gap_and_more_samples_never_turn_a_record_into_a_gap(kept: set[int]) -> None:
    instants = list(polls(HOUR, END, COARSE_MS))
    closed = coarse_hour(instants[n] for n in sorted(kept))
    if isinstance(closed, HourRecord):
        more = sorted(kept | set(range(0, 240, 3)))
        assert isinstance(coarse_hour(instants[n] for n in more), HourRecord)
        assert closed.nox_g >= 0
