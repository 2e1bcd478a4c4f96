"""Whoever changes a register map is told that the commissioning is reopened."""

from __future__ import annotations

from typing import Any

import pytest

from doxedge.cli.gateway_reload import _lines

UNIT: dict[str, Any] = {"unit": "alpha-1", "change": "changed", "rules_hash": ["aa", "bb"]}


@pytest.mark.parametrize(
    ("hashes", "told"),
    [(["aa", "bb"], True), (["aa", "aa"], False), ([None, "bb"], False), (["aa", None], False)],
    ids=["another map", "the same map", "a new unit", "a unit that ends"],
)
def test_a_changed_map_reopens_the_commissioning_and_the_answer_says_so(
    hashes: list[str | None], told: bool
) -> None:
    found = {
        "result": "accepted", "from_ms": 3_600_000, "lines_ended": [], "lines_begun": [],
        "units": [{**UNIT, "profile_hash": hashes}],
    }  # fmt: skip
    said = "\n".join(_lines(found))
    assert "unit alpha-1 is changed" in said
    assert ("until it is commissioned anew" in said) is told
