"""Recomputed rows beside reported ones."""

from decimal import Decimal

import pytest

from doxedge.measurement.qa_comparison import (
    Audited,
    Difference,
    as_given,
    as_written,
    compare,
    same_number,
    same_text,
)
from doxedge.measurement.table_file import Row, TableError

OURS = Audited(
    ("A",),
    {"word": "PASSED", "count": 1, "value": "0.667", "nothing": None},
    {"value": Decimal(2) / 3},
    {"word": ("PASSAPS",), "value": ("0.700",)},
)


def row(line: int = 2, key: str = "A", **texts: str) -> Row:
    return Row(line, {"key": key, **texts})


def key(told: Row) -> tuple[str, ...]:
    return (told.texts["key"],)


@pytest.mark.parametrize(("text", "agrees"), [("PASSED", True), ("PASSAPS", True), ("passed", False)])
def test_a_word_is_the_same_or_another_that_is_allowed(text: str, agrees: bool) -> None:
    assert same_text(OURS, row(word=text), "word") is agrees


@pytest.mark.parametrize(
    ("column", "text", "agrees"),
    [("count", "1.00", True), ("count", "2", False), ("value", "0.6670", True), ("nothing", "0", False)],
)
def test_a_number_is_the_same_however_it_is_written(column: str, text: str, agrees: bool) -> None:
    assert same_number(OURS, Row(2, {"key": "A", column: text}), column) is agrees


@pytest.mark.parametrize(
    ("text", "agrees"),
    [("0.66667", True), ("0.667", True), ("1", True), ("0.66666", False), ("0.6666666666666666667", True)],
)
def test_an_exact_value_is_rounded_as_the_report_wrote_it(text: str, agrees: bool) -> None:
    if len(text) > 19:
        with pytest.raises(TableError):
            as_written(OURS, row(value=text), "value")
        return
    assert as_written(OURS, row(value=text), "value") is agrees
    assert not as_written(OURS, row(count="1"), "count")


@pytest.mark.parametrize(("text", "agrees"), [("0.7", True), ("0.701", False), ("0.668", False)])
def test_another_number_is_right_only_where_it_is_allowed(text: str, agrees: bool) -> None:
    assert same_number(OURS, row(value=text), "value") is agrees


@pytest.mark.parametrize(
    ("column", "text", "agrees"),
    [
        ("word", "PASSED", True),
        ("word", "FAILED", False),
        ("value", "0.66700", True),
        ("value", "0.6671", False),
        ("value", "much", False),
        ("nothing", "5", True),
        ("absent", "5", True),
    ],
)
def test_a_raw_value_that_both_state_is_the_same(column: str, text: str, agrees: bool) -> None:
    assert as_given(OURS, Row(2, {"key": "A", column: text}), column) is agrees


def test_rows_are_matched_by_key_and_agreement_and_blanks_say_nothing() -> None:
    other = Audited(("A",), {"word": "FAILED"})
    rules = {"word": same_text}
    told = [row(2, word="PASSED"), row(3, word="FAILED"), row(4, word=""), row(5, "B")]
    assert compare([OURS, other], told[:2], key=key, rules=rules) == []
    assert compare([OURS, other], [told[0], told[2]], key=key, rules=rules) == []
    assert compare([OURS, other], told[1::-1], key=key, rules=rules) == []
    wrong = compare([OURS, other], [row(2, word="BAD"), row(3, word="FAILED")], key=key, rules=rules)
    assert [(d.line, d.place) for d in wrong] == [(2, 0)]
    assert compare([OURS], told[3:], key=key, rules=rules) == [
        Difference(5, ("B",), None, "a result", "no such test"),
        Difference(None, ("A",), None, "no result", "a test"),
    ]


def test_a_difference_is_told_in_words() -> None:
    (found,) = compare([OURS], [row(7, word="FAILED")], key=key, rules={"word": same_text})
    assert found.in_words() == "line 7, A, word: FAILED, but recomputed is PASSED"
