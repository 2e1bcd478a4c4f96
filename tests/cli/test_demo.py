"""The demo as a user runs it: a real file signed and committed hour by hour, and what it says to a wrong call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,NOXRATE,OPTIME,GLOAD,HTINPUT,NOXMMEASURE"
MEASURED = "77,B-1,0701{day:02d},{hour},100.5,.201,1,50,500,1"
PARTIAL = "77,B-1,0701{day:02d},{hour},0.1,.201,.25,50,1,3"
OFF = "77,B-1,0701{day:02d},{hour},-9,-9,0,-9,-9,"
WITHOUT_MASS = "77,B-1,0701{day:02d},{hour},-9,-9,1,50,500,"
WITHOUT_A_WORD = "77,B-1,0701{day:02d},{hour},-9,-9,-9,-9,-9,"


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doxedge", "demo", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "DOXEDGE_PLANT_CLOCK"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def write(file: Path, rows: list[str]) -> str:
    file.write_text("\n".join([HEADER, *rows]) + "\n", encoding="ascii")
    return str(file)


@pytest.mark.slow
def test_a_replayed_file_is_on_the_ledger_to_the_gram_with_a_gap_for_all_it_leaves_unknown(
    tmp_path: Path,
) -> None:
    rows = [MEASURED.format(day=1, hour=hour) for hour in range(20)]
    rows += [OFF.format(day=1, hour=20), PARTIAL.format(day=1, hour=21), WITHOUT_MASS.format(day=1, hour=22)]
    rows += [WITHOUT_A_WORD.format(day=1, hour=23)]
    rows += [MEASURED.format(day=3, hour=5)]
    with tempfile.TemporaryDirectory(prefix='any "name", 50 %20 ü ') as folder:  # shorter than tmp_path
        done = demo("--replay", write(tmp_path / "unit.csv", rows), "--output", "json", "--dir", folder)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    # 100.5 lb are 45,586.03 g and 0.1 lb are 45.36 g; each hour is rounded before it is summed (wire.md 8).
    grams = 21 * 45_586 + 45
    replay = result["channels"]["replay"]
    assert result["grams"] == replay["grams"]["replayed"] == grams
    assert replay["headroom_g"] == {"replayed": -grams}
    assert replay["hours"] == {"replayed": 23}
    assert (result["lost"], result["doubled"], result["evidence"]["verdict"]) == (0, 0, "proved")
    assert len(set(replay["heights"].values())) == len(set(replay["state_roots"].values())) == 1
    # One hour without a mass, one without anything, and the 29 hours to 05:00 of the third day that are not there.
    assert "23 hours and 31 gap hours" in done.stderr


@pytest.mark.parametrize(
    ("what", "rows", "code", "says"),
    [
        ("two units", [OFF.format(day=1, hour=1), OFF.format(day=1, hour=2).replace("B-1", "B-2")], 2, "one"),
        ("an hour twice", [OFF.format(day=1, hour=1)] * 2, 6, "line 3"),
        ("no hour", [], 6, "holds no hour"),
        (
            "an hour to come",
            [OFF.replace("0701", "6901").format(day=1, hour=1)],
            6,
            "line 2: this hour has not ended",
        ),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused_with_the_place(
    tmp_path: Path, what: str, rows: list[str], code: int, says: str
) -> None:
    done = demo("--replay", write(tmp_path / "unit.csv", rows))
    assert (done.returncode, says in done.stderr) == (code, True), f"{what}: {done.stderr}"


@pytest.mark.parametrize(
    ("what", "arguments", "code"),
    [
        ("a file that is not there", ["--replay", "nowhere.csv"], 7),
        ("a file without an end", ["--replay", "/dev/zero"], 6),
        ("a broker that is no address", ["--broker", "somewhere"], 2),
        ("a broker where none listens", ["--broker", "127.0.0.1:1"], 3),
        ("a speed beyond the bounds", ["--speed", "10"], 2),
    ],
)
def test_a_wrong_call_ends_with_its_own_exit_code_and_words(
    what: str, arguments: list[str], code: int
) -> None:
    done = demo(*arguments)
    assert done.returncode == code, f"{what}: {done.stdout}{done.stderr}"
    assert done.stderr.startswith("doxedge"), done.stderr


@pytest.mark.parametrize(
    ("what", "name", "code", "says"),
    [
        ("a file", "notes.txt", 7, "give another folder"),
        ("a folder in a file", "notes.txt/demo", 7, "give another folder"),
        ("a folder too deep for a socket", "deep/" + "a" * 108, 2, "too long for a socket"),
    ],
)
def test_a_folder_that_cannot_be_used_is_told_before_anything_starts(
    tmp_path: Path, what: str, name: str, code: int, says: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="ascii")
    done = demo("--dir", str(tmp_path / name))
    assert (done.returncode, says in done.stderr) == (code, True), f"{what}: {done.stderr}"
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="ascii")
    done = demo("--dir", str(tmp_path))
    assert (done.returncode, "not empty" in done.stderr) == (2, True)
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
