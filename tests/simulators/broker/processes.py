"""Brokers as processes of their own, ours and mosquitto, on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.ports import HOST, server_port

ROOT: Final = Path(__file__).parents[3]
START_TIMEOUT_S: Final = 60.0


@dataclass
class BrokerProcess:
    """A running broker. `kill` is SIGKILL; `restart` starts the same command on the same port."""

    command: Sequence[str]
    process: subprocess.Popen[str]
    port: int
    host: str = HOST

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        self.process.terminate()
        return self._reap()

    def restart(self) -> None:
        self.process = _spawn(self.command)
        wait_until_open(self.port)

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _reap(self) -> int:
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start_ours(*flags: str) -> BrokerProcess:
    """Our broker, at a port to which it can come back."""
    for _ in range(5):
        port = server_port()
        command = [sys.executable, "-m", "simulators.broker", "--port", str(port), *flags]
        process = _spawn(command)
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            assert line == f"listening {HOST}:{port}\n", line
            return BrokerProcess(command, process, port)
        # Somebody else took the port between our look and the broker's.
        process.stdout.close()
        process.wait(60)
    raise ConnectionError("the broker does not start")


def find_mosquitto() -> str | None:
    """Distributions put it where only the administrator's PATH looks."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which("mosquitto", path=os.pathsep.join(places))


def start_mosquitto(program: str, folder: Path, *lines: str) -> BrokerProcess:
    """A mosquitto without memory of its own; `lines` are added to its configuration."""
    for _ in range(5):
        port = server_port()
        configuration, log = folder / f"mosquitto-{port}.conf", folder / f"mosquitto-{port}.log"
        text = [
            f"listener {port} {HOST}",
            "allow_anonymous true",
            "persistence false",
            "set_tcp_nodelay true",
        ]
        configuration.write_text("\n".join([*text, "log_dest stderr", *lines, ""]))
        command = [program, "-c", str(configuration)]
        # It may give up its rights before it would open a log file of its own.
        with log.open("wb") as file:
            process = _spawn(command, stderr=file)
        if _is_running(process, log):
            return BrokerProcess(command, process, port)
        # Somebody else took the port between our look and mosquitto's.
        process.kill()
        process.communicate()
    raise ConnectionError("mosquitto does not start")


def _is_running(process: subprocess.Popen[str], log: Path) -> bool:
    """Whether mosquitto says so; that somebody answers at its port is no proof that it is mosquitto."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        if b" running\n" in log.read_bytes():
            return True
        time.sleep(0.02)
    return False


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise ConnectionError(f"nobody listens at port {port}")


def _spawn(command: Sequence[str], stderr: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True, bufsize=1)
