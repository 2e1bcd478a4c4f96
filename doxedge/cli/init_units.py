"""The units of a box: the first is asked about among the other questions, each further one is asked about alike.

A flag about a unit belongs to the --unit before it, or to the first unit. Whoever gives --unit names all units; whoever
gives none keeps those of the earlier run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from doxedge.cli.init_answers import (
    TRIES_MAX,
    Answers,
    Ask,
    Question,
    Value,
    WrongAnswer,
    explain,
    gather,
)
from doxedge.cli.outcome import Exit, Failure

ANOTHER: Final = "another unit behind this gateway: its name (? explains, empty: no more)"
ABOUT_ANOTHER: Final = (
    "one gateway can measure several generating units, each with its own place on the ledger: a stack of its own, or "
    "one that it shares with a unit named before"
)

UnitFlags = Sequence[Mapping[str, Value]]
"""What flags say of each unit, the first one first."""


def gather_all(
    questions: Sequence[Question],
    answers: Answers,
    flags: Mapping[str, Value | None],
    unit_flags: UnitFlags,
    *,
    earlier: tuple[Mapping[str, Value], Mapping[str, Mapping[str, Value]]],
    ask: Ask | None,
) -> None:
    """Fill `answers` and those of its further units. Raises Failure (2), naming the unit where it is not the first."""
    box, further = earlier
    of_unit = frozenset(question.name for question in questions if question.of_unit)
    first = unit_flags[0] if unit_flags else {}
    renamed = further.get(str(first.get("unit")))
    known = {name: value for name, value in box.items() if name not in of_unit} | dict(renamed or {})
    gather(questions, answers, {**flags, **first}, earlier=box if renamed is None else known, ask=ask)
    if not answers.has_gateway:
        return
    asked_of = [question for question in questions if question.of_unit]
    wanted = unit_flags[1:] if "unit" in first else [{"unit": name} for name in further]
    for table in wanted:
        name = str(table["unit"])
        before = box if name == box.get("unit") else further.get(name, {})
        about = {key: value for key, value in before.items() if key in of_unit}
        _gather_unit(asked_of, answers, table, about, ask=ask)
    if ask is not None:
        while name := _another(asked_of, answers, ask):
            _gather_unit(asked_of, answers, {"unit": name}, {}, ask=ask)


def _gather_unit(
    questions: Sequence[Question],
    answers: Answers,
    flags: Mapping[str, Value],
    earlier: Mapping[str, Value],
    *,
    ask: Ask | None,
) -> None:
    of_unit = {question.name for question in questions}
    box = {name: value for name, value in answers.values.items() if name not in of_unit}
    unit = Answers(answers.folder, box=answers)
    answers.further.append(unit)
    try:
        gather(questions, unit, flags, earlier={**box, **earlier}, ask=ask)
    except Failure as failure:
        raise Failure(failure.code, f"unit {flags['unit']}: {failure}") from failure


def _another(questions: Sequence[Question], answers: Answers, ask: Ask) -> str:
    """The name of the next unit; empty when there is none."""
    (check,) = (question.check for question in questions if question.name == "unit")
    for _ in range(TRIES_MAX):
        typed = ask(f"{ANOTHER}: ")
        if typed == "?":
            explain(ABOUT_ANOTHER)
            continue
        try:
            return check(typed, Answers(answers.folder, box=answers)) if typed else ""
        except WrongAnswer as error:
            explain(str(error))
    raise Failure(Exit.USAGE, f"--unit: {TRIES_MAX} wrong answers; see doxedge init --help")
