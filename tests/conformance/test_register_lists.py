"""The shipped Modbus maps against the makers' lists, written down here a second time and by hand.

A device is a memory: what the list says stands at its addresses, in its words and units. Neither the maps nor the
simulators have a part in it, so a slip of a digit in one of them shows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.catalogue import make_driver, parse_map
from doxedge.analysers.profile import Verified
from doxedge.analysers.question import Answer, Outcome, ReadBits, ReadRegisters, Request
from doxedge.analysers.sunspec import SunSpecDriver
from doxedge.measurement.sample import Reason, Sample

MAPS = Path(__file__).resolve().parents[2] / "firmware_configs" / "analysers"
COILS, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4


def f32(*values: float) -> bytes:
    return struct.pack(f">{len(values)}f", *values)


def swapped(value: float) -> bytes:
    """CDAB: the low word first."""
    data = f32(value)
    return data[2:] + data[:2]


@dataclass
class Device:
    """Registers by function and wire address; bits that are 1."""

    registers: dict[int, dict[int, bytes]] = field(default_factory=dict)
    bits: set[int] = field(default_factory=set)

    def answer(self, request: Request) -> Outcome:
        if isinstance(request, ReadBits):
            assert request.function == DISCRETE
            word = sum((request.address + n in self.bits) << n for n in range(request.count))
            return Answer(request, word.to_bytes(request.byte_count, "little"), b"q", b"a")
        assert isinstance(request, ReadRegisters)
        memory = bytearray(2 * 70_000)
        for address, data in self.registers.get(int(request.function), {}).items():
            memory[2 * address : 2 * address + len(data)] = data
        first = 2 * request.address
        return Answer(request, bytes(memory[first : first + request.byte_count]), b"q", b"a")


def polled(name: str, device: Device, **settings: str | Decimal) -> tuple[dict[str, Decimal | None], Sample]:
    """All values of all groups, and the sample of the first group."""
    text = (MAPS / f"{name}.toml").read_text(encoding="utf-8")
    driver = make_driver(parse_map(text, source=name, settings=settings), device="d")
    if isinstance(driver, SunSpecDriver):
        told: list[Outcome] = []
        while isinstance(step := driver.search(told), ReadRegisters):
            told.append(device.answer(step))
        assert not isinstance(step, str), step
        driver = step  # type: ignore[assignment]
    checks = driver.identity_requests()
    assert driver.check_identity([device.answer(one) for one in checks]) is None
    samples = [
        driver.sample(group, [device.answer(r) for r in driver.requests(group)], at_ms=0, monotonic_ns=0)
        for group in driver.groups
    ]
    return {name: value for sample in samples for name, value in sample.values.items()}, samples[0]


def sunspec(model: int, length: int, fields: Mapping[int, bytes]) -> dict[int, bytes]:
    """Behind a common model of 66 registers, at 40000."""
    block = 40_000 + 2 + 2 + 66
    memory = {40_000: b"SunS", 40_002: struct.pack(">HH", 1, 66), block: struct.pack(">HH", model, length)}
    memory[block + 2 + length] = b"\xff\xff\x00\x00"
    return memory | {block + place: data for place, data in fields.items()}


T200 = {
    INPUT: {
        18: f32(18), 22: f32(22), 26: f32(26), 30: f32(100), 34: f32(90), 38: f32(10.5), 48: f32(10),
        58: f32(315), 62: f32(500), 66: f32(30), 200: f32(5.5),
    }
}  # fmt: skip
N500 = {INPUT: {12: f32(10), 20: f32(45), 24: f32(35), 34: f32(29), 36: f32(25), 56: f32(90), 76: f32(100)}}
THERMO = {1: 90.0, 3: 10.0, 5: 100.0, 35: 25.0, 37: 50.0, 39: -3.0, 41: 325.0}
MARSIC = {1_006: 12.0, 1_008: 200.0, 1_010: 10.0, 1_012: 210.0, 1_020: 6.0}
GA700_NO = 0x0C  # the second component
GA700 = {
    GA700_NO: struct.pack(">HH", 7, 1_561) + f32(123) + bytes(4),
    0x0100: b"\x00\x05",
    0x0102: b"\x00\x00",
}
JANITZA = {19_026: f32(5e6), 19_050: f32(50), 19_068: f32(1e9), 19_076: f32(2e9)}
SCHNEIDER = {3_059: f32(5_000), 3_109: f32(50), 3_203: struct.pack(">q", 10**12), 3_207: struct.pack(">q", 7)}
METER_203 = {
    16: b"\x13\x88\xff\xfe", 18: struct.pack(">h", -250), 22: b"\x00\x04", 38: struct.pack(">I", 3_000_000_000),
    46: struct.pack(">I", 5), 54: b"\x00\x03", 105: bytes(4),
}  # fmt: skip
METER_213 = {26: f32(50), 28: f32(-2.5e6), 60: f32(3e9), 68: f32(5_000), 124: bytes(4)}
S430 = {0: swapped(120), 2: swapped(1.0), 4: swapped(12), 6: swapped(90_000), 24: b"\x00\x00"}
FLOWSIC = {7_002: f32(900), 5_026: f32(1_000), 5_136: f32(1.5), 5_224: f32(20), 3_201: b"\x00\x00"}
LOOPS = {0: struct.pack(">h", 12_000), 1: struct.pack(">h", 8_000), 2: struct.pack(">h", 20_000)}

LISTS: dict[str, tuple[str, dict[int, dict[int, bytes]], set[int], dict[str, str], dict[str, str]]] = {
    "Teledyne T200: FC04, ABCD, ppb, inHg": (
        "teledyne_t200", T200, {21}, {},
        {"nox_ppb": "100", "no_ppb": "90", "no2_ppb": "10.5", "o2_percent": "5.5", "calibration_nox_ppb": "18",
         "calibration_no_ppb": "22", "calibration_no2_ppb": "26", "cell_pressure_kpa": "33.8639",
         "converter_temperature_c": "315", "sample_flow_cc_per_min": "500", "box_temperature_c": "30"},
    ),
    "Teledyne N500: FC04, ABCD, ppb": (
        "teledyne_n500", N500, set(), {"calibration_bits": "as_t200"},
        {"nox_ppb": "100", "no_ppb": "90", "no2_ppb": "10", "oven_temperature_c": "45",
         "manifold_temperature_c": "35", "box_temperature_c": "25"},
    ),
    "Thermo 42i, counted from 1": (
        "thermo_42i", {INPUT: {n - 1: f32(v) for n, v in THERMO.items()}}, set(), {"first_register": "on_wire_0"},
        {"nox_ppb": "100", "no_ppb": "90", "no2_ppb": "10", "converter_temperature_c": "325",
         "cooler_temperature_c": "-3"},
    ),
    "Thermo 42i, as on the wire": (
        "thermo_42i", {INPUT: {n: f32(v) for n, v in THERMO.items()}}, set(), {"first_register": "on_wire_1"},
        {"nox_ppb": "100", "no_ppb": "90", "no2_ppb": "10", "internal_temperature_c": "25"},
    ),
    "SICK MARSIC300: FC04, live at 1004, ppm": (
        "sick_marsic300", {INPUT: {n: f32(v) for n, v in MARSIC.items()} | {1_050: b"\x00\x01"}}, {1_004},
        {"word_order": "ABCD", "gas_unit": "ppm"},
        {"nox_ppb": "210000", "no_ppb": "200000", "no2_ppb": "10000", "o2_percent": "6", "moisture_percent": "12"},
    ),
    "SICK MARSIC300, low word first": (
        "sick_marsic300", {INPUT: {n: swapped(v) for n, v in MARSIC.items()} | {1_050: b"\x00\x01"}}, {1_004},
        {"word_order": "CDAB", "gas_unit": "ppm"}, {"nox_ppb": "210000", "o2_percent": "6"},
    ),
    "Siemens GA700: FC03, NO is the second component": (
        "siemens_ga700", {HOLDING: GA700}, set(),
        {"no_component": "second", "gas_unit": "ppm", "measuring_state": "5"}, {"no_ppb": "123000"},
    ),
    "Janitza UMG: FC03, ABCD": (
        "janitza_umg", {HOLDING: JANITZA}, set(), {},
        {"power_w": "5000000", "frequency_hz": "50", "energy_wh": "1000000000", "exported_energy_wh": "2000000000"},
    ),
    "Schneider iEM3000: kW as a float, Wh in 64 bits": (
        "schneider_iem3000", {HOLDING: SCHNEIDER}, set(), {"production": "import"},
        {"power_w": "5000000", "frequency_hz": "50", "energy_wh": "1000000000000", "reverse_energy_wh": "7"},
    ),
    "SunSpec 203: whole numbers with powers of ten, power that flows out": (
        "sunspec_meter_203", {HOLDING: sunspec(203, 105, METER_203)}, set(), {"production": "export"},
        {"power_w": "-2500000", "frequency_hz": "50", "energy_wh": "3000000000000", "reverse_energy_wh": "5000"},
    ),
    "SunSpec 213: floats": (
        "sunspec_meter_213", {HOLDING: sunspec(213, 124, METER_213)}, set(), {"production": "export"},
        {"power_w": "-2500000", "frequency_hz": "50", "energy_wh": "3000000000", "reverse_energy_wh": "5000"},
    ),
    "SUTO S430: FC03, CDAB": (
        "suto_s430", {HOLDING: S430}, set(), {"pressure_unit": "bar"},
        {"flow_m3_per_h": "90000", "stack_temperature_c": "120", "stack_pressure_kpa": "100"},
    ),
    "SICK FLOWSIC500: FC03, ABCD": (
        "sick_flowsic500", {HOLDING: FLOWSIC}, set(), {"pressure_unit": "bar", "temperature_unit": "degC"},
        {"fuel_gas_flow_m3_per_h": "900", "normal_fuel_gas_flow_m3_per_h": "1000", "fuel_gas_pressure_kpa": "150",
         "fuel_gas_temperature_c": "20"},
    ),
    "4-20 mA: 12 mA is half, 8 mA a quarter, 20 mA all": (
        "generic_analogue_input", {INPUT: LOOPS}, set(), {"flow_high": "100000"},
        {"flow_m3_per_h": "50000", "stack_temperature_c": "100", "stack_pressure_kpa": "120"},
    ),
}  # fmt: skip


def given(settings: Mapping[str, str]) -> dict[str, str | Decimal]:
    return {name: Decimal(word) if word.isdecimal() else word for name, word in settings.items()}


@pytest.mark.parametrize("case", LISTS)
def test_values_stand_where_the_makers_list_has_them(case: str) -> None:
    name, registers, bits, settings, wanted = LISTS[case]
    values, sample = polled(name, Device(registers, bits), **given(settings))
    assert {key: values[key] for key in wanted} == {key: Decimal(text) for key, text in wanted.items()}
    assert sample.flags == frozenset()


def of_the_list(case: str, bits: Iterable[int], changed: Mapping[int, bytes] | None = None) -> Sample:
    name, registers, usual, settings, _ = LISTS[case]
    function = next(iter(registers))
    device = Device({function: registers[function] | dict(changed or {})}, usual ^ set(bits))
    return polled(name, device, **given(settings))[1]


T200_LIST, N500_LIST, MARSIC_LIST, THERMO_LIST = (
    next(case for case in LISTS if case.startswith(start))
    for start in ("Teledyne T200", "Teledyne N500", "SICK MARSIC300: ", "Thermo 42i, counted")
)


@pytest.mark.parametrize(
    ("case", "bits", "flag"),
    [
        *((T200_LIST, bit, "fault") for bit in range(10)),
        (T200_LIST, 10, "warning"),
        (T200_LIST, 14, "maintenance"),
        (T200_LIST, 15, "zero"),
        (T200_LIST, 16, "span"),
        (T200_LIST, 17, "invalid"),
        (T200_LIST, 18, "zero"),
        (T200_LIST, 19, "span"),
        (T200_LIST, 20, "span"),
        (T200_LIST, 21, "warning"),
        (T200_LIST, 24, "span"),
        *((N500_LIST, bit, "fault") for bit in range(9)),
        *((N500_LIST, bit, "warning") for bit in (10, 11, 12)),
        (THERMO_LIST, 3 - 1, "maintenance"),
        (THERMO_LIST, 5 - 1, "zero"),
        (THERMO_LIST, 6 - 1, "span"),
        (THERMO_LIST, 11 - 1, "warning"),
        *((THERMO_LIST, bit - 1, "fault") for bit in (22, 23, 24, 25, 28, 29, 30, 31, 32, 33)),
        (MARSIC_LIST, 1_000, "fault"),
        (MARSIC_LIST, 1_001, "warning"),
        (MARSIC_LIST, 1_002, "maintenance"),
        (MARSIC_LIST, 1_003, "warning"),
        (MARSIC_LIST, 1_004, "held"),
        (MARSIC_LIST, 1_024, "zero"),
        (MARSIC_LIST, 1_025, "span"),
        (MARSIC_LIST, 1_026, "maintenance"),
    ],
)
def test_each_status_bit_of_the_list_sets_its_flag_alone(case: str, bits: int, flag: str) -> None:
    sample = of_the_list(case, {bits})
    assert sample.flags == {flag}
    assert all(v is None for v in sample.values.values()) is (flag in ("fault", "invalid", "held"))


@pytest.mark.parametrize("point", [0, 2])
def test_an_analyser_that_is_at_another_stack_or_in_maintenance_has_no_value(point: int) -> None:
    sample = of_the_list(MARSIC_LIST, (), {1_050: struct.pack(">H", point)})
    assert set(sample.failures.values()) == {Reason.DEVICE_FAULT}
    assert set(sample.values.values()) == {None}


@pytest.mark.parametrize("word", [0x80000000, 0xFFFFFFFF])
def test_a_counter_that_says_it_is_none_has_no_value(word: int) -> None:
    fields = METER_203 | {38: struct.pack(">I", word)}
    values, _ = polled("sunspec_meter_203", Device({HOLDING: sunspec(203, 105, fields)}), production="export")
    assert values["energy_wh"] is None
    assert values["reverse_energy_wh"] == 5_000


@pytest.mark.parametrize(
    ("name", "verified"),
    [("teledyne_t200", "logger-code"), ("teledyne_n500", "logger-code"), ("thermo_42i", "logger-code"),
     ("siemens_ga700", "logger-code"), ("suto_s430", "logger-code"),
     ("sick_marsic300", "document"), ("janitza_umg", "document"), ("generic_analogue_input", "document")],
)  # fmt: skip
def test_a_map_is_verified_by_what_its_source_says(name: str, verified: str) -> None:
    text = (MAPS / f"{name}.toml").read_text(encoding="utf-8")
    assert f'verified = "{verified}"' in text
    assert ("data logger" in text.partition("[transport]")[0].partition("doubts")[0]) is (
        verified == "logger-code"
    )
    assert Verified(verified) not in (Verified.RECORDING, Verified.BENCH)
