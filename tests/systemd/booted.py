"""A machine under systemd as process 1, over this machine's own file system, in namespaces of its own.

Whatever it writes stays in its memory and is gone with it. Needs root, unshare, nsenter and overlayfs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEMD: Final = Path("/lib/systemd/systemd")
TOOLS: Final = ("unshare", "nsenter", "mount", "pivot_root")
WAIT_S: Final = 120.0
SOURCE: Final = "/srv/source"

BOOT: Final = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
if [ -d /sys/fs/cgroup/unified ]; then
  mount -t tmpfs tmpfs sys/fs/cgroup && mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd systemd sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
else
  mount -t cgroup2 cgroup2 sys/fs/cgroup
fi
for place in run tmp; do mount -t tmpfs tmpfs $place; done
mount --rbind /dev dev
mkdir -p ".$3" && tar -x -C ".$3" -f "$2"
mkdir -p old && pivot_root . old && umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \\
  --log-target=console --log-level=notice systemd.unit=basic.target
"""


@dataclass(frozen=True)
class Machine:
    """It runs until the block ends."""

    process_1: int
    """As this machine counts it."""

    def run(self, *command: str, may_fail: bool = False) -> str:
        """What a command says there, on both roads; fails when it fails."""
        environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "dumb"}
        done = subprocess.run(
            ["nsenter", "-t", str(self.process_1), "-a", *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False, env=environment,
        )  # fmt: skip
        assert may_fail or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout.strip()

    def of(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit)

    def journal(self, unit: str) -> str:
        """What a unit has said since the start."""
        return self.run("journalctl", "--unit", unit, "--no-pager", "--output", "cat")

    def until(self, condition: Callable[[], bool], *, what: str, within_s: float = WAIT_S) -> None:
        """Look again and again. Fails with what systemd knows."""
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, f"not within {within_s} s: {what}\n" + self.run(
                "systemctl", "status", "--no-pager", "--lines=40", "doxedge", may_fail=True
            )
            time.sleep(0.5)


def what_is_missing() -> str:
    """Why no machine can be booted here; empty when one can."""
    if os.geteuid() != 0:
        return "only root can boot a machine in namespaces"
    missing = [tool for tool in TOOLS if shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing or not SYSTEMD.exists():
        return f"{', '.join([*missing, 'systemd'][:1])} is not installed"
    return ""


@contextmanager
def machine(folder: Path, source: Path) -> Iterator[Machine]:
    """Boot it, with the archive `source` unpacked in SOURCE. Its file systems are mounted in `folder`, unseen here."""
    script = folder / "boot.sh"
    script.write_text(BOOT)
    (place := folder / "machine").mkdir()
    command = ["unshare", "-p", "-f", "-m", "-u", "-i", "-C", "--kill-child", "bash", str(script)]
    with (folder / "console.log").open("wb") as console:
        outer = subprocess.Popen(
            [*command, str(place), str(source), SOURCE],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
        )  # fmt: skip
    try:
        yield Machine(_booted(outer, folder / "console.log"))
    finally:
        outer.kill()
        outer.wait(30)


def _booted(outer: subprocess.Popen[bytes], console: Path) -> int:
    """Process 1, once systemd answers."""
    children, end = Path(f"/proc/{outer.pid}/task/{outer.pid}/children"), time.monotonic() + WAIT_S
    while time.monotonic() < end and outer.poll() is None:
        if (found := children.read_text().split()) and _name(found[0]) == "systemd":
            booting = Machine(int(found[0]))
            state = booting.run("systemctl", "is-system-running", may_fail=True)
            if state in ("running", "degraded"):
                return booting.process_1
        time.sleep(0.2)
    raise AssertionError(f"it did not boot:\n{console.read_text(errors='replace')}")


def _name(process: str) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""
