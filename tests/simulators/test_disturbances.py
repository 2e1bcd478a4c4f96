"""What an instrument sees when it does not see the truth."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from simulators.disturbances import disturbed
from simulators.faults import Fault, FaultKind
from simulators.plant import HOUR_MS
from simulators.stack import StackState

STILL = StackState(
    operating=True, power_w=5e7, flow_m3_per_h=2e5, temperature_c=120.0, pressure_kpa=100.6,
    moisture_percent=12.0, o2_percent=4.5, no_ppm=95.0, no2_ppm=5.0,
)  # fmt: skip
START_MS = 1_767_268_800_000


def still(at_ms: int) -> StackState:
    del at_ms
    return STILL


def step(at_ms: int) -> StackState:
    """From nothing to the still state at the start."""
    return STILL if at_ms >= START_MS else replace(STILL, no_ppm=0.0, no2_ppm=0.0)


def seen(at_ms: int, *faults: Fault) -> StackState:
    return disturbed(still, at_ms, faults, seed=1)


def test_without_a_fault_the_truth_is_seen() -> None:
    assert seen(START_MS) is STILL


@pytest.mark.parametrize(("argument", "factor"), [(None, 1.03), (50, 1.15), (0, 1.0)])
def test_drift_grows_with_the_hours(argument: int | None, factor: float) -> None:
    drift = Fault(FaultKind.DRIFT, START_MS, argument=argument)
    assert seen(START_MS, drift).no_ppm == pytest.approx(95.0)
    assert seen(START_MS + 3 * HOUR_MS, drift).no_ppm == pytest.approx(95.0 * factor)
    assert seen(START_MS + 3 * HOUR_MS, drift).flow_m3_per_h == pytest.approx(2e5 * factor)


def test_noise_trembles_about_the_truth_and_is_the_same_each_time() -> None:
    jitter = Fault(FaultKind.NOISE, argument=20)
    values = [seen(START_MS + 100 * index, jitter).nox_ppm for index in range(500)]
    assert values == [seen(START_MS + 100 * index, jitter).nox_ppm for index in range(500)]
    assert statistics.fmean(values) == pytest.approx(100, abs=0.3)
    assert 98 <= min(values) < 98.5
    assert 101.5 < max(values) <= 102


def test_a_lag_reaches_ninety_percent_after_its_t90() -> None:
    lag = [Fault(FaultKind.LAG, argument=60)]
    values = [disturbed(step, START_MS + 1_000 * second, lag, seed=1).no_ppm for second in range(0, 400, 5)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0, abs=5)
    assert disturbed(step, START_MS + 60_000, lag, seed=1).no_ppm == pytest.approx(0.9 * 95, abs=4)
    assert values[-1] == pytest.approx(95)


def test_an_old_converter_hides_no2() -> None:
    state = seen(START_MS, Fault(FaultKind.CONVERTER, argument=85))
    assert state.no_ppm == pytest.approx(95)
    assert state.no2_ppm == pytest.approx(4.25)
    assert state.nox_ppm == pytest.approx(99.25)


def test_a_spike_is_rare_and_high() -> None:
    spike = Fault(FaultKind.SPIKE)
    values = [seen(START_MS + 500 * index, spike).no_ppm for index in range(400)]
    assert {round(value) for value in values} == {95, 950}
    assert sum(value > 100 for value in values) == 40
