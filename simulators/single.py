"""One simulated instrument alone, on TCP or on a serial line, for whoever tries a register map or a gateway."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from doxedge.fieldbus.clock import Clock
from simulators.catalogue import SERIAL_BY_NATURE, instrument_for
from simulators.device import SimulatedDevice
from simulators.faults import Fault, FaultKind
from simulators.plant import PlantSettings, SimulatedPlant

_FAULT: Final = re.compile(
    r"(?P<kind>[a-z_]+)(?:=(?P<argument>\d+))?(?:@(?P<after>\d+(?:\.\d+)?)(?:\+(?P<span>\d+(?:\.\d+)?))?)?"
)

DESCRIPTION: Final = """\
Start one simulated instrument, on the register layout of the real one or in its dialect, and say in one line of
JSON where it is, which settings a gateway needs for it, and how to look at it:

  {"ready": true, "profile": "suto_s430", "serial": "/dev/pts/4", "unit_id": 1, "settings": {...}, "try": "doxedge ..."}

It measures a simulated stack whose truth depends only on --seed and the time. SIGTERM or Ctrl-C ends it.
"""

EPILOG: Final = """\
examples
  python -m simulators instrument --profile sick_marsic300
  python -m simulators instrument --profile suto_s430 --serial         at the end of a null-modem cable
  python -m simulators instrument --profile thermo_42i_clink --serial  in words instead of registers
  python -m simulators instrument --profile thermo_42i --fault zero@60+120     zero gas after a minute, for two
  python -m simulators instrument --profile teledyne_t200 --fault drift=50 --fault noise
  python -m simulators instrument --profile siemens_ga700 --fault wrong_identity

`python -m simulators --help` says what each fault does.
"""


def parse_fault(text: str, start_ms: int) -> Fault:
    """`KIND[=ARGUMENT][@AFTER[+SECONDS]]`, in plant seconds from the start. ValueError in words."""
    match = _FAULT.fullmatch(text)
    if match is None:
        raise ValueError(f"--fault {text!r} is not KIND[=ARGUMENT][@AFTER[+SECONDS]]")
    if match["kind"] not in set(FaultKind):
        raise ValueError(f"--fault {text!r}: faults are {', '.join(FaultKind)}")
    from_ms = start_ms + round(float(match["after"] or 0) * 1_000)
    to_ms = from_ms + round(float(match["span"]) * 1_000) if match["span"] else None
    return Fault(
        FaultKind(match["kind"]), from_ms, to_ms, int(match["argument"]) if match["argument"] else None
    )


class LoneInstrument:
    """An instrument with a plant of its own."""

    def __init__(
        self,
        profile: str,
        clock: Clock,
        *,
        host: str,
        port: int,
        unit_id: int | None,
        serial: bool,
        plant: PlantSettings,
        faults: Sequence[str],
    ) -> None:
        self.clock = clock
        start_ms = clock.now_ms()
        self.instrument: SimulatedDevice = instrument_for(
            profile,
            SimulatedPlant(plant),
            clock,
            host=host,
            port=port,
            unit_id=unit_id,
            faults=[parse_fault(text, start_ms) for text in faults],
            serial=serial,
        )

    async def start(self) -> None:
        """Listen."""
        await self.instrument.start()

    async def stop(self) -> None:
        """No longer."""
        await self.instrument.stop()

    def ready_line(self) -> dict[str, object]:
        """Where it is, and how to look at it."""
        one = self.instrument
        place: dict[str, object]
        if one.serial:
            place, flags = {"serial": one.serial_port}, f"--serial {one.serial_port}"
        else:
            place, flags = {"host": one.host, "port": one.port}, f"--host {one.host} --port {one.port}"
            if one.profile in SERIAL_BY_NATURE:
                flags += " --framing tcp"
        if one.unit_id != one.usual_unit_id:
            flags += f" --unit-id {one.unit_id}"
        flags += "".join(f" --set {name}={value}" for name, value in one.settings.items())
        return {
            "ready": True,
            "plant_ms": self.clock.now_ms(),
            "profile": one.profile,
            **place,
            "unit_id": one.unit_id,
            "settings": one.settings,
            "try": f"doxedge gateway probe --profile {one.profile} {flags}",
        }
