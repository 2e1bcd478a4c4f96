"""The README's installation under systemd as process 1, and what the units promise there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import ROOT
from tests.systemd.booted import SOURCE, Machine, machine, what_is_missing

DOXEDGE = "/opt/doxedge/bin/doxedge"
CONFIG = "/etc/doxedge/gateway.toml"
REGULATOR = "/srv/regulator"
pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(1_200),
    pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing()),
]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Machine]:
    """A booted machine with DoxEdge installed by the commands of systemd/README.md."""
    archive = tmp_path / "source.tar"
    subprocess.run(["git", "archive", "--output", str(archive), "HEAD"], cwd=ROOT, check=True)
    with machine(tmp_path, archive) as booted:
        readme = (ROOT / "systemd" / "README.md").read_text(encoding="utf-8")
        (commands,) = re.findall(r"```\n(sudo python3 -m venv .*?)```", readme, re.DOTALL)
        booted.run("bash", "-ec", f"cd {SOURCE}\n" + commands.replace("sudo ", ""))
        yield booted


@pytest.fixture
def instruments() -> Iterator[dict[str, Any]]:
    """A simulated unit, outside of the machine; the network is the same."""
    command = [sys.executable, "-m", "simulators", "plant", "--always-on", "--until-stdin-closes"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as plant:
        assert plant.stdout is not None
        (told,) = json.loads(plant.stdout.readline())["units"]
        yield told
        plant.terminate()


def set_up(box: Machine, told: dict[str, Any]) -> None:
    """A plant's box of a channel that a regulator's box founded; the plant's node is alone."""
    flow = ",".join(f"{name}={value}" for name, value in told["flow"]["settings"].items())
    at = {
        name: f"{told[name]['profile']}@127.0.0.1:{told[name]['port']}/1"
        for name in ("analyser", "flow", "meter")
    }
    lines = [
        f"analyser={at['analyser']},oxygen=0", f"flow={at['flow']},{flow}", f"meter={at['meter']}",
        "moisture=configured_moisture,moisture_percent=12",
    ]  # fmt: skip
    flags = [flag for line in lines for flag in ("--instrument", line)]
    init = (DOXEDGE, "init", "--yes")
    box.run(
        *init, "--company", "alpha", "--unit", "unit-1", "--running", "always", "--broker", "none", *flags
    )
    found = ("--role", "node", "--channel", "found", "--channel-name", "north", "--place", "a bench")
    card = ("--member", "/etc/doxedge/alpha.member.toml", "--broker", "none")
    box.run(*init, "--dir", REGULATOR, *found, *card)
    box.run(*init, "--channel", "join", "--genesis", f"{REGULATOR}/north.genesis")


def change(box: Machine, old: str, new: str) -> None:
    box.run("sed", "-i", f"s/{old}/{new}/", CONFIG)
    assert new in box.run("cat", CONFIG)


def test_a_box_is_installed_started_reloaded_killed_hung_and_misconfigured(
    box: Machine, instruments: dict[str, Any]
) -> None:
    set_up(box, instruments)
    box.run("systemctl", "enable", "--now", "doxedge")
    assert box.of("doxedge", "ActiveState") == "active"
    box.until(lambda: "line 127.0.0.1" in box.journal("doxedge"), what="instruments that answer")
    found = json.loads(box.run(DOXEDGE, "doctor", "--output", "json", may_fail=True))
    assert [row for row in found["findings"] if row["verdict"] == "error"] == []

    change(box, "oxygen = 0", "oxygen = 60000")
    box.run("systemctl", "reload", "doxedge")
    box.until(lambda: "unit-1 changed" in box.journal("doxedge"), what="a reload")

    for how in ("KILL", "STOP"):  # a hung process is killed by the watchdog, after a minute
        before = box.of("doxedge", "MainPID")
        box.run("kill", f"-{how}", before)

        def is_another(before: str = before) -> bool:
            now = box.of("doxedge", "MainPID")
            return now not in (before, "0") and box.of("doxedge", "ActiveState") == "active"

        box.until(is_another, what=f"another process after SIG{how}")
    assert int(box.of("doxedge", "NRestarts")) == 2

    box.run("sed", "-i", "1i nonsense = 1", CONFIG)
    box.run("systemctl", "restart", "doxedge", may_fail=True)
    box.until(lambda: box.of("doxedge", "ActiveState") == "failed", what="a refusal to start")
    assert box.of("doxedge", "ExecMainStatus") == "2"
    assert "nonsense: no such key" in box.journal("doxedge")

    box.run("sed", "-i", "/nonsense/d", CONFIG)
    box.run("systemctl", "reset-failed", "doxedge")
    box.run("systemctl", "start", "doxedge-node", "doxedge-gateway")
    for unit in ("doxedge-node", "doxedge-gateway"):
        assert box.of(unit, "ActiveState") == "active"
    assert box.of("doxedge", "ActiveState") == "inactive"
    box.run("systemctl", "stop", "doxedge-node", "doxedge-gateway")
    for unit in ("doxedge-node", "doxedge-gateway"):
        assert (box.of(unit, "Result"), box.of(unit, "ExecMainStatus")) == ("success", "0")
