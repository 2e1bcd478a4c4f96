"""The rooms keep their walls: layers, purity, sizes, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, PURE_ROOMS, ROOT, python_files, syntax, where

LINES_MAX = 450
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc"}
IMPURE_CALLS = {"open", "print", "input", "eval", "exec"}
IMPURE_METHODS = {"now", "today", "generate", "utcnow"}


def test_imports_go_downwards_only() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_touches_no_clock_chance_or_disk(room: str) -> None:
    sins = []
    for path in python_files(room):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.Call):
                call = node.func
                if isinstance(call, ast.Name) and call.id in IMPURE_CALLS:
                    sins.append(f"{where(path, node)} calls {call.id}()")
                if isinstance(call, ast.Attribute) and call.attr in IMPURE_METHODS:
                    sins.append(f"{where(path, node)} calls .{call.attr}()")
    assert sins == []


def test_an_init_file_holds_one_docstring_and_nothing_else() -> None:
    sins = []
    for path in PACKAGE.rglob("__init__.py"):
        body = syntax(path).body
        if len(body) != 1 or not ast.get_docstring(syntax(path)):
            sins.append(str(path.relative_to(ROOT)))
    assert sins == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        where(path, syntax(path))
        for path in python_files()
        if path.stat().st_size and not ast.get_docstring(syntax(path))
    ]
    assert silent == []


def test_no_file_is_longer_than_a_reader_bears() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert long == {}


def test_no_room_is_named_after_nothing() -> None:
    vague = [str(path.relative_to(ROOT)) for path in python_files() if path.stem in BANNED_NAMES]
    assert vague == []


def test_every_package_of_the_plan_is_described_in_the_map() -> None:
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    rooms = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    assert [room for room in rooms if f"{room}/" not in text] == []
