"""Files of relative accuracy tests: recomputed, and held against what was reported."""

import pytest

from doxedge.measurement import qa_rata
from doxedge.measurement.qa_comparison import Difference
from doxedge.measurement.table_file import TableError

TESTS = "oris,location,test_num,parameter,units,ref_method,op_level"
RUNS = "oris,location,test_num,op_level,run,cem_value,ref_value,run_status"
LOW_EMITTER = '3,6A,T1,NOXR,lb/mmBtu,"7E,3A",H'


def runs(test: str, level: str, monitor: str, reference: str, *, n: int = 9, first: int = 1) -> list[str]:
    return [f"3,6A,{test},{level},{k},{monitor},{reference},RUNUSED" for k in range(first, first + n)]


def audited(tests: list[str], lines: list[str], *, cap: bool = True) -> list[dict[str, object]]:
    audit = qa_rata.audit([RUNS, *lines], qa_rata.read_tests([TESTS, *tests]), cap=cap)
    return [dict(test.shown) for test in audit.tests]


def test_a_test_comes_out_under_the_columns_of_the_results_file() -> None:
    (only,) = audited([LOW_EMITTER], runs("T1", "H", "0.008", "0.009"))
    assert only == {
        "oris": "3",
        "location": "6A",
        "test_num": "T1",
        "parameter": "NOXR",
        "units": "lb/mmBtu",
        "ref_method": "7E,3A",
        "op_level": "H",
        "mean_cem": "0.00800",
        "mean_ref": "0.00900",
        "mean_diff_ref_minus_cem": "0.00100",
        "std_dev_diff": "0.00000",
        "confidence_coef": "0.00000",
        "t_value": "2.306",
        "relative_accuracy_pct": "11.11",
        "bias_adj_factor": "1.111",
        "aps_ind": 1,
        "test_result": "PASSAPS",
        "frequency": "4QTRS",
    }


def test_the_cap_of_the_bias_factor_is_a_choice() -> None:
    (only,) = audited([LOW_EMITTER], runs("T1", "H", "0.008", "0.009"), cap=False)
    assert only["bias_adj_factor"] == "1.125"


def test_a_run_that_was_not_used_does_not_count() -> None:
    lines = [*runs("T1", "H", "0.008", "0.009"), "3,6A,T1,H,10,,,NOTUSED", "3,6A,T1,H,11,9,9,IGNORED"]
    (only,) = audited([LOW_EMITTER], lines)
    assert only["mean_cem"] == "0.00800"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (runs("T1", "H", "0.008", "0.009", n=8), "too few"),
        ([*runs("T1", "H", "1", "1"), *(f"3,6A,T1,H,{k},1,1,NOTUSED" for k in range(20, 24))], "rejected"),
        (runs("T2", "H", "1", "1"), "none"),
        (runs("T1", "H", "0", "0"), "nothing measured"),
    ],
)
def test_what_is_no_test_is_invalid_and_has_no_figures(lines: list[str], why: str) -> None:
    (only,) = audited([LOW_EMITTER], lines)
    assert (only["test_result"], only["frequency"], only["mean_cem"]) == ("INVALID", None, None), why


def test_the_levels_of_a_flow_test_are_judged_as_one() -> None:
    tests = [f"3,6A,F1,FLOW,scfh,2,{level}" for level in "HML"]
    lines = [*runs("F1", "H", "1000000", "1010000"), *runs("F1", "M", "900000", "985000")]
    high, mid, low = audited(tests, [*lines, *runs("F1", "L", "800000", "810000")])
    assert (mid["relative_accuracy_pct"], high["relative_accuracy_pct"]) == ("8.63", "0.99")
    assert {row["frequency"] for row in (high, mid, low)} == {"2QTRS"}
    high, mid, low = audited(tests, [*lines, *runs("F1", "L", "800000", "950000")])
    assert {row["test_result"] for row in (high, mid, low)} == {"FAILED"}
    assert (high["aps_ind"], high["mean_cem"]) == (0, "1000000.00000")


def test_a_rejected_run_may_be_repeated_under_its_number() -> None:
    again = ["3,6A,T1,H,4,0.020,0.009,NOTUSED", *runs("T1", "H", "0.008", "0.009")]
    assert audited([LOW_EMITTER], again) == audited([LOW_EMITTER], again[1:])
    (test,) = audited([LOW_EMITTER], [*[again[0].replace("H,4", f"H,{k}") for k in range(4)], *again[1:]])
    assert test["test_result"] == "INVALID"


def test_runs_of_no_test_are_counted() -> None:
    tests = qa_rata.read_tests([TESTS, LOW_EMITTER])
    audit = qa_rata.audit([RUNS, *runs("T1", "H", "1", "1"), *runs("T9", "H", "1", "1")], tests)
    assert (len(audit.tests), audit.passed_over) == (1, 9)


RESULT = "0.00800,0.00900,0.00100,0.00000,0.00000,2.306,11.11,1.111,1,PASSAPS,4QTRS"


def found(results: str) -> list[Difference]:
    tests = qa_rata.read_tests([TESTS, LOW_EMITTER])
    audit = qa_rata.audit([RUNS, *runs("T1", "H", "0.008", "0.009")], tests)
    header = ",".join((TESTS, *qa_rata.RESULTS))
    return qa_rata.differences(audit.tests, [header, f"{LOW_EMITTER},{results}"])


@pytest.mark.parametrize(
    "results",
    [
        RESULT,
        RESULT.replace("1.111", "1.125"),
        RESULT.replace("11.11", "11.110"),
        RESULT.replace("0.00800", "0.008"),
        RESULT.replace("4QTRS", ""),
        ",,,,,,,,,,",
    ],
)
def test_what_says_the_same_is_no_difference(results: str) -> None:
    assert found(results) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "column"),
    [("NOXR", "NOXC", "parameter"), ("lb/mmBtu", "ppm", "units"), ("7E", "3A", "ref_method")],
)
def test_results_of_something_else_differ(ours: str, theirs: str, column: str) -> None:
    tests = qa_rata.read_tests([TESTS, LOW_EMITTER])
    audit = qa_rata.audit([RUNS, *runs("T1", "H", "0.008", "0.009")], tests)
    other = LOW_EMITTER.replace(ours, theirs)
    assert other != LOW_EMITTER
    (difference,) = qa_rata.differences(audit.tests, [TESTS, other])
    assert difference.column == column


@pytest.mark.parametrize(
    ("results", "column"),
    [
        (RESULT.replace("0.00800", "0.00801"), "mean_cem"),
        (RESULT.replace("0.00900", "0.0091"), "mean_ref"),
        (RESULT.replace("0.00100", "-0.00100"), "mean_diff_ref_minus_cem"),
        (RESULT.replace("2.306", "2.262"), "t_value"),
        (RESULT.replace("11.11", "11.12"), "relative_accuracy_pct"),
        (RESULT.replace("1.111", "1.112"), "bias_adj_factor"),
        (RESULT.replace("1.111", "1.000"), "bias_adj_factor"),
        (RESULT.replace(",1,PASS", ",0,PASS"), "aps_ind"),
        (RESULT.replace("PASSAPS", "PASSED"), "test_result"),
        (RESULT.replace("4QTRS", "2QTRS"), "frequency"),
    ],
)
def test_every_result_that_differs_is_found(results: str, column: str) -> None:
    (difference,) = found(results)
    assert (difference.line, difference.column) == (2, column)


@pytest.mark.parametrize(
    ("tests", "lines", "line", "column", "reason"),
    [
        ([LOW_EMITTER.replace("NOXR", "DUST")], [], 2, "parameter", "no parameter that we know"),
        ([LOW_EMITTER, LOW_EMITTER], [], 3, "test_num", "is on line 2"),
        ([LOW_EMITTER], ["3,6A,T1,H,1,,0.009,RUNUSED"], 2, "cem_value", "not a plain decimal"),
        ([LOW_EMITTER], ["3,6A,T1,H,1,1,-1,RUNUSED"], 2, "ref_value", "no negative value"),
        ([LOW_EMITTER], ["3,6A,T1,H,1,1,1,USED"], 2, "run_status", "RUNUSED, NOTUSED, IGNORED"),
        ([LOW_EMITTER], ["3,6A,T1,H,1,1,1,RUNUSED"] * 2, 3, "run", "there before"),
        ([LOW_EMITTER], ["3,6A,T1,H,1,1,1,NOTUSED"] * 2, 3, "run", "there before"),
    ],
)
def test_what_cannot_be_judged_is_refused_where_it_is_wrong(
    tests: list[str], lines: list[str], line: int, column: str, reason: str
) -> None:
    with pytest.raises(TableError, match=reason) as refused:
        audited(tests, lines)
    assert (refused.value.line, refused.value.column) == (line, column)
