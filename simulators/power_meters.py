"""More power meters: Schneider iEM3000 and PM5000, and the SunSpec models 203 (whole numbers) and 213 (floats)."""

from __future__ import annotations

import math
import struct
import sys
from abc import abstractmethod
from collections.abc import Mapping
from typing import Final

from simulators.faults import FaultKind
from simulators.instrument import Instrument, f32
from simulators.stack import StackState

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

_NO_I16: Final = struct.pack(">h", -0x8000)
_NO_I64: Final = struct.pack(">q", -0x8000_0000_0000_0000)


class PowerMeter(Instrument):
    """A meter whose production counter goes with the plant and whose other counter stands still."""

    REVERSE_WH: Final = 12_000

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"production": "export"}

    @override
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        energy_wh = self.plant.energy_wh(at_ms)
        if fault := self.active(FaultKind.COUNTER_RESET):
            energy_wh -= self.plant.energy_wh(fault.from_ms)
        if self.active(FaultKind.NAN):
            return self.layout(None, None)
        return self.layout(state.power_w, energy_wh)

    @abstractmethod
    def layout(self, power_w: float | None, energy_wh: int | None) -> Mapping[int, bytes]:
        """The registers; None is the meter's own way to say that it has no value."""


class SimulatedIem3000(PowerMeter):
    """Schneider iEM3000, and PM5000 with the same registers."""

    profile = "schneider_iem3000"

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((2_999, 3_123), (3_203, 3_250))

    @override
    def layout(self, power_w: float | None, energy_wh: int | None) -> Mapping[int, bytes]:
        return {
            3_059: f32(math.nan if power_w is None else power_w / 1_000),
            3_109: f32(math.nan if power_w is None else 50.0),
            3_203: _NO_I64 if energy_wh is None else struct.pack(">q", self.REVERSE_WH),
            3_207: _NO_I64 if energy_wh is None else struct.pack(">q", energy_wh),
        }


class SunSpecMeter(PowerMeter):
    """A SunSpec device: the marker, the common model, one model of something else, the meter, the end."""

    model: int
    length: int
    base: int = 40_000
    COMMON_LENGTH: Final = 66
    OTHER_MODEL: Final = 11
    OTHER_LENGTH: Final = 13

    @property
    def meter_address(self) -> int:
        """Where the meter's model begins."""
        return self.base + 2 + 2 + self.COMMON_LENGTH + 2 + self.OTHER_LENGTH

    @override
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        return ((self.base, self.meter_address + 2 + self.length + 1),)

    @override
    def layout(self, power_w: float | None, energy_wh: int | None) -> Mapping[int, bytes]:
        start = self.meter_address
        other = start - 2 - self.OTHER_LENGTH
        marker = b"none" if self.active(FaultKind.WRONG_IDENTITY) else b"SunS"
        events = 1 << 7 if self.active(FaultKind.DEVICE_FAULT) else 0
        return {
            self.base: marker,
            self.base + 2: struct.pack(">HH", 1, self.COMMON_LENGTH),
            other: struct.pack(">HH", self.OTHER_MODEL, self.OTHER_LENGTH),
            start: struct.pack(">HH", self.model, self.length),
            **{start + at: data for at, data in self.values(power_w, energy_wh).items()},
            start + self.length: struct.pack(">I", events),
            start + 2 + self.length: struct.pack(">HH", 0xFFFF, 0),
        }

    @abstractmethod
    def values(self, power_w: float | None, energy_wh: int | None) -> Mapping[int, bytes]:
        """The meter's registers, counted from its first."""


class SimulatedSunSpec203(SunSpecMeter):
    """Whole numbers with scale factors: power in steps of 10 kW, energy in steps of 1 kWh."""

    profile = "sunspec_meter_203"
    model = 203
    length = 105
    POWER_SCALE: Final = 4
    ENERGY_SCALE: Final = 3

    @override
    def values(self, power_w: float | None, energy_wh: int | None) -> Mapping[int, bytes]:
        # A register that is full stays full: 327.67 MW is the most that this meter can say.
        power = (
            _NO_I16
            if power_w is None
            else struct.pack(">h", min(0x7FFF, round(power_w / 10**self.POWER_SCALE)))
        )
        counted = 0 if energy_wh is None else energy_wh // 10**self.ENERGY_SCALE
        return {
            16: _NO_I16 if power_w is None else struct.pack(">h", 5_000),
            17: struct.pack(">h", -2),
            18: power,
            22: struct.pack(">h", self.POWER_SCALE),
            38: struct.pack(">I", counted % 2**32),
            46: struct.pack(">I", self.REVERSE_WH // 10**self.ENERGY_SCALE),
            54: _NO_I16 if energy_wh is None else struct.pack(">h", self.ENERGY_SCALE),
        }


class SimulatedSunSpec213(SunSpecMeter):
    """Floats."""

    profile = "sunspec_meter_213"
    model = 213
    length = 124

    @override
    def values(self, power_w: float | None, energy_wh: int | None) -> Mapping[int, bytes]:
        no_value = f32(math.nan)
        return {
            26: no_value if power_w is None else f32(50.0),
            28: no_value if power_w is None else f32(power_w),
            60: no_value if energy_wh is None else f32(float(energy_wh)),
            68: no_value if energy_wh is None else f32(float(self.REVERSE_WH)),
        }
