"""Tests that are handed in: one file, one test, its verdict and how long it is good."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.measurement.calibration_run import Gas
from doxedge.measurement.parameters import Kind
from doxedge.measurement.qa_entry import (
    Unfit,
    judge_ast,
    judge_linearity,
    judge_qal2,
    judge_rata,
    read_qal3,
)
from doxedge.measurement.qa_terms import LINEARITY as LINEARITY_TERM
from doxedge.measurement.qa_terms import RATA_FOUR, RATA_TWO
from doxedge.measurement.table_file import TableError
from tests.measurement.qa_layouts import LINEARITY, QAL2, RATA, linearity, runs, samples

DAY = date(2026, 2, 10)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_linearity_check_passes_and_is_due_in_every_quarter_of_operation() -> None:
    judged = judge_linearity(lines(LINEARITY + linearity()), kind=Kind.CONCENTRATION)
    assert (judged.passed, judged.verdict, judged.term) == (True, "PASSED", LINEARITY_TERM)
    assert judged.text == "errors LOW 0.0 %, MID 0.0 %, HIGH 0.0 %"
    assert len(judged.figures) == 3


def test_one_gas_outside_fails_the_check_and_it_is_good_for_nothing() -> None:
    judged = judge_linearity(lines(LINEARITY + linearity("430")), kind=Kind.CONCENTRATION)
    assert (judged.passed, judged.good_until, judged.term) == (False, None, None)


def test_a_file_of_several_tests_is_cut_by_the_number_of_one() -> None:
    text = LINEARITY + linearity("430") + linearity(number="T2")
    with pytest.raises(TableError, match="2 tests"):
        judge_linearity(lines(text), kind=Kind.CONCENTRATION)
    assert judge_linearity(lines(text), kind=Kind.CONCENTRATION, test_num="T2").passed
    with pytest.raises(TableError, match="no test T3"):
        judge_linearity(lines(text), kind=Kind.CONCENTRATION, test_num="T3")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (linearity(parameter="O2C"), "a test of O2C"),
        (linearity().replace("HIGH", "MID"), "LOW, MID and HIGH"),
        ("\n".join(linearity().splitlines()[:2]), "LOW, MID and HIGH"),
        (linearity().replace("250", "x"), "plain decimal number"),
        ("", "holds no row"),
    ],
)
def test_what_is_no_linearity_check_is_refused(rows: str, text: str) -> None:
    with pytest.raises(TableError, match=text):
        judge_linearity(lines(LINEARITY + rows), kind=Kind.CONCENTRATION)


def test_a_rata_tells_its_bias_factor_and_its_quarters() -> None:
    judged = judge_rata(lines(RATA + runs()), parameter="NOXC")
    assert (judged.verdict, judged.term) == ("PASSED", RATA_FOUR)
    assert judged.text == "relative accuracy H 0.00 %, bias factor 1.000"
    short = judge_rata(lines(RATA + runs(off=28)), parameter="NOXC")
    assert (short.passed, short.term) == (True, RATA_TWO)
    assert "1.092" in short.text


@pytest.mark.parametrize(("rows", "verdict"), [(runs(off=60), "FAILED"), (runs(count=8), "INVALID")])
def test_a_rata_that_did_not_pass_is_good_for_nothing(rows: str, verdict: str) -> None:
    judged = judge_rata(lines(RATA + rows), parameter="NOXC")
    assert (judged.passed, judged.verdict, judged.term) == (False, verdict, None)


def test_a_rata_of_an_unknown_parameter_or_of_two_tests_is_refused() -> None:
    with pytest.raises(TableError, match="no parameter"):
        judge_rata(lines(RATA + runs()), parameter="DUST")
    with pytest.raises(TableError, match="2 tests"):
        judge_rata(lines(RATA + runs() + runs(number="T2")), parameter="NOXC")


def test_a_qal2_makes_the_function_that_an_ast_is_held_against() -> None:
    qal2 = judge_qal2(lines(QAL2 + samples()), limit=Decimal(50), zero=Decimal(0), day=DAY)
    assert (qal2.passed, qal2.good_until) == (True, date(2031, 2, 9))
    (function,) = qal2.figures
    ast = judge_ast(lines(QAL2 + samples(5)), limit=Decimal(50), function=function, day=DAY)
    assert (ast.passed, ast.good_until) == (True, date(2027, 2, 9))
    off = judge_ast(lines(QAL2 + samples(5, off=30)), limit=Decimal(50), function=function, day=DAY)
    assert (off.passed, off.good_until) == (False, None)
    with pytest.raises(Unfit, match="15"):
        judge_qal2(lines(QAL2 + samples(14)), limit=Decimal(50), zero=Decimal(0), day=DAY)


def test_every_published_test_can_be_handed_in() -> None:
    folder = Path(os.environ.get("DOXEDGE_PUBLISHED", "../shared")) / "data"
    if not folder.exists():
        pytest.skip(f"no published data at {folder}")
    text = lines((folder / "epa_qa_rata_runs.csv").read_text(encoding="utf-8"))
    results = lines((folder / "epa_qa_rata_results.csv").read_text(encoding="utf-8"))[1:]
    numbers = {fields.split(",")[2] for fields in results if ",NOXR," in fields}
    assert numbers
    for number in numbers:
        judged = judge_rata(text, parameter="NOXR", test_num=number)
        assert judged.verdict in ("PASSED", "PASSAPS", "FAILED", "INVALID")


def test_readings_for_the_charts_stand_in_the_order_of_time() -> None:
    head = "date,time,gas,reading,reference\n"
    good = "2026-02-01,08:05,zero,0.4,0\n2026-02-01,08:15,upscale,401,400\n"
    first, second = read_qal3(lines(head + good))
    assert (first.gas, second.gas, second.at_ms - first.at_ms) == (Gas.ZERO, Gas.UPSCALE, 600_000)
    assert (second.reading, second.reference) == (Decimal(401), Decimal(400))
    for wrong, text in (
        (good.replace("08:15", "08:01"), "order of time"),
        (good.replace("08:05", "24:05"), "written 08:05"),
        (good.replace("zero", "span"), "must be one of"),
    ):
        with pytest.raises(TableError, match=text):
            read_qal3(lines(head + wrong))
