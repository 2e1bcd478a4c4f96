"""What /proc says about other processes: CPU, memory that is really theirs, bytes to the disk."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds of the threads that live now, as the scheduler counts them, to the nanosecond."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total_ns += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total_ns / 1e9


def pss_mb(pid: int) -> float:
    """Memory in MiB, where a page that several processes share counts in parts."""
    return _rolled_up_mb(pid, "Pss:")


def own_mb(pid: int) -> float:
    """Memory in MiB that is of no file: it does not change with who else runs the same interpreter."""
    return _rolled_up_mb(pid, "Anonymous:")


def _rolled_up_mb(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise ValueError(f"the kernel says nothing about the memory of process {pid}")


def together_mb(*pids: int) -> float:
    """Memory of these processes in MiB as if no other shared a library with them: each file's pages count once.

    The summed PSS depends on who else runs the same interpreter: here the benchmark itself does, on a plant nobody.
    """
    of_files: dict[str, int] = {}
    own_kb = 0
    for pid in pids:
        for name, kb in _resident_kb(pid).items():
            if name.startswith("/"):
                of_files[name] = max(of_files.get(name, 0), kb)
            else:
                own_kb += kb
    return (own_kb + sum(of_files.values())) / 1024


def _resident_kb(pid: int) -> dict[str, int]:
    """Resident KiB by what is mapped: a file's path, or the name of memory that is the process's own."""
    found: dict[str, int] = {}
    name, private_kb, resident_kb = "", 0, 0
    for line in [*Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines(), "0-0 end"]:
        key, _, rest = line.partition(" ")
        if not key.endswith(":"):
            # Private pages of a file (relocations, data) are the process's own, whatever their file is called.
            found["[own]"] = found.get("[own]", 0) + private_kb
            found[name] = found.get(name, 0) + resident_kb - private_kb
            fields = line.split(maxsplit=5)
            name, private_kb, resident_kb = fields[5] if len(fields) > 5 else "[anonymous]", 0, 0
        elif key == "Rss:":
            resident_kb = int(rest.split()[0])
        elif key == "Private_Dirty:":
            private_kb = int(rest.split()[0])
    return found


def written_bytes(pid: int) -> int:
    """What the threads that live now had the kernel write to disks so far; without ended children, which
    /proc/PID/io counts with their parent."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "io").read_text(encoding="ascii").splitlines():
            if line.startswith("write_bytes:"):
                total += int(line.split()[1])
    return total


def of_group(group: int) -> list[int]:
    """The living processes of a process group."""
    return list(cpu_of_group(group))


def cpu_of_group(group: int) -> dict[int, float]:
    """CPU seconds of each living process of a group so far, threads that have ended included, to a hundredth."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found[int(folder.name)] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return found
