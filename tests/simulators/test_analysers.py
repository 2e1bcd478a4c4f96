"""Simulated instruments say what is true in the stack, on real layouts, and their faults are never values."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from pymodbus.client import AsyncModbusTcpClient

from doxedge.analysers.question import DeviceException, Function, ReadRegisters
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.measurement.sample import Reason
from simulators.analysers import (
    SPAN_GAS_PPB,
    SimulatedAnalogueInputs,
    SimulatedMeter,
    SimulatedT200,
    current_ua,
)
from simulators.faults import Fault, FaultKind
from simulators.plant import HOUR_MS, MINUTE_MS, PlantSettings, SimulatedPlant
from tests.simulators.plant_bench import NOON_MS, PATIENT_MS, SetClock, reading

PLANT = SimulatedPlant(PlantSettings(seed=5, two_shift=False, meter_origin_ms=NOON_MS - 12 * HOUR_MS))


async def test_the_analyser_reads_what_is_in_the_stack() -> None:
    clock = SetClock()
    async with reading(SimulatedT200(PLANT, clock)) as t200:
        for minute in range(0, 60, 7):
            clock.at_ms = NOON_MS + minute * MINUTE_MS
            truth = PLANT.state(clock.at_ms)
            gas, oxygen = await t200.sample("gas"), await t200.sample("oxygen")
            assert gas.values["nox_ppb"] is not None
            assert float(gas.values["nox_ppb"]) == pytest.approx(1_000 * truth.nox_ppm, abs=1)
            assert gas.values["no_ppb"] is not None
            assert gas.values["no2_ppb"] is not None
            assert abs(gas.values["nox_ppb"] - gas.values["no_ppb"] - gas.values["no2_ppb"]) < Decimal("0.02")
            assert oxygen.values["o2_percent"] is not None
            assert float(oxygen.values["o2_percent"]) == pytest.approx(truth.o2_percent, rel=1e-6)
            assert gas.flags == frozenset()


async def test_the_loops_carry_flow_temperature_and_pressure() -> None:
    async with reading(SimulatedAnalogueInputs(PLANT, SetClock())) as inputs:
        sample = await inputs.sample("channels")
        truth = PLANT.state(NOON_MS)
        for name, wanted, step in (
            ("flow_m3_per_h", truth.flow_m3_per_h, PLANT.flow_full_scale_m3_per_h / 16_000),
            ("stack_temperature_c", truth.temperature_c, 400 / 16_000),
            ("stack_pressure_kpa", truth.pressure_kpa, 40 / 16_000),
        ):
            value = sample.values[name]
            assert value is not None
            assert abs(float(value) - wanted) <= step


async def test_the_meter_counts_the_energy_of_the_power() -> None:
    clock = SetClock()
    async with reading(SimulatedMeter(PLANT, clock)) as meter:
        first = await meter.sample("energy")
        clock.at_ms += HOUR_MS
        second = await meter.sample("energy")
        assert first.values["power_w"] is not None
        assert float(first.values["power_w"]) == pytest.approx(PLANT.state(NOON_MS).power_w, rel=1e-6)
        assert first.values["energy_wh"] is not None
        assert second.values["energy_wh"] is not None
        counted = float(second.values["energy_wh"] - first.values["energy_wh"])
        truth = PLANT.energy_wh(NOON_MS + HOUR_MS) - PLANT.energy_wh(NOON_MS)
        assert counted == pytest.approx(truth, rel=1e-4)


async def test_a_gateway_that_reads_every_twenty_seconds_finds_the_true_mass() -> None:
    clock = SetClock()
    start_ms = NOON_MS
    grams = Decimal(0)
    async with (
        reading(SimulatedT200(PLANT, clock)) as t200,
        reading(SimulatedAnalogueInputs(PLANT, clock)) as inputs,
    ):
        for poll in range(180):
            clock.at_ms = start_ms + poll * 20_000
            values = {**(await t200.sample("gas")).values, **(await inputs.sample("channels")).values}
            ppb, flow = values["nox_ppb"], values["flow_m3_per_h"]
            celsius, kpa = values["stack_temperature_c"], values["stack_pressure_kpa"]
            assert ppb is not None
            assert flow is not None
            assert celsius is not None
            assert kpa is not None
            dry_normal = flow * Decimal("273.15") / (Decimal("273.15") + celsius) * kpa / Decimal("101.325")
            dry_normal *= Decimal(100 - 12) / 100
            grams += ppb * Decimal("2.0525") * dry_normal / 1_000_000 / 180
    truth = PLANT.truth_g(start_ms, start_ms + HOUR_MS)
    assert truth > 10_000
    assert abs(float(grams) - truth) < 0.005 * truth


NEVER_VALUES = [
    FaultKind.SILENCE,
    FaultKind.HALF_FRAME,
    FaultKind.RESET,
    FaultKind.LATE,
    FaultKind.DUPLICATE,
    FaultKind.GARBAGE,
    FaultKind.WRONG_UNIT,
    FaultKind.WRONG_TRANSACTION,
    FaultKind.WRONG_FUNCTION,
    FaultKind.FEWER,
    FaultKind.MORE,
]


@pytest.mark.parametrize("kind", NEVER_VALUES)
async def test_a_fault_of_the_wire_is_a_missing_value_and_then_it_is_over(kind: FaultKind) -> None:
    t200 = SimulatedT200(PLANT, SetClock(), faults=[Fault(kind, argument=120)])
    async with reading(t200, timeout_ms=60) as reader:
        for _ in range(3):
            sample = await reader.sample("gas")
            assert set(sample.values.values()) == {None}
            assert set(sample.failures.values()) == {Reason.COMMS}
        t200.faults.clear()
        assert isinstance(reader.modbus, ModbusTcp)
        reader.modbus._timeout_s = PATIENT_MS / 1_000
        assert (await reader.sample("gas")).values["nox_ppb"] is not None


async def test_the_answer_to_the_question_before_is_not_taken_for_a_value() -> None:
    t200 = SimulatedT200(PLANT, SetClock())
    async with reading(t200) as reader:
        assert (await reader.sample("gas")).values["nox_ppb"] is not None
        t200.faults.append(Fault(FaultKind.STALE))
        assert set((await reader.sample("gas")).values.values()) == {None}


@pytest.mark.parametrize("code", [2, 6])
async def test_an_exception_is_what_was_asked_for(code: int) -> None:
    t200 = SimulatedT200(PLANT, SetClock(), faults=[Fault(FaultKind.EXCEPTION, argument=code)])
    async with reading(t200) as reader:
        outcome = await reader.modbus.exchange(reader.driver.requests("gas")[0])
        assert isinstance(outcome, DeviceException)
        assert outcome.code == code
        assert set((await reader.sample("gas")).failures.values()) == {Reason.EXCEPTION}


@pytest.mark.parametrize(
    ("kind", "flag", "reason"),
    [
        (FaultKind.NOT_MEASURING, "invalid", Reason.DEVICE_FAULT),
        (FaultKind.DEVICE_FAULT, "fault", Reason.DEVICE_FAULT),
        (FaultKind.NAN, None, Reason.NAN),
    ],
)
async def test_a_fault_of_the_analyser_is_a_missing_value_with_its_reason(
    kind: FaultKind, flag: str | None, reason: Reason
) -> None:
    async with reading(SimulatedT200(PLANT, SetClock(), faults=[Fault(kind)])) as reader:
        sample = await reader.sample("gas")
        assert set(sample.values.values()) == {None}
        assert set(sample.failures.values()) == {reason}
        assert flag is None or flag in sample.flags


async def test_calibration_gas_is_seen_and_flagged() -> None:
    t200 = SimulatedT200(PLANT, SetClock(), faults=[Fault(FaultKind.SPAN)])
    async with reading(t200) as reader:
        sample = await reader.sample("gas")
        assert sample.flags == {"span"}
        assert sample.values["no_ppb"] is not None
        assert float(sample.values["no_ppb"]) == pytest.approx(SPAN_GAS_PPB, abs=1)
        t200.faults[:] = [Fault(FaultKind.ZERO)]
        sample = await reader.sample("calibration")
        assert sample.flags == {"zero"}
        assert sample.values["calibration_nox_ppb"] is not None
        assert abs(sample.values["calibration_nox_ppb"]) < 1


async def test_coils_start_and_end_a_calibration_as_on_the_instrument() -> None:
    t200 = SimulatedT200(PLANT, SetClock())
    async with reading(t200) as reader:
        client = AsyncModbusTcpClient("127.0.0.1", port=t200.port, timeout=PATIENT_MS / 1_000)
        assert await client.connect()
        try:
            for coil, flag in ((20, "zero"), (21, "span")):
                assert not (await client.write_coil(coil, True, device_id=1)).isError()
                assert (await reader.sample("gas")).flags == {flag}
                assert not (await client.write_coil(coil, False, device_id=1)).isError()
                assert (await reader.sample("gas")).flags == frozenset()
        finally:
            client.close()


async def test_a_stuck_analyser_repeats_itself_and_a_sound_one_does_not() -> None:
    clock = SetClock()
    t200 = SimulatedT200(PLANT, clock)
    async with reading(t200) as reader:
        moving, stuck = set(), set()
        for second in range(0, 60, 5):
            clock.at_ms = NOON_MS + 1_000 * second
            moving.add((await reader.sample("gas")).values["nox_ppb"])
        t200.faults.append(Fault(FaultKind.STUCK, from_ms=NOON_MS))
        for second in range(0, 60, 5):
            clock.at_ms = NOON_MS + 1_000 * second
            stuck.add((await reader.sample("gas")).values["nox_ppb"])
        assert len(moving) == 12
        assert len(stuck) == 1


async def test_a_broken_loop_is_no_flow() -> None:
    async with reading(
        SimulatedAnalogueInputs(PLANT, SetClock(), faults=[Fault(FaultKind.BROKEN_LOOP)])
    ) as inputs:
        sample = await inputs.sample("channels")
        assert set(sample.values.values()) == {None}
        assert set(sample.failures.values()) == {Reason.BELOW_RANGE}


async def test_a_meter_that_was_restarted_counts_from_zero() -> None:
    fault = Fault(FaultKind.COUNTER_RESET, from_ms=NOON_MS)
    clock = SetClock(NOON_MS)
    async with reading(SimulatedMeter(PLANT, clock, faults=[fault])) as meter:
        assert (await meter.sample("energy")).values["energy_wh"] == 0
        clock.at_ms += HOUR_MS
        value = (await meter.sample("energy")).values["energy_wh"]
        assert value is not None
        assert 0 < value < 100_000_000


async def test_registers_that_the_instrument_has_not_answer_with_exception_2() -> None:
    async with reading(SimulatedT200(PLANT, SetClock())) as reader:
        outcome = await reader.modbus.exchange(ReadRegisters(1, Function.INPUT_REGISTERS, 150, 2))
        assert isinstance(outcome, DeviceException)
        assert outcome.code == 2


@pytest.mark.parametrize(
    ("value", "counts"), [(0, 4_000), (50, 12_000), (100, 20_000), (-10, 3_800), (500, 20_500)]
)
def test_a_transmitter_saturates_inside_the_band_of_a_sound_loop(value: float, counts: int) -> None:
    assert current_ua(value, (0.0, 100.0)) == counts
    assert struct.pack(">h", counts)


def test_a_fault_has_its_time() -> None:
    fault = Fault(FaultKind.SILENCE, from_ms=10, to_ms=20)
    assert [fault.is_on(at_ms) for at_ms in (9, 10, 19, 20)] == [False, True, True, False]
    assert Fault(FaultKind.SILENCE).is_on(10**15)
