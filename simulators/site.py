"""All instruments of a simulated site, started and stopped together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doxedge.fieldbus.clock import Clock
from simulators.analysers import SimulatedAnalogueInputs, SimulatedMeter, SimulatedT200
from simulators.instrument import Instrument
from simulators.plant import SimulatedPlant
from simulators.plant_file import FaultPlan, UnitPlan
from simulators.replay import ReplayPlant
from simulators.stack import Plant


@dataclass(slots=True)
class SiteUnit:
    """One unit with its three instruments."""

    name: str
    plant: Plant
    analyser: SimulatedT200
    flow: SimulatedAnalogueInputs
    meter: SimulatedMeter

    @property
    def instruments(self) -> dict[str, Instrument]:
        """By the names that the ready line and the fault flags use."""
        return {"analyser": self.analyser, "flow": self.flow, "meter": self.meter}

    def describe(self, at_ms: int) -> dict[str, object]:
        """What a gateway has to know to measure this unit."""
        return {
            "name": self.name,
            "moisture_percent": f"{self.plant.state(at_ms).moisture_percent:g}",
            **{name: _describe(instrument) for name, instrument in self.instruments.items()},
        }


class Site:
    """Some units on one machine."""

    def __init__(self, units: Sequence[SiteUnit], clock: Clock) -> None:
        self.units = list(units)
        self.clock = clock

    async def start(self) -> None:
        """Start every instrument; when one cannot listen, none is left behind. OSError or RuntimeError then."""
        try:
            for unit in self.units:
                for instrument in unit.instruments.values():
                    await instrument.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop every instrument."""
        for unit in self.units:
            for instrument in unit.instruments.values():
                await instrument.stop()

    def ready_line(self) -> dict[str, object]:
        """The line that says where everything listens."""
        now_ms = self.clock.now_ms()
        return {"ready": True, "plant_ms": now_ms, "units": [unit.describe(now_ms) for unit in self.units]}


def site_of(plans: Sequence[UnitPlan], clock: Clock, *, host: str = "127.0.0.1") -> Site:
    """The site that the plans describe; faults count from now."""
    start_ms = clock.now_ms()
    return Site(
        [
            _unit(plan.plant.name, SimulatedPlant(plan.plant), clock, host, plan.ports, plan.faults, start_ms)
            for plan in plans
        ],
        clock,
    )


def replay_site(
    name: str, plant: ReplayPlant, clock: Clock, *, host: str = "127.0.0.1", faults: Sequence[FaultPlan] = ()
) -> Site:
    """A site of one unit that plays a file."""
    return Site([_unit(name, plant, clock, host, {}, faults, clock.now_ms())], clock)


def _unit(
    name: str,
    plant: Plant,
    clock: Clock,
    host: str,
    ports: dict[str, int],
    faults: Sequence[FaultPlan],
    start_ms: int,
) -> SiteUnit:
    unit = SiteUnit(
        name,
        plant,
        SimulatedT200(plant, clock, host=host, port=ports.get("analyser", 0)),
        SimulatedAnalogueInputs(plant, clock, host=host, port=ports.get("flow", 0)),
        SimulatedMeter(plant, clock, host=host, port=ports.get("meter", 0)),
    )
    for fault in faults:
        unit.instruments[fault.instrument].faults.append(fault.fault(start_ms))
    return unit


def _describe(instrument: Instrument) -> dict[str, object]:
    where: dict[str, object] = {
        "host": instrument.host,
        "port": instrument.port,
        "unit_id": instrument.unit_id,
        "profile": instrument.profile,
    }
    if instrument.settings:
        where["settings"] = instrument.settings
    return where
