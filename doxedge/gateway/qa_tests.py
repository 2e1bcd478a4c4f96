"""Tests of quality assurance that an operator hands in at the door: what is asked, and how it is judged and told.

The file comes whole: it is judged here and not where the operator sits, and it is kept with its hash.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from doxedge.gateway.operator_door import Caller, Question, Refusal, Words
from doxedge.gateway.qa_in_force import in_force_words, times_of
from doxedge.gateway.qa_plan import MonitorPlan
from doxedge.gateway.record_desk import Happening
from doxedge.measurement.calibration import ErrorRule
from doxedge.measurement.calibration_check import rule_of
from doxedge.measurement.parameters import KINDS, Kind
from doxedge.measurement.qa_comparison import Cell
from doxedge.measurement.qa_entry import (
    QUARTERLY,
    Judged,
    TestKind,
    Unfit,
    judge_ast,
    judge_linearity,
    judge_qal2,
    judge_rata,
)
from doxedge.measurement.table_file import TableError
from doxedge.store.qa_rows import QaEntry

FILE_CHARACTERS_MAX: Final = 40_000
"""A RATA of three load levels has some forty runs of a hundred signs each."""
EVENT: Final = "event"
"""The kind of an entry about something that was done to a monitor."""
APPLIED: Final = frozenset({TestKind.RATA, TestKind.QAL2})
"""What these give may come into force by itself."""
_KIND_OF: Final = {
    ErrorRule.PPM_SPAN: (Kind.CONCENTRATION, "NOXC"),
    ErrorRule.PCT_ABS: (Kind.DILUENT, "O2C"),
    ErrorRule.FLOW_SPAN: (Kind.FLOW, "FLOW"),
}
"""The rule of a monitor to the kind of its tests, and to the parameter that its runs are judged as."""

Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]
NumberText = Annotated[str, StringConstraints(pattern=r"^-?\d{1,12}(\.\d{1,12})?$")]


class AskEnter(Question):
    """A test was made; here is its file."""

    ask: Literal["enter"]
    unit: str = Field(max_length=64)
    quantity: str = Field(max_length=64)
    kind: Literal["linearity", "rata", "qal2", "ast", "qal3"]
    file: str = Field(max_length=255)
    """Its name."""
    text: str = Field(min_length=1, max_length=FILE_CHARACTERS_MAX)
    day: Day
    """On which the test was made."""
    good_until: Day | None = None
    """The last day, where it is not that of the rules."""
    ended_ms: int | None = Field(None, ge=0, lt=2**53)
    """When the last run of a RATA ended; None: with its day."""
    name: Words
    reason: Words
    test_num: str | None = Field(None, max_length=64)
    parameter: str | None = Field(None, max_length=8)
    limit: NumberText | None = None
    zero: NumberText | None = None
    measured_in: Literal["ppb", "ppm", "mg/m3"] | None = None
    """Of x and y of a QAL2 of NOx; None: the unit of the quantity."""


class AskEvent(Question):
    """Something was done to a monitor: it was repaired, adjusted, exchanged."""

    ask: Literal["monitor_event"]
    unit: str = Field(max_length=64)
    quantity: str = Field(max_length=64)
    name: Words
    reason: Words


def judge(
    asked: AskEnter, plan: MonitorPlan, *, qal2: Mapping[str, Cell] | None, mg_per_m3_per_ppm: Decimal
) -> Judged:
    """What the rules make of the file; not for QAL3, whose readings go on charts. Raises Refusal.

    qal2               the figures of the last QAL2 of this monitor that passed
    mg_per_m3_per_ppm  by which the unit's mass is made: a QAL2 in mg/m3 is brought to the quantity's unit with it
    """
    day = day_of(asked.day)
    if asked.measured_in is not None and (asked.kind != "qal2" or not plan.quantity.endswith("_ppb")):
        raise Refusal(
            "bad_question",
            f"measured_in: {asked.measured_in} is for a QAL2 of NOx; leave it out for {plan.quantity}",
        )
    lines = asked.text.splitlines()
    kind, parameter = _KIND_OF[rule_of(plan.quantity)[0]]
    try:
        if asked.kind == "linearity":
            return judge_linearity(lines, kind=kind, test_num=asked.test_num)
        if asked.kind == "rata":
            named = asked.parameter or parameter
            if named not in KINDS:
                raise Refusal("bad_question", f"parameter: {named} is none of {', '.join(KINDS)}")
            return judge_rata(lines, parameter=named, test_num=asked.test_num)
        limit = _number("limit", asked.limit)
        if asked.kind == "qal2":
            judged = judge_qal2(lines, limit=limit, zero=Decimal(asked.zero or "0"), day=day)
            in_unit = {"measured_in": asked.measured_in, "mg_per_m3_per_ppm": str(mg_per_m3_per_ppm)}
            return replace(judged, figures=({**judged.figures[0], **in_unit},))
        if qal2 is None:
            raise Refusal("no_qal2", f"{plan.quantity} has no QAL2 that passed; enter that first")
        return judge_ast(lines, limit=limit, function=qal2, day=day)
    except TableError as error:
        raise Refusal("bad_file", f"{asked.file}: {error}") from error
    except Unfit as error:
        raise Refusal("bad_file", f"{asked.file}: {error}") from error


def test_body(
    asked: AskEnter, caller: Caller, judged: Judged, *, by_quarters: dt.date | None, applied: bool
) -> dict[str, Any]:
    """For the store: verdict, figures, who, why, and the file itself.

    by_quarters  the last day of a test whose term is counted in quarters, as far as they are known
    applied      whether what the test gives comes into force by itself
    """
    in_force: dict[str, Any] = {}
    if judged.passed and judged.kind in APPLIED:
        in_force = {
            **times_of(asked.kind, asked.day, asked.ended_ms, now_ms=caller.at_ms),
            "applied": applied,
        }
    good_until = asked.good_until
    by_rules = judged.good_until or by_quarters
    if good_until is None and by_rules is not None:
        good_until = by_rules.isoformat()
    return {
        "kind": judged.kind.value,
        "day": asked.day,
        "good_until": good_until if judged.passed else None,
        "good_until_by": "operator" if asked.good_until else "rules",
        "verdict": judged.verdict,
        "passed": judged.passed,
        "told": judged.text,
        "figures": [dict(row) for row in judged.figures],
        "name": asked.name,
        "reason": asked.reason,
        "user": caller.user,
        "file": asked.file,
        "sha256": file_hash(asked.text),
        "text": asked.text,
        **in_force,
    }


def event_body(asked: AskEvent, caller: Caller) -> dict[str, Any]:
    """For the store."""
    return {"kind": EVENT, "name": asked.name, "reason": asked.reason, "user": caller.user}


def test_events(entry: QaEntry) -> list[Happening]:
    """What is signed of an entry; its key is the same when it is told again."""
    body, quantity = entry.body, entry.quantity
    who = f"{body['name']} ({body['user']}): {body['reason']}"
    if body["kind"] == EVENT:
        key = f"{quantity}/{entry.at_ms}"
        return [Happening("monitor.event", entry.at_ms, f"{quantity}: {who}", key=key)]
    key = f"{quantity}/{entry.at_ms}/{body['sha256'][:16]}"
    good = f"{good_words(body)}{in_force_words(body)}"
    text = (
        f"{quantity}: {body['verdict']} on {body['day']}{good}; {body['told']}; file {body['file']}, "
        f"SHA-256 {body['sha256']}; entered by {who}"
    )
    ended = "passed" if body["passed"] else "failed"
    return [Happening(f"{body['kind']}.{ended}", entry.at_ms, text, key=key)]


def good_words(body: Mapping[str, Any]) -> str:
    """Until when a test is good, for a sentence; empty for one that did not pass."""
    if not body["good_until"]:
        return ""
    # A quarter that turns out to be none of operation lengthens it.
    is_counted = body["kind"] in QUARTERLY and body["good_until_by"] == "rules"
    return f", good until {body['good_until']}{' at least' if is_counted else ''}"


def file_hash(text: str) -> str:
    """SHA-256 of a file's text, in hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def day_of(text: str) -> dt.date:
    """Raises Refusal for a day that there is not."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise Refusal("bad_question", f"{text} is no day: {error}") from error


def _number(name: str, text: str | None) -> Decimal:
    try:
        return Decimal(text or "")
    except InvalidOperation as error:
        raise Refusal("bad_question", f"{name}: this kind of test wants it, as a number") from error


__all__ = [
    "EVENT",
    "FILE_CHARACTERS_MAX",
    "AskEnter",
    "AskEvent",
    "TestKind",
    "day_of",
    "event_body",
    "file_hash",
    "good_words",
    "judge",
    "test_body",
    "test_events",
]
