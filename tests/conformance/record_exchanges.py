"""Writes `tests/vectors/exchanges/<profile>.json`: what a device answered, and the sample that this makes.

`python -m tests.conformance.record_exchanges` records the simulated instruments at a fixed plant time. A recording of a
real instrument has the same form and another `origin`; it is worth more, and a profile that agrees with one may say
`verified = "recording"`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.profile import profile_hash
from doxedge.analysers.question import Outcome, unpack_evidence
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.profile_folders import load_profile, search_path
from simulators.analysers import SimulatedAnalogueInputs, SimulatedMeter, SimulatedT200
from simulators.faults import Fault, FaultKind
from simulators.instrument import Instrument
from simulators.plant import PlantSettings, SimulatedPlant

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "exchanges"
AT_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC


class StandingClock:
    """Plant time stands still, so that a recording is the same each time."""

    speed = 1.0

    def now_ms(self) -> int:
        return AT_MS

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, plant_seconds: float) -> None:
        await asyncio.sleep(plant_seconds)


def instruments() -> list[tuple[Instrument, list[tuple[str, list[Fault]]]]]:
    """Each simulated instrument with the situations to record."""
    plant = SimulatedPlant(PlantSettings(seed=7, two_shift=False, meter_origin_ms=AT_MS - 36_000_000))
    clock = StandingClock()
    gas: list[tuple[str, list[Fault]]] = [("measuring", [])]
    gas += [
        (kind.value, [Fault(kind)])
        for kind in (
            FaultKind.ZERO,
            FaultKind.SPAN,
            FaultKind.NOT_MEASURING,
            FaultKind.DEVICE_FAULT,
            FaultKind.NAN,
        )
    ]
    return [
        (SimulatedT200(plant, clock), gas),
        (
            SimulatedAnalogueInputs(plant, clock),
            [("measuring", []), ("broken", [Fault(FaultKind.BROKEN_LOOP)])],
        ),
        (SimulatedMeter(plant, clock), [("measuring", []), ("nan", [Fault(FaultKind.NAN)])]),
    ]


async def record(instrument: Instrument, situations: Sequence[tuple[str, list[Fault]]]) -> dict[str, object]:
    """All groups of an instrument in each situation."""
    settings = instrument.settings if isinstance(instrument, SimulatedAnalogueInputs) else {}
    profile = load_profile(
        instrument.profile, search_path(), settings={name: Decimal(value) for name, value in settings.items()}
    )
    driver = make_driver(profile, device="recorded")
    port = await instrument.start()
    modbus = ModbusTcp("127.0.0.1", port, timeout_ms=5_000, first_transaction=0)
    polls: list[dict[str, object]] = []
    try:
        for situation, faults in situations:
            instrument.faults = faults
            for group in driver.groups:
                outcomes: list[Outcome] = [
                    await modbus.exchange(request) for request in driver.requests(group)
                ]
                sample = driver.sample(group, outcomes, at_ms=AT_MS, monotonic_ns=0)
                polls.append(
                    {
                        "situation": situation,
                        "group": group,
                        "exchanges": [[q.hex(), a.hex()] for q, a in unpack_evidence(sample.raw)],
                        "values": {n: None if v is None else str(v) for n, v in sample.values.items()},
                        "flags": sorted(sample.flags),
                        "failures": {name: reason.value for name, reason in sample.failures.items()},
                    }
                )
    finally:
        await modbus.close()
        await instrument.stop()
    return {
        "profile": instrument.profile,
        "origin": "simulator",
        "settings": settings,
        "profile_hash": profile_hash(profile).hex(),
        "polls": polls,
    }


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for instrument, situations in instruments():
        recording = await record(instrument, situations)
        (FOLDER / f"{instrument.profile}.json").write_text(
            json.dumps(recording, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    asyncio.run(main())
