"""The instruments of a simulated unit, on the register layouts of the real ones."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping
from typing import Final

from simulators.faults import FaultKind
from simulators.instrument import Instrument, f32
from simulators.plant import noise
from simulators.stack import StackState

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

# Teledyne T200: registers of function 4 and bits of function 2.
_NOX, _NOX_2, _NO, _NO_2, _NO2, _NO2_2 = 30, 32, 34, 36, 38, 40
_CAL_NOX, _CAL_NO, _CAL_NO2 = 18, 22, 26
_CELL_PRESSURE, _CELL_T, _MANIFOLD_T, _CONVERTER_EFFICIENCY, _CONVERTER_T = 48, 50, 52, 54, 58
_SAMPLE_FLOW, _SAMPLE_PRESSURE, _BOX_T, _O2 = 62, 64, 66, 200
_BIT_SAMPLE_FLOW, _BIT_INVALID, _BIT_ZERO, _BIT_SPAN, _BIT_SYSTEM_OK = 6, 17, 18, 19, 21
_COIL_ZERO, _COIL_SPAN = 20, 21

SPAN_GAS_PPB: Final = 400_000.0
ZERO_GAS_PPB: Final = 0.4
_DITHER_PPB: Final = 0.5
"""A chemiluminescence cell never repeats itself to the last digit; a value that does is stuck."""


class SimulatedT200(Instrument):
    """Teledyne API T200: NO, NO2 and NOx in ppb, dry, with its status bits and calibration coils."""

    profile = "teledyne_t200"
    _coil_mode: str = ""

    @property
    def mode(self) -> str:
        """`measure`, `zero` or `span`: by fault schedule or by coil."""
        if self.active(FaultKind.ZERO):
            return "zero"
        if self.active(FaultKind.SPAN):
            return "span"
        return self._coil_mode or "measure"

    @override
    def command(self, address: int, on: bool) -> None:
        mode = {_COIL_ZERO: "zero", _COIL_SPAN: "span"}.get(address, "")
        if on:
            self._coil_mode = mode
        elif self._coil_mode == mode:
            self._coil_mode = ""

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, 119), (200, 201))

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        no, no2 = self._gas_ppb(state, at_ms)
        o2, mode = state.o2_percent, self.mode
        if mode != "measure":
            o2 = 0.0 if mode == "zero" else 20.9
        floats = {
            _NOX: no + no2,
            _NOX_2: no + no2,
            _NO: no,
            _NO_2: no,
            _NO2: no2,
            _NO2_2: no2,
            _CAL_NOX: no + no2 if mode != "measure" else 0.0,
            _CAL_NO: no if mode != "measure" else 0.0,
            _CAL_NO2: no2 if mode != "measure" else 0.0,
            _CELL_PRESSURE: 6.9,
            _CELL_T: 50.0,
            _MANIFOLD_T: 50.0,
            _CONVERTER_EFFICIENCY: 0.98,
            _CONVERTER_T: 315.0,
            _SAMPLE_FLOW: 12.0 if self.active(FaultKind.DEVICE_FAULT) else 500.0,
            _SAMPLE_PRESSURE: 29.4,
            _BOX_T: 31.0,
            _O2: o2,
        }
        if self.active(FaultKind.NAN):
            floats = dict.fromkeys(floats, math.nan)
        if self.active(FaultKind.NOT_MEASURING) or not state.measured:
            floats |= dict.fromkeys((_NOX, _NOX_2, _NO, _NO_2, _NO2, _NO2_2, _O2), 0.0)
        return {address: f32(value) for address, value in floats.items()}

    @override
    def bits(self, state: StackState) -> frozenset[int]:
        on = set()
        mode = self.mode
        if mode == "zero":
            on.add(_BIT_ZERO)
        if mode == "span":
            on.add(_BIT_SPAN)
        if self.active(FaultKind.NOT_MEASURING) or not state.measured:
            on.add(_BIT_INVALID)
        if self.active(FaultKind.DEVICE_FAULT):
            on.add(_BIT_SAMPLE_FLOW)
        else:
            on.add(_BIT_SYSTEM_OK)
        return frozenset(on)

    def _gas_ppb(self, state: StackState, at_ms: int) -> tuple[float, float]:
        """NO and NO2 in the cell."""
        dither = _DITHER_PPB * noise(self.unit_id, "dither", at_ms // 1_000)
        match self.mode:
            case "zero":
                return ZERO_GAS_PPB + dither / 10, 0.0
            case "span":
                return SPAN_GAS_PPB * self.sensitivity + dither, 0.0
            case _:
                return 1_000 * state.no_ppm + (
                    dither if state.operating else dither / 10
                ), 1_000 * state.no2_ppm


class SimulatedAnalogueInputs(Instrument):
    """An input module with three 4-20 mA loops, one count for a microampere: flow, temperature, pressure."""

    profile = "generic_analogue_input"
    TEMPERATURE_RANGE: Final = (0.0, 400.0)
    PRESSURE_RANGE: Final = (80.0, 120.0)

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {
            "flow_low": "0",
            "flow_high": f"{self.plant.flow_full_scale_m3_per_h:.0f}",
            "temperature_low": f"{self.TEMPERATURE_RANGE[0]:.0f}",
            "temperature_high": f"{self.TEMPERATURE_RANGE[1]:.0f}",
            "pressure_low": f"{self.PRESSURE_RANGE[0]:.0f}",
            "pressure_high": f"{self.PRESSURE_RANGE[1]:.0f}",
        }

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, 7),)

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        if self.active(FaultKind.BROKEN_LOOP):
            return {0: bytes(6)}
        counts = (
            current_ua(state.flow_m3_per_h, (0.0, round(self.plant.flow_full_scale_m3_per_h))),
            current_ua(state.temperature_c, self.TEMPERATURE_RANGE),
            current_ua(state.pressure_kpa, self.PRESSURE_RANGE),
        )
        return {0: struct.pack(">3h", *counts)}


class SimulatedMeter(Instrument):
    """Janitza UMG: active power and energy counters."""

    profile = "janitza_umg"

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((19_000, 19_121),)

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        energy_wh = self.plant.energy_wh(at_ms)
        if fault := self.active(FaultKind.COUNTER_RESET):
            energy_wh -= self.plant.energy_wh(fault.from_ms)
        floats = {19_026: state.power_w, 19_050: 50.0, 19_068: float(energy_wh), 19_076: 0.0}
        if self.active(FaultKind.NAN):
            floats = dict.fromkeys(floats, math.nan)
        return {address: f32(value) for address, value in floats.items()}


def current_ua(value: float, ends: tuple[float, float]) -> int:
    """The loop current for a value, in microamperes; a transmitter saturates at 3.8 and 20.5 mA (NAMUR NE 43)."""
    low, high = ends
    return round(min(20_500.0, max(3_800.0, 4_000 + 16_000 * (value - low) / (high - low))))
