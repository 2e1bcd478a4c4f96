"""The steps of simulated instruments, as their register maps decode them, are no sign of made up digits."""

from __future__ import annotations

import pytest

from doxedge.measurement.digits import EVERY_MS, LastDigits
from simulators.catalogue import instrument_for
from simulators.plant import HOUR_MS, PlantSettings, SimulatedPlant
from tests.simulators.plant_bench import NOON_MS, SetClock, reading

PLANT = SimulatedPlant(PlantSettings(seed=5, two_shift=False, meter_origin_ms=NOON_MS - 12 * HOUR_MS))
POLLS = 300


@pytest.mark.parametrize(
    ("profile", "group", "quantity"),
    [
        ("teledyne_t200", "gas", "nox_ppb"),  # 32-bit floats
        ("generic_bayern_hessen", "gas", "nox_ppb"),  # four digits and a power of ten
        ("generic_analogue_input", "channels", "flow_m3_per_h"),  # the counts of a converter
    ],
)
async def test_an_instrument_shows_no_sign(profile: str, group: str, quantity: str) -> None:
    clock, digits = SetClock(), LastDigits()
    async with reading(instrument_for(profile, PLANT, clock)) as reader:
        for _ in range(POLLS):
            clock.at_ms += EVERY_MS
            sample = await reader.sample(group)
            value = sample.values[quantity]
            assert value is not None, sample.failures
            digits.take(value, clock.at_ms)
    assert digits.uneven is not True, digits.words
    assert any(scale.grid is not None for scale in digits.scales.values())
