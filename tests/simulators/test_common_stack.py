"""What a shared stack emits is what its units emit, at every instant."""

from __future__ import annotations

import pytest

from doxedge.fieldbus.clock import RealClock
from simulators.common_stack import CommonStack
from simulators.plant import HOUR_MS, Order, PlantSettings, SimulatedPlant
from simulators.plant_file import UnitPlan
from simulators.site import site_of

NOON_MS = 1_767_268_800_000
OFF = (Order(NOON_MS, None, 0.0),)
RUNS = PlantSettings(name="a", seed=3, two_shift=False, meter_origin_ms=NOON_MS)
BIGGER = PlantSettings(
    name="b", seed=4, capacity_mw=250, moisture_percent=18, two_shift=False, meter_origin_ms=NOON_MS
)
STANDS = PlantSettings(name="c", seed=5, two_shift=False, orders=OFF, meter_origin_ms=NOON_MS)


@pytest.mark.parametrize("settings", [(RUNS, BIGGER), (RUNS, STANDS), (STANDS, RUNS, BIGGER), (STANDS,)])
def test_the_units_emissions_add_up(settings: tuple[PlantSettings, ...]) -> None:
    units = [SimulatedPlant(one) for one in settings]
    stack = CommonStack(units)
    for at_ms in range(NOON_MS, NOON_MS + HOUR_MS, 7 * 60_000):
        state, parts = stack.state(at_ms), [unit.state(at_ms) for unit in units]
        assert state.nox_g_per_h == pytest.approx(sum(part.nox_g_per_h for part in parts))
        assert state.dry_normal_m3_per_h == pytest.approx(sum(part.dry_normal_m3_per_h for part in parts))
        assert state.operating == any(part.operating for part in parts)
    assert stack.truth_g(NOON_MS, NOON_MS + HOUR_MS) == sum(
        unit.truth_g(NOON_MS, NOON_MS + HOUR_MS) for unit in units
    )
    assert stack.energy_wh(NOON_MS + HOUR_MS) == sum(unit.energy_wh(NOON_MS + HOUR_MS) for unit in units)


def test_mixed_gas_lies_between_that_of_the_units() -> None:
    units = [SimulatedPlant(RUNS), SimulatedPlant(BIGGER)]
    state, parts = CommonStack(units).state(NOON_MS), [unit.state(NOON_MS) for unit in units]
    for field in ("temperature_c", "pressure_kpa", "moisture_percent", "o2_percent", "no_ppm", "no2_ppm"):
        low, high = sorted(getattr(part, field) for part in parts)
        assert low <= getattr(state, field) <= high


def test_the_analysers_of_a_site_with_one_stack_see_its_gas_and_each_meter_its_own_unit() -> None:
    plans = [UnitPlan(RUNS), UnitPlan(BIGGER)]
    site = site_of(plans, RealClock(), one_stack=True)
    assert [unit.stack.truth_g(NOON_MS, NOON_MS + HOUR_MS) for unit in site.units] == [
        CommonStack([SimulatedPlant(RUNS), SimulatedPlant(BIGGER)]).truth_g(NOON_MS, NOON_MS + HOUR_MS)
    ] * 2
    assert [unit.plant.energy_wh(NOON_MS + HOUR_MS) for unit in site.units] == [
        SimulatedPlant(one).energy_wh(NOON_MS + HOUR_MS) for one in (RUNS, BIGGER)
    ]
