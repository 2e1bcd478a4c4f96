"""An installed package brings its register maps, and they are looked for in the order that the README says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from doxedge.fieldbus import profile_folders
from doxedge.fieldbus.profile_folders import INSTALLER_FOLDER, load_profile, search_path
from tests.cli.plant_box import whole_plant
from tests.house.tree import ROOT

MAPS: Final = ROOT / "firmware_configs" / "analysers"
UV: Final = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".uv" / "bin"))


def run(*command: str, cwd: Path, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
    """A command without the environment of this test run."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_"))
    }
    kept |= {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("UV_INDEX", "UV_DEFAULT", "UV_CACHE"))
    }
    return subprocess.run(
        list(command), cwd=cwd, env=kept, capture_output=True, text=True, timeout=timeout_s, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout; skips aloud without uv, or without what it builds with."""
    if UV is None:
        pytest.skip("there is no uv to build a wheel with")
    folder = tmp_path_factory.mktemp("wheel")
    done = run(UV, "build", "--wheel", "--out-dir", str(folder), str(ROOT), cwd=folder)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip(f"hatchling cannot be had here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`doxedge` in a fresh environment outside the checkout."""
    assert UV is not None
    folder = tmp_path_factory.mktemp("installed")
    assert (
        run(UV, "venv", "--python", str(Path(sys.executable).resolve()), "venv", cwd=folder).returncode == 0
    )
    python = folder / "venv" / "bin" / "python"
    done = run(UV, "pip", "install", "--python", str(python), str(wheel), cwd=folder)
    if done.returncode:
        pytest.skip(f"the dependencies cannot be had here: {done.stderr.strip()[-200:]}")
    return python.with_name("doxedge")


@pytest.mark.slow
def test_the_wheel_carries_every_map_and_example(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    wanted = [path.relative_to(ROOT) for path in (ROOT / "firmware_configs").rglob("*") if path.is_file()]
    assert [str(path) for path in wanted if f"doxedge/{path}" not in carried] == []
    assert [name for name in carried if name.startswith(("tests/", "simulators/"))] == []


@pytest.mark.slow
def test_an_installed_gateway_finds_the_packages_maps(program: Path, tmp_path: Path) -> None:
    plant = whole_plant(tmp_path)
    done = run(str(program), "gateway", "check", "--config", str(plant / "gateway.toml"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "analyser (teledyne_t200, 127.0.0.1:5020): gas every 2000 ms" in done.stdout
    where = run(
        str(program.with_name("python")), "-c", "import doxedge; print(doxedge.__file__)", cwd=tmp_path
    ).stdout
    assert str(program.parent.parent) in where
    profile = run(str(program.with_name("python")), "-c", SOURCE_OF_A_MAP, cwd=tmp_path).stdout.strip()
    assert profile == str(Path(where.strip()).parent / "firmware_configs" / "analysers" / "janitza_umg.toml")


SOURCE_OF_A_MAP: Final = """
from doxedge.fieldbus.profile_folders import load_profile, search_path
print(load_profile("janitza_umg", search_path()[1:]).source)
"""
"""Without the installer's folder, which a machine that runs these tests may have."""


@pytest.mark.slow
def test_an_installed_program_sets_up_a_plant_and_looks_at_it(program: Path, tmp_path: Path) -> None:
    box = str(tmp_path / "box")
    flags = [
        "--role",
        "node",
        "--channel",
        "found",
        "--channel-name",
        "north",
        "--place",
        "p",
        "--broker",
        "none",
    ]
    assert run(str(program), "init", "--yes", "--dir", box, *flags, cwd=tmp_path).returncode == 0
    done = run(str(program), "doctor", "--dir", box, cwd=tmp_path)
    assert done.returncode == 3, done.stdout  # no node runs
    assert "ok       config node" in done.stdout


def test_maps_are_looked_for_by_flag_then_installer_then_package_then_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (MAPS / "janitza_umg.toml").read_text()
    package = tmp_path / "site-packages" / "doxedge"
    monkeypatch.setattr(profile_folders, "_PACKAGE", package)
    monkeypatch.setattr(profile_folders, "INSTALLER_FOLDER", tmp_path / "etc")
    folders = {
        "flag": tmp_path / "flag",
        "installer": tmp_path / "etc",
        "package": package / "firmware_configs" / "analysers",
        "checkout": package.parent / "firmware_configs" / "analysers",
    }
    assert search_path(folders["flag"]) == list(folders.values())
    assert search_path() == list(folders.values())[1:]
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "janitza_umg.toml").write_text(text)
    for name, folder in folders.items():
        found = load_profile("janitza_umg", search_path(folders["flag"]))
        assert found.source == str(folder / "janitza_umg.toml"), name
        (folder / "janitza_umg.toml").unlink()


def test_the_installers_folder_is_where_the_readme_says() -> None:
    assert f"`{INSTALLER_FOLDER}`" in (ROOT / "firmware_configs" / "README.md").read_text()
