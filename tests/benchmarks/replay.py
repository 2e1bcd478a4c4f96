"""A real unit's year from its file to the final block, on this machine and on a small gateway.

`python -m tests.benchmarks.replay`. The file is one of the published hourly files (DOXEDGE_PUBLISHED); the work is that
of `doxedge demo --replay`: two nodes, an outbox and its poster, an MQTT broker, every one of them a real process.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import processes
from tests.benchmarks.handicap import Handicap, cpu_share, memory_limit, slow_flushes
from tests.benchmarks.measuring import median_of, parser, report, say
from tests.benchmarks.plant import REPOSITORY, unit_environment

FILES = ("epa_cem_2007_703-2BLR.csv", "epa_cem_2007_55304-CT4.csv")
ROUNDS = 3
HOURS_A_DAY = 24
QUICK_HOURS = 48
QUICK_CPU_PERCENT = 90
"""Enough of a handicap to see that it works."""
TIME_OUT_S = 900.0
SAMPLE_EVERY_S = 0.2


def main() -> None:
    """Measure and print."""
    given = parser(__doc__ or "").parse_args()
    report(run(quick=given.quick), output=given.output)


def run(*, quick: bool) -> dict[str, Any]:
    """The figures; with `quick` those of two days that are made up."""
    with tempfile.TemporaryDirectory(prefix="doxedge-bench-") as name:
        folder = Path(name)
        if quick:
            made_up = folder / "two_days.csv"
            made_up.write_text(two_days(), encoding="ascii")
            return {
                made_up.stem: _file(
                    made_up, rounds=1, folder=folder, handicap=Handicap(cpu_percent=QUICK_CPU_PERCENT)
                )
            }
        data = Path(os.environ.get("DOXEDGE_PUBLISHED") or REPOSITORY.parent / "shared") / "data"
        if not data.is_dir():
            say(f"SKIPPED: there is no published data at {data}; name their folder in DOXEDGE_PUBLISHED")
            return {}
        return {Path(file).stem: _file(data / file, rounds=ROUNDS, folder=folder) for file in FILES}


def _file(
    file: Path,
    *,
    rounds: int,
    folder: Path,
    handicap: Handicap = Handicap(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    environment = slow_flushes(folder, flush_ms=handicap.flush_ms)
    if environment is None:
        say("SKIPPED: no C compiler on this machine, so flushes are as quick as its disk")
    plain, small = [], []
    for number in range(rounds):
        say(f"{file.stem}: round {number + 1} of {rounds}")
        plain.append(_replay(file, folder, handicap=None, environment={}))
        # As the systemd units have it; without it each thread reserves address space that a small machine lacks.
        limited = {**unit_environment(), **(environment or {})}
        small.append(_replay(file, folder, handicap=handicap, environment=limited))
    return {
        "plain": _figures(plain),
        "small_gateway": {
            "cpu_percent": handicap.cpu_percent,
            "memory_mb": handicap.memory_mb,
            "flush_ms": handicap.flush_ms if environment else 0,
            **_figures(small),
        },
    }


@dataclass
class Replayed:
    """What one replay took."""

    seconds: float
    cpu_s: float
    hours: int
    flushes: int
    peak_pss_mb: float
    written: dict[str, int] = field(default_factory=dict)
    """Bytes by process: the demo itself holds the gateway's outbox, the operator's node is the plant's own."""


def _figures(rounds: list[Replayed]) -> dict[str, Any]:
    days = rounds[0].hours / HOURS_A_DAY
    return {
        "hours": rounds[0].hours,
        "seconds": median_of([one.seconds for one in rounds]),
        "cpu_s": median_of([one.cpu_s for one in rounds]),
        "cpu_share_percent": median_of([100 * one.cpu_s / one.seconds for one in rounds]),
        "flushes_added_to": median_of([one.flushes for one in rounds]),
        "peak_pss_mb": median_of([one.peak_pss_mb for one in rounds]),
        "written_bytes_per_plant_day": {
            name: median_of([one.written.get(name, 0) / days for one in rounds])
            for name in ("outbox", "node")
        },
    }


def _replay(
    file: Path, folder: Path, *, handicap: Handicap | None, environment: Mapping[str, str]
) -> Replayed:
    stage = folder / "stage"
    count = folder / "flushes"
    count.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = time.monotonic()
    demo = subprocess.Popen(
        [sys.executable, "-m", "doxedge", "demo", "--replay", file, "--output", "json", "--dir", stage],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        start_new_session=True,
        preexec_fn=memory_limit(handicap.memory_mb) if handicap else None,  # noqa: PLW1509 - no thread runs yet
    )
    watch = Watch(demo.pid)
    share = cpu_share(demo.pid, percent=handicap.cpu_percent) if handicap else contextlib.nullcontext()
    with share, watch.running():
        said, _ = demo.communicate(timeout=TIME_OUT_S)
    seconds = time.monotonic() - begun_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if demo.returncode:
        raise RuntimeError(f"the replay ended with exit code {demo.returncode}: {said[-500:].decode()}")
    shutil.rmtree(stage)
    hours = json.loads(said)["channels"]["replay"]["hours"]["replayed"]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    flushes = count.stat().st_size if count.exists() else 0
    return Replayed(seconds, cpu_s, hours, flushes, watch.peak_pss_mb, watch.written)


@dataclass
class Watch:
    """Looks at a process group from outside while it runs."""

    group: int
    peak_pss_mb: float = 0.0
    written: dict[str, int] = field(default_factory=dict)
    _by_pid: dict[int, tuple[str, int]] = field(default_factory=dict)

    @contextlib.contextmanager
    def running(self) -> Any:
        """Look every now and then until the block ends."""
        over = threading.Event()
        looking = threading.Thread(target=self._look_until, args=(over,), name="watch", daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
            for name, size in self._by_pid.values():
                self.written[name] = self.written.get(name, 0) + size

    def _look_until(self, over: threading.Event) -> None:
        while not over.wait(SAMPLE_EVERY_S):
            total_mb = 0.0
            for pid in processes.of_group(self.group):
                with contextlib.suppress(OSError, ValueError):
                    # The most that was seen: a thread that ends takes its count with it.
                    _, before = self._by_pid.get(pid, ("", 0))
                    self._by_pid[pid] = (self._name(pid), max(before, processes.written_bytes(pid)))
                    total_mb += processes.pss_mb(pid)
            self.peak_pss_mb = max(self.peak_pss_mb, total_mb)

    def _name(self, pid: int) -> str:
        if pid == self.group:
            return "outbox"
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return "node" if b"operator-node" in command else "others"


def two_days() -> str:
    """Two days in the layout of the published files: hours that run, hours that stand still."""
    head = (
        "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,SO2MASS,NOXRATE,OPTIME,GLOAD,SLOAD,HTINPUT,HTINPUTMEASURE,SO2MEASURE,"
        "NOXMMEASURE,NOXRMEASURE,UNITFLOW"
    )
    lines = [head]
    for n in range(QUICK_HOURS):
        day, hour = f"07010{1 + n // HOURS_A_DAY}", n % HOURS_A_DAY
        if hour < 6:
            lines.append(f"1,A,{day},{hour},-9,-9,-9,0,-9,-9,-9,,,,,-9")
        else:
            lines.append(f"1,A,{day},{hour},{100 + n}.5,-9,.4,1,200,-9,{(1005 + 10 * n) / 4},1,1,2,1,-9")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
