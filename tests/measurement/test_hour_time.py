"""Readings in, hours out: when time does not behave."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.energy import EnergyMark, EnergySettings
from doxedge.measurement.hour import Carry, ClockJump, HourAssembler, HourSettings, Placed
from doxedge.measurement.operating import OperatingSettings
from doxedge.quantity import HOUR_MS, MINUTE_MS, SECOND_MS
from tests.measurement.readings import G_PER_H, HOUR, polls, reading, settings, stack

GRACE_MS = 90 * SECOND_MS
END = HOUR + HOUR_MS
COARSE_MS = 15 * SECOND_MS


def coarse(**more: object) -> HourSettings:
    return HourSettings(
        unit="unit-1",
        emission=settings().emission,
        default_poll_period_ms=COARSE_MS,
        **more,  # type: ignore[arg-type]
    )


def fill(assembler: HourAssembler, start_ms: int, end_ms: int) -> set[Placed]:
    return {assembler.add(stack(at_ms)) for at_ms in polls(start_ms, end_ms, COARSE_MS)}


def minute(number: float) -> int:
    return HOUR + round(number * MINUTE_MS)


def test_hours_without_a_sample_are_one_gap() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, END)
    fill(assembler, END + 3 * HOUR_MS, END + 4 * HOUR_MS)
    first, gap, last = assembler.close(END + 6 * HOUR_MS + GRACE_MS)[:3]
    assert isinstance(first, HourRecord)
    assert isinstance(gap, HourGap)
    assert isinstance(last, HourRecord)
    assert (gap.from_ms, gap.to_ms, gap.cause, gap.clause) == (END, END + 3 * HOUR_MS, "no_data", "")
    assert (gap.samples, gap.minutes_valid) == (0, 0)


def test_closing_hour_by_hour_or_all_at_once_covers_the_same_time() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    covered = []
    for hours in range(1, 6):
        for closed in assembler.close(HOUR + hours * HOUR_MS + GRACE_MS):
            assert isinstance(closed, HourGap)
            covered.append((closed.from_ms, closed.to_ms))
    assert covered == [(HOUR + n * HOUR_MS, HOUR + (n + 1) * HOUR_MS) for n in range(5)]


def test_a_sample_before_the_first_hour_is_early_and_one_far_ahead_is_not_believed() -> None:
    assembler = HourAssembler(coarse(max_gap_hours=24), start_ms=minute(20))
    assert assembler.add(stack(HOUR - 1)) is Placed.EARLY
    assert assembler.add(stack(HOUR)) is Placed.OPEN
    assert assembler.add(stack(HOUR + 24 * HOUR_MS - 1)) is Placed.OPEN
    assert assembler.add(stack(HOUR + 24 * HOUR_MS)) is Placed.AHEAD
    assert (assembler.counters.early, assembler.counters.ahead) == (1, 1)


def test_a_clock_that_jumps_a_year_closes_nothing_and_all_is_well_when_it_comes_back() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, minute(30))
    year_later = HOUR + 365 * 24 * HOUR_MS
    with pytest.raises(ClockJump, match="unless an operator starts anew") as jump:
        assembler.close(year_later)
    assert (jump.value.from_ms, jump.value.now_ms) == (HOUR, year_later)
    assert fill(assembler, year_later, year_later + MINUTE_MS) == {Placed.AHEAD}
    fill(assembler, minute(30), END)
    (record,) = assembler.close(END + GRACE_MS)
    assert isinstance(record, HourRecord)
    assert record.nox_g == G_PER_H


def test_a_clock_set_on_by_two_hours_leaves_a_gap_and_goes_on() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, minute(50))
    fill(assembler, minute(170), HOUR + 4 * HOUR_MS)
    first, gap, third, last = assembler.close(HOUR + 4 * HOUR_MS + GRACE_MS)
    assert isinstance(first, HourRecord)
    assert isinstance(gap, HourGap)
    assert isinstance(third, HourGap)
    assert isinstance(last, HourRecord)
    assert (gap.cause, third.cause) == ("no_data", "too_few_points")


def test_a_clock_set_back_within_the_hour_finds_its_stamps_taken_and_fills_what_is_free() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, minute(40))
    assert fill(assembler, minute(30), minute(40)) == {Placed.DUPLICATE}
    assert assembler.counters.duplicate == 40
    assert fill(assembler, minute(40), END) == {Placed.OPEN}
    (record,) = assembler.close(END + GRACE_MS)
    assert isinstance(record, HourRecord)
    assert (record.samples, record.nox_g) == (240, G_PER_H)


def test_of_two_samples_with_one_stamp_the_first_stands() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, END)
    assert assembler.add(stack(minute(10), ppb=900_000)) is Placed.DUPLICATE
    (record,) = assembler.close(END + GRACE_MS)
    assert isinstance(record, HourRecord)
    assert record.nox_g == G_PER_H


def test_two_groups_of_one_device_may_share_a_stamp() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    assert assembler.add([reading("nox_ppb", 1, HOUR, device="stack")]) is Placed.OPEN
    assert assembler.add([reading("flow_m3_per_h", 1, HOUR, device="stack")]) is Placed.OPEN


def test_late_samples_make_a_revision_one_grace_time_after_they_are_seen() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, minute(50))
    now_ms = END + GRACE_MS
    (record,) = assembler.close(now_ms)
    assert isinstance(record, HourRecord)
    assert (record.quality, record.revision) == ("extrapolated", 0)
    assert fill(assembler, minute(50), END) == {Placed.REVISING}
    assert assembler.close(now_ms + 1) == ()
    assert assembler.close(now_ms + GRACE_MS) == ()
    (revised,) = assembler.close(now_ms + 1 + GRACE_MS)
    assert isinstance(revised, HourRecord)
    assert (revised.quality, revised.revision, revised.start_ms) == ("valid", 1, HOUR)
    assert assembler.close(now_ms + 10 * GRACE_MS) == ()
    assert assembler.counters.revising == 40


def test_a_second_revision_counts_on() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, minute(48))
    now_ms = END + GRACE_MS
    revisions = [closed.revision for closed in assembler.close(now_ms)]
    for start in (48, 54):
        fill(assembler, minute(start), minute(start + 6))
        assembler.close(now_ms + 1)
        now_ms += GRACE_MS + 1
        revisions += [closed.revision for closed in assembler.close(now_ms)]
    assert revisions == [0, 1, 2]


def test_a_gap_that_is_filled_late_becomes_a_record_and_one_that_stays_a_gap_is_no_news() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    now_ms = END + GRACE_MS
    (gap,) = assembler.close(now_ms)
    assert isinstance(gap, HourGap)
    fill(assembler, HOUR, minute(30))
    assembler.close(now_ms)
    assert assembler.close(now_ms + GRACE_MS) == ()
    fill(assembler, minute(30), END)
    assembler.close(now_ms + GRACE_MS)
    (record,) = assembler.close(now_ms + 2 * GRACE_MS)
    assert isinstance(record, HourRecord)
    assert (record.revision, record.nox_g, record.quality) == (1, G_PER_H, "valid")


def test_a_calibration_judged_late_can_take_a_record_back() -> None:
    assembler = HourAssembler(coarse(), start_ms=HOUR)
    fill(assembler, HOUR, END)
    now_ms = END + GRACE_MS
    assembler.close(now_ms)
    assert assembler.calibration(minute(59), passed=False) is Placed.REVISING
    assembler.close(now_ms)
    (gap,) = assembler.close(now_ms + GRACE_MS)
    assert isinstance(gap, HourGap)
    assert (gap.cause, gap.revision) == ("calibration_failed", 1)


def test_an_hour_is_let_go_with_its_last_revision_and_then_refuses_what_comes() -> None:
    assembler = HourAssembler(coarse(keep_closed_hours=1), start_ms=HOUR)
    fill(assembler, HOUR, minute(50))
    fill(assembler, END, END + HOUR_MS)
    assembler.close(END + GRACE_MS)
    fill(assembler, minute(50), END)
    revised, following = assembler.close(END + HOUR_MS + GRACE_MS)
    assert isinstance(revised, HourRecord)
    assert isinstance(following, HourRecord)
    assert (revised.start_ms, revised.revision, revised.quality) == (HOUR, 1, "valid")
    assert (following.start_ms, following.revision) == (END, 0)
    assert assembler.add(stack(HOUR + 1)) is Placed.LATE
    assert assembler.calibration(HOUR + 1, passed=False) is Placed.LATE
    assert assembler.counters.late == 2


METERED = coarse(
    operating=OperatingSettings(on_above=Decimal(1_000), off_below=Decimal(500)), energy=EnergySettings()
)


def feed_all(assembler: HourAssembler, start_ms: int, end_ms: int) -> None:
    """A unit that stands still in the first 40 minutes of every second hour."""
    for at_ms in polls(start_ms, end_ms, COARSE_MS):
        hours, within_ms = divmod(at_ms - HOUR, HOUR_MS)
        off = hours % 2 == 1 and within_ms < 40 * MINUTE_MS
        assembler.add(stack(at_ms))
        counted = (at_ms - HOUR) // SECOND_MS * 3
        meter = {"power_w": 0 if off else 10_800, "energy_wh": counted}
        assembler.add([reading(name, value, at_ms, device="meter") for name, value in meter.items()])


@pytest.mark.parametrize("stopped_at_minute", [0, 7, 59, 61, 100, 119.9, 125])
def test_after_a_restart_the_hours_are_as_if_nothing_had_happened(stopped_at_minute: float) -> None:
    last_ms = HOUR + 4 * HOUR_MS
    whole = HourAssembler(METERED, start_ms=HOUR)
    feed_all(whole, HOUR, last_ms + 2 * MINUTE_MS)
    expected = whole.close(last_ms + GRACE_MS)
    assert len(expected) == 4

    first = HourAssembler(METERED, start_ms=HOUR)
    stopped_ms = minute(stopped_at_minute)
    feed_all(first, HOUR, stopped_ms)
    closed = [*first.close(stopped_ms)]
    carry = Carry.from_dict(json.loads(json.dumps(first.carry.as_dict())))
    assert carry == first.carry

    second = HourAssembler(METERED, start_ms=stopped_ms, carry=carry)
    feed_all(second, carry.next_start_ms, last_ms + 2 * MINUTE_MS)
    closed += second.close(last_ms + GRACE_MS)
    assert tuple(closed) == expected


def test_a_meter_exchange_loses_no_energy_and_needs_a_counter() -> None:
    assembler = HourAssembler(METERED, start_ms=HOUR)
    for number in range(62):
        counted = number * 1_000 if number < 30 else (number - 30) * 1_000
        if number == 30:
            assembler.meter_exchange(minute(30), old_wh=Decimal(30_000), new_wh=Decimal(0))
        assembler.add([reading("energy_wh", counted, minute(number), device="meter")])
    (closed,) = assembler.close(END + GRACE_MS)
    assert closed.energy_wh == 60_000
    with pytest.raises(ValueError, match="has no energy counter"):
        HourAssembler(coarse(), start_ms=HOUR).meter_exchange(HOUR, old_wh=Decimal(0), new_wh=Decimal(0))


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"next_start_ms": HOUR + 1},
        {"next_start_ms": str(HOUR)},
        {"next_start_ms": True},
        {"next_start_ms": HOUR, "running": 1},
        {"next_start_ms": HOUR, "counter_at_ms": "1"},
        {"next_start_ms": HOUR, "counter_at_ms": 1},
        {"next_start_ms": HOUR, "heard": {"": "soon"}},
        {"next_start_ms": HOUR, "heard": [1]},
        {"next_start_ms": HOUR, "counter_at_ms": 1, "counter_wh": "NaN", "before_border_wh": "0"},
        {"next_start_ms": HOUR, "counter_at_ms": 1, "counter_wh": "5", "before_border_wh": "x"},
    ],
)
def test_a_damaged_carry_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is not|is neither"):
        Carry.from_dict(stored)


@given(
    st.integers(0, 10**6),
    st.sampled_from([None, True, False]),
    st.none()
    | st.builds(
        EnergyMark,
        st.integers(0, 10**14),
        st.decimals(0, 10**12, allow_nan=False),
        st.decimals(-(10**6), 0, allow_nan=False),
    ),
)
def test_a_carry_survives_storage(hours: int, running: bool | None, mark: EnergyMark | None) -> None:
    heard = () if running is None else (("", hours * HOUR_MS - 7),)
    carry = Carry(hours * HOUR_MS, running, mark, heard=heard)
    assert Carry.from_dict(json.loads(json.dumps(carry.as_dict()))) == carry


STAMPS = st.lists(st.integers(HOUR - HOUR_MS, HOUR + 6 * HOUR_MS), max_size=60)


@hypothesis_settings(deadline=None)
@given(STAMPS, st.lists(st.integers(HOUR, HOUR + 8 * HOUR_MS), max_size=8))
def test_whatever_the_clock_does_every_hour_is_told_once_and_in_order(
    stamps: list[int], closes: list[int]
) -> None:
    assembler = HourAssembler(coarse(coverage_percent=1), start_ms=HOUR)
    first_ms = HOUR
    for n, at_ms in enumerate(stamps):
        assembler.add(stack(at_ms))
        for closed in assembler.close(closes[n]) if n < len(closes) else ():
            if closed.revision:
                continue
            start_ms = closed.start_ms if isinstance(closed, HourRecord) else closed.from_ms
            end_ms = start_ms + HOUR_MS if isinstance(closed, HourRecord) else closed.to_ms
            assert start_ms == first_ms
            first_ms = end_ms
    assert assembler.carry.next_start_ms == first_ms
    counters = assembler.counters
    assert counters.late + counters.early + counters.duplicate + counters.revising <= len(stamps)
