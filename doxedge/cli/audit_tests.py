"""`doxedge audit rata`, `linearity`, `calibration`: recompute quality-assurance tests from their raw values."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from doxedge.cli.audit_input import add_verb, print_json, print_rows, printable, read_table
from doxedge.cli.outcome import Exit
from doxedge.measurement import qa_calibration, qa_linearity, qa_rata
from doxedge.measurement.calibration import Limits
from doxedge.measurement.qa_comparison import Audited, Difference

Differences: TypeAlias = Callable[[Sequence[Audited], Iterator[str]], list[Difference]]

EXITS: Final = """\
With --compare every recomputed row is held against the row of RESULTS.csv (it may be the same file), also the raw
values and names that it repeats: each difference is listed, in JSON under "differences" of its row. Numbers must be the
same, however many zeros they are written with. Columns and cells that say nothing are not compared.

Exit codes: 0 recomputed, and nothing differs; 2 usage; 6 something differs, or a file is not in the layout; 7 a file
cannot be read.
"""

RATA_EPILOG: Final = f"""\
RUNS.csv holds the runs: oris, location, test_num, op_level, run, cem_value, ref_value, run_status (RUNUSED counts,
NOTUSED and IGNORED are rejected runs). TESTS.csv says what they are runs of: oris, location, test_num, parameter,
units, ref_method, op_level; other columns are passed over. One row comes out for each row of TESTS.csv, under the
column names of EPA's results. A test with several load levels is judged as a whole. Fewer than nine runs, more than
three rejected or nothing measured: INVALID, without figures. Rounding places and order of the tests are those of EPA's
check engine; low emitters take 1.111 where their bias factor would be greater (--no-cap: the factor as it is; --compare
allows both).

{EXITS}"""

LINEARITY_EPILOG: Final = f"""\
One row for each gas level: oris, location, test_num, parameter, gas_level, measured_1, measured_2, measured_3,
reference (span_scale and date where there are any). The error is that of the unrounded mean. level_value is the error
in percent, or the rounded difference where the alternative limit decided. --compare also looks at epa_calc_value and
epa_calc_aps_ind (equal) and reported_value (within 0.1: a plant may round its means first).

{EXITS}"""

CALIBRATION_EPILOG: Final = f"""\
One row for each day: oris, location, test_num, error_rule, span, zero_measured, zero_ref, upscale_measured, upscale_ref
(dates, times, level and online_ind where there are any). error_rule: ppm_span and flow_span, percent of span; pct_abs,
percent of gas. test_result is the verdict of the day; --compare also accepts the verdict of the whole test.
--limits seven-day (default) judges by the 7-day test, 2.5 % of span or 0.5 % of gas; daily by the daily check, 5.0 % or
1.0 %; each with its alternative for small spans.

{EXITS}"""


def add_tests(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The three verbs."""
    rata = add_verb(
        verbs,
        "rata",
        audit_rata,
        summary="recompute relative accuracy tests from their runs",
        example="doxedge audit rata runs.csv --tests tests.csv --compare results.csv",
        description="Recompute relative accuracy tests from their runs: figures, bias factor, verdict, frequency.",
        epilog=RATA_EPILOG,
        file="RUNS.csv",
    )
    rata.add_argument(
        "--tests", type=Path, required=True, metavar="TESTS.csv", help="which tests the runs are of"
    )
    rata.add_argument("--no-cap", dest="cap", action="store_false", help="do not cap bias factors at 1.111")
    linearity = add_verb(
        verbs,
        "linearity",
        audit_linearity,
        summary="recompute linearity checks from their injections",
        example="doxedge audit linearity gases.csv --compare results.csv",
        description="Recompute linearity checks from their injections: error, difference and verdict of each gas.",
        epilog=LINEARITY_EPILOG,
    )
    calibration = add_verb(
        verbs,
        "calibration",
        audit_calibration,
        summary="recompute calibration checks from their readings",
        example="doxedge audit calibration checks.csv --limits daily --output json",
        description="Recompute calibration checks from their readings: zero error, upscale error, verdict of the day.",
        epilog=CALIBRATION_EPILOG,
    )
    calibration.add_argument(
        "--limits",
        choices=[limits.value for limits in Limits],
        default=Limits.SEVEN_DAY.value,
        help="which test it is (default: seven-day)",
    )
    for verb in (rata, linearity, calibration):
        verb.add_argument(
            "--compare", type=Path, default=None, metavar="RESULTS.csv", help="reported results"
        )


def audit_rata(options: argparse.Namespace) -> int:
    """Print every test of TESTS.csv."""
    tests = read_table(options.tests, qa_rata.read_tests)
    audit = read_table(options.file, lambda lines: qa_rata.audit(lines, tests, cap=options.cap))
    if audit.passed_over:
        print(f"doxedge: {audit.passed_over} runs are of no test in {options.tests}", file=sys.stderr)
    return _tell(options, audit.tests, qa_rata.differences, (*qa_rata.KEY, *qa_rata.RESULTS))


def audit_linearity(options: argparse.Namespace) -> int:
    """Print every gas level."""
    levels = read_table(options.file, qa_linearity.audit)
    columns = (*qa_linearity.IDENTITY, "reference", *qa_linearity.RESULTS)
    return _tell(options, levels, qa_linearity.differences, columns)


def audit_calibration(options: argparse.Namespace) -> int:
    """Print every day."""
    limits = Limits(options.limits)
    days = read_table(options.file, lambda lines: qa_calibration.audit(lines, limits=limits))
    moments = [column for column in ("zero_date", "zero_time") if column in days[0].shown]
    columns = (*qa_calibration.IDENTITY, *moments, "span", *qa_calibration.RESULTS)
    return _tell(options, days, qa_calibration.differences, columns)


def _tell(
    options: argparse.Namespace,
    audited: Sequence[Audited],
    differences: Differences,
    columns: Sequence[str],
) -> int:
    found: list[Difference] | None = None
    if options.compare is not None:
        found = read_table(options.compare, lambda lines: differences(audited, lines))
    if options.output == "json":
        print_json(_rows(audited, found))
    else:
        print_rows(columns, [row.shown for row in audited])
    for difference in found or ():
        stream = sys.stderr if options.output == "json" else sys.stdout
        print(printable(difference.in_words()), file=stream)
    if found == [] and options.output != "json":
        print(f"all {len(audited)} rows agree with {printable(options.compare.name)}")
    return Exit.UNVERIFIED if found else Exit.OK


def _rows(audited: Sequence[Audited], found: Sequence[Difference] | None) -> list[dict[str, Any]]:
    """The rows; with --compare each with its differences, and at the end what only the results file has."""
    rows: list[dict[str, Any]] = [dict(row.shown) for row in audited]
    if found is None:
        return rows
    for shown in rows:
        shown["differences"] = []
    for difference in found:
        if difference.place is None:
            rows.append({"key": list(difference.key), "differences": []})
        shown = rows[-1 if difference.place is None else difference.place]
        shown["differences"].append(
            {
                "line": difference.line,
                "column": difference.column,
                "reported": difference.reported,
                "recomputed": difference.recomputed,
            }
        )
    return rows
