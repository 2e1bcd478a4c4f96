"""The reference sketch `mini_gateway.py`, run beside the gateway; it stays in the published folder."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.gateway_load import Pace, Rate
from tests.benchmarks.measuring import say
from tests.benchmarks.plant import REGISTERS, REPOSITORY, Plant

SAID: Final = re.compile(
    r"got +(?P<points>[0-9.]+) missed (?P<missed>\d+) .*p50 (?P<p50>[0-9.]+) .*p99 (?P<p99>[0-9.]+) ms"
    r".* (?P<cost>[0-9.]+) ms CPU/1000 pts"
)


@dataclass(frozen=True)
class Sketched:
    """What the sketch says about itself."""

    ms_per_1000_points: float
    pace: Pace


def reference() -> Path:
    """The folder with the research scripts."""
    published = Path(os.environ.get("DOXEDGE_PUBLISHED") or REPOSITORY.parent / "shared")
    return published / "reference" / "gateway"


def sketch_path() -> Path | None:
    """The sketch, if it can run here; None is said aloud."""
    path = reference() / "mini_gateway.py"
    if path.is_file() and importlib.util.find_spec("orjson"):
        return path
    say(
        "SKIPPED: the reference sketch is not there (DOXEDGE_PUBLISHED) or lacks orjson (uv run --extra bench)"
    )
    return None


def run_sketch(sketch: Path, site: Plant, rate: Rate, *, seconds: float, folder: Path) -> Sketched:
    """Run it against the same instruments."""
    database = folder / "sketch.db"
    first_port = site.port_of(is_restless=rate.is_restless)
    arguments = [rate.devices, rate.period_ms, seconds, site.broker_port, database, first_port]
    done = subprocess.run(
        [sys.executable, str(sketch), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60 + 3 * seconds,
    )
    sketched = read(done.stdout, due=rate.due(seconds), seconds=seconds)
    assert sketched is not None, done.stdout + done.stderr
    return sketched


def read(said: str, *, due: int, seconds: float) -> Sketched | None:
    """What the sketch printed; None when it printed something else. `due` is how many polls it was to make."""
    found = SAID.search(said)
    if found is None:
        return None
    polls = round(float(found["points"]) * seconds / REGISTERS)
    missed = int(found["missed"])
    kept = 100 * (1 - min(missed, due) / due) if due else 0.0
    return Sketched(float(found["cost"]), Pace(polls, kept, float(found["p50"]), float(found["p99"])))
