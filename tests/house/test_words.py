"""What may not stand in the repository: paths of one machine, registry hosts, unfinished work."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.house.tree import ROOT, text_files

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|farm|home)/\w")
REGISTRY = re.compile(
    r"(pypi\.org|pythonhosted|crates\.io|npmjs|deb\.debian\.org|proxy\.golang)", re.IGNORECASE
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
SELF = "test_words.py"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("machine path", MACHINE_PATH), ("registry host", REGISTRY), ("unfinished", UNFINISHED)],
)
def test_the_tree_holds_no(name: str, pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in text_files()
        if path.name != SELF
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], name


def test_no_lock_file_is_tracked() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = listed.stdout.splitlines()
    assert [name for name in tracked if name.endswith((".lock", ".db", ".csv"))] == []
