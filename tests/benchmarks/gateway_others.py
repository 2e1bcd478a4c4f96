"""ThingsBoard's gateway and Node-RED beside ours, by the research scripts of the published folder.

They are measured where they are installed; where not, what is missing is said with the words that install it. Neither
keeps raw frames, signs, or flushes to a disk, and their instruments are libmodbus servers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.gateway_load import Rate
from tests.benchmarks.gateway_sketch import reference
from tests.benchmarks.measuring import say
from tests.benchmarks.plant import REGISTERS

THINGSBOARD: Final = "DOXEDGE_BENCH_THINGSBOARD"
"""Names a Python that has thingsboard-gateway, psutil and paho-mqtt."""
NODE_RED: Final = "DOXEDGE_BENCH_NODE_RED"
"""Names a folder with node_modules of node-red and node-red-contrib-modbus."""
INSTALL: Final = {
    THINGSBOARD: "python3 -m venv tb && tb/bin/pip install thingsboard-gateway==3.8.5 psutil paho-mqtt"
    f" && export {THINGSBOARD}=$PWD/tb/bin/python",
    NODE_RED: "mkdir nr && cd nr && npm init -y && npm install node-red@4.1 node-red-contrib-modbus@5.23"
    f" && export {NODE_RED}=$PWD",
    "libmodbus": "apt-get install libmodbus-dev gcc pkg-config",
}
SAID: Final = re.compile(
    r"asked +(?P<asked>\d+) pts/s got +(?P<got>\d+) \( *(?P<kept>[0-9.]+) %\).*?(?P<cost>[0-9.]+) ms CPU/1000 pts"
)
INTERVAL: Final = re.compile(r"interval p50 (\d+) p95 (\d+) ms")
START_S: Final = 120.0


@dataclass(frozen=True)
class Others:
    """What of the others can run here."""

    folder: Path
    broker_port: int
    server: Path | None
    """The libmodbus instruments, compiled."""

    @classmethod
    def prepare(cls, folder: Path, *, broker_port: int) -> Others:
        """Compile their instruments."""
        return cls(folder, broker_port, _compiled(folder))

    def measure(self, rate: Rate, *, seconds: float) -> dict[str, Any]:
        """Each of them at this rate; {} for those that are not here."""
        found = {}
        if self.server is None:
            return {}
        if python := _named(THINGSBOARD):
            found["thingsboard"] = self._run(
                python, "bench_tb_gateway.py", [python], [rate.devices, REGISTERS, rate.period_ms, seconds]
            )
        if node_red := _named(NODE_RED):
            found["node_red"] = self._run(
                sys.executable, "bench_nodered.py", [node_red], [rate.devices, rate.period_ms, seconds]
            )
        return found

    def _run(self, python: str, script: str, what: list[str], sizes: list[float]) -> dict[str, Any] | None:
        numbers = [str(round(size)) for size in sizes]
        arguments = [*what, str(self.server), str(self.broker_port), str(self.folder / script[:-3]), *numbers]
        try:
            done = subprocess.run(
                [python, str(reference() / script), *arguments],
                capture_output=True,
                text=True,
                timeout=START_S + 3 * sizes[-1],
                check=False,
            )
        except subprocess.TimeoutExpired:
            say(f"FAILED: {script} did not end in time")
            return None
        found = read(done.stdout)
        if found is None:
            say(f"FAILED: {script}: {(done.stdout + done.stderr)[-500:]}")
        return found


def read(said: str) -> dict[str, Any] | None:
    """What one of the scripts printed; None when it printed something else."""
    found = SAID.search(said)
    if found is None:
        return None
    interval = INTERVAL.search(said)
    return {
        "points_per_s": float(found["got"]),
        "kept_percent": float(found["kept"]),
        "cpu_ms_per_1000_points": float(found["cost"]),
        "interval_p50_ms": int(interval[1]) if interval else None,
        "interval_p95_ms": int(interval[2]) if interval else None,
    }


def _named(variable: str) -> str | None:
    value = os.environ.get(variable)
    if not value or not Path(value).exists():
        say(f"SKIPPED: {variable} names nothing that is there. Install it: {INSTALL[variable]}")
        return None
    return value


def _compiled(folder: Path) -> Path | None:
    source, server = reference() / "lm_server.c", folder / "lm_server"
    if not source.is_file():
        say("SKIPPED: the scripts that run the others are not there (DOXEDGE_PUBLISHED)")
        return None
    if not (shutil.which("cc") and shutil.which("pkg-config")):
        say(f"SKIPPED: the others need instruments of libmodbus. Install it: {INSTALL['libmodbus']}")
        return None
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        say(f"SKIPPED: the others need instruments of libmodbus. Install it: {INSTALL['libmodbus']}")
        return None
    subprocess.run(["cc", "-O2", "-o", server, source, *flags.stdout.split()], check=True, timeout=60)
    return server
