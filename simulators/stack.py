"""What is true at one instant in the stack of a simulated unit, and who can tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

MG_PER_M3_PER_PPM: Final = 2.0525
"""NOx as NO2 at 0 degC and 101.325 kPa: 46.0055 g/mol over 22.414 m3/kmol."""
ZERO_CELSIUS_K: Final = 273.15
STANDARD_KPA: Final = 101.325


@dataclass(frozen=True, slots=True)
class StackState:
    """The gas and the generator at one instant."""

    operating: bool
    power_w: float
    flow_m3_per_h: float
    """Wet, at stack temperature and pressure, as an ultrasonic or pitot instrument sees it."""
    temperature_c: float
    pressure_kpa: float
    moisture_percent: float
    o2_percent: float
    """Dry."""
    no_ppm: float
    no2_ppm: float
    """Both dry, by volume."""
    measured: bool = True
    """Whether the analyser had a valid value at this time (false in a replayed hour without one)."""

    @property
    def nox_ppm(self) -> float:
        """NO and NO2 together, dry, by volume."""
        return self.no_ppm + self.no2_ppm

    @property
    def dry_normal_m3_per_h(self) -> float:
        """The flow at 0 degC, 101.325 kPa, without its moisture."""
        return (
            self.flow_m3_per_h
            * (ZERO_CELSIUS_K / (ZERO_CELSIUS_K + self.temperature_c))
            * (self.pressure_kpa / STANDARD_KPA)
            * (1 - self.moisture_percent / 100)
        )

    @property
    def nox_g_per_h(self) -> float:
        """Mass flow of NOx counted as NO2."""
        return self.nox_ppm * MG_PER_M3_PER_PPM * self.dry_normal_m3_per_h / 1_000


class Plant(Protocol):
    """One unit whose truth is a pure function of time, so that all its instruments agree."""

    @property
    def flow_full_scale_m3_per_h(self) -> float:
        """What 20 mA of the flow meter stand for."""
        ...

    def state(self, at_ms: int) -> StackState:
        """The truth at one instant (UTC milliseconds)."""
        ...

    def energy_wh(self, at_ms: int) -> int:
        """Reading of the energy counter; 0 at and before its origin."""
        ...

    def truth_g(self, start_ms: int, end_ms: int) -> int:
        """Grams of NOx as NO2 in [start, end), in the basis of a gateway that measures everything right.

        Dry ppm x 2.0525 mg/m3 x dry normal flow, the latter from the wet actual flow with the true temperature,
        pressure and moisture. A gateway whose configured moisture is the plant's own should agree within 0.5 %.
        """
        ...
