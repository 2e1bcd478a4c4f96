"""A small gateway, imitated on this machine: a quarter of one core, little memory, a disk that is slow to flush.

Everything here works without privileges: the processes under test form one process group, which is stopped and let go
again so that together they never get more than their share of CPU.

`python -m tests.benchmarks.handicap MEGABYTES [NAME=VALUE ...] -- ARGUMENTS` becomes a Python with these arguments, the
leader of a process group of its own, with so much address space and these variables.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import processes

SOURCE = Path(__file__).with_name("slow_flush.c")
LOOK_EVERY_S = 0.01
BURST_S = 0.02
"""CPU that may be saved up while the processes wait: a real quarter core saves up nothing at all."""


@dataclass(frozen=True)
class Handicap:
    """What a small gateway has."""

    cpu_percent: int = 25
    """Of one core, for all processes together."""
    memory_mb: int = 512
    """Address space of each process."""
    flush_ms: int = 10
    """Added to each fsync and fdatasync."""


def memory_limit(megabytes: int) -> Callable[[], None]:
    """For `preexec_fn`: the address space of a process and of all that it starts."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    return limit


def slow_flushes(folder: Path, *, flush_ms: int) -> dict[str, str] | None:
    """Compile the shim; the environment that preloads it, or None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "slow_flush.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True, timeout=60
    )
    return {
        "LD_PRELOAD": str(library),
        "DOXEDGE_FLUSH_PAUSE_MS": str(flush_ms),
        "DOXEDGE_FLUSH_COUNT": str(folder / "flushes"),
    }


@contextmanager
def cpu_share(group: int, *, percent: int) -> Iterator[None]:
    """Hold the processes of this group to their share of one core while the block runs."""
    over = threading.Event()
    keeper = threading.Thread(target=_hold, args=(group, percent, over), name="cpu share", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _hold(group: int, percent: int, over: threading.Event) -> None:
    """Stop the group when it has had more than its share, let it go when it has waited long enough."""
    credit_s, last_s, stopped = BURST_S, time.monotonic(), False
    seen: dict[int, float] = {}
    while not over.wait(LOOK_EVERY_S):
        now_s = time.monotonic()
        credit_s = min(BURST_S, credit_s + (now_s - last_s) * percent / 100)
        last_s = now_s
        used = processes.cpu_of_group(group)
        credit_s -= sum(max(0.0, cpu - seen.get(pid, 0.0)) for pid, cpu in used.items())
        seen = used
        if (credit_s < 0) != stopped:
            stopped = not stopped
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGSTOP if stopped else signal.SIGCONT)
    if stopped:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)


def limited(arguments: Sequence[str], *, memory_mb: int, environment: Mapping[str, str]) -> list[str]:
    """Arguments of a Python that becomes one with `arguments`, in a group of its own and limited."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return ["-m", "tests.benchmarks.handicap", str(memory_mb), *variables, "--", *arguments]


def main(argv: Sequence[str]) -> None:
    """See the module."""
    split = argv.index("--")
    megabytes, *variables = argv[:split]
    os.setsid()
    memory_limit(int(megabytes))()
    added = dict(variable.split("=", 1) for variable in variables)
    os.execve(sys.executable, [sys.executable, *argv[split + 1 :]], {**os.environ, **added})


if __name__ == "__main__":
    main(sys.argv[1:])
