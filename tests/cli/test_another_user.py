"""What an account hears that may not read the gateway's files: exit code 4, whose they are, and never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.accounts import account_name, owner_of, run_as
from tests.cli.test_gateway_hours import configured
from tests.cli.test_main import BUFFERED, ROOT
from tests.gateway.missing_hours import planned
from tests.gateway.unit_bench import bench

NOBODY = 65_534
READING = ("alarms", "gaps", "events", "hours", "hours --verify", "qa list", "qa due", "qa show 1")
IMPORTING = [
    "gateway",
    "hours",
    "import",
    "x.csv",
    "--unit",
    "alpha-1",
    "--called",
    "1/2",
    "--utc-offset",
    "-5",
]
IMPORTING += ["--name", "A", "--reason", "b"]
SCRIPT = """
import contextlib, importlib, io, json, os, pkgutil, sys, traceback
import doxedge
for one in pkgutil.walk_packages(doxedge.__path__, "doxedge."):  # another account cannot read the interpreter's folder
    if not one.name.endswith("__main__"):
        importlib.import_module(one.name)
from doxedge.cli.main import main
os.setgroups([]); os.setgid(65534); os.setuid(65534)
told = []
for words in json.loads(sys.argv[1]):
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(words)
        except BaseException:
            code = traceback.format_exc()
    told.append([code, err.getvalue()])
print(json.dumps(told))
"""


@pytest.fixture
def site() -> Iterator[Path]:
    """A folder that everybody may enter, with a gateway that ran once in it: its files are its own."""

    async def once(folder: Path) -> None:
        async with bench(folder / "gateway", planned=planned()) as unit:
            await unit.measure(62)

    with tempfile.TemporaryDirectory(prefix="dx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        asyncio.run(once(folder))
        configured(folder)
        yield folder


def as_nobody(*commands: list[str]) -> list[tuple[Any, str]]:
    """Exit code, or what went wrong, and stderr of each command line."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)],
        cwd=ROOT, env=BUFFERED, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return [(code, err) for code, err in json.loads(done.stdout)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_another_account_is_told_whose_the_files_are(site: Path) -> None:
    config = str(site / "gateway.toml")
    commands = [["gateway", *verb.split(), "--config", config] for verb in READING]
    for (code, err), command in zip(as_nobody(*commands), commands, strict=True):
        assert code == 4, (command, code, err)
        assert "cannot be read (Permission denied)" in err
        assert err.endswith(f"it belongs to the service: {run_as(0)}\n"), command


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_folder_that_may_not_be_entered_is_no_empty_one(site: Path) -> None:
    config = str(site / "gateway.toml")
    (site / "gateway").chmod(0o700)
    commands = (
        ["gateway", "samples", "list", "--config", config],
        ["gateway", "status", "--config", config],
        [*IMPORTING, "--config", config],
        ["doctor", "--dir", str(site)],
    )
    samples, status, importing, doctor = as_nobody(*commands)
    assert samples == (4, f"doxedge: {site}/gateway: Permission denied; this account may not\n")
    assert (status[0], "be in the group of the service" in status[1]) == (4, True)
    assert (importing[0], f"sudo -u {account_name(0)} doxedge ..." in importing[1]) == (4, True)
    assert isinstance(doctor[0], int), doctor[0]
    assert doctor[0] != 0


def test_an_account_without_a_name_is_told_as_sudo_takes_it() -> None:
    assert (account_name(12_345), run_as(12_345)) == ("user 12345", "sudo -u '#12345' doxedge ...")
    assert (account_name(0), run_as(0)) == ("root", "sudo -u root doxedge ...")


def test_whose_a_file_is_or_else_its_folder(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "none") == os.geteuid()
    assert owner_of(tmp_path / "none" / "none") is None
