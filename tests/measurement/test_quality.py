"""Sample to readings: what makes a value bad or uncertain, and which reason wins."""

from decimal import Decimal

import pytest

from doxedge.measurement.movement import ValueLimits
from doxedge.measurement.quality import (
    AssessmentSettings,
    Assessor,
    ClockState,
    clock_state,
)
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import MINUTE_MS, SECOND_MS
from tests.measurement.readings import HOUR, sample

GOOD = (Quality.GOOD, Reason.NONE)


def assessor(**limits: Decimal | int | None) -> Assessor:
    return Assessor(AssessmentSettings(limits={"nox_ppb": ValueLimits(**limits)}))  # type: ignore[arg-type]


def judged(readings: tuple[Reading, ...]) -> tuple[Quality, Reason]:
    (only,) = readings
    return only.quality, only.reason


def test_a_plain_value_is_good_and_usable() -> None:
    (only,) = assessor().assess(sample(HOUR, nox_ppb=5))
    assert (only.quality, only.reason) == GOOD
    assert only.value == 5
    assert only.usable


def test_a_value_that_could_not_be_read_is_bad_with_the_reason_of_the_line_and_never_zero() -> None:
    lost = Sample("analyser", HOUR, 0, {"nox_ppb": None}, failures={"nox_ppb": Reason.EXCEPTION})
    (only,) = assessor().assess(lost)
    assert (only.quality, only.reason, only.value, only.usable) == (
        Quality.BAD,
        Reason.EXCEPTION,
        None,
        False,
    )


def test_a_missing_value_without_a_reason_still_is_bad() -> None:
    assert judged(assessor().assess(sample(HOUR, nox_ppb=None))) == (Quality.BAD, Reason.COMMS)


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_bad(value: str) -> None:
    assert judged(assessor().assess(sample(HOUR, nox_ppb=value))) == (Quality.BAD, Reason.NAN)


@pytest.mark.parametrize(
    ("quantity", "value", "judgement"),
    [
        ("moisture_percent", "60", GOOD),
        ("moisture_percent", "60.1", (Quality.BAD, Reason.RANGE)),
        ("moisture_percent", "-0.3", GOOD),
        ("stack_temperature_c", "-50", GOOD),
        ("stack_temperature_c", "-50.1", (Quality.BAD, Reason.RANGE)),
        ("stack_temperature_c", "1500.1", (Quality.BAD, Reason.RANGE)),
        ("stack_pressure_kpa", "49.9", (Quality.BAD, Reason.RANGE)),
        ("stack_pressure_kpa", "150", GOOD),
        ("stack_pressure_kpa", "150.1", (Quality.BAD, Reason.RANGE)),
    ],
)
def test_what_no_stack_has_is_bad_where_no_map_says_so(
    quantity: str, value: str, judgement: tuple[Quality, Reason]
) -> None:
    """One spike would else be a fifth of its minute's mean, which looks plausible."""
    one = Sample("analyser", HOUR, 0, {quantity: Decimal(value)})
    assert judged(assessor().assess(one)) == judgement


def test_what_no_stack_has_is_bad_also_after_values_that_were_fine() -> None:
    """From the second fine sample of a group on, its values are judged all at once."""
    judge = assessor()
    values = ("100", "100.5", "20", "101", "160")
    found = [
        judged(
            judge.assess(
                Sample("analyser", HOUR + n * 1_000, n * 10**9, {"stack_pressure_kpa": Decimal(value)})
            )
        )
        for n, value in enumerate(values)
    ]
    assert found == [GOOD, GOOD, (Quality.BAD, Reason.RANGE), GOOD, (Quality.BAD, Reason.RANGE)]


def test_a_configured_constant_is_uncertain_and_usable() -> None:
    constant = Sample(
        "moisture", HOUR, 0, {"moisture_percent": Decimal(12)}, failures={"moisture_percent": Reason.DEFAULT}
    )
    (only,) = assessor().assess(constant)
    assert (only.quality, only.reason, only.value) == (Quality.UNCERTAIN, Reason.DEFAULT, Decimal(12))


def test_a_value_with_any_other_failure_is_bad_and_kept_for_the_log() -> None:
    strange = Sample("analyser", HOUR, 0, {"nox_ppb": Decimal(7)}, failures={"nox_ppb": Reason.HELD})
    (only,) = assessor().assess(strange)
    assert (only.quality, only.value, only.decoded) == (Quality.BAD, None, Decimal(7))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("-0.1", (Quality.BAD, Reason.RANGE)),
        ("0", (Quality.UNCERTAIN, Reason.RANGE)),
        ("9.9", (Quality.UNCERTAIN, Reason.RANGE)),
        ("10", GOOD),
        ("90", GOOD),
        ("90.1", (Quality.UNCERTAIN, Reason.RANGE)),
        ("100", (Quality.UNCERTAIN, Reason.RANGE)),
        ("100.1", (Quality.BAD, Reason.RANGE)),
        ("1E+30", (Quality.BAD, Reason.RANGE)),
    ],
)
def test_the_hard_range_is_bad_and_the_soft_range_uncertain(
    value: str, expected: tuple[Quality, Reason]
) -> None:
    limits = {"hard_low": 0, "soft_low": 10, "soft_high": 90, "hard_high": 100}
    judge = assessor(**{name: Decimal(limit) for name, limit in limits.items()})
    assert judged(judge.assess(sample(HOUR, nox_ppb=value))) == expected


def test_without_limits_a_number_that_no_instrument_shows_is_bad() -> None:
    assert judged(assessor().assess(sample(HOUR, nox_ppb="1E+16"))) == (Quality.BAD, Reason.RANGE)


def test_drift_below_zero_counts_down_to_two_percent_of_span() -> None:
    judge = assessor(span=Decimal(1000), hard_low=Decimal(0))
    assert judged(judge.assess(sample(HOUR, nox_ppb="-20"))) == GOOD
    assert judged(judge.assess(sample(HOUR + 1, nox_ppb="-20.1"))) == (Quality.BAD, Reason.BELOW_RANGE)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("zero", (Quality.BAD, Reason.ZERO)),
        ("span", (Quality.BAD, Reason.SPAN)),
        ("maintenance", (Quality.BAD, Reason.MAINTENANCE)),
        ("fault", (Quality.BAD, Reason.DEVICE_FAULT)),
        ("invalid", (Quality.BAD, Reason.DEVICE_FAULT)),
        ("out_of_service", (Quality.BAD, Reason.OUT_OF_SERVICE)),
        ("held", (Quality.BAD, Reason.HELD)),
        ("out_of_range", (Quality.BAD, Reason.RANGE)),
        ("warning", (Quality.UNCERTAIN, Reason.WARNING)),
        ("a word nobody knows", (Quality.UNCERTAIN, Reason.WARNING)),
    ],
)
def test_a_status_flag_judges_every_value_of_its_sample(flag: str, expected: tuple[Quality, Reason]) -> None:
    readings = assessor().assess(sample(HOUR, flags=[flag], no_ppb=0, o2_percent=3))
    assert [(r.quality, r.reason) for r in readings] == [expected, expected]


def test_a_fault_on_zero_gas_is_told_as_the_check_that_it_is() -> None:
    assert judged(assessor().assess(sample(HOUR, flags=["fault", "zero"], nox_ppb=0)))[1] is Reason.ZERO


def test_status_read_on_its_own_holds_until_it_is_read_again() -> None:
    judge = assessor()
    assert judge.assess(Sample("analyser", HOUR, 0, {}, frozenset({"fault"}))) == ()
    assert judged(judge.assess(sample(HOUR, monotonic_ns=0, nox_ppb=5))) == (Quality.BAD, Reason.DEVICE_FAULT)
    judge.assess(Sample("analyser", HOUR, 0, {}, frozenset()))
    assert judged(judge.assess(sample(HOUR, monotonic_ns=0, nox_ppb=5))) == GOOD


def test_after_zero_gas_the_value_settles_for_three_minutes_from_the_last_zero_sample() -> None:
    judge = assessor()
    judge.assess(sample(HOUR, flags=["zero"], nox_ppb=0))
    judge.assess(sample(HOUR + MINUTE_MS, flags=["zero"], nox_ppb=0))
    settled = HOUR + 4 * MINUTE_MS
    assert judged(judge.assess(sample(settled - 1, nox_ppb=5))) == (Quality.BAD, Reason.SETTLING)
    assert judged(judge.assess(sample(settled, nox_ppb=5))) == GOOD


def test_a_jump_faster_than_the_process_can_costs_one_sample_and_not_all_that_follow() -> None:
    judge = assessor(max_rate_per_s=Decimal(10))
    assert judged(judge.assess(sample(HOUR, nox_ppb=100))) == GOOD
    assert judged(judge.assess(sample(HOUR + SECOND_MS, nox_ppb=110))) == GOOD
    assert judged(judge.assess(sample(HOUR + 2 * SECOND_MS, nox_ppb=200))) == (Quality.BAD, Reason.RATE)
    assert judged(judge.assess(sample(HOUR + 3 * SECOND_MS, nox_ppb=201))) == GOOD


def test_a_stamp_that_does_not_advance_says_nothing_about_a_rate() -> None:
    judge = assessor(max_rate_per_s=Decimal(1))
    judge.assess(sample(HOUR, nox_ppb=1))
    assert judged(judge.assess(sample(HOUR, nox_ppb=1000))) == GOOD


def test_a_value_that_stands_still_is_stuck_after_its_time_and_good_again_when_it_moves() -> None:
    judge = assessor(stuck_ms=10 * MINUTE_MS, stuck_tolerance=Decimal("0.5"))
    assert judged(judge.assess(sample(HOUR, nox_ppb=100))) == GOOD
    assert judged(judge.assess(sample(HOUR + 10 * MINUTE_MS - 1, nox_ppb="100.5"))) == GOOD
    assert judged(judge.assess(sample(HOUR + 10 * MINUTE_MS, nox_ppb="99.5"))) == (Quality.BAD, Reason.STUCK)
    assert judged(judge.assess(sample(HOUR + 11 * MINUTE_MS, nox_ppb=101))) == GOOD


@pytest.mark.parametrize(
    ("away_minutes", "first", "stuck_again_after"),
    [(4, Reason.NONE, 2), (10, Reason.STUCK, 0), (11, Reason.NONE, 10), (600, Reason.NONE, 10)],
)
def test_a_value_that_was_not_seen_for_so_long_did_not_stand_still(
    away_minutes: int, first: Reason, stuck_again_after: int
) -> None:
    """An analyser that comes back after an outage may say the same digits as before it."""
    judge = assessor(stuck_ms=10 * MINUTE_MS)
    for minute in range(5):
        assert judged(judge.assess(sample(HOUR + minute * MINUTE_MS, nox_ppb=70))) == GOOD
    back_ms = HOUR + (4 + away_minutes) * MINUTE_MS
    assert judged(judge.assess(sample(back_ms, nox_ppb=70)))[1] is first
    for minute in range(1, 11):
        (_, reason) = judged(judge.assess(sample(back_ms + minute * MINUTE_MS, nox_ppb=70)))
        assert (reason is Reason.STUCK) == (minute >= stuck_again_after), minute


def test_a_value_that_stands_still_in_a_cold_stack_is_not_stuck() -> None:
    judge = assessor(stuck_ms=MINUTE_MS)
    for minute in range(5):
        still = judge.assess(sample(HOUR + minute * MINUTE_MS, nox_ppb=0), running=False)
        assert judged(still) == GOOD


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [
        (0, ClockState.SYNCHRONISED),
        (-1000, ClockState.SYNCHRONISED),
        (1001, ClockState.WARNING),
        (-5000, ClockState.WARNING),
        (5001, ClockState.BAD),
        (-5001, ClockState.BAD),
        (None, ClockState.UNKNOWN),
    ],
)
def test_the_state_of_the_clock_follows_its_offset(offset_ms: int | None, expected: ClockState) -> None:
    assert clock_state(offset_ms) is expected


@pytest.mark.parametrize(
    ("clock", "quality"),
    [
        (ClockState.BAD, Quality.BAD),
        (ClockState.WARNING, Quality.UNCERTAIN),
        (ClockState.UNKNOWN, Quality.UNCERTAIN),
    ],
)
def test_a_poor_clock_judges_every_value(clock: ClockState, quality: Quality) -> None:
    assert judged(assessor().assess(sample(HOUR, nox_ppb=5), clock=clock)) == (quality, Reason.CLOCK)


@pytest.mark.parametrize("step_ms", [-3_600_000, -1_001, 1_001, 3_600_000])
def test_a_step_of_the_clock_is_seen_once_and_measured(step_ms: int) -> None:
    judge = assessor(max_rate_per_s=Decimal(1))
    judge.assess(sample(HOUR, nox_ppb=5, monotonic_ns=0))
    stepped = sample(HOUR + 1000 + step_ms, nox_ppb=500, monotonic_ns=10**9)
    assert judged(judge.assess(stepped)) == (Quality.UNCERTAIN, Reason.CLOCK)
    assert judge.last_step_ms("analyser") == step_ms
    after = sample(HOUR + 2000 + step_ms, nox_ppb=500, monotonic_ns=2 * 10**9)
    assert judged(judge.assess(after)) == GOOD
    assert judge.last_step_ms("analyser") == 0


def test_a_step_moves_the_settling_time_along() -> None:
    judge = assessor()
    judge.assess(sample(HOUR, flags=["span"], nox_ppb=5, monotonic_ns=0))
    back = HOUR - 3_600_000
    judge.assess(sample(back + 1000, nox_ppb=5, monotonic_ns=10**9))
    settling = judge.assess(sample(back + 179_000, nox_ppb=5, monotonic_ns=179 * 10**9))
    assert judged(settling) == (Quality.BAD, Reason.SETTLING)
    assert judged(judge.assess(sample(back + 180_000, nox_ppb=5, monotonic_ns=180 * 10**9))) == GOOD


def test_a_restarted_machine_is_no_step() -> None:
    judge = assessor()
    judge.assess(sample(HOUR, nox_ppb=5, monotonic_ns=10**15))
    assert judged(judge.assess(sample(HOUR + 60_000, nox_ppb=5, monotonic_ns=10**9))) == GOOD


def test_a_compressed_plant_clock_is_no_step() -> None:
    judge = Assessor(AssessmentSettings(clock_speed=720))
    judge.assess(sample(HOUR, nox_ppb=5, monotonic_ns=0))
    assert judged(judge.assess(sample(HOUR + 720_000, nox_ppb=5, monotonic_ns=10**9))) == GOOD


def test_nox_that_is_not_the_sum_of_its_parts_makes_all_three_uncertain() -> None:
    readings = assessor().assess(sample(HOUR, nox_ppb=100_000, no_ppb=80_000, no2_ppb=14_999, o2_percent=3))
    pair = (Quality.UNCERTAIN, Reason.PAIR)
    assert [(r.quality, r.reason) for r in readings] == [pair, pair, pair, GOOD]


@pytest.mark.parametrize(
    ("nox", "no", "no2"), [(100_000, 80_000, 15_000), (3_000, 1_000, 0), (1_000, 2_000, 1_000)]
)
def test_nox_may_differ_from_its_parts_by_five_percent_or_two_ppm(nox: int, no: int, no2: int) -> None:
    readings = assessor().assess(sample(HOUR, nox_ppb=nox, no_ppb=no, no2_ppb=no2))
    assert all((r.quality, r.reason) == GOOD for r in readings)


def test_the_pair_is_not_checked_when_one_of_the_three_is_bad() -> None:
    readings = assessor().assess(sample(HOUR, nox_ppb=100_000, no_ppb=None, no2_ppb=1))
    assert (readings[0].quality, readings[0].reason) == GOOD


def test_devices_do_not_share_a_memory() -> None:
    judge = assessor()
    judge.assess(sample(HOUR, flags=["zero"], nox_ppb=0))
    other = Sample("other", HOUR + 1000, HOUR * 10**6, {"nox_ppb": Decimal(5)})
    assert judged(judge.assess(other)) == GOOD
