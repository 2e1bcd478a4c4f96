"""The doctor on the machine: software, clock, disk, databases; every failure is provoked for real."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.doctor_machine import judge_clock, judge_python, judge_sqlite
from doxedge.cli.doctor_report import Verdict
from doxedge.gateway.clock_state import ClockReading, read_clock
from doxedge.node.daemon import ledger_file
from doxedge.quantity import HOUR_MS
from doxedge.store.chain import ChainStore
from tests.cli.doctor_bench import Ask, Report
from tests.cli.plant_box import in_own_mounts
from tests.store.test_examine import filled


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (judge_python((3, 11, 2)), Verdict.OK),
        (judge_python((3, 15, 0)), Verdict.WARNING),
        (judge_sqlite((3, 37, 0)), Verdict.OK),
        (judge_sqlite((3, 36, 9)), Verdict.ERROR),
        (judge_clock(ClockReading("synchronised", 3)), Verdict.OK),
        (judge_clock(ClockReading("synchronised", -1_001)), Verdict.WARNING),
        (judge_clock(ClockReading("unsynchronised", 0)), Verdict.WARNING),
        (judge_clock(ClockReading("unknown", 0)), Verdict.WARNING),
    ],
)
def test_software_and_clock_are_judged(finding: Any, verdict: Verdict) -> None:
    assert finding.verdict is verdict


def test_the_machines_own_software_and_clock_are_looked_at(
    plant: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOXEDGE_PLANT_CLOCK", raising=False)
    report = ask(plant)
    assert report.of("python")["text"] == ".".join(map(str, sys.version_info[:3]))
    assert report.of("ed25519")["verdict"] == "ok"
    assert report.of("clock")["text"] == judge_clock(read_clock()).text
    monkeypatch.setenv("DOXEDGE_PLANT_CLOCK", "0,0,720")
    assert "DOXEDGE_PLANT_CLOCK" in ask(plant).of("clock")["text"]


def test_a_library_that_verifies_differently_is_an_error(
    plant: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nacl.bindings

    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", lambda *_: b"whatever")
    report = ask(plant)
    assert report.of("ed25519")["verdict"] == "error"
    assert report.code == 6


def test_a_disk_with_less_room_than_wanted_is_a_warning(plant: Path, ask: Ask) -> None:
    found = ask(plant, "--free-mb", str(2**40)).of("disk")
    assert found["verdict"] == "warning"
    assert f"{2**40} MiB are wanted" in found["advice"]


def doctor_on_mount(plant: Path, options: str, after: str = "") -> Report:
    """The doctor in a name space where the state folder is a file system of its own."""
    (plant / "state").mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o {options} x "$1"; {after} shift; exec "$@"'
    command = [sys.executable, "-m", "doxedge", "doctor", "--dir", str(plant), "--output", "json"]
    done = in_own_mounts(script, str(plant / "state"), *command)
    assert done.stdout, done.stderr
    return Report(done.returncode, done.stdout)


def test_a_full_disk_is_an_error(plant: Path) -> None:
    report = doctor_on_mount(plant, "size=1m")
    assert report.of("disk")["verdict"] == "error"
    assert report.code == 7


def test_a_file_system_that_runs_out_of_inodes_is_an_error(plant: Path) -> None:
    report = doctor_on_mount(plant, "size=200m,nr_inodes=20")
    assert report.errors()[0].startswith("inodes")
    assert report.code == 7
    assert doctor_on_mount(plant, "size=200m,nr_inodes=500").of("inodes")["verdict"] == "warning"


def test_a_read_only_state_folder_is_an_error(plant: Path) -> None:
    report = doctor_on_mount(plant, "ro,size=200m")
    assert "read-only" in report.of("state")["text"]
    assert report.code == 7


def test_a_file_in_the_place_of_the_state_folder_is_an_error(plant: Path, ask: Ask) -> None:
    (plant / "state").write_text("")
    assert "is no folder" in ask(plant).of("state")["text"]


async def test_a_sound_outbox_is_ok_and_its_age_is_judged(plant: Path, ask: Ask) -> None:
    now_ms = time.time_ns() // 1_000_000
    path = plant / "state" / "gateway" / "outbox.db"
    report = await asyncio.to_thread(ask, plant)
    assert report.of("outbox backlog")["verdict"] == "skipped"
    for age_ms, verdict in ((0, "ok"), (3 * HOUR_MS, "warning"), (30 * HOUR_MS, "error")):
        path.unlink(missing_ok=True)
        await (await filled(path, now_ms=now_ms - age_ms)).close()
        report = await asyncio.to_thread(ask, plant)
        assert report.of("database outbox")["verdict"] == "ok"
        assert report.of("outbox backlog")["verdict"] == verdict
        assert "3 records wait" in report.of("outbox backlog")["text"]
    assert report.code == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM entry WHERE seq = 2", "record 2: records 2 to 2 are missing"),
        ("UPDATE entry SET envelope = x'84' WHERE seq = 3", "record 3: the envelope was altered"),
    ],
)
async def test_a_removed_or_altered_record_is_exit_code_6(
    plant: Path, ask: Ask, change: str, told: str
) -> None:
    import sqlite3

    path = plant / "state" / "gateway" / "outbox.db"
    outbox = await filled(path)
    try:
        assert (await asyncio.to_thread(ask, plant)).of("outbox records")["verdict"] == "ok"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            assert connection.execute(change).rowcount == 1
        report = await asyncio.to_thread(ask, plant)
    finally:
        await outbox.close()
    assert told in report.of("outbox records")["text"]
    assert report.code == 6


async def test_a_refused_record_is_exit_code_1(plant: Path, ask: Ask) -> None:
    outbox = await filled(plant / "state" / "gateway" / "outbox.db")
    (first, *_) = await outbox.pending(bytes(32), bytes(16))
    await outbox.mark_refused(first.record_id, clause="3.4", reason="another record has this number")
    await outbox.close()
    report = await asyncio.to_thread(ask, plant)
    assert "3.4: another record has this number" in report.of("outbox backlog")["text"]
    assert report.code == 1


async def test_a_damaged_ledger_and_a_newer_file_are_exit_code_7(plant: Path, ask: Ask) -> None:
    import sqlite3

    from doxedge.signing.tags import channel_id

    genesis = (plant / "north.genesis").read_bytes()
    path = ledger_file(plant / "state", channel_id(genesis))
    store = await ChainStore.open(path, channel_id(genesis))
    await store.create(genesis)
    await store.close()
    assert (await asyncio.to_thread(ask, plant)).of("database ledger north")["verdict"] == "ok"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    report = await asyncio.to_thread(ask, plant)
    assert "install the newer version again" in report.of("database ledger north")["text"]
    path.write_bytes(path.read_bytes()[:4_096] + b"\xa5" * (path.stat().st_size - 4_096))
    report = await asyncio.to_thread(ask, plant)
    assert report.of("database ledger north")["verdict"] == "error"
    assert "move it away" in report.of("database ledger north")["advice"]
    assert report.code == 7
