"""What the services tell systemd, heard on a real notify socket: ready, alive at the pace that is asked, stopping."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.plant_box import process, whole_plant
from tests.house.tree import ROOT

WATCHDOG_US = 600_000
UNITS = sorted((ROOT / "systemd").glob("*.service"))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


async def hear(listening: socket.socket, wanted: str, service: asyncio.subprocess.Process) -> str:
    """The status that comes with the first message of that kind; fails when the service ends before."""
    loop = asyncio.get_running_loop()
    ended = asyncio.create_task(service.wait())
    try:
        async with asyncio.timeout(60):
            while True:
                told = asyncio.create_task(loop.sock_recv(listening, 4_096))
                await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not told.done():
                    told.cancel()
                    raise AssertionError(f"the service ended with {ended.result()} before it said {wanted}")
                lines = told.result().decode().split("\n")
                if wanted in lines:
                    return next(line.removeprefix("STATUS=") for line in lines if line.startswith("STATUS="))
    finally:
        ended.cancel()


def arguments_of(unit: Path, folder: Path) -> list[str]:
    """The command of the unit, with the files of a plant in `folder`."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    program, *arguments = shlex.split(line)
    assert program == "/opt/doxedge/bin/doxedge"
    return [argument.replace("/etc/doxedge", str(folder)) for argument in arguments]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
async def test_a_service_says_ready_feeds_the_watchdog_and_says_stopping(
    unit: Path, tmp_path: Path, manager: socket.socket
) -> None:
    plant = whole_plant(tmp_path)
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(WATCHDOG_US)}
    log = tmp_path / "log"
    async with process("doxedge", *arguments_of(unit, plant), environment=environment, log=log) as service:
        ready = await hear(manager, "READY=1", service)
        assert ("measuring 1 units" in ready) == ("gateway" in unit.stem or unit.stem == "doxedge")
        assert ("1 channels" in ready) == ("node" in unit.stem or unit.stem == "doxedge")
        for _ in range(2):
            assert await hear(manager, "WATCHDOG=1", service)
        service.send_signal(signal.SIGTERM)
        assert await hear(manager, "STOPPING=1", service)
        async with asyncio.timeout(60):
            assert await service.wait() == 0


async def test_a_wrong_configuration_ends_with_the_code_that_systemd_does_not_retry(tmp_path: Path) -> None:
    plant = whole_plant(tmp_path)
    (plant / "gateway.toml").write_text("retries = 3\n")
    for unit in UNITS:
        assert "RestartPreventExitStatus=2" in unit.read_text()
        if unit.stem != "doxedge-node":
            async with process("doxedge", *arguments_of(unit, plant)) as service, asyncio.timeout(60):
                assert await service.wait() == 2
