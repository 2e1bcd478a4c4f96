"""What a gateway costs and how it keeps its periods, beside the reference sketch; idle, over hours, on a small machine.

    python -m tests.benchmarks.gateway                 at 1,250, 12,500 and 125,000 points/s, each beside the sketch
    python -m tests.benchmarks.gateway --others        ThingsBoard's gateway and Node-RED as well, where they are
    python -m tests.benchmarks.gateway --soak 1        one hour of a usual plant: is memory flat? Exit 6 when it grows
    python -m tests.benchmarks.gateway --soak 1 --small-gateway      the same on a quarter of a core
    python -m tests.benchmarks.gateway --soak 0.5 --speed 48         half an hour in which a plant's day passes

A point is one 16-bit register: read, decoded, judged, kept with its raw frame, durable, under the root that is signed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import processes
from tests.benchmarks.gateway_load import Load, Rate, load, until_measuring
from tests.benchmarks.gateway_others import Others
from tests.benchmarks.gateway_sketch import Sketched, run_sketch, sketch_path
from tests.benchmarks.gateway_soak import soak
from tests.benchmarks.handicap import Handicap
from tests.benchmarks.measuring import median_of, parser, report, rounded, say
from tests.benchmarks.plant import DAYS_BACK, NODE, REGISTERS, Plant, plant

SPEED_MAX = 100
"""Polls each second become polls each 10 ms: what a gateway keeps."""
GROWING = 6
"""Exit code of a soak whose memory grows."""


@dataclass(frozen=True)
class Size:
    """How much is done."""

    rates: tuple[Rate, ...]
    seconds: float
    rounds: int
    idle_seconds: float
    small_seconds: float
    warm_up_s: float
    """After the first sample: caches get warm, the first words are signed and posted."""

    @property
    def devices(self) -> int:
        """The instruments of the largest plant."""
        return max(rate.devices for rate in self.rates)


FULL = Size(
    rates=(Rate(10, 1_000), Rate(10, 100), Rate(10, 10), Rate(10, 10, is_restless=True)),
    seconds=15.0,
    rounds=3,
    idle_seconds=20.0,
    small_seconds=180.0,
    warm_up_s=3.0,
)
QUICK = Size(rates=(Rate(2, 100),), seconds=3.0, rounds=1, idle_seconds=1.0, small_seconds=2.0, warm_up_s=0.2)
QUICK_COMMIT_MS = 200
"""Raw samples do not wait for company where nobody looks at what is written."""
QUICK_CPU_PERCENT = 90
"""Enough of a handicap to see that it works."""


def main() -> int:
    """Measure and print."""
    given = _options()
    if given.soak is None:
        result = run(quick=given.quick, others=given.others)
        report(result, output=given.output)
        return 0
    result = run_soak(hours=given.soak, small=given.small_gateway, speed=given.speed)
    report(result, output=given.output)
    return GROWING if result["memory"] == "growing" else 0


def _options() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--others", action="store_true", help="beside ThingsBoard's gateway and Node-RED too")
    made.add_argument(
        "--soak", type=float, metavar="HOURS", help="only this: a usual plant for so many hours"
    )
    made.add_argument(
        "--small-gateway", action="store_true", help="with --soak: 25 %% of a core, 512 MB, 10 ms a flush"
    )
    made.add_argument(
        "--speed",
        type=int,
        default=1,
        metavar="N",
        help="with --soak: plant time runs N times as fast, 1 to 100",
    )
    given = made.parse_args()
    if given.soak is not None and not 0 < given.soak <= 1_000:
        made.error("--soak takes more than 0 and at most 1000 hours")
    if not 1 <= given.speed <= SPEED_MAX or (given.speed > 1 and given.soak is None):
        made.error(f"--speed goes with --soak and takes 1 to {SPEED_MAX}")
    if given.soak is not None and given.soak * given.speed > DAYS_BACK * 24:
        made.error(f"a soak may take {DAYS_BACK} days of the plant: plant time never passes the real one")
    if given.small_gateway and given.soak is None:
        made.error("--small-gateway goes with --soak; the benchmark without it measures both machines")
    return given


def run(*, quick: bool, others: bool = False) -> dict[str, Any]:
    """The figures."""
    with tempfile.TemporaryDirectory(prefix="doxedge-bench-") as folder:
        return asyncio.run(_measure(Path(folder), QUICK if quick else FULL, quick=quick, others=others))


def run_soak(*, hours: float, small: bool, speed: int = 1) -> dict[str, Any]:
    """The soak alone."""

    async def measure(folder: Path) -> dict[str, Any]:
        async with plant(folder, units=1, speed=speed) as site:
            handicap = Handicap() if small else None
            return await soak(site, seconds=hours * 3_600, folder=folder, handicap=handicap)

    with tempfile.TemporaryDirectory(prefix="doxedge-bench-") as folder:
        return asyncio.run(measure(Path(folder)))


async def _measure(folder: Path, size: Size, *, quick: bool, others: bool) -> dict[str, Any]:
    commit_ms = QUICK_COMMIT_MS if quick else None
    async with plant(folder, units=size.devices, group_commit_ms=commit_ms) as site:
        figures: dict[str, Any] = {rate.name: await _rate(site, rate, size, folder) for rate in size.rates}
        if others:
            beside = Others.prepare(folder, broker_port=site.broker_port)
            for rate in (one for one in size.rates if not one.is_restless):
                say(f"the others at {rate.points_per_s} points/s")
                figures[rate.name] |= await asyncio.to_thread(beside.measure, rate, seconds=size.seconds)
        say("idle")
        figures["idle"] = await _idle(site, size)
        say("small gateway")
        handicap = Handicap(cpu_percent=QUICK_CPU_PERCENT) if quick else Handicap()
        figures["small_gateway"] = await soak(
            site,
            seconds=size.small_seconds,
            folder=folder,
            handicap=handicap,
            warm_up_s=10 * size.warm_up_s,
        )
    return figures


async def _rate(site: Plant, rate: Rate, size: Size, folder: Path) -> dict[str, Any]:
    sketch = sketch_path()
    theirs: list[Sketched] = []
    ours: list[Load] = []
    for number in range(size.rounds):
        say(f"{rate.name}: round {number + 1} of {size.rounds}")
        if sketch is not None:
            theirs.append(
                await asyncio.to_thread(run_sketch, sketch, site, rate, seconds=size.seconds, folder=folder)
            )
        ours.append(await load(site, rate, seconds=size.seconds, warm_up_s=size.warm_up_s))
    ratios = [o.ms_per_1000_points / t.ms_per_1000_points for o, t in zip(ours, theirs, strict=False)]
    return {
        "devices": rate.devices,
        "registers": REGISTERS,
        "period_ms": rate.period_ms,
        "points_per_s": median_of([one.points_per_s for one in ours]),
        "cpu_ms_per_1000_points": median_of([one.ms_per_1000_points for one in ours]),
        "of_which_root_ms": median_of([one.root_ms_per_1000_points for one in ours]),
        "intervals_kept_percent": median_of([one.pace.kept_percent for one in ours]),
        "interval_p50_ms": median_of([one.pace.p50_ms for one in ours]),
        "interval_p99_ms": median_of([one.pace.p99_ms for one in ours]),
        "written_bytes_per_point": median_of([one.written_bytes_per_point for one in ours]),
        "gateway_pss_mb": median_of([one.gateway_pss_mb for one in ours]),
        "node_pss_mb": median_of([one.node_pss_mb for one in ours]),
        "together_mb": median_of([one.together_mb for one in ours]),
        "ratio_to_sketch": median_of(ratios) if ratios else None,
        "sketch": _sketched(theirs) if theirs else None,
    }


def _sketched(rounds: list[Sketched]) -> dict[str, float]:
    return {
        "cpu_ms_per_1000_points": median_of([one.ms_per_1000_points for one in rounds]),
        "intervals_kept_percent": median_of([one.pace.kept_percent for one in rounds]),
        "interval_p50_ms": median_of([one.pace.p50_ms for one in rounds]),
        "interval_p99_ms": median_of([one.pace.p99_ms for one in rounds]),
    }


async def _idle(site: Plant, size: Size) -> dict[str, Any]:
    """One instrument with three values every second, which is what is left when a plant has little to say."""
    with site.gateway(units=1, registers=3, period_ms=1_000) as pid:
        await until_measuring(site, warm_up_s=size.warm_up_s)
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


if __name__ == "__main__":
    sys.exit(main())
