"""Every clause is refused by some test, clauses ascend, and every number has one meaning."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache

import pytest

from doxedge.contracts import in_force, reading_copy
from tests.house.tree import PACKAGE, ROOT, python_files, syntax, where

BEFORE_ANY_RULE = "tests.contracts.test_accusations"


def _written(room: str) -> Iterator[tuple[str, str, ast.Call]]:
    """(clause, `file:line`, call) of every refusal in a room."""
    for path in python_files(room):
        for node in ast.walk(syntax(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = {"require": 1, "require_found": 1, "Refused": 0}.get(node.func.id)
            if place is not None and isinstance(node.args[place], ast.Constant):
                yield str(ast.literal_eval(node.args[place])), where(path, node), node


@cache
def _tested() -> frozenset[str]:
    """The clauses for which a section's tests make at least one fault; those tests check each of them."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests" / "contracts").glob("test_*.py")):
        module = importlib.import_module(f"tests.contracts.{path.stem}")
        for cases in getattr(module, "CASES", ()):
            assert cases.kind in in_force.RULES[in_force.CURRENT].table
            assert all(faults for faults in cases.faults.values())
            found |= set(cases.faults)
    return frozenset(found)


@cache
def _sections() -> tuple[reading_copy.Section, ...]:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in python_files("contracts")}
    return reading_copy.read(sources)


def test_every_clause_of_the_rules_is_refused_by_a_test_and_every_tested_clause_exists() -> None:
    assert {clause for clause, _, _ in _written("contracts")} == _tested()


def test_what_is_refused_before_any_rule_is_refused_by_a_test() -> None:
    tested = importlib.import_module(BEFORE_ANY_RULE).BEFORE_ANY_RULE
    assert {clause for clause, _, _ in _written("ledger")} == set(tested)


def test_every_kind_has_its_clauses_tested_for_itself() -> None:
    """A clause that two rules share is made to refuse in both."""
    in_rules = {
        rule.kind: {clause.number for clause in rule.clauses} for s in _sections() for rule in s.rules
    }
    in_tests: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests" / "contracts").glob("test_*.py")):
        for cases in getattr(importlib.import_module(f"tests.contracts.{path.stem}"), "CASES", ()):
            in_tests.setdefault(cases.kind, set()).update(cases.faults)
    assert in_tests == in_rules


@pytest.mark.parametrize("kind", sorted(in_force.RULES[in_force.CURRENT].table))
def test_a_rule_asks_its_clauses_in_ascending_order(kind: str) -> None:
    rule = next(rule for section in _sections() for rule in section.rules if rule.kind == kind)
    numbers = [tuple(int(part) for part in clause.number.split(".")) for clause in rule.clauses]
    assert numbers == sorted(numbers)
    assert numbers


def test_a_clause_bears_the_number_of_its_section_and_none_is_left_out() -> None:
    for section in _sections():
        numbers = sorted({int(c.number.split(".")[1]) for rule in section.rules for c in rule.clauses})
        assert numbers == list(range(1, len(numbers) + 1)), section.name
        assert {c.number.split(".")[0] for rule in section.rules for c in rule.clauses} <= {
            str(section.number)
        }


def test_sections_are_numbered_without_a_hole() -> None:
    assert [section.number for section in _sections()] == list(range(1, len(_sections()) + 1))


def test_one_number_has_one_reason() -> None:
    reasons: dict[str, set[str]] = {}
    for section in _sections():
        for rule in section.rules:
            for clause in rule.clauses:
                reasons.setdefault(clause.number, set()).add(clause.reason)
    assert {number: said for number, said in reasons.items() if len(said) > 1} == {}


def test_the_number_of_a_clause_is_written_where_it_refuses() -> None:
    """No computed numbers: who searches the source for `7.8` finds it."""
    hidden = [
        where(path, node)
        for path in (*python_files("contracts"), *python_files("ledger"))
        if path != PACKAGE / "contracts" / "rule.py"
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"require", "require_found"}
        and not isinstance(node.args[1], ast.Constant)
    ]
    assert hidden == []
