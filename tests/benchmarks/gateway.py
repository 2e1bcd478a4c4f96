"""What a gateway costs: CPU per thousand signed points beside the reference sketch, idle CPU, memory.

`python -m tests.benchmarks.gateway`. A point is one 16-bit register, durably stored under a signed root.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxedge.fieldbus.clock import RealClock
from doxedge.quantity import HOUR_MS
from doxedge.store.samples import SampleStore
from tests.benchmarks import processes
from tests.benchmarks.measuring import median_of, parser, report, rounded, say
from tests.benchmarks.plant import NODE, REGISTERS, REPOSITORY, Plant, plant

SKETCH_COST = re.compile(r"([0-9.]+) ms CPU/1000 pts")
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Size:
    """How much is done."""

    units: int
    period_ms: int
    seconds: float
    rounds: int
    idle_seconds: float
    warm_up_s: float
    """After the first sample: caches get warm, the first words are signed and posted."""


FULL = Size(units=10, period_ms=100, seconds=15.0, rounds=3, idle_seconds=20.0, warm_up_s=3.0)
QUICK = Size(units=2, period_ms=100, seconds=1.0, rounds=1, idle_seconds=1.0, warm_up_s=0.2)


def main() -> None:
    """Measure and print."""
    given = parser(__doc__ or "").parse_args()
    report(run(quick=given.quick), output=given.output)


def run(*, quick: bool) -> dict[str, Any]:
    """The figures."""
    with tempfile.TemporaryDirectory(prefix="doxedge-bench-") as folder:
        return asyncio.run(_measure(Path(folder), QUICK if quick else FULL))


async def _measure(folder: Path, size: Size) -> dict[str, Any]:
    sketch = _sketch_path()
    if sketch is None:
        say(
            "SKIPPED: the reference sketch is not there (DOXEDGE_PUBLISHED) or lacks orjson (uv run --extra bench)"
        )
    sketch_ms: list[float] = []
    loads: list[Load] = []
    async with plant(folder, units=size.units) as site:
        for number in range(size.rounds):
            say(f"round {number + 1} of {size.rounds}")
            if sketch is not None:
                sketch_ms.append(await asyncio.to_thread(_run_sketch, sketch, site, size, folder))
            loads.append(await _load(site, size))
        say("idle")
        idle = await _idle(site, size)
    ratios = [load.ms_per_1000_points / ms for load, ms in zip(loads, sketch_ms, strict=False)]
    return {
        "load": {
            "devices": size.units,
            "registers": REGISTERS,
            "period_ms": size.period_ms,
            "points_per_s": median_of([load.points_per_s for load in loads]),
            "cpu_ms_per_1000_points": median_of([load.ms_per_1000_points for load in loads]),
            "of_which_root_ms": median_of([load.root_ms_per_1000_points for load in loads]),
            "missed_polls": sum(load.missed_polls for load in loads),
            "written_bytes_per_point": median_of([load.written_bytes_per_point for load in loads]),
            "sketch_cpu_ms_per_1000_points": median_of(sketch_ms) if sketch_ms else None,
            "ratio_to_sketch": median_of(ratios) if ratios else None,
            "gateway_pss_mb": median_of([load.gateway_pss_mb for load in loads]),
            "node_pss_mb": median_of([load.node_pss_mb for load in loads]),
            "together_mb": median_of([load.together_mb for load in loads]),
        },
        "idle": idle,
    }


@dataclass(frozen=True)
class Load:
    """One round under load."""

    points_per_s: float
    ms_per_1000_points: float
    root_ms_per_1000_points: float
    missed_polls: int
    written_bytes_per_point: float
    together_mb: float
    gateway_pss_mb: float
    node_pss_mb: float


async def _load(site: Plant, size: Size) -> Load:
    with site.gateway(units=size.units, registers=REGISTERS, period_ms=size.period_ms) as pid:
        await _until_measuring(site, size)
        begun_s, begun_ms, cpu_s = time.monotonic(), RealClock().now_ms(), processes.cpu_s(pid)
        written = processes.written_bytes(pid)
        await asyncio.sleep(size.seconds)
        seconds, ended_ms = time.monotonic() - begun_s, RealClock().now_ms()
        cpu_s = processes.cpu_s(pid) - cpu_s
        written = processes.written_bytes(pid) - written
        memory = processes.pss_mb(pid), processes.pss_mb(site.pid(NODE))
        together_mb = processes.together_mb(pid, site.pid(NODE))
    polls = _polls(site.samples, begun_ms, ended_ms)
    assert polls, "the gateway has stored nothing within the round"
    points = polls * REGISTERS
    root_s = await _root_s(site, size.units, ended_ms)
    due = int(seconds * 1_000 // size.period_ms) * size.units
    return Load(
        points_per_s=points / seconds,
        ms_per_1000_points=(cpu_s / points + root_s) * 1e6,
        root_ms_per_1000_points=root_s * 1e6,
        missed_polls=max(0, due - polls),
        written_bytes_per_point=written / points,
        together_mb=together_mb,
        gateway_pss_mb=memory[0],
        node_pss_mb=memory[1],
    )


async def _until_measuring(site: Plant, size: Size) -> None:
    """Until samples of this run are on the disk, and the start is over."""
    begun_ms = RealClock().now_ms()
    async with asyncio.timeout(PATIENCE_S):
        while not (site.samples.exists() and _polls(site.samples, begun_ms, RealClock().now_ms())):
            site.stage.require_alive()
            await asyncio.sleep(0.1)
    await asyncio.sleep(size.warm_up_s)


def _polls(file: Path, from_ms: int, to_ms: int) -> int:
    """Samples on the disk."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sample'").fetchone():
            return 0
        found = connection.execute(
            "SELECT count(*) FROM sample WHERE id >= ? << 20 AND id < ? << 20", (from_ms, to_ms)
        ).fetchone()
    return int(found[0])


async def _root_s(site: Plant, units: int, now_ms: int) -> float:
    """CPU seconds per point of the root that the signed hour carries, over the samples that were just stored.

    No hour closes within a round, so what it costs is measured on the gateway's own file with the gateway's own code.
    """
    async with await SampleStore.open(site.samples, now_ms=RealClock().now_ms) as store:
        begun_s, samples = time.process_time(), 0
        start_ms = now_ms - now_ms % HOUR_MS
        for n in range(units):
            # Each round has samples of its own behind those of the rounds before: a unit of this name has no root yet.
            root = await store.hour_root(f"round-{now_ms}-{n}", [f"unit-{n}.stack"], start_ms)
            samples += root.samples
        return (time.process_time() - begun_s) / (samples * REGISTERS)


async def _idle(site: Plant, size: Size) -> dict[str, Any]:
    """One instrument with three values every second, which is what is left when a plant has little to say."""
    with site.gateway(units=1, registers=3, period_ms=1_000) as pid:
        await _until_measuring(site, size)
        pids = {"gateway": pid, "node": site.pid(NODE)}
        before = {name: processes.cpu_s(pid) for name, pid in pids.items()}
        await asyncio.sleep(size.idle_seconds)
        used = {name: processes.cpu_s(pid) - before[name] for name, pid in pids.items()}
        memory = {name: processes.pss_mb(pid) for name, pid in pids.items()}
        together_mb = processes.together_mb(*pids.values())
    return {
        **{f"{name}_cpu_percent": rounded(100 * cpu / size.idle_seconds) for name, cpu in used.items()},
        **{f"{name}_pss_mb": rounded(mb) for name, mb in memory.items()},
        "pss_mb": rounded(sum(memory.values())),
        "together_mb": rounded(together_mb),
    }


def _sketch_path() -> Path | None:
    """The reference sketch in the published folder, if it can run here."""
    folder = Path(os.environ.get("DOXEDGE_PUBLISHED") or REPOSITORY.parent / "shared")
    path = folder / "reference" / "gateway" / "mini_gateway.py"
    try:
        import orjson  # noqa: F401 - the sketch needs it
    except ImportError:
        return None
    return path if path.is_file() else None


def _run_sketch(sketch: Path, site: Plant, size: Size, folder: Path) -> float:
    """Its own statement of milliseconds of CPU per thousand points."""
    arguments = [
        size.units,
        size.period_ms,
        size.seconds,
        site.broker_port,
        folder / "sketch.db",
        site.first_port,
    ]
    done = subprocess.run(
        [sys.executable, str(sketch), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60 + 3 * size.seconds,
    )
    found = SKETCH_COST.search(done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found[1])


if __name__ == "__main__":
    main()
