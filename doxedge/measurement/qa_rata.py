"""Files of relative accuracy tests: runs in one, the tests they belong to in another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from doxedge.measurement.parameters import KINDS, Kind, fixed
from doxedge.measurement.qa_comparison import (
    Audited,
    Cell,
    Difference,
    Rule,
    as_given,
    as_written,
    compare,
    same_number,
    same_text,
)
from doxedge.measurement.rata import Figures, Run, figures, overall
from doxedge.measurement.table_file import Row, read
from doxedge.measurement.verdict import PASSED_ALTERNATIVE

KEY: Final = ("oris", "location", "test_num", "op_level")
IDENTITY: Final = ("oris", "location", "test_num", "parameter", "units", "ref_method", "op_level")
NAMES: Final = ("parameter", "units", "ref_method")
RUN_COLUMNS: Final = (*KEY, "run", "cem_value", "ref_value", "run_status")
USED: Final = "RUNUSED"
STATUSES: Final = (USED, "NOTUSED", "IGNORED")
"""EPA's codes; only used runs count, the others are rejected."""

FIGURES: Final = (
    "mean_cem",
    "mean_ref",
    "mean_diff_ref_minus_cem",
    "std_dev_diff",
    "confidence_coef",
)
RESULTS: Final = (
    *FIGURES,
    "t_value",
    "relative_accuracy_pct",
    "bias_adj_factor",
    "aps_ind",
    "test_result",
    "frequency",
)


@dataclass(slots=True)
class _Level:
    """One load level of a test while its runs are gathered."""

    row: Row
    kind: Kind
    runs: list[Run] = field(default_factory=list)
    rejected: int = 0
    numbers: set[tuple[str, bool]] = field(default_factory=set)
    """Of the runs, each with whether it counts: a rejected run may be repeated under its number."""


@dataclass(frozen=True, slots=True)
class RataAudit:
    """The tests, and the runs that belong to none of them."""

    tests: list[Audited]
    passed_over: int


def read_tests(lines: Iterable[str]) -> tuple[Row, ...]:
    """The tests of a file. Raises TableError for a parameter without limits, and for a test named twice."""
    rows = read(lines, required=IDENTITY, what="test")
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        if row.text("parameter") not in KINDS:
            raise row.error("parameter", f"no parameter that we know; known are {', '.join(KINDS)}")
        first = seen.setdefault(_key(row), row.line)
        if first != row.line:
            raise row.error("test_num", f"the same level of the same test is on line {first}")
    return rows


def audit(run_lines: Iterable[str], tests: Sequence[Row], *, cap: bool = True) -> RataAudit:
    """Every test, in the order of `tests`. `cap`: low emitters take 1.111 where their bias factor is greater.

    Raises TableError for a run without values, with a negative reference, or numbered twice.
    """
    levels = {_key(row): _Level(row, KINDS[row.texts["parameter"]]) for row in tests}
    passed_over = 0
    for row in read(run_lines, required=RUN_COLUMNS, what="run"):
        level = levels.get(_key(row))
        if level is None:
            passed_over += 1
        else:
            _gather(level, row)
    computed = {
        key: figures(level.kind, level.runs, rejected=level.rejected) for key, level in levels.items()
    }
    whole: dict[tuple[str, ...], list[Figures | None]] = {}
    for key, level_figures in computed.items():
        whole.setdefault(key[:3], []).append(level_figures)
    audited = [
        _audited(level.row, computed[key], overall(whole[key[:3]]), cap) for key, level in levels.items()
    ]
    return RataAudit(audited, passed_over)


def differences(ours: Sequence[Audited], lines: Iterable[str]) -> list[Difference]:
    """What a results file states otherwise. Raises TableError."""
    theirs = read(lines, required=KEY, optional=(*NAMES, *RESULTS), what="test")
    return compare(ours, theirs, key=_key, rules=RULES)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row.text(column) for column in KEY)


def _gather(level: _Level, row: Row) -> None:
    used = row.one_of("run_status", STATUSES) == USED
    number = (row.text("run"), used)
    if number in level.numbers:
        raise row.error("run", "the same run of the same test is there before")
    level.numbers.add(number)
    if not used:
        level.rejected += 1
        return
    level.runs.append(Run(_value(row, "cem_value"), _value(row, "ref_value")))


def _value(row: Row, column: str) -> Decimal:
    value = row.number(column)
    if value < 0:
        raise row.error(column, "a run that counts has no negative value")
    return value


def _audited(row: Row, level: Figures | None, whole: tuple[str, str | None], cap: bool) -> Audited:
    verdict, frequency = whole
    shown: dict[str, Cell] = {column: row.texts[column] for column in IDENTITY}
    shown |= dict.fromkeys(RESULTS)
    shown |= {"test_result": verdict, "frequency": frequency}
    if level is None:
        return Audited(_key(row), shown)
    exact = dict(
        zip(
            FIGURES,
            (
                level.mean_monitor,
                level.mean_reference,
                level.mean_difference,
                level.deviation,
                level.confidence,
            ),
            strict=True,
        )
    )
    shown |= {column: fixed(value, 5) for column, value in exact.items()}
    shown |= {
        "t_value": fixed(level.t_value, 3),
        "relative_accuracy_pct": fixed(level.relative_accuracy, 2),
        "bias_adj_factor": fixed(level.capped_bias_factor if cap else level.bias_factor, 3),
        "aps_ind": int(level.verdict == PASSED_ALTERNATIVE),
    }
    either = (fixed(level.bias_factor, 3), fixed(level.capped_bias_factor, 3))
    return Audited(_key(row), shown, exact, {"bias_adj_factor": either})


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(NAMES, as_given),
    **dict.fromkeys(FIGURES, as_written),
    "t_value": same_number,
    "relative_accuracy_pct": same_number,
    "bias_adj_factor": same_number,
    "aps_ind": same_number,
    "test_result": same_text,
    "frequency": same_text,
}
