"""Checks of the doctor on the machine itself: software, state folder, room, databases, clock."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from doxedge.cli.doctor_outbox import check_backlog, check_outbox_room
from doxedge.cli.doctor_report import Finding, Site, error, ok, skipped, warning
from doxedge.cli.outcome import Exit
from doxedge.fieldbus.clock import VARIABLE
from doxedge.gateway.clock_state import ClockReading, read_clock
from doxedge.node.daemon import ledger_file
from doxedge.signing import algorithms
from doxedge.store.errors import StoreError
from doxedge.store.examine import broken_records, examine, holder

PYTHON_UNTRIED: Final = (3, 15)
"""As in pyproject.toml, requires-python."""
SQLITE_MIN: Final = (3, 37, 0)
"""The schema uses STRICT tables (https://www.sqlite.org/stricttables.html)."""
MEBIBYTE: Final = 1024 * 1024
FREE_MB_LOW: Final = 64
"""Below it samples are given up to leave room for outbox and ledger (store.samples)."""
FREE_MB_WANTED: Final = 1_024
INODES_LOW: Final = 64
"""Logs, locks and files set aside need some; below it SQLite cannot make its log."""
INODES_WANTED: Final = 1_024
OFFSET_MS_MAX: Final = 1_000
"""Minutes are cut by the clock; a second of error is under 2 % of one."""


def check_software() -> Iterator[Finding]:
    """Python, SQLite and the one way to check a signature."""
    yield judge_python(sys.version_info[:3])
    yield judge_sqlite(sqlite3.sqlite_version_info)
    try:
        algorithms.self_test()
    except algorithms.UnfitLibrary as cause:
        yield error(
            "ed25519",
            str(cause),
            "reinstall PyNaCl from a wheel: this machine must not vote",
            code=Exit.UNVERIFIED,
        )
    else:
        yield ok("ed25519", "all edge cases of the self-test come out as they must")


def judge_python(found: tuple[int, ...]) -> Finding:
    """Newer than what the tests have seen is worth a word; older does not get this far."""
    version = ".".join(map(str, found))
    if found[:2] >= PYTHON_UNTRIED:
        return warning("python", f"{version} is newer than any that was tried", "use 3.11 to 3.14")
    return ok("python", version)


def judge_sqlite(found: tuple[int, ...]) -> Finding:
    """The SQLite that this Python was linked with."""
    version = ".".join(map(str, found))
    if found < SQLITE_MIN:
        return error(
            "sqlite", f"{version} has no STRICT tables", "install SQLite 3.37 or newer", code=Exit.USAGE
        )
    return ok("sqlite", version)


def check_state(site: Site, *, free_mb_min: int) -> Iterator[Finding]:
    """State folders: theirs to write, with room."""
    for folder in site.state_dirs:
        yield _writable(site, folder)
        there = _nearest(folder)
        try:
            yield _room(folder, shutil.disk_usage(there).free // MEBIBYTE, free_mb_min)
            yield _inodes(folder, os.statvfs(there))
        except OSError as cause:
            yield error(
                f"disk {folder}", f"cannot be looked at: {cause.strerror}", "mount it", code=Exit.LOCAL_IO
            )


def _nearest(folder: Path) -> Path:
    """The folder, or the first one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _writable(site: Site, folder: Path) -> Finding:
    check = f"state {folder}"
    there = _nearest(folder)
    user = site.user or pwd.getpwuid(os.geteuid())
    if not there.is_dir():
        return error(check, f"{there} is no folder", "move it away, or change state_dir", code=Exit.LOCAL_IO)
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return error(
            check, "its file system is read-only", "remount it, look at the kernel's log", code=Exit.LOCAL_IO
        )
    if not may_write(there, user):
        text = f"{user.pw_name} may not write to {there}"
        return error(check, text, f"chown {user.pw_name}: {there}", code=Exit.LOCAL_IO)
    if there != folder:
        return ok(check, f"is not there yet; {user.pw_name} makes it at the first start")
    return ok(check, f"{user.pw_name} may write")


def may_write(folder: Path, user: pwd.struct_passwd) -> bool:
    """Whether a user may make files in a folder, by its mode: also about others than ourselves."""
    if user.pw_uid == os.geteuid():
        return os.access(folder, os.W_OK | os.X_OK)
    if user.pw_uid == 0:
        return True
    status = folder.stat()
    if status.st_uid == user.pw_uid:
        wanted = stat.S_IWUSR | stat.S_IXUSR
    elif status.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        wanted = stat.S_IWGRP | stat.S_IXGRP
    else:
        wanted = stat.S_IWOTH | stat.S_IXOTH
    return status.st_mode & wanted == wanted


def _room(folder: Path, free_mb: int, free_mb_min: int) -> Finding:
    check = f"disk {folder}"
    if free_mb < FREE_MB_LOW:
        text = f"{free_mb} MiB are free: raw samples are being given up"
        return error(check, text, "free some room, or lower samples.budget_mb", code=Exit.LOCAL_IO)
    if free_mb < free_mb_min:
        return warning(
            check, f"{free_mb} MiB are free", f"{free_mb_min} MiB are wanted: free some room in time"
        )
    return ok(check, f"{free_mb} MiB are free")


def _inodes(folder: Path, found: os.statvfs_result) -> Finding:
    check = f"inodes {folder}"
    if not found.f_files:
        return ok(check, "this file system does not count them")
    if found.f_favail < INODES_LOW:
        text = f"{found.f_favail} of {found.f_files} files may still be made"
        return error(check, text, "delete small files, or make the file system anew", code=Exit.LOCAL_IO)
    if found.f_favail < INODES_WANTED:
        return warning(
            check, f"{found.f_favail} of {found.f_files} files may still be made", "delete small files"
        )
    return ok(check, f"{found.f_favail} files may still be made")


def check_stores(site: Site, *, deep: bool) -> Iterator[Finding]:
    """Every database: readable, ours, sound, of a version that this software knows; beside a running service too."""
    if site.gateway is not None:
        folder = site.gateway.state_dir / "gateway"
        yield _store("outbox", folder / "outbox.db", deep=deep)
        yield _store("samples", folder / "samples.db", deep=deep)
        yield _store("hours", folder / "hours.db", deep=deep)
        yield _store("alarms", folder / "alarms.db", deep=deep)
        yield _store("qa", folder / "qa.db", deep=deep)
    if site.node is not None:
        for channel, genesis in site.genesis.items():
            path = ledger_file(site.node.state_dir, channel)
            yield _store("chain", path, deep=deep, name=f"ledger {genesis.name}")
    if site.outbox_file is not None:
        yield _records(site.outbox_file)
        yield from check_backlog(site)
        yield from check_outbox_room(site)


def _store(schema: str, path: Path, *, deep: bool, name: str = "") -> Finding:
    check = f"database {name or schema}"
    if not path.parent.exists() or not path.exists():
        return skipped(check, f"{path} is not there yet")
    try:
        found = examine(path, schema=schema, deep=deep)
    except StoreError as cause:
        return error(check, str(cause), _store_advice(schema), code=Exit.LOCAL_IO)
    if found.problems:
        text = f"{path} is damaged: {'; '.join(' '.join(one.split()) for one in found.problems)}"
        return error(check, text, _store_advice(schema), code=Exit.LOCAL_IO)
    if not found.version:
        return skipped(check, f"{path} is empty: its service is about to begin it")
    how = "checked whole" if found.is_deep else "checked without indexes (--deep checks them too)"
    owner = holder(path)
    used = f", in use by process {owner}" if owner is not None else ""
    text = f"form {found.version}, {found.size_bytes // 1024} KiB, {how}{used}"
    if found.version < found.newest:
        return warning(
            check, f"{text}; the next start brings it to form {found.newest}", "keep a copy before that"
        )
    return ok(check, text)


def _store_advice(schema: str) -> str:
    if schema == "chain":
        return "stop the node, keep the file for examination, move it away: the node fetches the ledger anew"
    return "keep a copy; the gateway sets a damaged file aside at its next start and begins a fresh one"


def _records(path: Path) -> Finding:
    """Whether every signed record is there and follows the one before it."""
    check = "outbox records"
    if not path.exists():
        return skipped(check, "nothing was measured here yet")
    try:
        found = broken_records(path)
    except StoreError as cause:
        return skipped(check, f"cannot be followed: {cause}")
    if found:
        first = found[0]
        text = (
            f"broken in {len(found)} places; source {first.source.hex()}, record {first.seq}: {first.reason}"
        )
        advice = "keep a copy of the file, tell the regulator, and ask who can write to it"
        return error(check, text, advice, code=Exit.UNVERIFIED)
    return ok(check, "each follows the one before it")


def check_clock(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the machine's clock follows a time server: every signed hour says so."""
    if environ.get(VARIABLE):
        yield warning(
            "clock", f"plant time is simulated ({VARIABLE} is set)", "unset it where real stacks are measured"
        )
        return
    yield judge_clock(read_clock())


def judge_clock(found: ClockReading) -> Finding:
    """What the kernel's opinion means."""
    if found.state == "unknown":
        return warning("clock", "the kernel does not tell", "allow adjtimex(2) to read")
    if found.state != "synchronised":
        text = "is not synchronised: every signed hour says so"
        return warning("clock", text, "start systemd-timesyncd or chrony; `timedatectl` shows it")
    if abs(found.offset_ms) > OFFSET_MS_MAX:
        text = f"synchronised, and {found.offset_ms} ms off"
        return warning("clock", text, "wait until it is corrected, or look at the time server")
    return ok("clock", f"synchronised, {found.offset_ms} ms off")
