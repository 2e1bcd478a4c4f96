"""Two units on one simulated stack before a real gateway, in compressed time: the parts hold what left the stack."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from doxedge.fieldbus.clock import VARIABLE, CompressedClock, from_environment
from doxedge.gateway.daemon import Gateway
from doxedge.gateway.plan import make_plan
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.apportioning import By, stack_hour_in
from doxedge.quantity import HOUR_MS
from simulators.common_stack import CommonStack
from simulators.plant import PlantSettings, SimulatedPlant
from tests.gateway.key_files import write_key
from tests.gateway.memory_ledger import MemoryLedger
from tests.gateway.plant_settings import settings_text, unit_text
from tests.gateway.waiting import until
from tests.integration.simulated_site import FIRST_MS, PERIOD_MS, SPARE_MS, SPEED, allowance, instruments

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 120.0
OWNER, SHARER = "alpha-1", "alpha-2"
SEED = 3
MIDNIGHT_MS = FIRST_MS - FIRST_MS % (24 * HOUR_MS)


def plant_of(unit: str) -> SimulatedPlant:
    seed = SEED + (OWNER, SHARER).index(unit)
    return SimulatedPlant(PlantSettings(name=unit, seed=seed, two_shift=False, meter_origin_ms=MIDNIGHT_MS))


@contextlib.asynccontextmanager
async def one_stack() -> AsyncIterator[tuple[CompressedClock, dict[str, dict[str, Any]]]]:
    """The instruments of both units as a child process: the plant's clock, and where they listen."""
    clock_text = f"{time.time_ns() // 1_000_000},{FIRST_MS},{SPEED}"
    arguments = ["--names", f"{OWNER},{SHARER}", "--seed", str(SEED), "--one-stack"]
    arguments += ["--meter-origin-ms", str(MIDNIGHT_MS)]
    async with instruments(*arguments, clock_text=clock_text) as (_, units):
        clock = from_environment({VARIABLE: clock_text})
        assert isinstance(clock, CompressedClock)
        yield clock, {unit["name"]: unit for unit in units}


def settings_of(folder: Path, ledger: MemoryLedger, ready: dict[str, dict[str, Any]]) -> str:
    """The gateway's file: the first unit has the instruments of the stack, both have their meter."""
    text = settings_text(
        units={},
        key=write_key(folder / "device.pem", "alpha device"),
        state_dir=str(folder),
        node="unix:/nowhere",
        top="group_commit_ms = 50\n",
    )
    groups = {OWNER: ("analyser", "flow", "meter"), SHARER: ("meter",)}
    polls = {
        "analyser": f"gas = {PERIOD_MS}, oxygen = 0, calibration = 0, diagnostics = 0",
        "flow": f"channels = {PERIOD_MS}",
        "meter": f"energy = {PERIOD_MS}",
    }
    for unit, names in groups.items():
        instruments = ""
        for name in names:
            told = ready[unit][name]
            words = ", ".join(f'{k} = "{v}"' for k, v in told.get("settings", {}).items())
            instruments += f"""
[[unit.instrument]]
name = "{name}"
profile = "{told["profile"]}"
host = "{told["host"]}"
port = {told["port"]}
unit_id = {told["unit_id"]}
timeout_ms = 200
poll_ms = {{ {polls[name]} }}
settings = {{ {words} }}
"""
        if unit == OWNER:
            instruments += """
[[unit.instrument]]
name = "moisture"
profile = "configured_moisture"
settings = { moisture_percent = 12 }
"""
        text += unit_text(
            unit,
            "" if unit == OWNER else f'shares_stack_of = "{OWNER}"',
            channel=ledger.channel.hex(),
            source=ledger.source_of(unit).hex(),
            instruments=instruments,
        )
    return text


def whole_hours(ledger: MemoryLedger, unit: str, from_ms: int) -> dict[int, list[Any]]:
    """The final hours of a unit, by their start."""
    bodies: list[list[Any]] = ledger.final_bodies("hour", unit)
    return {body[1]: body for body in bodies if body[1] >= from_ms}


async def test_the_parts_of_a_shared_stack_hold_what_left_it(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin().with_another_unit(SHARER)
    async with one_stack() as (clock, ready):
        text = settings_of(tmp_path, ledger, ready)
        plan = make_plan(parse_settings(text, source="gateway.toml"), source="gateway.toml", clock=clock)
        gateway = Gateway(plan, clock=clock, ledger=ledger, chance=lambda: 0.5)
        started = asyncio.Event()
        running = asyncio.create_task(gateway.run(started=started.set), name="gateway")
        try:
            await until(lambda: started.is_set() or running.done(), within_s=PATIENCE_S, what="a start")
            soon_ms = clock.now_ms() + SPARE_MS
            first_ms = soon_ms - soon_ms % HOUR_MS + HOUR_MS

            def common() -> set[int]:
                return (
                    whole_hours(ledger, OWNER, first_ms).keys() & whole_hours(ledger, SHARER, first_ms).keys()
                )

            await until(lambda: bool(common()) or running.done(), within_s=PATIENCE_S, what="an hour of both")
            assert not running.done(), running.exception()
            start_ms = min(common())
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    bodies = {unit: whole_hours(ledger, unit, first_ms)[start_ms] for unit in (OWNER, SHARER)}
    plants = {unit: plant_of(unit) for unit in bodies}
    truth_g = CommonStack([*plants.values()]).truth_g(start_ms, start_ms + HOUR_MS)
    said = stack_hour_in(bodies[SHARER][18])
    assert said is not None
    assert said == stack_hour_in(bodies[OWNER][18])
    rel = allowance(min(body[9] for body in bodies.values()), 0.005)
    assert said.nox_g == pytest.approx(truth_g, rel=rel)
    assert said.apportioning.by is By.LOAD
    assert sum(body[4] for body in bodies.values()) == said.nox_g
    assert {unit: body[4] for unit, body in bodies.items()} == said.apportioning.divide(said.nox_g or 0)
    energy_wh = {
        unit: plant.energy_wh(start_ms + HOUR_MS) - plant.energy_wh(start_ms)
        for unit, plant in plants.items()
    }
    for unit, body in bodies.items():
        share = energy_wh[unit] / sum(energy_wh.values())
        assert body[4] == pytest.approx(truth_g * share, rel=2 * rel)
