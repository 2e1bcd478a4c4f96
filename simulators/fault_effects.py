"""Whether a fault would change anything in a given instrument, found by trying it.

A scenario that switches the zero gas of a power meter on would test nothing, and nobody would notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.dialects import codec
from doxedge.analysers.profile_choices import setting_value
from doxedge.analysers.question import Phrase
from doxedge.fieldbus.profile_folders import load_profile, search_path
from simulators.catalogue import instrument_for
from simulators.device import SimulatedDevice
from simulators.faults import Fault, FaultKind
from simulators.instrument import Instrument
from simulators.plant import HOUR_MS, MINUTE_MS, PlantSettings, SimulatedPlant
from simulators.text_instrument import TextInstrument

OF_THE_WIRE: Final = frozenset(
    {
        FaultKind.SILENCE,
        FaultKind.HALF_FRAME,
        FaultKind.RESET,
        FaultKind.LATE,
        FaultKind.STALE,
        FaultKind.DUPLICATE,
        FaultKind.GARBAGE,
        FaultKind.WRONG_UNIT,
        FaultKind.WRONG_TRANSACTION,
        FaultKind.WRONG_FUNCTION,
        FaultKind.FEWER,
        FaultKind.MORE,
        FaultKind.DROPPED,
    }
)
"""They change bytes on their way out, whatever the instrument is."""

OF_A_DIALECT: Final = frozenset(
    {
        FaultKind.SILENCE,
        FaultKind.HALF_FRAME,
        FaultKind.RESET,
        FaultKind.LATE,
        FaultKind.DUPLICATE,
        FaultKind.GARBAGE,
    }
)
"""Of these, those that no dialect lets pass. The others are of Modbus, or told by some dialects only: a stale answer
where there is an echo, a lost byte where there is a check sum."""

TAKES_ARGUMENT: Final = frozenset(
    {
        FaultKind.LATE,
        FaultKind.EXCEPTION,
        FaultKind.DRIFT,
        FaultKind.NOISE,
        FaultKind.LAG,
        FaultKind.CONVERTER,
    }
)

SILENT_EXCEPTIONS: Final = frozenset({10, 11})
"""Modbus V1.1b3, 7: a converter says that the device behind it cannot be reached, or did not answer."""

_BEGIN_MS: Final = 1_767_268_800_000
_LOOKS_MS: Final = (0, 500, 1_000, 30_000, 5 * MINUTE_MS, HOUR_MS)
"""Times at which the two are compared; spikes come within the first, drift shows after an hour."""


@dataclass(slots=True)
class _Still:
    """A clock that is told the time."""

    at_ms: int = _BEGIN_MS
    speed: float = 1.0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return self.at_ms / 1_000

    async def sleep(self, plant_seconds: float) -> None:
        await asyncio.sleep(plant_seconds)


@cache
def has_effect(profile: str, kind: FaultKind, *, serial: bool = False) -> bool:
    """Whether an instrument with this register map says anything else while the fault is on."""
    clock = _Still()
    plant = SimulatedPlant(PlantSettings(two_shift=False, meter_origin_ms=_BEGIN_MS - HOUR_MS))
    sound = instrument_for(profile, plant, clock)
    if isinstance(sound, TextInstrument):
        if kind in OF_THE_WIRE:
            return kind in OF_A_DIALECT
        if kind is FaultKind.EXCEPTION:
            return any(sound.refusal(question) for question in _heard(sound))
    if kind is FaultKind.WRONG_TRANSACTION and serial:
        return False  # Frames of Modbus RTU have no number.
    if kind in OF_THE_WIRE or kind is FaultKind.EXCEPTION:
        return True
    ill = instrument_for(profile, plant, clock, faults=[Fault(kind, from_ms=_BEGIN_MS)])
    for after_ms in _LOOKS_MS:
        clock.at_ms = _BEGIN_MS + after_ms
        told = _told(ill)
        if kind is FaultKind.SWAPPED:
            return not isinstance(told, list) and any(len(data) in (4, 8) for data in told[0].values())
        if told != _told(sound):
            return True
    return False


def cuts_off(kind: FaultKind, argument: int | None) -> bool:
    """Whether a gateway that takes no unbound answer must find the device away."""
    if kind is FaultKind.EXCEPTION:
        return argument in SILENT_EXCEPTIONS
    return kind in OF_THE_WIRE or kind is FaultKind.WRONG_IDENTITY


def _told(instrument: SimulatedDevice) -> tuple[Mapping[int, bytes], frozenset[int]] | list[bytes | None]:
    """What it says now: registers and bits, or its answers to the questions of its map."""
    if isinstance(instrument, TextInstrument):
        return [instrument.answer(question) for question in _heard(instrument)]
    if not isinstance(instrument, Instrument):
        raise TypeError(f"{instrument.profile} has neither registers nor words to be compared")
    state, at_ms = instrument.observed()
    return instrument.registers(state, at_ms), instrument.bits(state)


def _heard(instrument: TextInstrument) -> list[Any]:
    """The questions of its map, as it hears them."""
    settings = {name: setting_value(text) for name, text in instrument.settings.items()}
    profile = load_profile(instrument.profile, search_path(), settings=settings)
    driver = make_driver(profile, device=instrument.profile, unit_id=instrument.unit_id)
    asked = [*driver.identity_requests(), *(one for group in driver.groups for one in driver.requests(group))]
    phrases = [one for one in asked if isinstance(one, Phrase)]
    return [question for one in phrases for question in instrument.ear().feed(codec.encode(one))]
