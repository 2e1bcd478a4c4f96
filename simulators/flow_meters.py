"""More flow meters: SUTO S430 in the stack, SICK FLOWSIC500 in the fuel gas."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping
from typing import Final

from simulators.faults import FaultKind
from simulators.instrument import Instrument, f32, in_other_order
from simulators.stack import StackState

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

_FAULTY: Final = 2


class SimulatedS430(Instrument):
    """SUTO S430: floats with the low word first, and one status word for all of them."""

    profile = "suto_s430"

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"pressure_unit": "bar"}

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, 31),)

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        floats = {
            0: state.temperature_c,
            2: state.pressure_kpa / 100,
            4: state.flow_m3_per_h / 3_600 / 12.0,
            6: state.flow_m3_per_h,
        }
        if self.active(FaultKind.NAN):
            floats = dict.fromkeys(floats, math.nan)
        is_well = not (self.active(FaultKind.DEVICE_FAULT) or self.active(FaultKind.NOT_MEASURING))
        if self.active(FaultKind.NOT_MEASURING):
            floats = dict.fromkeys(floats, 0.0)
        return {
            **{address: in_other_order(f32(value)) for address, value in floats.items()},
            8: in_other_order(struct.pack(">I", at_ms // 1_000 % 2**32)),
            24: struct.pack(">H", 0 if is_well else _FAULTY),
        }


class SimulatedFlowsic500(Instrument):
    """SICK FLOWSIC500 in the gas line of the plant, at 5 bar: a quarter of a normal cubic metre for each kWh."""

    profile = "sick_flowsic500"
    PRESSURE_KPA: Final = 501.325
    TEMPERATURE_C: Final = 12.0
    NORMAL_M3_PER_WH: Final = 0.25 / 1_000

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"pressure_unit": "bar", "temperature_unit": "degC"}

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((3_201, 3_201), (5_026, 5_027), (5_136, 5_137), (5_224, 5_225), (7_002, 7_003))

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        normal = state.power_w * self.NORMAL_M3_PER_WH
        actual = normal * (101.325 / self.PRESSURE_KPA) * ((273.15 + self.TEMPERATURE_C) / 273.15)
        floats = {7_002: actual, 5_026: normal, 5_136: self.PRESSURE_KPA / 100, 5_224: self.TEMPERATURE_C}
        if self.active(FaultKind.NAN):
            floats = dict.fromkeys(floats, math.nan)
        is_well = not (self.active(FaultKind.DEVICE_FAULT) or self.active(FaultKind.NOT_MEASURING))
        if self.active(FaultKind.NOT_MEASURING):
            floats = dict.fromkeys(floats, 0.0)
        return {
            **{address: f32(value) for address, value in floats.items()},
            3_201: struct.pack(">H", 0 if is_well else _FAULTY),
        }
