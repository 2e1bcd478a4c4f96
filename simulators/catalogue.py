"""Which simulated instrument plays which register map, for those who start one alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from doxedge.fieldbus.clock import Clock
from simulators.analysers import SimulatedAnalogueInputs, SimulatedMeter, SimulatedT200
from simulators.device import SimulatedDevice
from simulators.faults import Fault
from simulators.flow_meters import SimulatedFlowsic500, SimulatedS430
from simulators.gas_analysers import Simulated42i, SimulatedGA700, SimulatedMarsic, SimulatedN500
from simulators.power_meters import SimulatedIem3000, SimulatedSunSpec203, SimulatedSunSpec213
from simulators.stack import Plant
from simulators.text_analysers import (
    Simulated42iClink,
    SimulatedApna370,
    SimulatedBayernHessen,
    SimulatedCai700,
    SimulatedCld88p,
    SimulatedNga2000,
    SimulatedSerinus,
    SimulatedServopro,
)
from simulators.text_instrument import TextInstrument

INSTRUMENTS: Final[dict[str, type[SimulatedDevice]]] = {
    kind.profile: kind
    for kind in (
        SimulatedT200,
        SimulatedN500,
        Simulated42i,
        SimulatedMarsic,
        SimulatedGA700,
        SimulatedAnalogueInputs,
        SimulatedS430,
        SimulatedFlowsic500,
        SimulatedMeter,
        SimulatedIem3000,
        SimulatedSunSpec203,
        SimulatedSunSpec213,
        Simulated42iClink,
        SimulatedSerinus,
        SimulatedBayernHessen,
        SimulatedCld88p,
        SimulatedApna370,
        SimulatedNga2000,
        SimulatedCai700,
        SimulatedServopro,
    )
}
"""By the name of the map."""

TEXT_INSTRUMENTS: Final = tuple(
    name for name, kind in INSTRUMENTS.items() if issubclass(kind, TextInstrument)
)
"""Those that speak a dialect."""

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "analyser": (
        "teledyne_t200",
        "teledyne_n500",
        "thermo_42i",
        "sick_marsic300",
        "siemens_ga700",
        *TEXT_INSTRUMENTS,
    ),
    "flow": ("generic_analogue_input", "suto_s430", "sick_flowsic500"),
    "meter": ("janitza_umg", "schneider_iem3000", "sunspec_meter_203", "sunspec_meter_213"),
}
"""What a unit may have in each of its three places; the first is what it has unless told otherwise. Where it is not put
on a serial line each listens on TCP or in datagrams, as its map says."""

SERIAL_BY_NATURE: Final = frozenset({"suto_s430", "sick_flowsic500"})
"""What speaks Modbus RTU as it comes from the factory."""


def instrument_for(
    profile: str,
    plant: Plant,
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unit_id: int | None = None,
    faults: Iterable[Fault] = (),
    serial: bool = False,
) -> SimulatedDevice:
    """The simulated instrument of a map; without `unit_id` with its usual number.

    ValueError when there is none, with those that there are.
    """
    kind = INSTRUMENTS.get(profile)
    if kind is None:
        raise ValueError(f"nothing plays {profile!r}; there are {', '.join(INSTRUMENTS)}")
    return kind(plant, clock, host=host, port=port, unit_id=unit_id, faults=faults, serial=serial)
