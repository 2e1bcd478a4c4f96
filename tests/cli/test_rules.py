"""`doxedge rules`: what a person and a program get to read."""

from __future__ import annotations

import json

import pytest

from doxedge.cli.main import main
from doxedge.contracts import in_force


def _say(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["rules", *words]) == 0
    return capsys.readouterr().out


def test_the_list_names_every_section_and_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    text = _say(capsys, "list")
    assert text.splitlines()[6].startswith("§ 7  transfer")
    assert [kind for kind in in_force.RULES[in_force.CURRENT].table if kind not in text] == []
    found = json.loads(_say(capsys, "list", "--output", "json"))
    assert found["rules_version"] == in_force.CURRENT
    assert found["sections"][6]["clauses"] == [f"7.{place}" for place in range(1, 10)]


@pytest.mark.parametrize("wanted", ["transfer", "7", "§7", "§ 7"])
def test_a_section_is_shown_by_name_or_number(capsys: pytest.CaptureFixture[str], wanted: str) -> None:
    text = _say(capsys, "show", wanted)
    assert text.startswith("§ 7 Transfer\n")
    assert "7.8   Refused: the account does not hold so much of this vintage." in text
    assert "§ 8" not in text


def test_a_clause_is_shown_in_every_rule_that_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = _say(capsys, "show", "8.4")
    assert text.count("8.4   Refused: the hour has not ended.") == 2
    assert "8.5" not in text
    found = json.loads(_say(capsys, "show", "8.4", "--output", "json"))
    assert [(rule["kind"], [c["number"] for c in rule["clauses"]]) for rule in found] == [
        ("hour", ["8.4"]),
        ("hour.revise", ["8.4"]),
    ]


def test_all_is_everything_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    text = _say(capsys, "show", "all")
    places = [text.index(f"\n§ {number} ") for number in range(1, 11)]
    assert places == sorted(places)
    sections = json.loads(_say(capsys, "show", "all", "--output", "json"))
    assert [section["number"] for section in sections] == list(range(1, 11))


@pytest.mark.parametrize("wanted", ["7.99", "tax", "0", ""])
def test_an_unknown_section_is_told_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    assert main(["rules", "show", wanted]) == 2
    said = capsys.readouterr().err
    assert "no section or clause" in said
    assert "headroom" in said
