"""Instruments that speak: each says what is true on its real transport, and its faults are never values."""

from __future__ import annotations

import pytest

from doxedge.analysers.dialects import horiba
from doxedge.analysers.question import Answer, DeviceException, Phrase
from doxedge.fieldbus.bound_line import BoundLine
from doxedge.fieldbus.errors import NoAnswer
from doxedge.measurement.quality import AssessmentSettings, Assessor
from doxedge.measurement.sample import Quality, Reason, Sample
from simulators.catalogue import INSTRUMENTS, TEXT_INSTRUMENTS, instrument_for
from simulators.faults import Fault, FaultKind
from simulators.plant import HOUR_MS, PlantSettings, SimulatedPlant
from simulators.stack import StackState
from simulators.text_analysers import Simulated42iClink, SimulatedBayernHessen
from simulators.text_instrument import TextInstrument
from tests.simulators.plant_bench import NOON_MS, PATIENT_MS, SetClock, reading

PLANT = SimulatedPlant(PlantSettings(seed=5, two_shift=False, meter_origin_ms=NOON_MS - 12 * HOUR_MS))
UNSEEN = "eco_physics_88p"
"""It says neither zero gas nor a fault."""
TELLING = tuple(name for name in TEXT_INSTRUMENTS if name != UNSEEN)
WITH_SUM = (UNSEEN, "ecotech_serinus40_advanced", "generic_bayern_hessen", "horiba_apna370")
WITH_REFUSAL = tuple(
    name for name in TEXT_INSTRUMENTS if name not in (UNSEEN, "generic_bayern_hessen", "horiba_apna370")
)


def truth() -> StackState:
    return PLANT.state(NOON_MS)


def one(profile: str, *faults: Fault, serial: bool = False) -> TextInstrument:
    made = instrument_for(profile, PLANT, SetClock(), faults=faults, serial=serial)
    assert isinstance(made, TextInstrument)
    return made


async def poll(profile: str, *faults: Fault, serial: bool = False, timeout_ms: int = PATIENT_MS) -> Sample:
    """One poll with these faults."""
    async with reading(one(profile, *faults, serial=serial), timeout_ms=timeout_ms) as reader:
        return await reader.sample("gas")


def number(sample: Sample, quantity: str) -> float:
    value = sample.values[quantity]
    assert value is not None, sample.failures
    return float(value)


@pytest.mark.parametrize("profile", TEXT_INSTRUMENTS)
@pytest.mark.parametrize("serial", [False, True], ids=["network", "serial"])
async def test_an_instrument_says_what_is_in_the_stack(profile: str, serial: bool) -> None:
    sample = await poll(profile, serial=serial)
    assert sample.flags == (frozenset({"warning"}) if profile == UNSEEN else frozenset())
    # Bayern-Hessen has four digits.
    assert number(sample, "nox_ppb") == pytest.approx(1_000 * truth().nox_ppm, rel=1e-3)
    for quantity, ppm in (("no_ppb", truth().no_ppm), ("no2_ppb", truth().no2_ppm)):
        if quantity in sample.values:
            assert number(sample, quantity) == pytest.approx(1_000 * ppm, rel=1e-3)


@pytest.mark.parametrize("profile", TELLING)
@pytest.mark.parametrize(("kind", "ppb"), [(FaultKind.ZERO, 0.4), (FaultKind.SPAN, 400_000)])
async def test_test_gas_is_flagged(profile: str, kind: FaultKind, ppb: float) -> None:
    sample = await poll(profile, Fault(kind))
    assert kind.value in sample.flags
    assert number(sample, "nox_ppb") == pytest.approx(ppb, abs=2)


@pytest.mark.parametrize("kind", [FaultKind.ZERO, FaultKind.SPAN])
async def test_test_gas_that_nobody_sees_is_never_a_good_value(kind: FaultKind) -> None:
    sample = await poll(UNSEEN, Fault(kind))
    readings = Assessor(AssessmentSettings()).assess(sample)
    assert {(reading.quality, reading.reason) for reading in readings} == {
        (Quality.UNCERTAIN, Reason.WARNING)
    }


@pytest.mark.parametrize("profile", TEXT_INSTRUMENTS)
async def test_what_is_not_measured_is_never_zero_in_good_faith(profile: str) -> None:
    # An 88 p that measures nothing has no list of numbers: that is silence, and the gateway waits for it.
    timeout_ms = 60 if profile == UNSEEN else PATIENT_MS
    sample = await poll(profile, Fault(FaultKind.NOT_MEASURING), timeout_ms=timeout_ms)
    assert sample.values["nox_ppb"] is None or "maintenance" in sample.flags


@pytest.mark.parametrize("profile", [p for p in TELLING if p != "ecotech_serinus40_advanced"])
async def test_an_instrument_at_fault_gives_no_value(profile: str) -> None:
    sample = await poll(profile, Fault(FaultKind.DEVICE_FAULT))
    assert sample.failures["nox_ppb"] is Reason.DEVICE_FAULT


@pytest.mark.parametrize("profile", WITH_REFUSAL)
async def test_a_refusal_is_no_value_and_no_silence(profile: str) -> None:
    async with reading(one(profile, Fault(FaultKind.EXCEPTION))) as reader:
        refused = await reader.modbus.exchange(reader.driver.requests("gas")[0])
        assert isinstance(refused, DeviceException)
        assert refused.text in ("busy", "bad cmd")
        assert set((await reader.sample("gas")).failures.values()) == {Reason.EXCEPTION}


WIRE = (FaultKind.SILENCE, FaultKind.HALF_FRAME, FaultKind.GARBAGE, FaultKind.DUPLICATE, FaultKind.LATE)


@pytest.mark.parametrize("profile", TEXT_INSTRUMENTS)
@pytest.mark.parametrize("kind", WIRE)
async def test_a_fault_of_the_line_is_a_missing_value(profile: str, kind: FaultKind) -> None:
    serial = profile in ("thermo_42i_clink", "cai_700_ak")
    sample = await poll(profile, Fault(kind, argument=400), serial=serial, timeout_ms=60)
    assert set(sample.values.values()) == {None}
    assert set(sample.failures.values()) == {Reason.COMMS}


@pytest.mark.parametrize("profile", WITH_SUM)
async def test_a_wrong_check_sum_is_a_missing_value(profile: str) -> None:
    sample = await poll(profile, Fault(FaultKind.DROPPED), timeout_ms=60)
    assert set(sample.failures.values()) == {Reason.COMMS}


async def test_a_hang_up_is_a_missing_value_and_the_next_poll_connects_again() -> None:
    instrument = one("cai_700_ak", Fault(FaultKind.RESET))
    async with reading(instrument) as reader:
        assert isinstance(reader.modbus, BoundLine)
        # Patience for an answer must not make the silence after a fault as long.
        reader.modbus._quarantine_s = 0.02
        assert set((await reader.sample("gas")).failures.values()) == {Reason.COMMS}
        instrument.faults.clear()
        assert (await reader.sample("gas")).values["nox_ppb"] is not None


async def test_the_answer_to_the_question_before_is_not_taken_where_the_echo_tells() -> None:
    """C-Link and AK echo the command; where there is one question only, the stale answer is as old as a poll."""
    for profile in ("thermo_42i_clink", "cai_700_ak"):
        instrument = one(profile)
        async with reading(instrument) as reader:
            first, second = reader.driver.requests("gas")[:2]
            assert isinstance(await reader.modbus.exchange(first), Answer)
            instrument.faults.append(Fault(FaultKind.STALE))
            assert isinstance(reader.modbus, BoundLine)
            reader.modbus._timeout_s = 0.06
            with pytest.raises(NoAnswer):
                await reader.modbus.exchange(second)


@pytest.mark.parametrize("unit", ["ppb", "ppm", "mg/m3"])
async def test_a_42i_that_is_set_to_another_unit_is_read_in_it_or_not_at_all(unit: str) -> None:
    instrument = Simulated42iClink(PLANT, SetClock())
    instrument.unit = unit
    async with reading(instrument) as reader:
        sample = await reader.sample("gas")
    if unit == "mg/m3":
        assert set(sample.failures.values()) == {Reason.EXCEPTION}
    else:
        assert number(sample, "nox_ppb") == pytest.approx(1_000 * truth().nox_ppm, abs=1)


async def test_another_model_is_told_by_its_identity() -> None:
    for fault, contradiction in (((), None), ((Fault(FaultKind.WRONG_IDENTITY),), "without '42i'")):
        async with reading(one("thermo_42i_clink", *fault)) as reader:
            requests = reader.driver.identity_requests()
            found = reader.driver.check_identity([await reader.modbus.exchange(one) for one in requests])
            assert (found is None) if contradiction is None else (contradiction in str(found))


async def test_an_instrument_of_another_number_does_not_answer() -> None:
    instrument = Simulated42iClink(PLANT, SetClock(), unit_id=43)
    async with reading(instrument, timeout_ms=60) as reader:
        assert set((await reader.sample("gas")).failures.values()) == {Reason.COMMS}


async def test_questions_of_the_dialect_that_the_map_does_not_ask_are_answered_too() -> None:
    for profile, text in (
        ("thermo_42i_clink", "flags"), ("cai_700_ak", "AKEN K0"), ("ecotech_serinus40_advanced", "99"),
    ):  # fmt: skip
        instrument = one(profile)
        async with reading(instrument) as reader:
            phrase = Phrase(instrument.unit_id, instrument.dialect, text)
            assert isinstance(await reader.modbus.exchange(phrase), DeviceException)
    async with reading(one("generic_bayern_hessen")) as reader:
        assert isinstance(await reader.modbus.exchange(Phrase(0, "bayern_hessen", "DA097")), Answer)


@pytest.mark.parametrize("serial", [False, True], ids=["network", "serial"])
async def test_frames_that_end_with_cr_are_read_where_the_site_says_so(serial: bool) -> None:
    class EndsWithCr(SimulatedBayernHessen):
        dialect = "bayern_hessen_cr"

    async with reading(EndsWithCr(PLANT, SetClock(), serial=serial), timeout_ms=PATIENT_MS) as reader:
        sample = await reader.sample("gas")
    assert number(sample, "nox_ppb") == pytest.approx(1_000 * truth().nox_ppm, rel=1e-3)


@pytest.mark.parametrize(("line", "flags"), [("1", {"zero"}), ("2", {"span"}), ("0", set())])
async def test_an_apna_370_takes_the_line_that_it_is_told(line: str, flags: set[str]) -> None:
    analyser = one("horiba_apna370")
    analyser.order("zero")

    def told(data: str) -> bytes | None:
        unit_id = analyser.unit_id
        return analyser.answer(horiba.HoribaFrame(unit_id, unit_id, horiba.CHANGE_LINE, data))

    assert told("9") is None
    answer = told(line)
    assert answer is not None
    assert horiba.parse(answer).data == horiba.RIGHT
    async with reading(analyser, timeout_ms=PATIENT_MS) as reader:
        assert (await reader.sample("gas")).flags & {"zero", "span"} == flags


def test_the_catalogue_has_a_player_for_every_dialect_that_has_a_map() -> None:
    dialects = {kind.dialect for kind in INSTRUMENTS.values() if issubclass(kind, TextInstrument)}
    assert dialects == {"ak", "bayern_hessen", "clink", "eco_physics", "horiba", "serinus_advanced"}
