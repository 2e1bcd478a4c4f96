"""The same seed is the same plant; its truth adds up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.plant import DAY_MS, HOUR_MS, KNOT_MS, MINUTE_MS, Order, PlantSettings, SimulatedPlant, noise

START_MS = 1_767_225_600_000
TIMES = st.integers(START_MS, START_MS + 60 * DAY_MS)
PLANT = SimulatedPlant(PlantSettings(seed=3, meter_origin_ms=START_MS))


@given(TIMES, st.integers(0, 2**63))
def test_what_is_true_does_not_depend_on_who_asked_before(at_ms: int, seed: int) -> None:
    settings = PlantSettings(seed=seed)
    asked_often = SimulatedPlant(settings)
    asked_often.state(at_ms - DAY_MS)
    asked_often.truth_g(at_ms - HOUR_MS, at_ms)
    assert asked_often.state(at_ms) == SimulatedPlant(settings).state(at_ms)


@given(TIMES)
def test_the_stack_stays_within_what_a_stack_can_be(at_ms: int) -> None:
    state = PLANT.state(at_ms)
    assert 0 <= state.power_w <= 100e6
    assert 0 <= state.flow_m3_per_h < PLANT.flow_full_scale_m3_per_h
    assert 40 <= state.temperature_c <= 150
    assert 99 <= state.pressure_kpa <= 102
    assert 0 <= state.o2_percent <= 21
    assert state.nox_ppm == state.no_ppm + state.no2_ppm
    assert 0 <= state.nox_ppm <= 130
    assert state.operating == (state.power_w > 0)


@given(TIMES, st.integers(0, 12 * HOUR_MS), st.integers(0, 12 * HOUR_MS))
def test_mass_and_energy_add_up(start_ms: int, first_ms: int, second_ms: int) -> None:
    middle_ms, end_ms = start_ms + first_ms, start_ms + first_ms + second_ms
    whole = PLANT.truth_g(start_ms, end_ms)
    assert abs(whole - PLANT.truth_g(start_ms, middle_ms) - PLANT.truth_g(middle_ms, end_ms)) <= 2
    assert PLANT.energy_wh(start_ms) <= PLANT.energy_wh(middle_ms) <= PLANT.energy_wh(end_ms)


def test_the_truth_is_what_a_sum_over_seconds_finds() -> None:
    start_ms = START_MS + 5 * HOUR_MS
    grams = sum(PLANT.state(start_ms + 500 + 1_000 * n).nox_g_per_h for n in range(3_600)) / 3_600
    assert PLANT.truth_g(start_ms, start_ms + HOUR_MS) == pytest.approx(grams, rel=1e-4, abs=1)
    watts = sum(PLANT.state(start_ms + 500 + 1_000 * n).power_w for n in range(3_600)) / 3_600
    energy = PLANT.energy_wh(start_ms + HOUR_MS) - PLANT.energy_wh(start_ms)
    assert energy == pytest.approx(watts, rel=1e-6, abs=2)


def test_a_two_shift_unit_stops_and_starts_and_another_does_not() -> None:
    always = SimulatedPlant(PlantSettings(seed=3, two_shift=False))
    knots = range(START_MS, START_MS + 30 * DAY_MS, KNOT_MS)
    runs = [PLANT.state(at_ms).operating for at_ms in knots]
    assert 0.6 < sum(runs) / len(runs) < 0.99
    starts = sum(1 for before, after in pairwise(runs) if after and not before)
    assert 5 <= starts <= 40
    assert all(always.state(at_ms).operating for at_ms in knots)


def test_while_the_unit_stands_nothing_is_emitted() -> None:
    off = next(
        at_ms
        for at_ms in range(START_MS, START_MS + 30 * DAY_MS, KNOT_MS)
        if not PLANT.state(at_ms).operating and not PLANT.state(at_ms + KNOT_MS).operating
    )
    assert PLANT.truth_g(off, off + KNOT_MS) == 0
    assert PLANT.energy_wh(off) == PLANT.energy_wh(off + KNOT_MS)
    assert PLANT.state(off).o2_percent == pytest.approx(20.9)


def test_units_with_different_seeds_differ() -> None:
    masses = {SimulatedPlant(PlantSettings(seed=n)).truth_g(START_MS, START_MS + DAY_MS) for n in range(8)}
    assert len(masses) == 8


@given(st.integers(), st.text(max_size=8), st.integers())
def test_noise_is_a_function_within_one(seed: int, stream: str, index: int) -> None:
    assert -1 <= noise(seed, stream, index) < 1
    assert noise(seed, stream, index) == noise(seed, stream, index)


def test_noise_is_spread_evenly() -> None:
    values = [noise(1, "x", n) for n in range(10_000)]
    assert abs(sum(values)) / len(values) < 0.03
    assert 0.47 < sum(1 for v in values if v > 0) / len(values) < 0.53


@pytest.mark.parametrize(
    "wrong",
    [{"capacity_mw": 0}, {"moisture_percent": -1}, {"moisture_percent": 61}, {"nox_ppm_at_full_load": -1}],
)
def test_a_plant_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a unit has"):
        PlantSettings(**wrong)  # type: ignore[arg-type]


def test_the_energy_counter_stands_at_zero_before_its_origin() -> None:
    assert PLANT.energy_wh(START_MS) == 0
    assert PLANT.energy_wh(START_MS - DAY_MS) == 0
    assert PLANT.energy_wh(START_MS + 3 * DAY_MS + 7 * MINUTE_MS) > 0


ORDERED_MS = 1_767_268_800_000


@pytest.mark.parametrize(
    ("orders", "loads"),
    [
        ([Order(ORDERED_MS, None, 0.0)], {-10: "own", 0: 0.0, 60: 0.0}),
        ([Order(ORDERED_MS, ORDERED_MS + 30 * MINUTE_MS, 0.5)], {-10: "own", 0: 0.5, 25: 0.5, 30: "own"}),
        ([Order(ORDERED_MS, None, 0.0), Order(ORDERED_MS + HOUR_MS, None, None)], {30: 0.0, 60: "own"}),
        (
            [Order(ORDERED_MS, None, 0.7), Order(ORDERED_MS, ORDERED_MS + 10 * MINUTE_MS, 0.0)],
            {0: 0.0, 5: 0.0, 10: 0.7},
        ),
    ],
    ids=["stopped", "held for a while", "stopped and started", "tripped while held"],
)
def test_a_unit_does_what_is_ordered(orders: list[Order], loads: dict[int, float | str]) -> None:
    free = SimulatedPlant(PlantSettings(two_shift=False))
    plant = SimulatedPlant(PlantSettings(two_shift=False, orders=tuple(orders)))
    for minute, load in loads.items():
        at_ms = ORDERED_MS + minute * MINUTE_MS
        expected = free.state(at_ms).power_w if load == "own" else float(load) * 100e6
        assert plant.state(at_ms).power_w == pytest.approx(expected), minute


def test_a_started_unit_runs_by_night_too() -> None:
    night_ms = next(
        day * DAY_MS
        for day in range(20_000, 20_060)
        if not SimulatedPlant(PlantSettings()).state(day * DAY_MS).operating
    )
    plant = SimulatedPlant(PlantSettings(orders=(Order(night_ms - HOUR_MS, None, None),)))
    assert plant.state(night_ms).operating


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "load"),
    [(ORDERED_MS + 1, None, 0.5), (ORDERED_MS, ORDERED_MS + 1, 0.5), (0, None, 1.1)],
)
def test_an_order_that_no_unit_can_follow_is_refused(from_ms: int, to_ms: int | None, load: float) -> None:
    with pytest.raises(ValueError, match=r"grid of five minutes|not within 0 to 1"):
        Order(from_ms, to_ms, load)
