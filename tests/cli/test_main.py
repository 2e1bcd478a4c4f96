"""The program `doxedge` where its own output has no place to go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""As the program runs for everybody: what it writes waits until there is much of it, or until the end."""
HEADER = "oris,location,date,hour,parameter,unadjusted,adjusted"
HOUR = "1,A,2021-01-01,{hour},NOXR,0.500,0.507"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hours.csv"
    path.write_text(HEADER + "\n" + "\n".join(HOUR.format(hour=hour) for hour in range(24)), encoding="utf-8")
    return path


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_full_disk_is_told_in_one_line_and_with_exit_code_7(file: Path, output: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "doxedge", "audit", "bias", str(file), "--output", output],
            cwd=ROOT,
            env=BUFFERED,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (7, 1), done.stderr
    assert done.stderr.startswith("doxedge: cannot write the output: No space left on device")


def test_a_reader_that_has_left_is_no_error(file: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "doxedge", "audit", "bias", str(file)],
        cwd=ROOT,
        env=BUFFERED,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(120) == 0
