"""Boxes of a regulator and of a plant as `doxedge init` sets them up, and what runs beside them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from doxedge.cli.main import main

REPOSITORY: Final = Path(__file__).parents[2]
INSTRUMENTS: Final = (
    "analyser=teledyne_t200@127.0.0.1:5020,oxygen=0,calibration=0,diagnostics=0",
    "flow=generic_analogue_input@127.0.0.1:5021,flow_high=576300",
    "meter=janitza_umg@127.0.0.1:5022",
    "moisture=configured_moisture,moisture_percent=12",
)


def init(folder: Path, *flags: str) -> int:
    """`doxedge init --yes` in this process; the exit code."""
    return main(["init", "--yes", "--dir", str(folder), *flags])


def plant_flags(
    *,
    company: str = "alpha",
    unit: str = "alpha-1",
    instruments: Sequence[str] = INSTRUMENTS,
    broker: str = "none",
) -> list[str]:
    """What a plant answers before it has a genesis."""
    flags = ["--company", company, "--unit", unit, "--broker", broker]
    for line in instruments:
        flags += ["--instrument", line]
    return flags


def found(folder: Path, *cards: Path, broker: str = "none", figures: Sequence[str] = ()) -> Path:
    """The regulator's box; returns the genesis file."""
    flags = [
        "--role",
        "node",
        "--channel",
        "found",
        "--channel-name",
        "north",
        "--place",
        "the north geofence",
    ]
    for card in cards:
        flags += ["--member", str(card)]
    for figure in figures:
        flags += ["--figure", figure]
    assert init(folder, *flags, "--broker", broker) == 0
    return folder / "north.genesis"


def whole_plant(folder: Path, **flags: Any) -> Path:
    """Regulator and plant, up to all files: first run, founding, second run. Returns the plant's folder."""
    plant = folder / "plant"
    assert init(plant, *plant_flags(**flags)) == 0
    genesis = found(folder / "regulator", plant / "alpha.member.toml", broker=flags.get("broker", "none"))
    assert init(plant, "--channel", "join", "--genesis", str(genesis)) == 0
    return plant


@asynccontextmanager
async def process(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    module: bool = True,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python child, of a module unless `module` is false, that ends with us; its log is shown when the test fails."""
    with (log or Path(os.devnull)).open("ab") as stderr:
        command = [sys.executable, *(["-m"] if module else []), *arguments]
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=stderr, cwd=REPOSITORY, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        async with asyncio.timeout(60):
            await child.communicate()
        if log is not None:
            sys.stdout.write(await asyncio.to_thread(log.read_text, errors="replace"))


async def first_line(child: asyncio.subprocess.Process) -> Any:
    """The JSON that a simulator prints when it listens."""
    assert child.stdout is not None
    async with asyncio.timeout(60):
        return json.loads(await child.stdout.readline())


def in_own_mounts(script: str, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a shell script where it may mount file systems of its own; skips aloud where the kernel forbids it."""
    program = shutil.which("unshare")
    if program is None:
        pytest.skip("there is no unshare(1) to make a small or read-only file system with")
    probe = subprocess.run(
        [program, "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("this kernel lets us mount nothing in a name space of our own")
    return subprocess.run(
        [program, "-rm", "sh", "-ec", script, "sh", *arguments],
        capture_output=True, text=True, timeout=timeout_s, check=False, cwd=REPOSITORY,
    )  # fmt: skip
