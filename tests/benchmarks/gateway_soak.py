"""The gateway over hours, and on a small machine: is its memory flat, and how much does it write?

The plant is a usual one: one unit with an analyser, a flow and an energy meter by the shipped maps, at their polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import processes
from tests.benchmarks.gateway_load import until_measuring
from tests.benchmarks.handicap import Handicap, cpu_share, limited, slow_flushes
from tests.benchmarks.measuring import rounded, say
from tests.benchmarks.plant import Plant, unit_environment

DAY_S: Final = 86_400
FLAT_MB_PER_H: Final = 1.0
"""What a process may gain in an hour and still count as flat: 24 MiB a day, which a restart a week would bear."""
HOURS_TO_GROW: Final = 3.0
"""Of the plant. An hour is held until it can be revised no more: before the first of them goes, memory rises anyway."""
SIGMAS: Final = 2.0
LOOK_EVERY_S: Final = 15.0
LOOKS_MIN: Final = 8
TELL_EVERY_S: Final = 300.0
WARM_UP_S: Final = 30.0
"""The first words of a start are signed and posted; what they write is not what a day writes."""


@dataclass(frozen=True)
class Trend:
    """A straight line through the second half of a soak: what memory does once the start is forgotten."""

    mb_per_h: float
    error_mb_per_h: float
    """Standard error of the slope."""
    hours: float
    """How long the whole soak was, in hours of the plant."""

    @property
    def verdict(self) -> str:
        """`flat` or `growing` where the line is sure of it, else `unsure`: soak longer."""
        if self.mb_per_h + SIGMAS * self.error_mb_per_h <= FLAT_MB_PER_H:
            return "flat"
        rises = self.mb_per_h - SIGMAS * self.error_mb_per_h > FLAT_MB_PER_H
        return "growing" if rises and self.hours >= HOURS_TO_GROW else "unsure"


def trend(looks: Sequence[tuple[float, float]]) -> Trend:
    """Least squares over the second half of (seconds, MiB), in the order of time; never sure with few looks."""
    half = looks[len(looks) // 2 :]
    if len(looks) < LOOKS_MIN:
        return Trend(0.0, math.inf, 0.0)
    mean_s = sum(s for s, _ in half) / len(half)
    mean_mb = sum(mb for _, mb in half) / len(half)
    spread = sum((s - mean_s) ** 2 for s, _ in half)
    slope = sum((s - mean_s) * (mb - mean_mb) for s, mb in half) / spread
    rest = sum((mb - mean_mb - slope * (s - mean_s)) ** 2 for s, mb in half)
    error = math.sqrt(rest / (len(half) - 2) / spread)
    return Trend(slope * 3_600, error * 3_600, (looks[-1][0] - looks[0][0]) / 3_600)


async def soak(
    site: Plant,
    *,
    seconds: float,
    folder: Path,
    handicap: Handicap | None,
    warm_up_s: float = WARM_UP_S,
    look_every_s: float = LOOK_EVERY_S,
) -> dict[str, Any]:
    """Run the usual plant so long; memory over time, bytes to the disk, CPU."""
    share: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    wrapped = None
    environment: dict[str, str] | None = None
    if handicap is not None:
        environment = slow_flushes(folder, flush_ms=handicap.flush_ms)
        if environment is None:
            say("SKIPPED: no C compiler on this machine, so flushes are as quick as its disk")
        variables = {**unit_environment(), **(environment or {})}
        wrapped = functools.partial(limited, memory_mb=handicap.memory_mb, environment=variables)
    with site.usual_gateway(wrapped) as pid:
        if handicap is not None:
            share = cpu_share(pid, percent=handicap.cpu_percent)
        with share:
            await until_measuring(site, warm_up_s=warm_up_s)
            begun_s, cpu_s, written = time.monotonic(), processes.cpu_s(pid), processes.written_bytes(pid)
            looks = await _look(site, pid, seconds=seconds, every_s=look_every_s)
            took_s, pss_mb = time.monotonic() - begun_s, processes.pss_mb(pid)
            cpu_s, written = processes.cpu_s(pid) - cpu_s, processes.written_bytes(pid) - written
    line = trend([(s * site.stage.speed, mb) for s, mb in looks])
    flushes = folder / "flushes"
    return {
        "seconds": round(took_s),
        "pss_mb": rounded(pss_mb),
        "own_mb_first": rounded(looks[0][1]),
        "own_mb_last": rounded(looks[-1][1]),
        "own_mb_most": rounded(max(mb for _, mb in looks)),
        "plant_hours": rounded(took_s * site.stage.speed / 3_600),
        "mb_per_h": rounded(line.mb_per_h),
        "error_mb_per_h": rounded(line.error_mb_per_h) if math.isfinite(line.error_mb_per_h) else None,
        "memory": line.verdict,
        "cpu_percent": rounded(100 * cpu_s / took_s),
        # Commits are timed by real seconds: where plant time is compressed they are fuller than a plant's are.
        "written_mb_per_day": rounded(written / took_s * DAY_S / 1e6) if site.stage.speed == 1 else None,
        "flushes_added_to": flushes.stat().st_size if environment and flushes.exists() else 0,
    }


async def _look(site: Plant, pid: int, *, seconds: float, every_s: float) -> list[tuple[float, float]]:
    """(second, MiB of the gateway's own): its share of what others map as well would rise when they end."""
    site.stage.require_alive()
    begun_s, told = time.monotonic(), 0
    looks = [(0.0, processes.own_mb(pid))]
    while (passed_s := time.monotonic() - begun_s) < seconds:
        if int(passed_s / TELL_EVERY_S) > told:
            told = int(passed_s / TELL_EVERY_S)
            say(f"{passed_s / 60:.0f} of {seconds / 60:.0f} min: {looks[-1][1]:.1f} MiB")
        await asyncio.sleep(min(every_s, seconds - passed_s))
        site.stage.require_alive()
        looks.append((time.monotonic() - begun_s, processes.own_mb(pid)))
    return looks
