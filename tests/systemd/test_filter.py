"""The daemons live under the units' own system call filter, and still know their clock."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from doxedge.gateway.clock_state import read_clock
from tests.cli.plant_box import REPOSITORY, process, whole_plant
from tests.systemd.test_notify import UNITS, arguments_of, hear, manager

__all__ = ["manager"]

CHILD = Path(__file__).with_name("under_the_unit.py")
NOT_HERE = 77


def under(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python under a unit's filter; skips aloud where no filter can be made."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze to say which system calls a set has")
    done = subprocess.run(
        [sys.executable, str(CHILD), str(unit), sys.executable, *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode == NOT_HERE:
        pytest.skip("there is no libseccomp, or this kernel loads no filter")
    return done


FORBIDDEN = {
    "setting the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "another address family": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "changing its user": "import os; os.setuid(os.getuid())",
    "memory to write and to execute": "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "a higher priority": "import os; os.setpriority(os.PRIO_PROCESS, 0, 1)",
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_the_filter_forbids(case: str) -> None:
    done = under(UNITS[0], "-c", FORBIDDEN[case])
    assert "PermissionError" in done.stderr, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_clocks_state_can_be_read_under_the_filter(unit: Path) -> None:
    """`ProtectClock=` forbids adjtimex(2) even to read: every signed hour would call its clock unknown."""
    program = "from doxedge.gateway.clock_state import read_clock; print(read_clock().state)"
    assert under(unit, "-c", program).stdout.strip() == read_clock().state
    assert "ProtectClock" not in [line.partition("=")[0] for line in unit.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
async def test_a_service_starts_works_and_stops_under_its_filter(
    unit: Path, tmp_path: Path, manager: socket.socket
) -> None:
    await asyncio.to_thread(under, unit, "-c", "pass")
    plant = whole_plant(tmp_path)
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
    command = [str(CHILD), str(unit), sys.executable, "-m", "doxedge", *arguments_of(unit, plant)]
    async with process(*command, environment=environment, log=tmp_path / "log", module=False) as service:
        assert await hear(manager, "READY=1", service)
        assert await hear(manager, "WATCHDOG=1", service)
        service.send_signal(signal.SIGTERM)
        assert await hear(manager, "STOPPING=1", service)
        async with asyncio.timeout(60):
            assert await service.wait() == 0
    assert "Operation not permitted" not in await asyncio.to_thread((tmp_path / "log").read_text)
