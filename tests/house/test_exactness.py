"""Whole numbers in rules: no float and no `/` where mass and money are counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.tree import EXACT_ROOMS, python_files, syntax, where

INEXACT_MODULES = {"math", "cmath", "statistics", "fractions", "operator", "numpy"}
INEXACT_CALLS = {"round", "pow", "float", "complex"}


def _sins(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Whatever makes, takes or hides a number that is not whole."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield node, f"writes {value!r}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node, "divides with /"
            case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
                yield node, "raises to a negative power"
            case ast.Name(id=name) if name in INEXACT_CALLS:
                yield node, f"names {name}"
            case ast.Attribute(attr="__truediv__" | "total_seconds" | "timestamp" as name):
                yield node, f"calls {name}"
            case ast.Import(names=names):
                yield from ((node, f"imports {n.name}") for n in names if n.name in INEXACT_MODULES)
            case ast.ImportFrom(module=str(module)) if module in INEXACT_MODULES:
                yield node, f"imports from {module}"


@pytest.mark.parametrize("room", EXACT_ROOMS)
def test_a_rule_knows_no_float(room: str) -> None:
    sins = [f"{where(path, node)} {sin}" for path in python_files(room) for node, sin in _sins(syntax(path))]
    assert sins == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 0.5", "x = 1e3", "x = a / b", "x /= 2", "x = float(a)", "def f(x: float) -> int: ...", "x = round(a)",
        "x = a ** -1", "import math", "from fractions import Fraction", "x = span.total_seconds()", "x = 2j",
    ],
)  # fmt: skip
def test_each_of_these_lines_would_be_found(line: str) -> None:
    assert list(_sins(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["x = a // b", "x = 10**13", "x, y = divmod(a, b)", "x = a % b", "x = 2**40 - 1"]
)
def test_whole_numbers_are_no_sin(line: str) -> None:
    assert list(_sins(ast.parse(line))) == []
