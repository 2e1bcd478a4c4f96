"""`doxedge evidence samples` says what a file of raw samples proves, and ends with 0 only when all of it is proved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from tests.cli.test_evidence import FOREIGN_ROOMS
from tests.evidence.answer_files import case, one_file, written
from tests.evidence.evidence_files import one_hour
from tests.ledger.channels import HOUR_MS, START_MS

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A file of one hour, all of it produced."""
    path = tmp_path / "whole.samples"
    path.write_bytes(written(case().head(to_ms=START_MS + HOUR_MS), case().hours()[:1]))
    return path


def told(capsys: Captured, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["evidence", "samples", *arguments, "--output", "json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def test_a_whole_file_is_proved_with_exit_code_0(whole: Path, capsys: Captured) -> None:
    assert main(["evidence", "samples", str(whole), "--channel", case().channel.hex()]) == 0
    page = capsys.readouterr().out
    assert page.startswith("PROVED\n")
    assert "5 samples of alpha-1.flow, alpha-1.gas give the root that the hour states" in page
    assert "WHAT IS NOT PROVED" in page
    code, found = told(capsys, str(whole))
    assert (code, found["verdict"], found["channel_pinned"], found["answer_proved"]) == (
        0,
        "proved",
        False,
        None,
    )
    assert found["hours"][0]["record_id"] == case().records[0].hex()


def test_lost_and_silent_hours_are_not_proved_and_the_exit_code_is_6(
    tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "all.samples"
    path.write_bytes(one_file())
    code, found = told(capsys, str(path))
    assert (code, found["verdict"]) == (6, "incomplete")
    assert [(hour["state"], hour["proved"]) for hour in found["hours"]] == [
        ("produced", True), ("lost", False), ("gap", True), ("silent", False),
    ]  # fmt: skip
    assert main(["evidence", "samples", str(path)]) == 6
    page = capsys.readouterr().out
    assert page.startswith("NOT ALL OF IT IS PROVED\n")
    assert "LOST: 5 samples were stated and are not here" in page
    assert "SILENT" in page


def test_a_flipped_byte_is_refused_with_exit_code_6(whole: Path, capsys: Captured) -> None:
    data, changed = bytearray(whole.read_bytes()), whole.with_name("changed")
    for at in (0, len(data) // 3, len(data) - 1):
        changed.write_bytes(bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]]))
        code, found = told(capsys, str(changed))
        assert (code, found["verdict"]) == (6, "refused")
    assert main(["evidence", "samples", str(changed)]) == 6
    assert "REFUSED at step" in capsys.readouterr().err


def test_evidence_that_is_handed_in_must_agree(whole: Path, tmp_path: Path, capsys: Captured) -> None:
    own, other = tmp_path / "own.evidence", tmp_path / "other.evidence"
    own.write_bytes(case().evidence(0))
    other.write_bytes(one_hour())
    assert told(capsys, str(whole), "--evidence", str(own))[0] == 0
    code, found = told(capsys, str(whole), "--evidence", str(own), str(other))
    assert (code, found["step"]) == (6, 6)


def test_the_wrong_channel_or_genesis_is_refused(whole: Path, tmp_path: Path, capsys: Captured) -> None:
    genesis = tmp_path / "genesis"
    genesis.write_bytes(case().archive.channel.chain.genesis_bytes)
    assert told(capsys, str(whole), "--genesis", str(genesis))[0] == 0
    genesis.write_bytes(b"another")
    assert told(capsys, str(whole), "--genesis", str(genesis))[0] == 6
    assert told(capsys, str(whole), "--channel", "00" * 32)[0] == 6


def test_files_that_cannot_be_read_are_told_apart_from_files_that_prove_nothing(
    whole: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["evidence", "samples", str(tmp_path / "nowhere")]) == 7
    assert main(["evidence", "samples", str(whole), "--evidence", str(tmp_path / "nowhere")]) == 7
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "empty").touch()
    assert main(["evidence", "samples", str(tmp_path / "empty")]) == 6
    with pytest.raises(SystemExit) as usage:
        main(["evidence", "samples", str(whole), "--channel", "abc"])
    assert usage.value.code == 2


def test_samples_are_judged_without_the_rooms_that_touch_the_world(whole: Path) -> None:
    script = (
        "import sys; from doxedge.cli.main import main; code = main(sys.argv[1:]);"
        f"print([n for n in sys.modules if n.split('.')[:1] == ['doxedge'] and n.split('.')[1:2] and "
        f"n.split('.')[1] in {FOREIGN_ROOMS!r}], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "evidence", "samples", str(whole)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
