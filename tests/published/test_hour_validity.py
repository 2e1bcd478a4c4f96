"""The published cases of 40 CFR 60.13(h)(2)."""

import json
from pathlib import Path
from typing import Any

from doxedge.measurement.validity import NOT_OPERATING, CalibrationCheck, judge_hour
from doxedge.quantity import HOUR_MS, MINUTE_MS

HOUR = 480_000 * HOUR_MS


def cases(published: Path) -> list[dict[str, Any]]:
    text = (published / "data/vectors_formulas_protocols.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["hour_validity_60_13_h2"]
    return found


def at(minute: float) -> int:
    return HOUR + round(minute * MINUTE_MS)


def test_every_published_case_is_judged_as_published_and_names_its_clause(published: Path) -> None:
    assert len(cases(published)) >= 12
    for case in cases(published):
        checks = [
            CalibrationCheck(at(case[key]), passed)
            for key, passed in (("cal_fail", False), ("cal_pass", True))
            if key in case
        ]
        verdict = judge_hour(
            HOUR,
            operating=[(at(case["op"][0]), at(case["op"][1]))] if case["op"] else [],
            points_ms=[at(point) for point in case["points"]],
            qa=case["qa"],
            checks=checks,
        )
        expected = case["rule"] if case["rule"] == NOT_OPERATING else f"60.13(h)(2){case['rule']}"
        assert (verdict.valid, verdict.clause) == (case["valid"], expected), case["name"]
