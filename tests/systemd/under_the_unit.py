"""Run a command under the system call filter of a unit, made with the library that systemd itself uses.

    python under_the_unit.py UNIT COMMAND...

Of the unit's settings those that work without systemd as process 1 are applied: SystemCallFilter=, UMask=,
SystemCallErrorNumber=, MemoryDenyWriteExecute=, RestrictAddressFamilies=, NoNewPrivileges=.
Exit code 77: not possible on this machine.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ALLOW, ERRNO = 0x7FFF0000, 0x00050000 | errno.EPERM
NOT_HERE = 77
LESS, EQUAL, GREATER, MASKED_EQUAL = 2, 4, 6, 7
PROT_WRITE, PROT_EXEC = 2, 4


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def library() -> ctypes.CDLL:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        sys.exit(NOT_HERE)
    found = ctypes.CDLL(name)
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_load.argtypes = [ctypes.c_void_p]
    found.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    ]  # fmt: skip
    return found


def values_of(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def expanded(name: str) -> set[str]:
    """The system calls of a set, as this machine's systemd knows them."""
    if not name.startswith("@"):
        return {name}
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=False
    )
    if told.returncode:
        sys.exit(NOT_HERE)
    lines = [line.split("#")[0].strip() for line in told.stdout.splitlines()[1:]]
    return {call for line in lines if line for call in expanded(line)}


def allowed_calls(unit: str) -> set[str]:
    """By the rules of systemd.exec(5): the first line makes a list of what is allowed, later ones add or take away."""
    allowed = expanded("@default")
    for line in values_of(unit, "SystemCallFilter"):
        names = {call for name in line.removeprefix("~").split() for call in expanded(name)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def load(lib: ctypes.CDLL, otherwise: int, rules: list[tuple[int, str, list[Comparison]]]) -> None:
    """One filter: an action for each rule, another one for everything else."""
    context = lib.seccomp_init(ctypes.c_uint32(otherwise))
    for action, name, comparisons in rules:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # not a system call of this machine
        array = (Comparison * len(comparisons))(*comparisons)
        code = lib.seccomp_rule_add_array(context, action, number, len(comparisons), array)
        if code:
            raise OSError(-code, f"no rule for {name}")
    code = lib.seccomp_load(context)
    if code:
        sys.exit(NOT_HERE)


def main() -> None:
    unit = Path(sys.argv[1]).read_text()
    lib = library()
    allowed = allowed_calls(unit)
    os.umask(int(values_of(unit, "UMask")[0], 8))
    if values_of(unit, "MemoryDenyWriteExecute") == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        load(lib, ALLOW, [
            (ERRNO, "mmap", [Comparison(2, MASKED_EQUAL, both, both)]),
            (ERRNO, "mprotect", [Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC)]),
        ])  # fmt: skip
    names = [name for line in values_of(unit, "RestrictAddressFamilies") for name in line.split()]
    families = {int(getattr(socket, name)) for name in names}
    if families:
        # A rule may look at an argument once, so that everything around the allowed ones is a rule of its own.
        between = set(range(min(families), max(families))) - families
        outside = [Comparison(0, LESS, min(families), 0), Comparison(0, GREATER, max(families), 0)]
        forbidden = [*outside, *(Comparison(0, EQUAL, family, 0) for family in sorted(between))]
        load(lib, ALLOW, [(ERRNO, "socket", [comparison]) for comparison in forbidden])
    load(lib, ERRNO, [(ALLOW, name, []) for name in sorted(allowed | {"execve"})])
    os.execv(sys.argv[2], sys.argv[2:])


main()
