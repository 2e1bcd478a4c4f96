"""`doxedge audit hours` as somebody at a terminal or in a script meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from doxedge.cli.main import main

HEADER = "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,NOXRATE,OPTIME,GLOAD,HTINPUT,NOXMMEASURE"
ROWS = ["77,1,070101,0,100.5,.201,1,50,500,2", "77,1,070101,1,-9,-9,0,-9,-9,"]


@pytest.fixture
def hourly(tmp_path: Path) -> Path:
    path = tmp_path / "unit.csv"
    path.write_text("\n".join([HEADER, *ROWS, ""]), encoding="utf-8")
    return path


def test_json_has_the_keys_that_scripts_rely_on(hourly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "hours", str(hourly), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "rows": 2,
        "operating_hours": 1,
        "partial_hours": 0,
        "missing_nox_hours": 0,
        "nox_lb": "100.5",
        "nox_g": 45586,
        "gross_mwh": "50",
        "mismatch_hours": 0,
        "flags": {"NOXMMEASURE": {"2": 1}},
    }


def test_the_table_says_the_same_to_people(hourly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "hours", str(hourly)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("unit.csv\n")
    for text in ("100.5 lb", "45.586 kg", "50 MWh", "flags NOXMMEASURE", "2: 1"):
        assert text in out


def test_a_file_without_load_says_so_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "steam.csv"
    path.write_text(f"{HEADER}\n{ROWS[1]}\n", encoding="utf-8")
    assert main(["audit", "hours", str(path)]) == 0
    assert "no load in the file" in capsys.readouterr().out


def test_a_file_in_another_layout_is_refused_with_its_line_and_exit_code_6(
    hourly: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hourly.write_text(hourly.read_text(encoding="utf-8").replace("100.5", "many"), encoding="utf-8")
    assert main(["audit", "hours", str(hourly), "--output", "json"]) == 6
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "refused"
    assert "unit.csv: line 2, column NOXMASS: 'many': not a plain decimal number" in captured.err


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"\x00" * 9000, b"\x1b[2J,\n"],
    ids=["empty", "not text", "zeros", "escape"],
)
def test_what_is_no_table_is_refused_without_a_trace_and_without_steering_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "strange.csv"
    path.write_bytes(content)
    assert main(["audit", "hours", str(path)]) == 6
    error = capsys.readouterr().err
    assert error.startswith("doxedge: ")
    assert "\x1b" not in error
    assert "Traceback" not in error


def test_a_byte_order_mark_of_a_spreadsheet_does_no_harm(
    hourly: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = hourly.read_text(encoding="utf-8")
    hourly.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert main(["audit", "hours", str(hourly)]) == 0


def test_a_file_that_cannot_be_read_gives_exit_code_7(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "hours", str(tmp_path / "absent.csv")]) == 7
    assert "absent.csv: No such file or directory" in capsys.readouterr().err
    assert main(["audit", "hours", str(tmp_path)]) == 7


@pytest.mark.parametrize(
    "arguments", [[], ["hours"], ["hours", "a.csv", "--output", "xml"], ["days", "a.csv"]]
)
def test_wrong_usage_gives_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["audit", *arguments])
    assert stopped.value.code == 2
    assert "usage: doxedge audit" in capsys.readouterr().err


def test_it_works_as_a_program_of_its_own(hourly: Path) -> None:
    command = [sys.executable, "-m", "doxedge", "audit", "hours", str(hourly), "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"] == 2
