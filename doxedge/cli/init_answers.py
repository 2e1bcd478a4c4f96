"""The questions of a new plant as one table: every question is a flag, has a check, and most have a default.

An answer comes from a flag, from an earlier run (`init-answers.toml`), from the keyboard or from the default, in that
order; wherever it comes from, the same check looks at it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from doxedge.cli.outcome import Exit, Failure

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

TRIES_MAX: Final = 5
"""Wrong answers to one question in a row; then whoever types is a program that does not read."""

Value: TypeAlias = str | list[str]


class WrongAnswer(ValueError):
    """An answer that cannot be used. The text says what would be right."""


@dataclass
class Answers:
    """What is known so far, and the folder that everything goes to."""

    folder: Path
    values: dict[str, Value] = field(default_factory=dict)
    box: Answers | None = None
    """Of a unit after the first: the answers that it stands among."""
    further: list[Answers] = field(default_factory=list)
    """The units after the first, each with the answers about it and about the box."""

    @property
    def units(self) -> list[Answers]:
        """All units of the box, in the order of its file."""
        return [self, *self.further]

    def text(self, name: str) -> str:
        """One answer; empty when there is none."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""

    def items(self, name: str) -> list[str]:
        """The answers to a question that is asked repeatedly."""
        value = self.values.get(name, [])
        return [value] if isinstance(value, str) else value

    @property
    def has_gateway(self) -> bool:
        """Whether this box reads analysers."""
        return self.text("role") in ("gateway", "both")

    @property
    def has_node(self) -> bool:
        """Whether this box keeps a ledger."""
        return self.text("role") in ("node", "both")


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that only the site knows."""

    name: str
    words: str
    """As it is asked."""
    about: str
    """For --help, and for who answers `?`."""
    check: Callable[[str, Answers], str]
    """The answer in its stored form. Raises WrongAnswer."""
    default: Callable[[Answers], str | None] = lambda _: None
    """None: there is no default, somebody must say it. Empty: nothing."""
    applies: Callable[[Answers], bool] = lambda _: True
    many: bool = False
    """Asked until the answer is empty; the flag may be repeated."""
    asked: bool = True
    """False: a flag only, with a default that fits nearly always."""
    check_all: Callable[[Sequence[str], Answers], None] | None = None
    """Of a question with many answers: whether they suffice. Raises WrongAnswer."""
    dialogue: Callable[[Answers, Ask], str] | None = None
    """Puts one answer together from several smaller questions."""
    metavar: str = "TEXT"
    of_unit: bool = False
    """Asked of every unit; its flag belongs to the --unit before it."""

    @property
    def flag(self) -> str:
        """`--channel-name` of `channel_name`."""
        return "--" + self.name.replace("_", "-")


Ask: TypeAlias = Callable[[str], str]
"""Shows words and returns the line that was typed, without spaces around it."""


def add_flags(parser: argparse._ActionsContainer, questions: Iterable[Question]) -> None:
    """One flag for each question."""
    for question in questions:
        parser.add_argument(
            question.flag,
            dest=question.name,
            action=_of_unit(question) if question.of_unit else "append" if question.many else "store",
            default=None,
            metavar=question.metavar,
            help=question.about.replace("%", "%%"),
        )


def _of_unit(question: Question) -> type[argparse.Action]:
    """Puts what is said of a unit into `unit_flags`, one table a unit; a second --unit begins the next one."""

    class OfUnit(argparse.Action):
        @override
        def __call__(self, _parser: Any, namespace: Any, value: Any, _option: str | None = None) -> None:
            tables: list[dict[str, Value]] = [*(getattr(namespace, "unit_flags", None) or [{}])]
            if question.name == "unit" and "unit" in tables[-1]:
                tables.append({})
            before = tables[-1].get(question.name, [])
            tables[-1][question.name] = [*before, value] if question.many else value
            namespace.unit_flags = tables

    return OfUnit


def gather(
    questions: Sequence[Question],
    answers: Answers,
    flags: Mapping[str, Value | None],
    *,
    earlier: Mapping[str, Value],
    ask: Ask | None,
) -> None:
    """Fill `answers`, question by question. `earlier` was answered before. Without `ask` nobody is asked.

    Raises Failure (2) for a flag that is wrong, and for a question that nobody has answered.
    """
    # Later questions shape the defaults of earlier ones: --genesis means that a channel is joined.
    answers.values = {**earlier, **{name: value for name, value in flags.items() if value is not None}}
    for question in questions:
        given = flags.get(question.name)
        if not question.applies(answers):
            if given and question.of_unit and answers.has_gateway:
                # It may have been meant for the unit before or behind.
                text = (
                    f"{question.flag} does not go with the other answers about this unit ({question.about})"
                )
                raise Failure(Exit.USAGE, text)
            answers.values.pop(question.name, None)
            continue
        if given is not None or (ask is None and question.name in earlier):
            value: Value = given if given is not None else earlier[question.name]
            answers.values[question.name] = _checked(question, value, answers)
        elif ask is not None and question.asked:
            answers.values[question.name] = _asked(question, earlier.get(question.name), answers, ask)
        else:
            _default(question, earlier.get(question.name), answers)


def _default(question: Question, earlier: Value | None, answers: Answers) -> None:
    value: Value | None = earlier if earlier is not None else question.default(answers)
    if value is None:
        raise Failure(
            Exit.USAGE, f"{question.flag} is missing: {question.words} ({question.about})".replace("\n", " ")
        )
    if question.many:
        value = [value] if isinstance(value, str) and value else value or []
    answers.values[question.name] = _checked(question, value, answers) if value else value


def _checked(question: Question, value: Value, answers: Answers) -> Value:
    """A flag or an earlier answer. Raises Failure (2) that names the flag."""
    try:
        if not question.many:
            return question.check(value if isinstance(value, str) else " ".join(value), answers)
        items = [value] if isinstance(value, str) else value
        checked: list[str] = []
        for item in items:
            answers.values[question.name] = checked
            checked = [*checked, question.check(item, answers)]
        if question.check_all is not None:
            question.check_all(checked, answers)
    except WrongAnswer as error:
        raise Failure(Exit.USAGE, f"{question.flag}: {error}") from error
    return checked


def _asked(question: Question, earlier: Value | None, answers: Answers, ask: Ask) -> Value:
    if question.many:
        return _asked_many(question, earlier, answers, ask)
    default = earlier if isinstance(earlier, str) else question.default(answers)
    shown = f" [{default or 'none'}]" if default is not None else ""
    for _ in range(TRIES_MAX):
        typed = ask(f"{question.words}{shown}: ")
        if typed == "?":
            explain(question.about)
            continue
        if not typed and default is None:
            explain("there is no default; type ? for what is meant")
            continue
        try:
            return question.check(typed or default or "", answers)
        except WrongAnswer as error:
            explain(str(error))
    raise Failure(Exit.USAGE, f"{question.flag}: {TRIES_MAX} wrong answers; see doxedge init --help")


def _asked_many(question: Question, earlier: Value | None, answers: Answers, ask: Ask) -> Value:
    """One after the other until an empty line; an earlier run's answers are kept by an empty first line."""
    kept = [earlier] if isinstance(earlier, str) else list(earlier or [])
    found: list[str] = []
    wrong = 0
    if not kept:
        default = question.default(answers)
        kept = [default] if default else []
    while wrong < TRIES_MAX:
        answers.values[question.name] = found
        shown = f" [{', '.join(kept)}]" if kept and not found else " [no more]" if found else " [none]"
        typed = ask(f"{question.words}{shown}: ")
        try:
            if typed == "?":
                explain(question.about)
                continue
            if typed:
                whole = question.dialogue(answers, _Prefilled(typed, ask)) if question.dialogue else typed
                found = [*found, question.check(whole, answers)]
                wrong = 0
                continue
            chosen = found or [question.check(item, answers) for item in kept]
            if question.check_all is not None:
                question.check_all(chosen, answers)
        except WrongAnswer as error:
            explain(str(error))
            wrong += 1
            continue
        return chosen
    raise Failure(Exit.USAGE, f"{question.flag}: {TRIES_MAX} wrong answers; see doxedge init --help")


class _Prefilled:
    """Gives the line that was typed already as the first answer of a dialogue, then asks."""

    def __init__(self, first: str, ask: Ask) -> None:
        self._first: str | None = first
        self._ask = ask

    def __call__(self, words: str) -> str:
        """The next line."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return self._ask(words)


def from_keyboard(words: str) -> str:
    """One line from stdin. The question goes to stderr, so that stdout stays for the result."""
    sys.stderr.write(words)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise Failure(
            Exit.USAGE, "the answers ended; what was answered is kept, run `doxedge init` again to go on"
        )
    return line.strip()


def toml_value(value: Value) -> str:
    """A text, or a list of texts, as TOML writes it: its basic strings are JSON's, but for DEL."""
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def explain(text: str) -> None:
    """Words for whoever is typing."""
    print(f"  {text}", file=sys.stderr)
