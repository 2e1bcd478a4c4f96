"""Decisions are kept so that each can be cited: by its own number, in order, and short."""

from __future__ import annotations

import re

from tests.house.tree import PACKAGE

LINES_MAX = 10
TEXT = (PACKAGE / "DECISIONS.md").read_text(encoding="utf-8")


def test_every_decision_has_its_own_number_in_order() -> None:
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", TEXT, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == len(re.findall(r"^## ", TEXT, re.MULTILINE))


def test_no_decision_is_longer_than_ten_lines() -> None:
    entries = [entry.strip().splitlines() for entry in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]]
    assert [lines[0] for lines in entries if len(lines) - 1 > LINES_MAX] == []
