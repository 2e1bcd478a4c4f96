"""A changed word of the rules is a visible difference."""

from __future__ import annotations

import difflib

from doxedge.contracts import in_force, reading_copy
from tests.house.tree import ROOT, python_files

FROZEN = ROOT / "tests" / "vectors" / "reading_copy.txt"


def test_the_rules_read_as_they_were_frozen() -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in python_files("contracts")}
    now, frozen = reading_copy.whole_text(sources), FROZEN.read_text(encoding="utf-8")
    difference = "\n".join(
        difflib.unified_diff(
            frozen.splitlines(), now.splitlines(), "as frozen", "as programmed", lineterm="", n=2
        )
    )
    assert now == frozen, (
        f"The rules have changed:\n{difference}\n\nA version that a channel uses is never edited: an amendment is a "
        "new version in doxedge/contracts/in_force.py. Where the change is meant and no channel uses the version, "
        "renew the copy and show it in the commit:\n  doxedge rules show all > tests/vectors/reading_copy.txt"
    )


def test_every_rule_in_force_stands_in_the_reading_copy() -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in python_files("contracts")}
    kinds = [rule.kind for section in reading_copy.read(sources) for rule in section.rules]
    assert sorted(kinds) == sorted(in_force.RULES[in_force.CURRENT].table)
