"""One round of load on the real gateway: CPU per point, share of due polls that were made, how even they were."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doxedge.analysers.question import unpack_evidence
from doxedge.signing import canonical
from doxedge.store import sample_rows
from doxedge.store.hour_tree import ROWS_A_STEP, Fold
from doxedge.store.rows import StoredSample
from tests.benchmarks import processes
from tests.benchmarks.plant import NODE, REGISTERS, Plant

PATIENCE_S: Final = 120.0


@dataclass(frozen=True)
class Rate:
    """How many instruments of 125 registers, and how often each is read."""

    devices: int
    period_ms: int
    is_restless: bool = False
    """Each answer brings other values; else the instruments measure each 100 ms."""

    @property
    def name(self) -> str:
        """The key of its figures."""
        return f"{self.points_per_s}_points_per_s{'_all_changing' if self.is_restless else ''}"

    @property
    def points_per_s(self) -> int:
        """What is asked for."""
        return self.devices * REGISTERS * 1_000 // self.period_ms

    def due(self, seconds: float) -> int:
        """Polls within so long."""
        return int(seconds * 1_000 // self.period_ms) * self.devices


@dataclass(frozen=True)
class Pace:
    """How a gateway kept its periods."""

    polls: int
    """Read, answered, decoded and stored."""
    kept_percent: float
    """Of the polls that were due."""
    p50_ms: float
    p99_ms: float
    """Of the time from one sample of a device to its next one."""


@dataclass(frozen=True)
class Load:
    """One round."""

    points_per_s: float
    ms_per_1000_points: float
    root_ms_per_1000_points: float
    pace: Pace
    written_bytes_per_point: float
    together_mb: float
    gateway_pss_mb: float
    node_pss_mb: float


async def load(site: Plant, rate: Rate, *, seconds: float, warm_up_s: float) -> Load:
    """Run the gateway for `seconds` at this rate, and measure it from outside."""
    with site.gateway(
        units=rate.devices, registers=REGISTERS, period_ms=rate.period_ms, is_restless=rate.is_restless
    ) as pid:
        await until_measuring(site, warm_up_s=warm_up_s)
        begun_s, begun_ms, cpu_s = time.monotonic(), site.clock.now_ms(), processes.cpu_s(pid)
        written = processes.written_bytes(pid)
        await asyncio.sleep(seconds)
        took_s, ended_ms = time.monotonic() - begun_s, site.clock.now_ms()
        cpu_s = processes.cpu_s(pid) - cpu_s
        written = processes.written_bytes(pid) - written
        memory = processes.pss_mb(pid), processes.pss_mb(site.pid(NODE))
        together_mb = processes.together_mb(pid, site.pid(NODE))
    # After the end, when what was queued is on the disk as well.
    pace = pace_of(site.samples, begun_ms, ended_ms, due=rate.due(took_s))
    assert pace.polls, "the gateway has stored nothing within the round"
    points = pace.polls * REGISTERS
    root_s = _root_s(site.samples, rate.devices, begun_ms=begun_ms)
    return Load(
        points_per_s=points / took_s,
        ms_per_1000_points=(cpu_s / points + root_s) * 1e6,
        root_ms_per_1000_points=root_s * 1e6,
        pace=pace,
        written_bytes_per_point=written / points,
        together_mb=together_mb,
        gateway_pss_mb=memory[0],
        node_pss_mb=memory[1],
    )


async def until_measuring(site: Plant, *, warm_up_s: float) -> None:
    """Until answers of this run are on the disk, and the start is over."""
    begun_ms = site.clock.now_ms()
    async with asyncio.timeout(PATIENCE_S):
        while not answers(site.samples, begun_ms, site.clock.now_ms()):
            site.stage.require_alive()
            await asyncio.sleep(0.1)
    await asyncio.sleep(warm_up_s)


def answers(file: Path, from_ms: int, to_ms: int) -> int:
    """Polls of [from, to) that were answered and are on the disk: one that failed is a sample as well."""
    return sum(len(of_device) for of_device in _instants(file, from_ms, to_ms).values())


def pace_of(file: Path, from_ms: int, to_ms: int, *, due: int) -> Pace:
    """From the stored samples of [from, to): each tells its instant on a clock that is never set."""
    instants = _instants(file, from_ms, to_ms)
    gaps_ms = sorted(
        (after - before) / 1e6
        for of_device in instants.values()
        for before, after in itertools.pairwise(of_device)
    )
    polls = sum(map(len, instants.values()))
    kept = min(100.0, 100 * polls / due) if due else 0.0
    return Pace(polls, kept, quantile(gaps_ms, 50), quantile(gaps_ms, 99))


def quantile(ascending: Sequence[float], percent: int) -> float:
    """The value that so many percent lie below; 0 where there is none."""
    return ascending[len(ascending) * percent // 100] if ascending else 0.0


def _instants(file: Path, from_ms: int, to_ms: int) -> dict[str, list[int]]:
    """By device, when its answered polls of [from, to) were made, by the clock that is never set."""
    instants: dict[str, list[int]] = {}
    for sample in _stored(file, from_ms, to_ms):
        row = canonical.decode(sample.raw)
        assert isinstance(row, list)
        _, monotonic_ns, _, _, evidence = row
        assert isinstance(monotonic_ns, int)
        assert isinstance(evidence, bytes)
        exchanges = unpack_evidence(evidence)
        if exchanges and all(answer for _, answer in exchanges):
            instants.setdefault(sample.device, []).append(monotonic_ns)
    return instants


def _stored(file: Path, from_ms: int, to_ms: int) -> Iterator[StoredSample]:
    if not file.exists():
        return
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'device'").fetchone():
            return
        after = 0
        while rows := sample_rows.read(
            connection, from_ms=from_ms, to_ms=to_ms, devices=None, after=after, limit=ROWS_A_STEP
        ):
            yield from rows
            after = rows[-1].row_id


def _root_s(file: Path, units: int, *, begun_ms: int) -> float:
    """CPU seconds per point of the root that the signed hour carries, over the samples that were stored since.

    No hour closes within a round, so what it costs is measured on the gateway's own file with the gateway's own code;
    nothing is sealed, so that the samples of the next round belong to no revision.
    """
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        begun_s, samples = time.process_time(), 0
        for n in range(units):
            fold = Fold(f"unit-{n}", (f"unit-{n}.stack",), begun_ms, 0)
            while fold.step(connection):
                pass
            samples += fold.frontier.size
        return (time.process_time() - begun_s) / (samples * REGISTERS)
