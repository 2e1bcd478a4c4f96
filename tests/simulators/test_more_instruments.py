"""Instruments beside the first three: each says what is true, on the layout of the real one, and errs as it does."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from decimal import Decimal

import pytest
from pymodbus.client import AsyncModbusTcpClient

from doxedge.analysers.question import Answer, DeviceException, Function, ReadRegisters
from doxedge.measurement.sample import Reason, Sample
from simulators.catalogue import INSTRUMENTS, SERIAL_BY_NATURE, TEXT_INSTRUMENTS, instrument_for
from simulators.faults import Fault, FaultKind
from simulators.flow_meters import SimulatedFlowsic500
from simulators.gas_analysers import Simulated42i, SimulatedGA700, SimulatedMarsic
from simulators.instrument import Instrument
from simulators.plant import HOUR_MS, PlantSettings, SimulatedPlant
from simulators.power_meters import PowerMeter
from simulators.stack import StackState
from tests.simulators.plant_bench import NOON_MS, SetClock, reading

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

PLANT = SimulatedPlant(PlantSettings(seed=5, two_shift=False, meter_origin_ms=NOON_MS - 12 * HOUR_MS))
GAS = ("teledyne_t200", "teledyne_n500", "thermo_42i", "sick_marsic300", "siemens_ga700")
WITH_FLAGS = tuple(name for name in GAS if name != "siemens_ga700")
METERS = ("janitza_umg", "schneider_iem3000", "sunspec_meter_203", "sunspec_meter_213")


def truth() -> StackState:
    return PLANT.state(NOON_MS)


async def one(profile: str, *faults: Fault, group: str = "gas", clock: SetClock | None = None) -> Sample:
    """One poll of one instrument with these faults."""
    instrument = instrument_for(
        profile, PLANT, clock or SetClock(), faults=faults, serial=profile in SERIAL_BY_NATURE
    )
    async with reading(instrument) as reader:
        return await reader.sample(group)


def number(sample: Sample, quantity: str) -> float:
    value = sample.values[quantity]
    assert value is not None, sample.failures
    return float(value)


@pytest.mark.parametrize("profile", GAS)
async def test_a_gas_analyser_reads_what_is_in_the_stack(profile: str) -> None:
    sample = await one(profile)
    share = 1 - truth().moisture_percent / 100 if profile == "sick_marsic300" else 1
    assert number(sample, "no_ppb") == pytest.approx(1_000 * truth().no_ppm * share, abs=1)
    assert sample.flags == frozenset()
    if profile != "siemens_ga700":
        assert number(sample, "no2_ppb") == pytest.approx(1_000 * truth().no2_ppm * share, abs=1)
        assert number(sample, "nox_ppb") == pytest.approx(1_000 * truth().nox_ppm * share, abs=1)


@pytest.mark.parametrize("profile", WITH_FLAGS)
@pytest.mark.parametrize("kind", [FaultKind.ZERO, FaultKind.SPAN])
async def test_calibration_gas_is_flagged(profile: str, kind: FaultKind) -> None:
    sample = await one(profile, Fault(kind))
    assert kind.value in sample.flags
    wanted = pytest.approx(400_000, abs=2) if kind is FaultKind.SPAN else pytest.approx(0.4, abs=0.2)
    assert number(sample, "nox_ppb") == wanted


@pytest.mark.parametrize("profile", GAS)
async def test_what_is_not_measured_is_never_zero_in_good_faith(profile: str) -> None:
    """0.0 in the registers while the status says so (measurement.md 9, rule 3)."""
    sample = await one(profile, Fault(FaultKind.NOT_MEASURING))
    assert sample.values["no_ppb"] is None or sample.flags & {"maintenance", "invalid"}


@pytest.mark.parametrize("profile", GAS)
async def test_an_instrument_at_fault_gives_no_value(profile: str) -> None:
    sample = await one(profile, Fault(FaultKind.DEVICE_FAULT))
    assert sample.values["no_ppb"] is None
    assert sample.failures["no_ppb"] is Reason.DEVICE_FAULT


@pytest.mark.parametrize("kind", [FaultKind.ZERO, FaultKind.SPAN])
async def test_a_state_other_than_measuring_makes_the_value_bad(kind: FaultKind) -> None:
    assert (await one("siemens_ga700", Fault(kind))).failures == {"no_ppb": Reason.DEVICE_FAULT}


async def test_a_held_value_is_bad_where_the_instrument_says_so() -> None:
    clock = SetClock()
    sample = await one("sick_marsic300", Fault(FaultKind.HELD), clock=clock)
    assert sample.flags == {"held"}
    assert set(sample.failures.values()) == {Reason.HELD}


@pytest.mark.parametrize("wire", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize("unit", ["ppm", "mg"])
async def test_the_order_and_unit_that_the_site_says_are_those_that_are_read(wire: str, unit: str) -> None:
    instrument = SimulatedMarsic(PLANT, SetClock())
    instrument.order, instrument.unit = wire, unit
    async with reading(instrument) as reader:
        sample = await reader.sample("gas")
    share = 1 - truth().moisture_percent / 100
    assert number(sample, "no_ppb") == pytest.approx(1_000 * truth().no_ppm * share, abs=1)
    assert number(sample, "o2_percent") == pytest.approx(truth().o2_percent * share, rel=1e-6)


@pytest.mark.parametrize("profile", ["thermo_42i", "sick_marsic300", "siemens_ga700", "suto_s430"])
async def test_words_in_the_wrong_order_are_not_a_plausible_sample(profile: str) -> None:
    """16.4 read as 2e-19 passes a range with a zero in it; being too small to be measured gives it away."""
    instrument = instrument_for(
        profile, PLANT, SetClock(), faults=[Fault(FaultKind.SWAPPED)], serial=profile in SERIAL_BY_NATURE
    )
    async with reading(instrument) as reader:
        group = reader.driver.groups[0]
        sample = await reader.sample(group)
        limits = reader.driver.profile.limits()
    wrong = [
        name
        for name, value in sample.values.items()
        if value is None or not _within(value, limits[name].hard_low, limits[name].hard_high)
    ]
    assert wrong, sample.values


def _within(value: Decimal, low: Decimal | None, high: Decimal | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


@pytest.mark.parametrize("profile", METERS)
async def test_a_meter_counts_what_the_plant_generates(profile: str) -> None:
    clock = SetClock()
    instrument = INSTRUMENTS[profile](PLANT, clock)
    async with reading(instrument) as reader:
        group = reader.driver.groups[-1]
        first = await reader.sample(group)
        clock.at_ms += HOUR_MS
        second = await reader.sample(group)
        power = await reader.sample(reader.driver.groups[0])
    generated = PLANT.energy_wh(clock.at_ms) - PLANT.energy_wh(NOON_MS)
    assert number(second, "energy_wh") - number(first, "energy_wh") == pytest.approx(generated, abs=1_100)
    assert number(power, "power_w") == pytest.approx(PLANT.state(clock.at_ms).power_w, abs=5_001)
    if profile != "janitza_umg":
        assert number(second, "reverse_energy_wh") == PowerMeter.REVERSE_WH


@pytest.mark.parametrize("profile", METERS)
async def test_a_meter_without_a_value_says_so(profile: str) -> None:
    instrument = INSTRUMENTS[profile](PLANT, SetClock(), faults=[Fault(FaultKind.NAN)])
    async with reading(instrument) as reader:
        for group in reader.driver.groups:
            assert set((await reader.sample(group)).failures.values()) == {Reason.NAN}


@pytest.mark.parametrize("serial", [False, True])
async def test_a_stack_flow_meter_reads_on_either_transport(serial: bool) -> None:
    async with reading(instrument_for("suto_s430", PLANT, SetClock(), serial=serial)) as reader:
        sample = await reader.sample("flow")
    assert number(sample, "flow_m3_per_h") == pytest.approx(truth().flow_m3_per_h, rel=1e-6)
    assert number(sample, "stack_temperature_c") == pytest.approx(truth().temperature_c, rel=1e-6)
    assert number(sample, "stack_pressure_kpa") == pytest.approx(truth().pressure_kpa, rel=1e-6)


async def test_a_gas_meter_reads_the_fuel() -> None:
    flow, state = await one("sick_flowsic500", group="flow"), await one("sick_flowsic500", group="state")
    normal = truth().power_w * SimulatedFlowsic500.NORMAL_M3_PER_WH
    assert number(flow, "normal_fuel_gas_flow_m3_per_h") == pytest.approx(normal, rel=1e-6)
    assert number(flow, "fuel_gas_flow_m3_per_h") < normal / 4
    assert number(state, "fuel_gas_pressure_kpa") == pytest.approx(SimulatedFlowsic500.PRESSURE_KPA, rel=1e-6)


@pytest.mark.parametrize("profile", ["suto_s430", "sick_flowsic500"])
@pytest.mark.parametrize("kind", [FaultKind.DEVICE_FAULT, FaultKind.NOT_MEASURING])
async def test_a_flow_meter_whose_status_is_not_good_has_no_flow(profile: str, kind: FaultKind) -> None:
    sample = await one(profile, Fault(kind), group="flow")
    assert set(sample.values.values()) == {None}
    assert set(sample.failures.values()) == {Reason.DEVICE_FAULT}


@pytest.mark.parametrize("profile", ["thermo_42i", "siemens_ga700"])
@pytest.mark.parametrize("is_wrong", [False, True])
async def test_identity_registers_tell_another_instrument(profile: str, is_wrong: bool) -> None:
    faults = [Fault(FaultKind.WRONG_IDENTITY)] if is_wrong else []
    async with reading(instrument_for(profile, PLANT, SetClock(), faults=faults)) as reader:
        outcomes = [await reader.modbus.exchange(request) for request in reader.driver.identity_requests()]
        contradiction = reader.driver.check_identity(outcomes)
    assert (contradiction is not None) is is_wrong
    if profile == "siemens_ga700" and is_wrong:
        assert contradiction == f"gas code: 7 is NO: register 12 holds {SimulatedGA700.CO_CODE}, not 7"


async def test_a_gas_in_another_unit_than_the_site_says_is_refused() -> None:
    instrument = SimulatedGA700(PLANT, SetClock())
    async with reading(instrument) as reader:
        instrument.unit = "mg"
        outcomes = [await reader.modbus.exchange(request) for request in reader.driver.identity_requests()]
        contradiction = reader.driver.check_identity(outcomes)
    assert contradiction == "unit code: 1561 is vpm, 1566 is mg/m3: register 13 holds 1566, not 1561"


class AtOne(Simulated42i):
    """A 42i whose list counts as the wire does, and whose site says that it does not."""

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        return {address + 1: data for address, data in super().registers(state, at_ms).items()}


async def test_the_wrong_first_register_is_refused_at_the_start() -> None:
    async with reading(AtOne(PLANT, SetClock())) as reader:
        outcomes = [await reader.modbus.exchange(request) for request in reader.driver.identity_requests()]
        contradiction = reader.driver.check_identity(outcomes)
    assert contradiction is not None
    assert contradiction.startswith("internal temperature: with the wrong first_register")


async def test_a_coil_starts_zero_gas_on_the_42i() -> None:
    async with reading(Simulated42i(PLANT, SetClock())) as reader:
        client = AsyncModbusTcpClient("127.0.0.1", port=reader.instrument.port)
        assert await client.connect()
        await client.write_coil(100, value=True, device_id=1)
        assert (await reader.sample("gas")).flags == {"zero"}
        await client.write_coil(100, value=False, device_id=1)
        assert (await reader.sample("gas")).flags == frozenset()
        client.close()


@pytest.mark.parametrize("profile", [name for name in INSTRUMENTS if name not in TEXT_INSTRUMENTS])
async def test_registers_outside_of_the_layout_do_not_exist(profile: str) -> None:
    instrument = INSTRUMENTS[profile](PLANT, SetClock())
    assert isinstance(instrument, Instrument)
    async with reading(instrument) as reader:
        last = max(last for _, last in instrument.register_spans())
        for function in (Function.HOLDING_REGISTERS, Function.INPUT_REGISTERS):
            beyond = await reader.modbus.exchange(ReadRegisters(1, function, last + 1, 1))
            assert isinstance(beyond, DeviceException)
            assert beyond.code == 2
            assert isinstance(await reader.modbus.exchange(ReadRegisters(1, function, last, 1)), Answer)


def test_a_map_that_nobody_plays_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="nothing plays 'nothing'; there are teledyne_t200, "):
        instrument_for("nothing", PLANT, SetClock())


def test_a_word_order_of_the_simulator_is_its_own_implementation() -> None:
    """Beside `decoding.in_order`, so that the two cannot share a mistake."""
    for order, wanted in (
        ("ABCD", "3f9df3b6"),
        ("CDAB", "f3b63f9d"),
        ("BADC", "9d3fb6f3"),
        ("DCBA", "b6f39d3f"),
    ):
        marsic = SimulatedMarsic(PLANT, SetClock())
        marsic.order = order
        assert marsic.packed(struct.unpack(">f", bytes.fromhex("3f9df3b6"))[0]).hex() == wanted
