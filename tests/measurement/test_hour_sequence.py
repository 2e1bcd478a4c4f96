"""Settings that change at the border of an hour: no hour is made by two, and nothing else changes."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour import Carry, ClockJump, HourAssembler, HourSettings, Placed
from doxedge.measurement.hour_sequence import HourSequence
from doxedge.measurement.operating import OperatingSettings
from doxedge.quantity import HOUR_MS, MINUTE_MS, SECOND_MS
from tests.measurement.readings import G_PER_H, HOUR, reading, settings, stack

GRACE_MS = 90 * SECOND_MS
BORDER = HOUR + HOUR_MS
PERIOD_MS = 20 * SECOND_MS
OPERATING = OperatingSettings(on_above=Decimal(1_000_000), off_below=Decimal(500_000))
ALL = frozenset({"stack", "meter"})
WHOLE = replace(
    settings(operating=OPERATING),
    energy=EnergySettings(),
    poll_period_ms={"nox_ppb": PERIOD_MS, "flow_m3_per_h": PERIOD_MS, "power_w": PERIOD_MS},
)
Assembly = HourAssembler | HourSequence
Record = HourRecord | HourGap


def poll(
    hours: Assembly, at_ms: int, *, watts: int = 50_000_000, ppb: Decimal | int | None = 100_000
) -> None:
    """One sample of the stack and one of the meter."""
    hours.add(tuple(stack(at_ms, ppb=ppb)))
    energy = Decimal((at_ms - HOUR) * watts // HOUR_MS)
    meter = (
        reading("power_w", watts, at_ms, device="meter"),
        reading("energy_wh", energy, at_ms, device="meter"),
    )
    hours.add(meter)


def run(hours: Assembly, from_ms: int, to_ms: int, **values: int) -> list[Record]:
    """Poll and close as the gateway does."""
    found: list[Record] = []
    for at_ms in range(from_ms, to_ms, PERIOD_MS):
        poll(hours, at_ms, **values)
        found += hours.close(at_ms)
    return found


def doubled(unit: HourSettings) -> HourSettings:
    """Settings by which every mass is twice as large."""
    emission = replace(unit.emission, mg_per_m3_per_ppm=unit.emission.mg_per_m3_per_ppm * 2)
    return replace(unit, emission=emission)


def test_hours_before_the_border_are_made_by_the_old_settings_and_hours_after_it_by_the_new() -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.change(doubled(WHOLE), from_ms=BORDER, kept=ALL)
    first, second, third = run(hours, HOUR, BORDER + 2 * HOUR_MS + 5 * MINUTE_MS)
    assert isinstance(first, HourRecord)
    assert isinstance(second, HourRecord)
    assert isinstance(third, HourRecord)
    assert [one.start_ms for one in (first, second, third)] == [HOUR, BORDER, BORDER + HOUR_MS]
    assert [one.nox_g for one in (first, second, third)] == [G_PER_H, 2 * G_PER_H, 2 * G_PER_H]
    assert {one.energy_wh for one in (first, second, third)} == {50_000_000}
    assert {one.energy_quality for one in (first, second, third)} == {"metered"}


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 50_000_000]), st.sampled_from([None, 0, 100_000])),
        min_size=18,
        max_size=18,
    ),
    st.sets(st.integers(1, 3), min_size=1),
)
@hypothesis_settings(max_examples=15, deadline=None)
def test_a_change_to_the_same_settings_changes_nothing(
    tens: list[tuple[int, int | None]], borders: set[int]
) -> None:
    """The dumb twin is an assembler that knows of no change. Ten minutes at a time the plant does what it likes."""
    twin, hours = HourAssembler(WHOLE, start_ms=HOUR), HourSequence(WHOLE, start_ms=HOUR)
    expected: list[Record] = []
    found: list[Record] = []
    for number, (watts, ppb) in enumerate(tens):
        if number % 6 == 2 and number // 6 + 1 in borders:
            hours.change(WHOLE, from_ms=HOUR + (number // 6 + 1) * HOUR_MS, kept=ALL)
        for minute in range(0, 600_000, PERIOD_MS):
            at_ms = HOUR + number * 600_000 + minute
            for assembly, records in ((twin, expected), (hours, found)):
                poll(assembly, at_ms, watts=watts, ppb=ppb)
                records += assembly.close(at_ms)
            assert hours.preview(at_ms).start_ms == twin.preview(at_ms).start_ms
    for assembly, records in ((twin, expected), (hours, found)):
        for _ in range(4):
            records += assembly.close(HOUR + 3 * HOUR_MS + GRACE_MS)
    assert found == expected
    assert hours.carry == twin.carry


def test_what_is_late_goes_into_the_hour_and_to_the_settings_it_belongs_to() -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.change(doubled(WHOLE), from_ms=BORDER, kept=ALL)
    late_ms = HOUR + 30 * MINUTE_MS
    found: list[Record] = []
    for at_ms in range(HOUR, BORDER + 10 * MINUTE_MS, PERIOD_MS):
        if not late_ms <= at_ms < late_ms + MINUTE_MS:
            poll(hours, at_ms)
        found += hours.close(at_ms)
    for at_ms in range(late_ms, late_ms + MINUTE_MS, PERIOD_MS):
        assert hours.add(tuple(stack(at_ms))) is Placed.REVISING
    found += [*hours.close(BORDER + 10 * MINUTE_MS), *hours.close(BORDER + 15 * MINUTE_MS)]
    first, revised = found
    assert isinstance(first, HourRecord)
    assert isinstance(revised, HourRecord)
    assert (first.minutes_valid, revised.minutes_valid, revised.revision) == (59, 60, 1)
    assert revised.nox_g == G_PER_H


def test_what_is_owed_to_the_old_hours_is_given_out_before_they_are_forgotten() -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.change(doubled(WHOLE), from_ms=BORDER, kept=ALL)
    end_ms = BORDER + 2 * HOUR_MS
    run(hours, HOUR, end_ms)
    hours.add(tuple(stack(HOUR + 1)))
    assert hours.first_ms == HOUR
    records = [record for _ in range(3) for record in hours.close(end_ms + GRACE_MS)]
    assert [(one.start_ms if isinstance(one, HourRecord) else 0, one.revision) for one in records] == [
        (BORDER + HOUR_MS, 0),
        (HOUR, 1),
    ]
    assert hours.first_ms == BORDER
    assert hours.add(tuple(stack(HOUR + 2))) is Placed.EARLY


def test_a_device_that_was_exchanged_says_nothing_about_the_hour_before() -> None:
    """Its counter begins where it likes; the old hour's energy is carried to its border."""
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.change(WHOLE, from_ms=BORDER, kept=frozenset({"stack"}))
    (record,) = run(hours, HOUR, BORDER + 5 * MINUTE_MS)
    assert isinstance(record, HourRecord)
    assert record.energy_quality == "carried"


def test_a_slow_value_stands_over_the_border() -> None:
    slow = replace(settings(), poll_period_ms={"nox_ppb": PERIOD_MS, "flow_m3_per_h": 10 * MINUTE_MS})
    hours = HourSequence(slow, start_ms=HOUR)
    hours.change(slow, from_ms=BORDER)
    found: list[Record] = []
    for at_ms in range(HOUR, BORDER + HOUR_MS + 5 * MINUTE_MS, PERIOD_MS):
        hours.add((reading("nox_ppb", 100_000, at_ms, device="stack"),))
        if at_ms % (10 * MINUTE_MS) == 5 * MINUTE_MS:
            hours.add((reading("flow_m3_per_h", 100_000, at_ms, device="flow"),))
        found += hours.close(at_ms)
    assert [one.minutes_valid for one in found] == [55, 60]


def test_a_restart_in_the_grace_time_goes_on_with_both() -> None:
    whole = HourSequence(WHOLE, start_ms=HOUR)
    whole.change(doubled(WHOLE), from_ms=BORDER, kept=ALL)
    assert run(whole, HOUR, BORDER + MINUTE_MS) == []
    carry = Carry.from_dict(whole.carry.as_dict())
    again = HourSequence(WHOLE, start_ms=carry.next_start_ms, carry=carry)
    again.change(doubled(WHOLE), from_ms=BORDER, kept=ALL)
    assert run(again, HOUR, BORDER + HOUR_MS + 2 * MINUTE_MS) == run(
        whole, BORDER + MINUTE_MS, BORDER + HOUR_MS + 2 * MINUTE_MS
    )


def test_a_change_can_be_taken_back_until_its_hour_begins() -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.change(doubled(WHOLE), from_ms=BORDER)
    hours.take_back(from_ms=BORDER)
    with pytest.raises(ValueError, match="can be taken back"):
        hours.take_back(from_ms=BORDER)
    hours.change(doubled(WHOLE), from_ms=BORDER)
    poll(hours, BORDER)
    with pytest.raises(ValueError, match="can be taken back"):
        hours.take_back(from_ms=BORDER)


@pytest.mark.parametrize("from_ms", [HOUR, HOUR - HOUR_MS, BORDER + 1, BORDER])
def test_only_a_border_ahead_can_be_a_change(from_ms: int) -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    poll(hours, BORDER)
    with pytest.raises(ValueError, match=r"no start of an hour|has begun"):
        hours.change(WHOLE, from_ms=from_ms)


def test_a_unit_that_ends_makes_no_hour_after_its_end() -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.end(BORDER)
    (record,) = run(hours, HOUR, BORDER)[:0] or hours.close(BORDER + GRACE_MS)
    assert isinstance(record, HourRecord)
    assert hours.has_ended
    assert hours.close(BORDER + 5 * HOUR_MS) == ()
    hours.add(tuple(stack(HOUR + 1)))
    assert [one.revision for one in hours.finish()] == [1]
    assert hours.finish() == ()


def test_a_clock_that_jumps_over_a_change_is_not_believed() -> None:
    hours = HourSequence(WHOLE, start_ms=HOUR)
    hours.change(WHOLE, from_ms=BORDER, kept=ALL)
    run(hours, HOUR, BORDER)
    assert len(hours.close(BORDER + 40 * 24 * HOUR_MS)) == 1
    with pytest.raises(ClockJump):
        hours.close(BORDER + 40 * 24 * HOUR_MS)


def test_nothing_is_taken_up_before_it_is_there() -> None:
    first = HourAssembler(WHOLE, start_ms=HOUR)
    with pytest.raises(ValueError, match="nothing to take up"):
        first.take_up()
    second = HourAssembler(WHOLE, start_ms=BORDER, after=first)
    with pytest.raises(ValueError, match="is not closed yet"):
        second.take_up()


def test_after_a_restart_a_slow_value_stands_from_the_hour_before() -> None:
    """That hour is closed: its readings are recalled, and change nothing else."""
    slow = replace(settings(), poll_period_ms={"nox_ppb": PERIOD_MS, "flow_m3_per_h": 10 * MINUTE_MS})
    again = HourSequence(slow, start_ms=BORDER, carry=Carry(BORDER))
    for at_ms in (HOUR - MINUTE_MS, BORDER - MINUTE_MS, BORDER):
        again.recall((reading("flow_m3_per_h", 9, at_ms),))
    for at_ms in range(BORDER, BORDER + HOUR_MS, PERIOD_MS):
        again.add((reading("nox_ppb", 100_000, at_ms), reading("moisture_percent", 12, at_ms)))
    steps = again.steps(BORDER, BORDER + HOUR_MS)
    stood = [step.minute for step in steps if step.means["flow_m3_per_h"] is not None]
    assert stood == [*range(20)]
