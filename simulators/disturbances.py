"""How an instrument comes to see something else than the truth: drift, noise, lag, an old converter, spikes.

Each is a function of the truth, the fault and the time, so that a simulation can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from simulators.faults import Fault, FaultKind
from simulators.plant import HOUR_MS, noise
from simulators.stack import StackState

DRIFT_PER_MILLE_PER_HOUR: Final = 10
NOISE_PER_MILLE: Final = 20
T90_S: Final = 60
CONVERTER_PERCENT: Final = 85
SPIKE_PERIOD_MS: Final = 20_000
SPIKE_LENGTH_MS: Final = 2_000
SPIKE_FACTOR: Final = 10
"""Two seconds of every twenty read ten times as much."""

_LAG_STEPS: Final = 24
_TENTH: Final = math.log(10)
"""A first-order lag has reached 90 % after this many time constants."""


def disturbed(
    truth: Callable[[int], StackState], at_ms: int, faults: Iterable[Fault], *, seed: int
) -> StackState:
    """What the instrument sees at this time; `truth` says what is in the stack, `faults` are those that are on."""
    by_kind = {fault.kind: fault for fault in faults}
    lag = by_kind.get(FaultKind.LAG)
    state = truth(at_ms) if lag is None else _lagged(truth, at_ms, t90_ms=1_000 * _argument(lag, T90_S))
    factor = 1.0
    if drift := by_kind.get(FaultKind.DRIFT):
        hours = (at_ms - drift.from_ms) / HOUR_MS
        factor *= 1 + _argument(drift, DRIFT_PER_MILLE_PER_HOUR) / 1_000 * hours
    if jitter := by_kind.get(FaultKind.NOISE):
        factor *= 1 + _argument(jitter, NOISE_PER_MILLE) / 1_000 * noise(seed, "noise", at_ms // 100)
    if FaultKind.SPIKE in by_kind and at_ms % SPIKE_PERIOD_MS < SPIKE_LENGTH_MS:
        factor *= SPIKE_FACTOR
    state = _scaled(state, factor)
    if converter := by_kind.get(FaultKind.CONVERTER):
        # NO2 is measured as the NO that the converter makes of it; what it leaves is missing from NO2 and from NOx.
        state = replace(state, no2_ppm=state.no2_ppm * _argument(converter, CONVERTER_PERCENT) / 100)
    return state


def sensitivity(at_ms: int, faults: Iterable[Fault]) -> float:
    """By how much an instrument reads too much, of a gas from a bottle as well: its drift."""
    factor = 1.0
    for fault in faults:
        if fault.kind is FaultKind.DRIFT and fault.is_on(at_ms):
            factor += _argument(fault, DRIFT_PER_MILLE_PER_HOUR) / 1_000 * (at_ms - fault.from_ms) / HOUR_MS
    return factor


def _argument(fault: Fault, default: int) -> int:
    return default if fault.argument is None else fault.argument


def _scaled(state: StackState, factor: float) -> StackState:
    if factor == 1:
        return state
    return replace(
        state,
        no_ppm=state.no_ppm * factor,
        no2_ppm=state.no2_ppm * factor,
        flow_m3_per_h=state.flow_m3_per_h * factor,
        power_w=state.power_w * factor,
    )


def _lagged(truth: Callable[[int], StackState], at_ms: int, *, t90_ms: int) -> StackState:
    """A first-order lag: the mean of the past, weighted by e^(-age/tau), taken at quantiles of that weight."""
    tau_ms = t90_ms / _TENTH
    ages_ms = [-tau_ms * math.log(1 - (step + 0.5) / _LAG_STEPS) for step in range(_LAG_STEPS)]
    past = [truth(at_ms - round(age_ms)) for age_ms in ages_ms]
    return replace(
        truth(at_ms),
        no_ppm=sum(state.no_ppm for state in past) / _LAG_STEPS,
        no2_ppm=sum(state.no2_ppm for state in past) / _LAG_STEPS,
        o2_percent=sum(state.o2_percent for state in past) / _LAG_STEPS,
        flow_m3_per_h=sum(state.flow_m3_per_h for state in past) / _LAG_STEPS,
        temperature_c=sum(state.temperature_c for state in past) / _LAG_STEPS,
    )
