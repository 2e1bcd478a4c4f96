"""More gas analysers on the register layouts of the real ones: N500, 42i, MARSIC300, GA700."""

from __future__ import annotations

import math
import struct
import sys
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from simulators.faults import FaultKind
from simulators.instrument import Instrument, f32, in_other_order
from simulators.plant import noise
from simulators.stack import StackState

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

SPAN_GAS_PPM: Final = 400.0
ZERO_GAS_PPM: Final = 0.0004
_DITHER_PPM: Final = 0.0005
"""A cell never repeats itself to the last digit; a value that does is stuck."""

MG_PER_M3_PER_PPM_NO: Final = 30.0061 / 22.414
MG_PER_M3_PER_PPM_NO2: Final = 2.0525


@dataclass(frozen=True, slots=True)
class Gas:
    """What is in the cell, dry or wet as the instrument measures, by volume."""

    no_ppm: float
    no2_ppm: float
    o2_percent: float
    moisture_percent: float

    @property
    def nox_ppm(self) -> float:
        """Both together."""
        return self.no_ppm + self.no2_ppm


def gas_in_cell(
    mode: str, state: StackState, at_ms: int, *, seed: int, wet: bool = False, sensitivity: float = 1.0
) -> Gas:
    """Stack gas, zero gas or span gas, with the trembling of a cell; `sensitivity` is for gas from a bottle."""
    dither = _DITHER_PPM * noise(seed, "dither", at_ms // 1_000)
    if mode == "zero":
        return Gas(ZERO_GAS_PPM + dither / 10, 0.0, 0.0, 0.0)
    if mode == "span":
        return Gas(SPAN_GAS_PPM * sensitivity + dither, 0.0, 20.9, 0.0)
    share = 1 - state.moisture_percent / 100 if wet else 1.0
    return Gas(
        (state.no_ppm + dither) * share,
        state.no2_ppm * share,
        state.o2_percent * share,
        state.moisture_percent,
    )


class GasAnalyser(Instrument):
    """What gas analysers share: stack gas, zero gas or span gas, by fault schedule or by coil."""

    coils: ClassVar[Mapping[int, str]] = {}
    """Address of a coil to the mode that it starts."""
    wet: bool = False
    _coil_mode: str = ""

    @property
    def mode(self) -> str:
        """`measure`, `zero` or `span`."""
        if self.active(FaultKind.ZERO):
            return "zero"
        if self.active(FaultKind.SPAN):
            return "span"
        return self._coil_mode or "measure"

    def is_measuring(self, state: StackState) -> bool:
        """Whether the instrument has a value at all."""
        return state.measured and not self.active(FaultKind.NOT_MEASURING)

    @override
    def command(self, address: int, on: bool) -> None:
        mode = self.coils.get(address, "")
        if on:
            self._coil_mode = mode
        elif self._coil_mode == mode:
            self._coil_mode = ""

    def gas(self, state: StackState, at_ms: int) -> Gas:
        """What the cell holds now."""
        return gas_in_cell(
            self.mode, state, at_ms, seed=self.unit_id, wet=self.wet, sensitivity=self.sensitivity
        )

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        floats = dict(self.gas_floats(self.gas(state, at_ms)))
        if self.active(FaultKind.NAN):
            floats = dict.fromkeys(floats, math.nan)
        if not self.is_measuring(state):
            floats = dict.fromkeys(floats, 0.0)
        return {
            **{address: self.packed(value) for address, value in {**self.other_floats(), **floats}.items()},
            **self.words(state),
        }

    def packed(self, value: float) -> bytes:
        """A float in this instrument's order."""
        return f32(value)

    @abstractmethod
    def gas_floats(self, gas: Gas) -> Mapping[int, float]:
        """Address to value, in the register's unit."""

    def other_floats(self) -> Mapping[int, float]:
        """What does not depend on the gas."""
        return {}

    def words(self, state: StackState) -> Mapping[int, bytes]:
        """Registers that are no floats."""
        del state
        return {}


class SimulatedN500(GasAnalyser):
    """Teledyne N500, whose calibration bits are here those of the T500U."""

    profile = "teledyne_n500"
    coils: ClassVar[Mapping[int, str]] = {20: "zero", 22: "span"}

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"calibration_bits": "as_t500u"}

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, 99),)

    @override
    def gas_floats(self, gas: Gas) -> Mapping[int, float]:
        return {12: 1_000 * gas.no2_ppm, 56: 1_000 * gas.no_ppm, 76: 1_000 * gas.nox_ppm}

    @override
    def other_floats(self) -> Mapping[int, float]:
        return {20: 45.0, 24: 45.0, 34: 29.6, 36: 30.5}

    @override
    def bits(self, state: StackState) -> frozenset[int]:
        on = {address for address, mode in self.coils.items() if mode == self.mode}
        if self.active(FaultKind.DEVICE_FAULT):
            on.add(1)
        if not self.is_measuring(state):
            on.add(19)
        return frozenset(on)


class Simulated42i(GasAnalyser):
    """Thermo 42i; its list's register 1 is address 0 on this wire."""

    profile = "thermo_42i"
    coils: ClassVar[Mapping[int, str]] = {100: "zero", 101: "span"}
    INTERNAL_T: Final = 34

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"first_register": "on_wire_0"}

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, 77),)

    @override
    def bit_registers(self) -> tuple[int, int]:
        return 0, 6

    @override
    def gas_floats(self, gas: Gas) -> Mapping[int, float]:
        no, no2, nox = 1_000 * gas.no_ppm, 1_000 * gas.no2_ppm, 1_000 * gas.nox_ppm
        return {0: no, 2: no2, 4: nox, 10: no, 12: no2, 14: nox, 20: no, 22: no2, 24: nox}

    @override
    def other_floats(self) -> Mapping[int, float]:
        inside = 0.0 if self.active(FaultKind.WRONG_IDENTITY) else 29.37
        return {30: 500_000.0, self.INTERNAL_T: inside, 36: 49.9, 38: -3.1, 40: 324.6, 48: 203.5, 50: 0.61}

    @override
    def bits(self, state: StackState) -> frozenset[int]:
        on = set()
        if self.mode == "zero":
            on.add(4)
        if self.mode == "span":
            on.add(5)
        if self.mode == "measure":
            on.add(35)  # sample mode
        if self.active(FaultKind.DEVICE_FAULT):
            on |= {10, 28}  # general alarm, sample flow
        if not self.is_measuring(state):
            on.add(2)  # service mode
        return frozenset(on)


class SimulatedMarsic(GasAnalyser):
    """SICK MARSIC300: measures wet, reads 0.0 while it does not measure, and can hold its values."""

    profile = "sick_marsic300"
    wet = True
    order: str = "ABCD"
    unit: str = "mg"

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"word_order": self.order, "gas_unit": self.unit}

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((1_000, 1_023), (1_050, 1_050))

    @override
    def bit_registers(self) -> tuple[int, int]:
        return 62, 65

    @override
    def packed(self, value: float) -> bytes:
        data = f32(value)
        if self.order in ("BADC", "DCBA"):
            data = data[1::-1] + data[:1:-1]
        return in_other_order(data) if self.order in ("CDAB", "DCBA") else data

    @override
    def gas_floats(self, gas: Gas) -> Mapping[int, float]:
        no_factor, no2_factor = (
            (MG_PER_M3_PER_PPM_NO, MG_PER_M3_PER_PPM_NO2) if self.unit == "mg" else (1.0, 1.0)
        )
        return {
            1_000: 12.5 * no2_factor,
            1_002: 10.2,
            1_006: gas.moisture_percent,
            1_008: gas.no_ppm * no_factor,
            1_010: gas.no2_ppm * no2_factor,
            1_012: gas.nox_ppm * no2_factor,
            1_014: 0.8,
            1_016: 6.4,
            1_020: gas.o2_percent,
        }

    @override
    def words(self, state: StackState) -> Mapping[int, bytes]:
        return {1_050: struct.pack(">H", 1 if self.is_measuring(state) else 0)}

    @override
    def bits(self, state: StackState) -> frozenset[int]:
        on = set()
        if not self.active(FaultKind.HELD):
            on.add(1_004)
        if self.active(FaultKind.DEVICE_FAULT):
            on.add(1_000)
        if not self.is_measuring(state):
            on.add(1_002)
        if self.mode != "measure":
            on |= {1_024 if self.mode == "zero" else 1_025, 1_026}
        return frozenset(on)


class SimulatedGA700(GasAnalyser):
    """Siemens SIPROCESS GA700 with O2 as its first component and NO as its second."""

    profile = "siemens_ga700"
    MEASURING: Final = 3
    CALIBRATING: Final = 5
    NO_CODE: Final = 7
    O2_CODE: Final = 2
    CO_CODE: Final = 3
    _VPM: Final = 1_561
    _MG: Final = 1_566
    _PERCENT: Final = 1_342
    unit: str = "ppm"

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"no_component": "second", "gas_unit": self.unit, "measuring_state": str(self.MEASURING)}

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, 0x47), (0x0100, 0x0102))

    @override
    def gas_floats(self, gas: Gas) -> Mapping[int, float]:
        return {2: gas.o2_percent, 14: gas.no_ppm * (MG_PER_M3_PER_PPM_NO if self.unit == "mg" else 1)}

    @override
    def other_floats(self) -> Mapping[int, float]:
        return {6: 1.0, 8: 0.0, 18: 1.0, 20: 0.0, 0x3E: 101.1}

    @override
    def words(self, state: StackState) -> Mapping[int, bytes]:
        fault = 4 if self.active(FaultKind.DEVICE_FAULT) else 0
        is_live = self.mode == "measure" and self.is_measuring(state)
        no_code = self.CO_CODE if self.active(FaultKind.WRONG_IDENTITY) else self.NO_CODE
        return {
            0: struct.pack(">HH", self.O2_CODE, self._PERCENT),
            4: struct.pack(">I", 0),
            12: struct.pack(">HH", no_code, self._MG if self.unit == "mg" else self._VPM),
            16: struct.pack(">I", fault),
            0x0100: struct.pack(
                ">HHH", self.MEASURING if is_live else self.CALIBRATING, 0, 2 if fault else 0
            ),
        }
