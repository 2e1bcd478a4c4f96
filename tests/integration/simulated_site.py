"""A simulated plant as a child process, in compressed time, and the gateway's configuration for it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxedge.analysers.profile_choices import setting_value
from doxedge.fieldbus.clock import VARIABLE, CompressedClock, from_environment
from doxedge.fieldbus.profile_folders import load_profile, search_path
from doxedge.quantity import HOUR_MS
from simulators.plant import PlantSettings, SimulatedPlant
from tests.gateway.plant_settings import settings_text, unit_text

REPOSITORY = Path(__file__).parents[2]
SPEED = 720
"""An hour is five seconds."""
PERIOD_MS = 12_000
"""Five polls a minute of plant time, one each 17 real ms."""
FIRST_MS = 1_767_268_800_000 - HOUR_MS // 2
"""2026-01-01 11:30 UTC: two and a half seconds to start everything before the first whole hour; on a busy machine
it is another hour that is whole."""
FIRST_HOUR_MS = FIRST_MS + HOUR_MS // 2
SPARE_MS = 3 * 60_000
NEEDED = {
    "nox_ppb", "flow_m3_per_h", "stack_temperature_c", "stack_pressure_kpa", "power_w", "energy_wh",
}  # fmt: skip
"""What an hour of such a unit is made of."""
START_S_MAX = 60.0
"""How long a child process may take on a busy machine; nothing depends on it."""


def allowance(minutes_valid: int, least: float = 0.01) -> float:
    """How far an hour may be from the truth, as a share of it.

    A machine that was busy for a while missed polls, and the minutes that are filled by scaling are not quite those
    that were: on this plant a hole of five minutes costs up to 1.0 %, one of fifteen 3.0 %, one of forty 7.1 %.
    """
    return max(least, 0.0025 * (60 - minutes_valid))


@dataclass(frozen=True)
class SimulatedSite:
    """One unit that is being simulated."""

    unit: str
    clock_text: str
    ready: dict[str, Any]
    plant: SimulatedPlant
    process: asyncio.subprocess.Process
    timeout_ms: int = 200

    @property
    def clock(self) -> CompressedClock:
        clock = from_environment({VARIABLE: self.clock_text})
        assert isinstance(clock, CompressedClock)
        return clock

    @property
    def environment(self) -> dict[str, str]:
        """For child processes that share the plant's clock."""
        return {**os.environ, VARIABLE: self.clock_text}

    def whole_hour_ms(self) -> int:
        """The first hour that a gateway which measures now will see from its beginning, with some minutes to spare."""
        soon_ms = self.clock.now_ms() + SPARE_MS
        return soon_ms - soon_ms % HOUR_MS + HOUR_MS

    def truth_g(self, start_ms: int) -> int:
        """What really left the stack in an hour."""
        return self.plant.truth_g(start_ms, start_ms + HOUR_MS)

    def settings(
        self,
        folder: Path,
        *,
        key: str,
        channel: bytes,
        source: bytes,
        node: str = "unix:/nowhere",
        top: str = "",
    ) -> str:
        """The gateway's file."""
        instruments = ""
        for name in ("analyser", "flow", "meter"):
            told = self.ready[name]
            polls = ", ".join(f"{group} = {period_ms}" for group, period_ms in periods(told).items())
            address = (
                f'serial = {{ port = "{told["serial"]}" }}'
                if "serial" in told
                else f'host = "{told["host"]}"\nport = {told["port"]}'
            )
            instruments += f"""
[[unit.instrument]]
name = "{name}"
profile = "{told["profile"]}"
{address}
unit_id = {told["unit_id"]}
timeout_ms = {self.timeout_ms}
poll_ms = {{ {polls} }}
"""
            if told.get("settings"):
                # A TOML number or string, whichever the instrument's map asks for.
                words = ", ".join(f'{k} = "{v}"' for k, v in told["settings"].items())
                instruments += f"settings = {{ {words} }}\n"
        instruments += f"""
[[unit.instrument]]
name = "moisture"
profile = "configured_moisture"
settings = {{ moisture_percent = {self.ready["moisture_percent"]} }}
"""
        unit = unit_text(self.unit, channel=channel.hex(), source=source.hex(), instruments=instruments)
        head = settings_text(
            units={}, key=key, state_dir=str(folder), node=node, top="group_commit_ms = 50\n" + top
        )
        return head + unit


def periods(told: dict[str, Any]) -> dict[str, int]:
    """How often each group of an instrument is polled: those that bring what an hour is made of, and no others."""
    settings = {name: setting_value(text) for name, text in told.get("settings", {}).items()}
    profile = load_profile(told["profile"], search_path(), settings=settings)
    needed = {point.group for point in profile.points if point.quantity in NEEDED}
    return {group.name: PERIOD_MS if group.name in needed else 0 for group in profile.groups}


@asynccontextmanager
async def instruments(
    *arguments: str, clock_text: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[dict[str, Any]]]]:
    """`python -m simulators plant` as a child that ends with us; the process, and where each unit is read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators", "plant", *arguments, "--always-on", "--until-stdin-closes",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY,
        env={**os.environ, VARIABLE: clock_text},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S_MAX):
            told = json.loads(await process.stdout.readline())
        yield process, told["units"]
    finally:
        process.stdin.close()
        async with asyncio.timeout(START_S_MAX):
            await process.wait()


@asynccontextmanager
async def simulated_site(
    unit: str = "alpha-1", *, seed: int = 3, faults: Sequence[str] = (), first_ms: int = FIRST_MS
) -> AsyncIterator[SimulatedSite]:
    """Start the instruments and wait until they listen; they end with us."""
    clock_text = f"{time.time_ns() // 1_000_000},{first_ms},{SPEED}"
    midnight_ms = first_ms - first_ms % (24 * HOUR_MS)
    arguments = ["--names", unit, "--seed", str(seed), "--meter-origin-ms", str(midnight_ms)]
    for fault in faults:
        arguments += ["--fault", fault]
    async with instruments(*arguments, clock_text=clock_text) as (process, (ready,)):
        settings = PlantSettings(
            name=unit,
            seed=seed,
            capacity_mw=100.0,
            moisture_percent=12.0,
            two_shift=False,
            meter_origin_ms=midnight_ms,
        )
        yield SimulatedSite(unit, clock_text, ready, SimulatedPlant(settings), process)
