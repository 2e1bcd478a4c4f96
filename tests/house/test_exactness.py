"""Whole numbers in rules: no float and no `/` where mass and money are counted."""

from __future__ import annotations

import ast

import pytest

from tests.house.tree import EXACT_ROOMS, python_files, syntax, where


@pytest.mark.parametrize("room", EXACT_ROOMS)
def test_a_rule_knows_no_float(room: str) -> None:
    sins = []
    for path in python_files(room):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                sins.append(f"{where(path, node)} writes {node.value!r}")
            if isinstance(node, ast.Name) and node.id == "float":
                sins.append(f"{where(path, node)} names float")
            if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
                sins.append(f"{where(path, node)} divides with /")
    assert sins == []
