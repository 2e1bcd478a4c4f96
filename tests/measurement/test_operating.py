"""When the unit runs."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.operating import OperatingSettings, OperatingSignal
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import HOUR, reading

SETTINGS = OperatingSettings(on_above=Decimal(100), off_below=Decimal(50))
END = HOUR + HOUR_MS


def signal(*told: tuple[int, int | None]) -> OperatingSignal:
    """A signal that was read at these minutes."""
    made = OperatingSignal(SETTINGS)
    for minute, value in told:
        made.add(reading("power_w", value, HOUR + minute * MINUTE_MS))
    return made


def every_minute(value: int, first: int, last: int) -> list[tuple[int, int | None]]:
    return [(minute, value) for minute in range(first, last)]


def spans_in_minutes(made: OperatingSignal) -> list[tuple[int, int]]:
    spans = made.operation(HOUR, END).spans
    return [((start - HOUR) // MINUTE_MS, (end - HOUR) // MINUTE_MS) for start, end in spans]


def test_a_reading_holds_until_the_next() -> None:
    made = signal(*every_minute(0, 0, 20), *every_minute(500, 20, 55), *every_minute(0, 55, 61))
    assert spans_in_minutes(made) == [(20, 55)]
    operation = made.operation(HOUR, END)
    assert (operation.operating_ms, operation.assumed_ms) == (35 * MINUTE_MS, 0)
    assert operation.within(HOUR + 19 * MINUTE_MS, HOUR + 21 * MINUTE_MS) == MINUTE_MS


def test_between_the_thresholds_the_state_stays() -> None:
    made = signal(*every_minute(0, 0, 10), *every_minute(75, 10, 20), *every_minute(101, 20, 30))
    for minute, value in (*every_minute(50, 30, 40), *every_minute(49, 40, 61)):
        made.add(reading("power_w", value, HOUR + minute * MINUTE_MS))
    assert spans_in_minutes(made) == [(20, 40)]


def test_a_signal_that_was_never_heard_counts_as_running() -> None:
    operation = signal().operation(HOUR, END)
    assert operation.spans == ((HOUR, END),)
    assert operation.assumed_ms == HOUR_MS


def test_a_signal_that_is_lost_holds_for_five_minutes_and_then_counts_as_running() -> None:
    made = signal(*every_minute(0, 0, 11))
    assert spans_in_minutes(made) == [(15, 60)]
    assert made.operation(HOUR, END).assumed_ms == 45 * MINUTE_MS
    made.add(reading("power_w", 0, HOUR + 30 * MINUTE_MS))
    assert spans_in_minutes(made) == [(15, 30), (35, 60)]


def test_bad_readings_do_not_say_that_the_unit_is_off() -> None:
    made = signal(*every_minute(500, 0, 10), *[(minute, None) for minute in range(10, 61)])
    operation = made.operation(HOUR, END)
    assert operation.spans == ((HOUR, END),)
    assert operation.assumed_ms == 46 * MINUTE_MS


def test_after_a_loss_a_value_between_the_thresholds_counts_as_running() -> None:
    made = signal(*every_minute(0, 0, 5), *every_minute(75, 30, 61))
    assert spans_in_minutes(made) == [(9, 60)]


def test_a_late_or_doubled_reading_does_not_rewrite_the_past() -> None:
    made = signal(*every_minute(500, 0, 61))
    for minute in (10, 60):
        made.add(reading("power_w", 0, HOUR + minute * MINUTE_MS))
    assert spans_in_minutes(made) == [(0, 60)]


def test_what_was_known_at_the_border_is_enough_to_go_on() -> None:
    made = signal(*every_minute(0, 0, 61))
    made.forget_before(END - 1)
    assert made.state_at(END - 1) is False
    again = OperatingSignal(SETTINGS, on=False, at_ms=END - 1)
    again.add(reading("power_w", 0, END + MINUTE_MS))
    assert again.operation(END, END + 2 * MINUTE_MS).spans == ()
    assert made.operation(END, END + MINUTE_MS).spans == ()


def test_a_restart_is_no_reading() -> None:
    """What was heard two minutes before the border holds for three minutes of the hour, as without a restart."""
    made = signal(*every_minute(0, 0, 59))
    made.add(reading("power_w", 500, END + MINUTE_MS))
    made.forget_before(END - 1)
    assert made.heard_ms(END) == END - 2 * MINUTE_MS
    again = OperatingSignal(SETTINGS, on=False, at_ms=made.heard_ms(END))
    operation = again.operation(END, END + 10 * MINUTE_MS)
    assert operation.spans == ((END + 3 * MINUTE_MS, END + 10 * MINUTE_MS),)
    assert signal().heard_ms(END) is None


def test_nobody_knows_before_the_first_reading() -> None:
    assert signal().state_at(HOUR) is None
    assert signal().on is None


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="off_below 2 must not lie above on_above 1"):
        OperatingSettings(on_above=Decimal(1), off_below=Decimal(2))


@given(st.lists(st.tuples(st.integers(-30, 90), st.sampled_from([0, 75, 500, None])), max_size=30))
def test_running_and_standing_time_make_up_the_hour(told: list[tuple[int, int | None]]) -> None:
    made = signal(*told)
    operation = made.operation(HOUR, END)
    assert 0 <= operation.assumed_ms <= operation.operating_ms <= HOUR_MS
    assert list(operation.spans) == sorted(operation.spans)
    assert all(a < b for a, b in operation.spans)
    by_minute = [operation.within(at, at + MINUTE_MS) for at in range(HOUR, END, MINUTE_MS)]
    assert sum(by_minute) == operation.operating_ms
    made.forget_before(HOUR)
    assert made.operation(HOUR, END) == operation
