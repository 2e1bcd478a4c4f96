"""Writes `tests/vectors/exchanges/<profile>.json`: what a device answered, and the sample that this makes.

`python -m tests.conformance.record_exchanges` records the simulated instruments at a fixed plant time. A recording of a
real instrument has the same form and another `origin`; `doxedge gateway record` makes one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.profile_choices import setting_value
from doxedge.fieldbus.profile_folders import load_profile, search_path
from doxedge.fieldbus.recording import SIMULATOR, Recorder
from simulators.catalogue import INSTRUMENTS, SERIAL_BY_NATURE, TEXT_INSTRUMENTS, instrument_for
from simulators.device import SimulatedDevice
from simulators.faults import Fault, FaultKind
from simulators.plant import PlantSettings, SimulatedPlant
from simulators.text_instrument import TextInstrument
from tests.simulators.plant_bench import endpoint_of

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "exchanges"
AT_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC

GAS: Final = (
    FaultKind.ZERO,
    FaultKind.SPAN,
    FaultKind.NOT_MEASURING,
    FaultKind.DEVICE_FAULT,
    FaultKind.NAN,
)
WITHOUT_REFUSAL: Final = ("eco_physics_88p", "generic_bayern_hessen", "horiba_apna370")
REFUSES: Final = {
    profile: () if profile in WITHOUT_REFUSAL else (FaultKind.EXCEPTION,) for profile in TEXT_INSTRUMENTS
}
"""Those with a word for it can be asked in vain."""
SITUATIONS: Final[dict[str, Sequence[FaultKind]]] = {
    "teledyne_t200": GAS,
    "teledyne_n500": GAS,
    "thermo_42i": (*GAS, FaultKind.SWAPPED),
    "sick_marsic300": (*GAS, FaultKind.HELD, FaultKind.SWAPPED),
    "siemens_ga700": (*GAS, FaultKind.SWAPPED),
    "suto_s430": (FaultKind.NAN, FaultKind.DEVICE_FAULT, FaultKind.NOT_MEASURING, FaultKind.SWAPPED),
    "sick_flowsic500": (FaultKind.NAN, FaultKind.DEVICE_FAULT, FaultKind.NOT_MEASURING, FaultKind.SWAPPED),
    "janitza_umg": (FaultKind.NAN,),
    "schneider_iem3000": (FaultKind.NAN, FaultKind.SWAPPED),
    "sunspec_meter_203": (FaultKind.NAN, FaultKind.DEVICE_FAULT),
    "sunspec_meter_213": (FaultKind.NAN, FaultKind.DEVICE_FAULT, FaultKind.SWAPPED),
    **{profile: (*GAS, *REFUSES[profile]) for profile in TEXT_INSTRUMENTS},
    "generic_bayern_hessen": GAS[:-1],
    # It says nothing of what goes on, and `-----` is no answer in its list of numbers.
    "eco_physics_88p": (FaultKind.ZERO, FaultKind.SPAN),
}
"""What is recorded beside the ordinary."""


class StandingClock:
    """Plant time stands still, so that a recording is the same each time."""

    speed = 1.0

    def now_ms(self) -> int:
        return AT_MS

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, plant_seconds: float) -> None:
        await asyncio.sleep(plant_seconds)


def situations(profile: str) -> list[tuple[str, list[Fault]]]:
    """By name, the faults that are on."""
    if profile == "generic_analogue_input":
        return [("measuring", []), ("broken", [Fault(FaultKind.BROKEN_LOOP)])]
    return [("measuring", []), *((kind.value, [Fault(kind)]) for kind in SITUATIONS[profile])]


def framing_of(instrument: SimulatedDevice) -> str:
    if isinstance(instrument, TextInstrument):
        return instrument.dialect
    return "rtu" if instrument.serial else "tcp"


async def record(profile: str) -> dict[str, object]:
    """All groups of an instrument in each situation."""
    plant = SimulatedPlant(PlantSettings(seed=7, two_shift=False, meter_origin_ms=AT_MS - 36_000_000))
    instrument = instrument_for(profile, plant, StandingClock(), serial=profile in SERIAL_BY_NATURE)
    settings = instrument.settings
    given = {name: setting_value(text) for name, text in settings.items()}
    driver = make_driver(load_profile(profile, search_path(), settings=given), device="recorded")
    await instrument.start()
    endpoint = endpoint_of(instrument, timeout_ms=5_000)
    polls: list[dict[str, object]] = []
    recorder = Recorder(driver, endpoint)
    try:
        await recorder.identify()
        for situation, faults in situations(profile):
            instrument.faults = faults
            polls += await recorder.polls(situation, at_ms=AT_MS)
    finally:
        await endpoint.close()
        await instrument.stop()
    return recorder.document(
        profile=profile,
        framing=framing_of(instrument),
        origin=SIMULATOR,
        note="simulated, seed 7, 2026-01-01 12:00 UTC",
        settings=settings,
        polls=polls,
    )


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for profile in INSTRUMENTS:
        text = json.dumps(await record(profile), indent=1)
        (FOLDER / f"{profile}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
