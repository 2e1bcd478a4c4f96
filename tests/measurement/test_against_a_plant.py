"""A simulated plant knows its true mass and energy: what is measured must come near, hour by hour and in sum."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings, HourGap, HourRecord
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour import HourAssembler, HourSettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.quality import AssessmentSettings, Assessor
from doxedge.measurement.sample import Sample
from doxedge.measurement.shared_stack import SharedStack, StackUnit
from doxedge.quantity import HOUR_MS, MINUTE_MS, SECOND_MS
from simulators.common_stack import CommonStack
from simulators.plant import PlantSettings, SimulatedPlant
from simulators.stack import Plant
from tests.measurement.readings import HOUR as FIRST_HOUR

POLL_MS = 20 * SECOND_MS
HOURS = 11
HOUR = FIRST_HOUR + 22 * HOUR_MS
"""The evening; this plant stops for the night and starts again."""

END = HOUR + HOURS * HOUR_MS

SETTINGS = HourSettings(
    unit="unit-1",
    emission=EmissionSettings(
        concentration_basis=Basis.DRY,
        flow_basis=FlowBasis.ACTUAL_WET,
        constants={"moisture_percent": Decimal(12)},
    ),
    operating=OperatingSettings(on_above=Decimal(2_000_000), off_below=Decimal(1_000_000)),
    energy=EnergySettings(),
    default_poll_period_ms=POLL_MS,
)


def samples_at(plant: Plant, at_ms: int, meters: Mapping[str, Plant] | None = None) -> list[Sample]:
    """Of one unit; or of the stack of several, each with its own meter, by its device."""
    state = plant.state(at_ms)
    read: Mapping[str, Mapping[str, float]] = {
        "analyser": {
            "nox_ppb": 1000 * state.nox_ppm,
            "no_ppb": 1000 * state.no_ppm,
            "no2_ppb": 1000 * state.no2_ppm,
        },
        "inputs": {
            "flow_m3_per_h": state.flow_m3_per_h,
            "stack_temperature_c": state.temperature_c,
            "stack_pressure_kpa": state.pressure_kpa,
        },
    }
    for device, unit in (meters or {"meter": plant}).items():
        load = {"power_w": unit.state(at_ms).power_w, "energy_wh": unit.energy_wh(at_ms)}
        read = {**read, device: load}
    return [
        Sample(
            device, at_ms, at_ms * 10**6, {name: Decimal(f"{value:.9g}") for name, value in values.items()}
        )
        for device, values in read.items()
    ]


def test_a_night_of_a_plant_that_starts_and_stops_is_measured_within_a_tenth_of_a_percent() -> None:
    plant = SimulatedPlant(PlantSettings(seed=3, meter_origin_ms=HOUR))
    assessor, assembler = Assessor(AssessmentSettings()), HourAssembler(SETTINGS, start_ms=HOUR)
    closed: list[HourRecord | HourGap] = []
    for at_ms in range(HOUR, END + 2 * MINUTE_MS, POLL_MS):
        for sample in samples_at(plant, at_ms):
            assembler.add(assessor.assess(sample))
        closed += assembler.close(at_ms)
    records = [hour for hour in closed if isinstance(hour, HourRecord)]
    assert [hour.start_ms for hour in records] == list(range(HOUR, END, HOUR_MS))
    assert {"60.13(h)(2)(i)", "60.13(h)(2)(ii)", "not operating"} >= {hour.clause for hour in records}
    assert any(0 < hour.operating_percent < 100 for hour in records)

    truth_g = plant.truth_g(HOUR, END)
    assert abs(sum(hour.nox_g for hour in records) - truth_g) * 1000 <= truth_g
    largest_g = max(hour.nox_g for hour in records)
    for hour in records:
        true_g = plant.truth_g(hour.start_ms, hour.start_ms + HOUR_MS)
        # One poll more or less at a start or stop.
        assert abs(hour.nox_g - true_g) <= largest_g * POLL_MS // HOUR_MS + true_g // 1000 + 1

    counted_wh = plant.energy_wh(END) - plant.energy_wh(HOUR)
    assert abs(sum(hour.energy_wh for hour in records) - counted_wh) <= counted_wh // 10**6 + 1
    assert {hour.energy_quality for hour in records} == {"metered"}


def test_a_night_of_two_units_on_one_stack_is_divided_within_half_a_percent() -> None:
    units: dict[str, Plant] = {
        name: SimulatedPlant(PlantSettings(name=name, seed=seed, capacity_mw=mw, meter_origin_ms=HOUR))
        for name, seed, mw in (("a", 3, 100.0), ("b", 4, 60.0))
    }
    stack = CommonStack([*units.values()])
    signal = OperatingSettings(on_above=Decimal(2_000_000), off_below=Decimal(1_000_000))
    on_stack = tuple(
        StackUnit(name, replace(signal, quantity=f"{name}.power_w"), f"{name}.power_w") for name in units
    )
    names = {
        (name, quantity): f"{name}.{quantity}" for name in units for quantity in ("power_w", "energy_wh")
    }
    assessor = Assessor(AssessmentSettings(names=names))
    assemblers = {
        one.unit: HourAssembler(
            replace(SETTINGS, unit=one.unit, operating=one.operating, shared=SharedStack(one.unit, on_stack)),
            start_ms=HOUR,
        )
        for one in on_stack
    }
    closed: dict[str, list[HourRecord | HourGap]] = {name: [] for name in units}
    for at_ms in range(HOUR, END + 2 * MINUTE_MS, POLL_MS):
        for sample in samples_at(stack, at_ms, units):
            readings = assessor.assess(sample)
            for assembler in assemblers.values():
                assembler.add(readings)
        for name, assembler in assemblers.items():
            closed[name] += assembler.close(at_ms)
    stood_still = 0
    for a, b in zip(closed["a"], closed["b"], strict=True):
        assert isinstance(a, HourRecord)
        assert isinstance(b, HourRecord)
        assert a.stack is not None
        assert a.stack == b.stack
        assert a.nox_g + b.nox_g == a.stack.nox_g
        end_ms = a.start_ms + HOUR_MS
        true_g = stack.truth_g(a.start_ms, end_ms)
        for part in (a, b):
            loads = {
                name: unit.energy_wh(end_ms) - unit.energy_wh(a.start_ms) for name, unit in units.items()
            }
            share_g = true_g * loads[part.unit] / max(1, sum(loads.values()))
            whole_g = max(
                one.stack.nox_g or 0 for one in closed["a"] if isinstance(one, HourRecord) and one.stack
            )
            # One poll more or less at a start or stop.
            assert abs(part.nox_g - share_g) <= whole_g * POLL_MS / HOUR_MS + share_g * 0.005 + 1
            stood_still += not part.operating_percent
            assert part.operating_percent or part.nox_g == 0
    assert len(closed["a"]) == HOURS
    assert stood_still
    truth_g = stack.truth_g(HOUR, END)
    said_g = sum(one.nox_g for hours in closed.values() for one in hours if isinstance(one, HourRecord))
    assert abs(said_g - truth_g) * 200 <= truth_g
