"""A test of quality assurance that is handed in: one file, one test, judged by the rules, with how long it is good.

    linearity   oris, location, test_num, parameter, gas_level, measured_1 to measured_3, reference: the three gases of
                one test (40 CFR 75, Appendix A, 6.2); due in every QA operating quarter (`qa_terms`)
    rata        oris, location, test_num, op_level, run, cem_value, ref_value, run_status: the runs of one test; good
                for two or four QA operating quarters after its own (`qa_terms`)
    qal2        date, x, y: parallel samples, x what the analyser said, y the reference (EN 14181, 6); five years
    ast         as qal2, held against the function of the last QAL2 (EN 14181, 8); a year
    qal3        date, time, gas, reading, reference: readings of zero and span gas for the charts (EN 14181, 7)

A file of several tests is cut by `test_num`. Days are days of the calendar; the terms are those of the rules and can be
given otherwise by whoever hands the test in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from doxedge.measurement import qa_linearity, qa_rata
from doxedge.measurement.calibration_run import Gas
from doxedge.measurement.parameters import KINDS, Kind
from doxedge.measurement.qa_comparison import Audited, Cell
from doxedge.measurement.qa_terms import LINEARITY, RATA_FOUR, RATA_TWO, Term
from doxedge.measurement.qal2 import (
    CalibrationFunction,
    Sample,
    Unfit,
    calibrate,
    surveillance,
    uncertainty_of,
    variability,
)
from doxedge.measurement.rata import FOUR_QUARTERS
from doxedge.measurement.table_file import TableError, read
from doxedge.measurement.verdict import FAILED, INVALID, PASSED, worst
from doxedge.quantity import DAY_MS, MINUTE_MS

GAS_LEVELS: Final = frozenset({"LOW", "MID", "HIGH"})
QAL2_YEARS: Final = 5
"""EN 14181: at least every five years; a permit or a directive may ask for three."""
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class TestKind(StrEnum):
    """What can be handed in. The words are stored."""

    __test__ = False
    LINEARITY = "linearity"
    RATA = "rata"
    QAL2 = "qal2"
    AST = "ast"
    QAL3 = "qal3"


BLOCKING: Final = frozenset({TestKind.LINEARITY, TestKind.RATA})
"""Failed, each of these puts the monitor out of control until one of its kind passes (Appendix B, 2.2.3 and 2.3.2).

After a QAL2 or an AST that failed EN 14181 wants a cause, a repair and a new QAL2 within six months; values go on."""


QUARTERLY: Final = frozenset({TestKind.LINEARITY, TestKind.RATA})
"""How long these are good is counted in QA operating quarters."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules make of a test."""

    kind: TestKind
    verdict: str
    good_until: date | None
    """The last day; None for one that did not pass, and where quarters are counted (`term`)."""

    figures: tuple[Mapping[str, Cell], ...]
    """Rows under the names of the layout; of QAL2 and AST one row."""

    text: str
    """In one line."""

    term: Term | None = None
    """In QA operating quarters; None for one that did not pass, and where years are counted."""

    @property
    def passed(self) -> bool:
        """Whether the monitor may go on with it."""
        return self.verdict not in (FAILED, INVALID)


def judge_linearity(lines: Iterable[str], *, kind: Kind, test_num: str | None = None) -> Judged:
    """One linearity check. Raises TableError."""
    rows = qa_linearity.audit(lines)
    levels = [row.shown for row in rows if test_num in (None, row.shown["test_num"])]
    _require_one_test(levels, test_num)
    for level in levels:
        if KINDS[str(level["parameter"])] is not kind:
            raise TableError(f"a test of {level['parameter']}, which is not {kind.value}", line=1)
    names = sorted(str(level["gas_level"]) for level in levels)
    if set(names) != GAS_LEVELS or len(names) != len(GAS_LEVELS):
        raise TableError(
            f"gas levels {', '.join(names)}; a test has LOW, MID and HIGH, each once",
            line=1,
            column="gas_level",
        )
    verdict = worst(str(level["level_verdict"]) for level in levels)
    errors = ", ".join(f"{level['gas_level']} {level['linearity_error_pct']} %" for level in levels)
    term = None if verdict == FAILED else LINEARITY
    return Judged(TestKind.LINEARITY, verdict, None, tuple(levels), f"errors {errors}", term)


def judge_rata(lines: Iterable[str], *, parameter: str, test_num: str | None = None) -> Judged:
    """One relative accuracy test. Raises TableError."""
    rows = tuple(level.shown for level in _rata(lines, parameter, test_num))
    verdict, frequency = str(rows[0]["test_result"]), rows[0]["frequency"]
    accuracies = ", ".join(f"{row['op_level']} {row['relative_accuracy_pct']} %" for row in rows)
    factors = ", ".join(str(row["bias_adj_factor"]) for row in rows)
    term = None if verdict in (FAILED, INVALID) else term_of(TestKind.RATA, frequency)
    text = f"relative accuracy {accuracies}, bias factor {factors}"
    return Judged(TestKind.RATA, verdict, None, rows, text, term)


def rata_factors(
    lines: Iterable[str], *, parameter: str, test_num: str | None = None
) -> tuple[Decimal, Decimal]:
    """The bias factor of a test, and the one that a low emitter may take instead: of its load levels the largest.

    Raises TableError, and ValueError for a test that has none.
    """
    factors = [level.allowed.get("bias_adj_factor", ()) for level in _rata(lines, parameter, test_num)]
    if not all(factors):
        raise ValueError("the runs give no bias factor")
    plain, capped = ([Decimal(str(level[place])) for level in factors] for place in (0, 1))
    return max(plain), max(capped)


def _rata(lines: Iterable[str], parameter: str, test_num: str | None) -> list[Audited]:
    """The load levels of one test."""
    texts = list(lines)
    runs = read(texts, required=qa_rata.RUN_COLUMNS, what="run")
    keys = dict.fromkeys(
        tuple(row.text(column) for column in qa_rata.KEY)
        for row in runs
        if test_num in (None, row.texts["test_num"])
    )
    _require_one_test([dict(zip(qa_rata.KEY, key, strict=True)) for key in keys], test_num)
    table = [",".join(qa_rata.IDENTITY)]
    for oris, location, number, level in keys:
        table.append(",".join(map(_quoted, (oris, location, number, parameter, "-", "-", level))))
    return qa_rata.audit(texts, qa_rata.read_tests(table)).tests


def judge_qal2(lines: Iterable[str], *, limit: Decimal, zero: Decimal, day: date) -> Judged:
    """The calibration function of an analyser, with its variability. Raises TableError, Unfit."""
    samples = _samples(lines)
    function = calibrate(samples, limit=limit, zero=zero, valid_from_ms=_ms(day))
    found = variability(function, samples, uncertainty_of(limit))
    figures: dict[str, Cell] = {
        "samples": len(samples),
        "limit": str(limit),
        "zero": str(zero),
        "a": str(function.a),
        "b": str(function.b),
        "by_regression": int(function.by_regression),
        "highest": str(function.highest),
        "deviation": str(found.deviation),
        "allowed_deviation": str(found.allowed_deviation),
    }
    verdict = PASSED if found.passed else FAILED
    text = (
        f"y = {function.a:.4g} + {function.b:.4g} x up to {function.highest:.4g}, "
        f"s_D {found.deviation:.4g} of {found.allowed_deviation:.4g}"
    )
    return Judged(
        TestKind.QAL2, verdict, _years_on(day, QAL2_YEARS) if found.passed else None, (figures,), text
    )


def judge_ast(lines: Iterable[str], *, limit: Decimal, function: Mapping[str, Cell], day: date) -> Judged:
    """The yearly check of a calibration function, given as the figures of its QAL2. Raises TableError, Unfit."""
    samples = _samples(lines)
    held = CalibrationFunction(
        a=Decimal(str(function["a"])),
        b=Decimal(str(function["b"])),
        by_regression=bool(function["by_regression"]),
        highest=Decimal(str(function["highest"])),
        valid_from_ms=0,
    )
    found = surveillance(held, samples, uncertainty_of(limit))
    figures: dict[str, Cell] = {
        "samples": len(samples),
        "mean_difference": str(found.mean_difference),
        "allowed_mean": None if found.allowed_mean is None else str(found.allowed_mean),
        "deviation": str(found.deviation),
        "allowed_deviation": str(found.allowed_deviation),
    }
    verdict = PASSED if found.passed else FAILED
    text = (
        f"mean difference {found.mean_difference:.4g} of {found.allowed_mean:.4g}, "
        f"s_D {found.deviation:.4g} of {found.allowed_deviation:.4g}"
    )
    return Judged(TestKind.AST, verdict, _years_on(day, 1) if found.passed else None, (figures,), text)


@dataclass(frozen=True, slots=True)
class ChartReading:
    """One reading of a test gas, as somebody took it."""

    at_ms: int
    gas: Gas
    reading: Decimal
    reference: Decimal


def read_qal3(lines: Iterable[str]) -> tuple[ChartReading, ...]:
    """Readings for the charts, in the order of time. Raises TableError."""
    rows = read(lines, required=("date", "time", "gas", "reading", "reference"), what="reading")
    found: list[ChartReading] = []
    for row in rows:
        time = _TIME.fullmatch(row.texts["time"])
        if time is None:
            raise row.error("time", "a time is written 08:05, UTC")
        at_ms = row.day_ms("date") + (int(time[1]) * 60 + int(time[2])) * MINUTE_MS
        gas = Gas(row.one_of("gas", [gas.value for gas in Gas]))
        if found and at_ms < found[-1].at_ms:
            raise row.error("time", "readings stand in the order of time")
        found.append(ChartReading(at_ms, gas, row.number("reading"), row.number("reference")))
    return tuple(found)


def term_of(kind: str, frequency: Cell) -> Term | None:
    """How long a test that passed is good, where that is counted in quarters; `frequency` is what a RATA earned."""
    if kind == TestKind.LINEARITY:
        return LINEARITY
    if kind == TestKind.RATA:
        return RATA_FOUR if frequency == FOUR_QUARTERS else RATA_TWO
    return None


def _years_on(day: date, years: int) -> date:
    """The last day of so many years from `day` on."""
    same = date(day.year + years, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)
    return date.fromordinal(same.toordinal() - 1)


def _samples(lines: Iterable[str]) -> list[Sample]:
    rows = read(lines, required=("date", "x", "y"), what="sample")
    return [Sample(row.day_ms("date"), row.number("x"), row.number("y")) for row in rows]


def _require_one_test(rows: Sequence[Mapping[str, Cell]], test_num: str | None) -> None:
    tests = dict.fromkeys((row["oris"], row["location"], row["test_num"]) for row in rows)
    if not tests:
        raise TableError(f"there is no test {test_num}", line=1, column="test_num")
    if len(tests) > 1:
        some = ", ".join(str(number) for *_, number in list(tests)[:5])
        raise TableError(
            f"{len(tests)} tests ({some} ...); say which by its test_num", line=1, column="test_num"
        )


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _ms(day: date) -> int:
    return (day.toordinal() - _EPOCH_DAY) * DAY_MS


__all__ = [
    "BLOCKING",
    "QUARTERLY",
    "ChartReading",
    "Judged",
    "TestKind",
    "Unfit",
    "judge_ast",
    "judge_linearity",
    "judge_qal2",
    "judge_rata",
    "rata_factors",
    "read_qal3",
    "term_of",
]
