"""The README says what the program says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from doxedge.cli.main import NOUNS, build_parser
from tests.house.tree import PACKAGE, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_noun_has_its_file_and_stands_in_the_readme() -> None:
    assert [noun for noun in NOUNS if not (PACKAGE / "cli" / f"{noun}.py").exists()] == []
    assert [noun for noun in NOUNS if f"doxedge {noun}" not in README] == []


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_noun_explains_itself(noun: str) -> None:
    parser = build_parser(only=noun)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([noun, "--help"])
    assert stop.value.code == 0


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "python3 -m venv .uv && .uv/bin/pip install -q uv && .uv/bin/uv run pytest"
    assert command in README
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    shown = README.split("<!-- demo output", 1)[1].split("```")[1].strip().splitlines()
    done = subprocess.run(
        [sys.executable, "-m", "doxedge", "demo", "--dir", str(tmp_path / "demo")],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "DOXEDGE_PLANT_CLOCK"},
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [_without_numbers(line) for line in done.stdout.splitlines()] == [
        _without_numbers(line) for line in shown
    ]


def _without_numbers(line: str) -> str:
    """Clauses and names must agree to the letter; heights, counts and seconds differ from run to run."""
    return re.sub(r"(?<![\d.])\d+(?![\d.]*\))", "N", line)
