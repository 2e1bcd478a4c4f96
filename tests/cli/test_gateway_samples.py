"""`doxedge gateway samples` lists what this gateway has answered and hands a file out only when it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doxedge.cli.main import main
from tests.evidence.answer_files import case, one_file
from tests.gateway.plant_settings import settings_text

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(settings_text(state_dir=str(tmp_path / "state")))
    return path


@pytest.fixture
def file(config: Path) -> Path:
    folder = config.parent / "state" / "gateway" / "answers"
    folder.mkdir(parents=True)
    path = folder / f"{case().request.hex()}.samples"
    path.write_bytes(one_file())
    return path


def test_a_gateway_that_was_asked_nothing_says_so(config: Path, capsys: Captured) -> None:
    assert main(["gateway", "samples", "list", "--config", str(config)]) == 7
    assert "gateway: no gateway has run here yet" in capsys.readouterr().err
    (config.parent / "state" / "gateway").mkdir(parents=True)
    assert main(["gateway", "samples", "list", "--config", str(config)]) == 0
    assert capsys.readouterr().out == "no request has been answered here\n"


def test_each_file_is_listed_with_what_it_holds(config: Path, file: Path, capsys: Captured) -> None:
    assert main(["gateway", "samples", "list", "--config", str(config), "--output", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["file"], row["verdict"], row["samples"], row["samples_lost"], row["hours_lost"]) == (
        str(file), "incomplete", 5, 5, 1,
    )  # fmt: skip
    assert main(["gateway", "samples", "list", "--config", str(config)]) == 0
    assert f"content hash {row['content_hash']}" in capsys.readouterr().out


def test_a_file_is_exported_byte_for_byte_and_never_over_another(
    config: Path, file: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "medium.samples"
    export = ["gateway", "samples", "export", case().request.hex()[:12].upper(), "--config", str(config)]
    assert main([*export, "--out", str(out)]) == 0
    assert out.read_bytes() == file.read_bytes()
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert f"doxedge evidence samples {out} --channel {case().channel.hex()}" in told.err
    assert main([*export, "--out", str(out)]) == 2
    again = [
        *export[:-2],
        "--state",
        str(tmp_path / "state"),
        "--out",
        str(tmp_path / "again"),
        "--output",
        "json",
    ]
    assert main(again) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_a_damaged_file_is_not_handed_out(config: Path, file: Path, tmp_path: Path, capsys: Captured) -> None:
    file.write_bytes(one_file()[:-1])
    export = ["gateway", "samples", "export", case().request.hex(), "--config", str(config)]
    assert main([*export, "--out", str(tmp_path / "out")]) == 6
    assert not (tmp_path / "out").exists()
    assert main(["gateway", "samples", "list", "--config", str(config)]) == 0
    assert "DOES NOT HOLD" in capsys.readouterr().out


@pytest.mark.parametrize("wanted", ["", "abcdef0", "00" * 32])
def test_a_request_that_is_not_there_or_not_named_is_usage(config: Path, file: Path, wanted: str) -> None:
    assert main(["gateway", "samples", "export", wanted, "--config", str(config)]) == 2


def test_a_configuration_that_is_none_is_usage(tmp_path: Path) -> None:
    assert main(["gateway", "samples", "list", "--config", str(tmp_path / "nowhere.toml")]) == 2
