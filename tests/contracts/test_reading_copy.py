"""The reading copy is made from source text, and says what that text says."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from doxedge.contracts import reading_copy
from doxedge.contracts.reading_copy import Clause, Term

ROOM = Path(reading_copy.__file__).parent
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in ROOM.glob("*.py")}


def _transfer(change: tuple[str, str] = ("", "")) -> reading_copy.Section:
    """Section 7, after a change of its source."""
    assert change[0] in SOURCES["transfer"]
    sources = {**SOURCES, "transfer": SOURCES["transfer"].replace(*change)}
    return next(section for section in reading_copy.read(sources) if section.name == "transfer")


def _clause(section: reading_copy.Section, number: str) -> Clause:
    return next(clause for rule in section.rules for clause in rule.clauses if clause.number == number)


def test_a_section_has_its_number_title_text_and_rules() -> None:
    section = _transfer()
    assert (section.number, section.title) == (7, "Transfer")
    assert section.text.startswith("Credits move between accounts.")
    assert [rule.kind for rule in section.rules] == ["transfer"]
    assert section.rules[0].facts[:3] == ("from_account", "to_account", "asset")
    assert section.rules[0].events == ("transfer.made",)


def test_a_clause_has_its_reason_its_condition_and_the_words_of_it() -> None:
    assert _clause(_transfer(), "7.5") == Clause(
        "7.5",
        "an amount is between 1 g and 2^40-1 g",
        "0 < grams <= MAX_AMOUNT_G",
        (("grams", "facts.amount.disclosed_g()"),),
    )


def test_a_condition_that_must_find_something_says_so() -> None:
    assert _clause(_transfer(), "7.2").condition == "accounts.find_account(book, facts.to_account) is there"


def test_what_a_private_question_asks_is_told() -> None:
    words = dict(_clause(_transfer(), "7.6").words)
    assert words["_may_meet(book, giver, taker)"].startswith("giver == taker or regulator or ")
    assert "REGULATOR in" in words["regulator"]


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a reason", ("the accounts are one and the same", "to oneself")),
        ("a condition", ("0 < grams <=", "0 <= grams <=")),
        ("a word of a condition", ("left.minus(holding.reserved)", "left")),
        ("a private question", ("giver == taker or regulator", "giver == taker")),
        ("the text of the rule", ("Move credits of one vintage", "Move some credits")),
        ("the text of the section", ("Nobody moves more", "Nobody sells more")),
        ("an event", ('"transfer.made"', '"transfer.done"')),
        ("a number", ('"7.9"', '"7.10"')),
    ],
)
def test_a_change_of_the_program_changes_the_copy(what: str, change: tuple[str, str]) -> None:
    assert reading_copy.section_text(_transfer(change)) != reading_copy.section_text(_transfer()), what


def test_a_section_that_decides_without_clauses_shows_its_program() -> None:
    section = next(section for section in reading_copy.read(SOURCES) if section.name == "headroom")
    standing = next(term for term in section.terms if term.name == "standing")
    assert "headroom_g * 100 < allowed.held_g * allowed.warning_percent" in standing.program
    assert textwrap.indent(standing.program, " " * 10) in reading_copy.section_text(section)


def test_figures_and_bounds_are_told_with_their_reason() -> None:
    sections = {section.name: section for section in reading_copy.read(SOURCES)}
    assert sections["figures"].figures[0].name == "credit_unit_g = 1000"
    text = "A longer gap is stated in parts of at most a month, so that one statement stays small."
    assert Term("GAP_HOURS_MAX = 744", text) in sections["hours"].terms


def test_no_clause_of_the_source_is_missing() -> None:
    """The dumb twin: whatever looks like the number of a clause in the text of a section stands in the copy."""
    copied = {c.number for s in reading_copy.read(SOURCES) for rule in s.rules for c in rule.clauses}
    written = {
        number
        for text in SOURCES.values()
        if text.startswith('"""§')
        for number in re.findall(r'"(\d+\.\d+)"', text)
    }
    assert copied == written


def test_the_whole_text_begins_with_how_a_rule_says_no_and_fits_a_page() -> None:
    text = reading_copy.whole_text(SOURCES)
    assert text.startswith("THE RULES, VERSION 1\n")
    assert text.index("The grammar of the rules") < text.index("§ 1 ")
    assert max(len(line) for line in text.splitlines()) <= 120
