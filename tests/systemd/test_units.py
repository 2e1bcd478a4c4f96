"""The units that an operator installs: systemd reads them, they are hardened, and the README tells the truth."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from doxedge.cli.main import build_parser
from tests.house.tree import ROOT

FOLDER: Final = ROOT / "systemd"
README: Final = (FOLDER / "README.md").read_text(encoding="utf-8")
UNITS: Final = sorted(FOLDER.glob("*.service"))
EXPOSURE_MAX: Final = 25
"""Of 100, as `systemd-analyze security` counts; a plain service has 96."""
ANALYZE: Final = shutil.which("systemd-analyze")
analyzed = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze on this machine")


def settings_of(unit: Path) -> dict[str, list[str]]:
    """`Section.Key` to its values, in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_command_that_there_is_as_its_own_user(unit: Path) -> None:
    settings = settings_of(unit)
    (command,) = settings["Service.ExecStart"]
    options = build_parser(only=command.split()[1]).parse_args(command.split()[1:])
    assert options.func
    assert settings["Service.User"] == settings["Service.Group"] == ["doxedge"]
    assert settings["Service.Type"] == ["notify"]
    assert settings["Service.StateDirectory"] == settings["Service.RuntimeDirectory"] == ["doxedge"]
    assert settings["Service.WatchdogSec"] == ["60"]
    assert settings["Service.Restart"] == ["on-failure"]


def test_all_units_are_hardened_alike() -> None:
    """Only the node alone does without serial ports."""
    own = {"Unit.Description", "Unit.After", "Unit.Wants", "Unit.Conflicts"}
    own |= {"Service.ExecStart", "Service.ExecReload"}
    serial = {
        "Service.PrivateDevices",
        "Service.DevicePolicy",
        "Service.DeviceAllow",
        "Service.SupplementaryGroups",
    }
    seen = [
        {key: value for key, value in settings_of(unit).items() if key not in own | serial} for unit in UNITS
    ]
    assert all(settings == seen[0] for settings in seen)


@analyzed
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_reads_a_unit_without_complaint(unit: Path, tmp_path: Path) -> None:
    """With a program that exists in the place of the installed one, and all units side by side."""
    for other in UNITS:
        text = other.read_text().replace("/opt/doxedge/bin/doxedge", str(shutil.which("true")))
        (tmp_path / other.name).write_text(text)
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "doxedge" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


def test_whoever_takes_up_a_changed_configuration_can_be_asked_to() -> None:
    """A node does not: a SIGHUP would end it."""
    asked = {unit.stem: settings_of(unit).get("Service.ExecReload") for unit in UNITS}
    hang_up = ["/bin/kill -HUP $MAINPID"]
    assert asked == {"doxedge": hang_up, "doxedge-gateway": hang_up, "doxedge-node": None}


@analyzed
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_exposes_little(unit: Path) -> None:
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file that is not installed")
    assert done.returncode == 0, done.stdout[-3_000:]


def test_the_readme_names_every_file_and_where_it_goes() -> None:
    files = [path.name for path in FOLDER.iterdir() if path.suffix in (".service", ".conf")]
    assert [name for name in files if f"`{name}`" not in README] == []
    for name in ("sysusers.conf", "tmpfiles.conf"):
        target = re.search(r"/usr/lib/\S+\.conf", (FOLDER / name).read_text())
        assert target
        assert target[0] in README


def test_every_doxedge_command_in_the_readme_is_one() -> None:
    commands = re.findall(r"/opt/doxedge/bin/doxedge (.+?)(?:`|$)", README, re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        words = command.split(" #")[0].split()
        assert build_parser(only=words[0]).parse_args(words).func


def test_the_folders_of_tmpfiles_have_the_modes_that_init_gives(tmp_path: Path) -> None:
    from doxedge.cli.init_files import FOLDER_MODE, KEYS_MODE

    lines = [
        line.split() for line in (FOLDER / "tmpfiles.conf").read_text().splitlines() if line.startswith("d ")
    ]
    modes = {line[1]: int(line[2], 8) for line in lines}
    assert modes == {"/etc/doxedge": FOLDER_MODE, "/etc/doxedge/keys": KEYS_MODE}


def test_a_drop_in_of_the_readme_is_an_ini_file() -> None:
    shown = README.split("```ini", 1)[1].split("```")[0]
    parser = configparser.ConfigParser(strict=False, allow_no_value=True)
    parser.read_string(shown)
    assert parser.sections() == ["Service"]
