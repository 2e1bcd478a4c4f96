"""Two units on one stack on a bench: a whole gateway's stores and pipelines, a set clock, samples made by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from doxedge.gateway.configuration_file import FILE_NAME, read_kept, write_kept
from doxedge.gateway.equipment import Equipment, open_equipment
from doxedge.gateway.measuring import Measuring
from doxedge.gateway.plan import Plan, make_plan
from doxedge.gateway.settings import parse_settings
from doxedge.gateway.start import begin
from doxedge.measurement.sample import Reason, Sample
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.signing import envelope
from doxedge.signing.record import decode_payload
from doxedge.store.outbox import Outbox
from tests.gateway.key_files import write_key
from tests.gateway.plant_settings import settings_text, unit_text
from tests.gateway.test_pipeline import named
from tests.gateway.unit_bench import PERIOD_MS as SHORT_MS
from tests.gateway.unit_bench import SetClock, plan_text
from tests.ledger.channels import START_MS

OWNER, SHARER = "alpha-1", "beta-1"
PERIOD_MS = 30_000
CHANNEL = b"c" * 32
SOURCES = {OWNER: b"s" * 16, SHARER: b"t" * 16}
SHARES = f'shares_stack_of = "{OWNER}"'
METER = f"""
[[unit.instrument]]
name = "meter"
profile = "janitza_umg"
host = "127.0.0.1"
port = 5032
poll_ms = {{ energy = {PERIOD_MS} }}
"""


def sharer_text(
    lines: str = SHARES, *, instruments: str = METER, name: str = SHARER, channel: bytes = CHANNEL
) -> str:
    """The table of the second unit."""
    return unit_text(
        name, lines, channel=channel.hex(), source=SOURCES[SHARER].hex(), instruments=instruments
    )


def shared_text(
    owner: str = "",
    sharer: str | None = None,
    *,
    key: str = "file:///k",
    folder: str = "/s",
    calibrations: str = "",
) -> str:
    """A whole configuration; `owner` are lines of the first unit's table, `sharer` the second one."""
    first = plan_text(OWNER, owner, channel=CHANNEL, source=SOURCES[OWNER], calibrations=calibrations)
    units = first.replace(str(SHORT_MS), str(PERIOD_MS))
    return settings_text(units={}, key=key, state_dir=folder) + units + (sharer or sharer_text())


def shared_plan(owner: str = "", sharer: str | None = None, **more: str) -> Plan:
    """What such a configuration plans."""
    settings = parse_settings(shared_text(owner, sharer, **more), source="bench")
    return make_plan(settings, source="bench", clock=SetClock())


@dataclass
class StackBench:
    """Both units with everything around them."""

    clock: SetClock
    equipment: Equipment
    measuring: Measuring

    def poll(
        self,
        loads_w: Mapping[str, int | None],
        *,
        nox_ppm: int | None = 100,
        flags: frozenset[str] = frozenset(),
    ) -> None:
        """One sample of each instrument now; a load of None is a meter that does not answer."""
        at_ms = self.clock.at_ms
        wobble = Decimal(at_ms // PERIOD_MS % 7 - 3) / 10
        gas: dict[str, Decimal | None] = dict.fromkeys(("nox_ppb", "no_ppb", "no2_ppb"))
        if nox_ppm is not None:
            gas = {
                "nox_ppb": nox_ppm * 1_000 + wobble,
                "no_ppb": nox_ppm * 1_000 + wobble,
                "no2_ppb": wobble / 100,
            }
        self._take(f"{OWNER}.analyser", gas, flags=flags)
        flow: dict[str, Decimal | None] = {
            "flow_m3_per_h": 100_000 + wobble,
            "stack_temperature_c": 120 + wobble / 1_000,
            "stack_pressure_kpa": Decimal("101.325") + wobble / 10_000,
        }
        self._take(f"{OWNER}.flow", flow)
        for unit, load_w in loads_w.items():
            if self.measuring.plan.unit(unit) is None:
                continue
            meter: dict[str, Decimal | None] = {"power_w": None, "energy_wh": None}
            if load_w is not None:
                energy = Decimal((at_ms - START_MS) * load_w // HOUR_MS)
                meter = {"power_w": load_w + (wobble if load_w else Decimal(0)), "energy_wh": energy}
            self._take(f"{unit}.meter", meter)
        if at_ms % MINUTE_MS == 0:
            self._take(f"{OWNER}.moisture", {"moisture_percent": Decimal(12)}, Reason.DEFAULT)

    def _take(
        self,
        device: str,
        values: dict[str, Decimal | None],
        reason: Reason | None = None,
        flags: frozenset[str] = frozenset(),
    ) -> None:
        failures = {name: Reason.COMMS for name, value in values.items() if value is None}
        if reason is not None:
            failures = dict.fromkeys(values, reason)
        at_ns = round(self.clock.at_s * 1e9)
        sample = Sample(
            device=device,
            at_ms=self.clock.at_ms,
            monotonic_ns=at_ns,
            values=values,
            failures=failures,
            flags=flags,
            raw=b"raw",
        )
        self.measuring._route(sample)

    async def measure(
        self,
        minutes: int,
        *,
        alpha_w: int | None,
        beta_w: int | None,
        nox_ppm: int | None = 100,
        flags: frozenset[str] = frozenset(),
    ) -> None:
        """Poll for so long; hours close as they fall due."""
        for _ in range(minutes):
            for _ in range(MINUTE_MS // PERIOD_MS):
                self.poll({OWNER: alpha_w, SHARER: beta_w}, nox_ppm=nox_ppm, flags=flags)
                self.clock.run_to(self.clock.at_ms + PERIOD_MS)
                for desk in self.measuring.quality.desks.values():
                    await desk.look()
            await self.measuring.close_hours()

    async def said(self, unit: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and named body of what a unit has said of its hours, in order."""
        told: list[tuple[str, dict[str, Any]]] = []
        outbox: Outbox = self.equipment.outbox
        for entry in await outbox.pending(CHANNEL, SOURCES[unit], limit=1_000):
            record = decode_payload(envelope.decode(entry.envelope).payload)
            body: Any = list(record.body)
            if record.kind == "gap":
                told.append(("gap", {"start_ms": body[1], "to_ms": body[2], "cause": body[3]}))
            elif record.kind in ("hour", "hour.revise"):
                told.append((record.kind, named(list(body if record.kind == "hour" else body[2]))))
        return told

    async def hours(self, unit: str) -> list[dict[str, Any]]:
        """The hours of a unit, in order."""
        return [body for kind, body in await self.said(unit) if kind == "hour"]


@asynccontextmanager
async def stack_bench(
    folder: Path,
    *,
    owner: str = "",
    sharer: str | None = None,
    clock: SetClock | None = None,
    calibrations: str = "",
) -> AsyncIterator[StackBench]:
    """Open everything in the folder and restore the units, as a start of the gateway does.

    `sharer` of "\n" is none: the first unit is alone.
    """
    clock = clock or SetClock()
    key = write_key(folder / "key.pem", "alpha device")
    plan = shared_plan(owner, sharer, key=key, folder=str(folder), calibrations=calibrations)
    async with open_equipment(plan.settings, clock=clock) as equipment:
        kept = equipment.folder / FILE_NAME
        start = begin(read_kept(kept), plan, clock=clock)
        write_kept(kept, start.kept)
        measuring = Measuring(start.plan, clock=clock, chance=lambda: 0.5)
        await measuring.restore(equipment, before=start.before, configuration=start.kept.in_force)
        for unit, pipeline in measuring.pipelines.items():
            await equipment.outbox.begin(CHANNEL, SOURCES[unit])
            pipeline.desk.numbered = True
        yield StackBench(clock, equipment, measuring)
