"""All instruments of a simulated site, started and stopped together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doxedge.fieldbus.clock import Clock
from simulators.catalogue import ROLES, instrument_for
from simulators.common_stack import CommonStack
from simulators.device import SimulatedDevice
from simulators.plant import SimulatedPlant
from simulators.plant_file import FaultPlan, UnitPlan
from simulators.replay import ReplayPlant
from simulators.stack import Plant


@dataclass(slots=True)
class SiteUnit:
    """One unit with its three instruments."""

    name: str
    plant: Plant
    """The unit itself: its meter shows it."""
    stack: Plant
    """What leaves its stack: the unit's own gas, or that of several."""
    analyser: SimulatedDevice
    flow: SimulatedDevice
    meter: SimulatedDevice

    @property
    def instruments(self) -> dict[str, SimulatedDevice]:
        """By the names that the ready line and the fault flags use."""
        return {"analyser": self.analyser, "flow": self.flow, "meter": self.meter}

    def describe(self, at_ms: int) -> dict[str, object]:
        """What a gateway has to know to measure this unit."""
        return {
            "name": self.name,
            "moisture_percent": f"{self.stack.state(at_ms).moisture_percent:g}",
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


def site_of(
    plans: Sequence[UnitPlan],
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    start_ms: int | None = None,
    one_stack: bool = False,
) -> Site:
    """The site that the plans describe; faults count from `start_ms`, or else from now.

    `one_stack`: every analyser and flow meter sees the gas of all units together.
    """
    plants = [SimulatedPlant(plan.plant) for plan in plans]
    common = CommonStack(plants)
    return Site(
        [
            _unit(
                plan.plant.name,
                plant,
                clock,
                host,
                plan.ports,
                plan.faults,
                clock.now_ms() if start_ms is None else start_ms,
                plan.profiles,
                common if one_stack else plant,
                plan.serial,
            )
            for plan, plant in zip(plans, plants, strict=True)
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
    profiles: Mapping[str, str] | None = None,
    stack: Plant | None = None,
    serial: frozenset[str] = frozenset(),
) -> SiteUnit:
    gas = stack or plant

    def instrument(role: str) -> SimulatedDevice:
        profile = (profiles or {}).get(role, ROLES[role][0])
        seen = plant if role == "meter" else gas
        port = ports.get(role, 0)
        return instrument_for(profile, seen, clock, host=host, port=port, serial=role in serial)

    unit = SiteUnit(name, plant, gas, instrument("analyser"), instrument("flow"), instrument("meter"))
    for fault in faults:
        unit.instruments[fault.instrument].faults.append(fault.fault(start_ms))
    return unit


def _describe(instrument: SimulatedDevice) -> dict[str, object]:
    where: dict[str, object] = (
        {"serial": instrument.serial_port}
        if instrument.serial
        else {"host": instrument.host, "port": instrument.port}
    )
    where |= {"unit_id": instrument.unit_id, "profile": instrument.profile}
    if instrument.settings:
        where["settings"] = instrument.settings
    return where
