"""The gas of several simulated units that leaves through one stack: what each emits is the truth, and they add up."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.stack import STANDARD_KPA, ZERO_CELSIUS_K, Plant, StackState


class CommonStack:
    """The plant that analyser and flow meter of the stack see."""

    def __init__(self, units: Sequence[Plant]) -> None:
        """At least one unit."""
        self.units = tuple(units)

    @property
    def flow_full_scale_m3_per_h(self) -> float:
        """All units at their largest flow."""
        return sum(unit.flow_full_scale_m3_per_h for unit in self.units)

    def state(self, at_ms: int) -> StackState:
        """The mixed gas: dry gas, water and NOx of all units, at the mean of their temperatures and pressures."""
        states = [unit.state(at_ms) for unit in self.units]
        blowing = [state for state in states if state.flow_m3_per_h > 0]
        if not blowing:
            return states[0]
        dry = [state.dry_normal_m3_per_h for state in blowing]
        wet = [part / (1 - state.moisture_percent / 100) for part, state in zip(dry, blowing, strict=True)]
        temperature_c = _mean([state.temperature_c for state in blowing], wet)
        pressure_kpa = _mean([state.pressure_kpa for state in blowing], wet)
        expansion = (ZERO_CELSIUS_K + temperature_c) / ZERO_CELSIUS_K * STANDARD_KPA / pressure_kpa
        return StackState(
            operating=any(state.operating for state in states),
            power_w=sum(state.power_w for state in states),
            flow_m3_per_h=sum(wet) * expansion,
            temperature_c=temperature_c,
            pressure_kpa=pressure_kpa,
            moisture_percent=100 * (1 - sum(dry) / sum(wet)),
            o2_percent=_mean([state.o2_percent for state in blowing], dry),
            no_ppm=_mean([state.no_ppm for state in blowing], dry),
            no2_ppm=_mean([state.no2_ppm for state in blowing], dry),
            measured=all(state.measured for state in states),
        )

    def energy_wh(self, at_ms: int) -> int:
        """Of all units."""
        return sum(unit.energy_wh(at_ms) for unit in self.units)

    def truth_g(self, start_ms: int, end_ms: int) -> int:
        """What all units emitted."""
        return sum(unit.truth_g(start_ms, end_ms) for unit in self.units)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
