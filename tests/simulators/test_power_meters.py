"""What a simulated meter says at the end of its range."""

from __future__ import annotations

import struct

import pytest

from simulators.plant import PlantSettings, SimulatedPlant
from simulators.power_meters import SimulatedSunSpec203
from tests.simulators.plant_bench import SetClock


@pytest.mark.parametrize(
    ("power_w", "steps"),
    [(100e6, 10_000), (327.67e6, 32_767), (327.68e6, 32_767), (1_000e6, 32_767)],
)
def test_a_register_that_is_full_stays_full(power_w: float, steps: int) -> None:
    meter = SimulatedSunSpec203(SimulatedPlant(PlantSettings()), SetClock())
    assert struct.unpack(">h", meter.values(power_w, 0)[18]) == (steps,)
