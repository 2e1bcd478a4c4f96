"""However the demo is ended, none of its processes lives on and its folder goes with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
AS_ON_A_TERMINAL = ("env", "--default-signal=HUP,INT,TERM")
"""Whoever runs the tests may have hang-ups or Ctrl-C switched off, as nohup and background jobs do."""


@contextmanager
def started(folder: Path, *wrapper: str) -> Iterator[subprocess.Popen[str]]:
    """A demo of its own process group, whose temporary files lie in `folder`."""
    environment = {name: value for name, value in os.environ.items() if name != "DOXEDGE_PLANT_CLOCK"}
    process = subprocess.Popen(
        [*AS_ON_A_TERMINAL, *wrapper, sys.executable, "-m", "doxedge", "demo", "--output", "json"],
        cwd=ROOT,
        env={**environment, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for pid in (*living(folder), process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate()


def living(folder: Path) -> list[int]:
    """Processes that name the folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
        except OSError:
            continue
        if os.fsencode(folder) in command:
            found.append(int(entry.name))
    return found


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.05)


def a_hang_up_of_the_terminal(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGHUP)


def a_request_to_end(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGTERM)


def ctrl_c(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def ctrl_c_again_and_again(process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)


BACKGROUND_JOB = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""A shell starts its background jobs with SIGINT ignored."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("end", "wrapper"),
    [
        (a_hang_up_of_the_terminal, ()),
        (a_request_to_end, ()),
        (a_request_to_end, BACKGROUND_JOB),
        (ctrl_c, ()),
        (ctrl_c_again_and_again, ()),
    ],
)
def test_an_ended_demo_leaves_no_process_and_no_folder(
    tmp_path: Path,
    end: Callable[[subprocess.Popen[str]], None],
    wrapper: tuple[str, ...],
) -> None:
    with started(tmp_path, *wrapper) as process:
        until(lambda: len(list(tmp_path.glob("doxedge-demo-*/*.sock"))) == 3, "three nodes that serve")
        assert living(tmp_path)
        end(process)
        said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, said
        assert said[0] == "", "JSON of half a story is worse than none"
        assert "Traceback" not in said[1]
        assert living(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
