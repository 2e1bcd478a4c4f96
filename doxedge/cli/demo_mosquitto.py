"""A mosquitto of the demo's own, on a port that it holds itself.

mosquitto takes no port 0. A port that was free a moment ago may be somebody else's when mosquitto asks for it, so what
counts is what mosquitto says: it has the port, or another one is tried.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from doxedge.cli.outcome import Exit, Failure

ATTEMPTS: Final = 10
"""So many ports in a row that somebody else takes within milliseconds are no chance any more."""
START_S: Final = 60.0
"""What a loaded machine may need until mosquitto listens."""
RUNNING: Final = b" running\n"
"""The end of mosquitto's line when all its listeners are open (2.0 and later)."""
TAKEN: Final = b"Address already in use"


def find_mosquitto() -> str:
    """Distributions put it where only the administrator's PATH looks. Raises Failure where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Failure(Exit.USAGE, "there is no mosquitto on this machine; leave --broker out")
    return program


def start_mosquitto(
    program: str, folder: Path, ports: Iterable[int] | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start mosquitto at the first of the ports that it gets; returns the process and the port.

    Configuration and log lie in `folder`. Raises Failure when it starts at none of them.
    """
    tried = []
    for port in free_ports() if ports is None else ports:
        process, log = _spawn(program, folder, port)
        said = _until_it_says(process, log)
        if process.poll() is None and RUNNING in said:
            return process, port
        process.kill()
        process.wait()
        if TAKEN not in said:
            text = said.decode(errors="replace").strip().replace("\n", "\n  ") or "it said nothing"
            raise Failure(
                Exit.LOCAL_IO, f"mosquitto did not start; leave --broker out, or mend this:\n  {text}"
            )
        tried.append(str(port))
    text = f"mosquitto found each of the ports {', '.join(tried)} taken; start a broker yourself and give --broker"
    raise Failure(Exit.LOCAL_IO, f"{text} HOST:PORT, or leave --broker out")


def free_ports() -> Iterator[int]:
    """Ports of this machine that were free when they were looked at."""
    for _ in range(ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        yield port


def _spawn(program: str, folder: Path, port: int) -> tuple[subprocess.Popen[bytes], Path]:
    config, path = folder / "mosquitto.conf", folder / "broker.log"
    text = f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_dest stderr\n"
    config.write_text(text, encoding="ascii")
    with path.open("wb") as log:
        process = subprocess.Popen(
            [program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    return process, path


def _until_it_says(process: subprocess.Popen[bytes], log: Path) -> bytes:
    """Its log, when it runs, has ended, or its time is over."""
    deadline_s = time.monotonic() + START_S
    while RUNNING not in log.read_bytes() and time.monotonic() < deadline_s:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            break
    return log.read_bytes()
