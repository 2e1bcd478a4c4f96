"""Files of linearity checks: recomputed, and held against what was reported."""

import pytest

from doxedge.measurement import qa_linearity
from doxedge.measurement.qa_comparison import Difference
from doxedge.measurement.table_file import TableError

RAW = "oris,location,test_num,parameter,span_scale,gas_level,date,measured_1,measured_2,measured_3,reference"
FULL = (
    f"{RAW},mean_measured_3dp,linearity_error_pct,mean_diff_rounded,level_verdict,level_value,"
    "epa_calc_value,epa_calc_aps_ind,reported_value,reported_aps_ind"
)
LOW = "3,5,T1,NOXC,L,LOW,2020-11-10,21.2,20.9,20.9,19.88"
HIGH = "3,5,T1,NOXC,L,HIGH,2020-11-10,79.0,78.5,77.4,77.27"
LOW_RESULTS = "21.000,5.6,1,PASSAPS,1,1.0,1,1.1,1"
HIGH_RESULTS = "78.300,1.3,1,PASSED,1.3,1.3,0,1.3,NULL"


def found(low: str, high: str = HIGH_RESULTS) -> list[Difference]:
    lines = [FULL, f"{LOW},{low}", f"{HIGH},{high}"]
    return qa_linearity.differences(qa_linearity.audit(lines), lines)


def test_a_level_comes_out_under_the_columns_of_the_results_file() -> None:
    (low, high) = qa_linearity.audit([RAW, LOW, HIGH])
    assert list(low.shown) == [
        *("oris", "location", "test_num", "parameter", "span_scale", "gas_level", "date"),
        *("measured_1", "measured_2", "measured_3", "reference", "mean_measured_3dp", "linearity_error_pct"),
        *("mean_diff_rounded", "level_verdict", "level_value"),
    ]
    assert [low.shown[name] for name in qa_linearity.RESULTS] == ["21.000", "5.6", "1", "PASSAPS", "1"]
    assert [high.shown[name] for name in qa_linearity.RESULTS] == ["78.300", "1.3", "1", "PASSED", "1.3"]


def test_scale_and_date_may_be_absent_and_results_do_not_matter() -> None:
    lines = [FULL.replace("span_scale,", "x,").replace("date,", "y,"), f"{LOW},9,9,9,no,9,9,9,9,9"]
    (low,) = qa_linearity.audit(lines)
    assert (low.shown["level_verdict"], "date" in low.shown) == ("PASSAPS", False)


def test_results_that_agree_have_no_differences() -> None:
    assert found(LOW_RESULTS) == []


@pytest.mark.parametrize(
    ("results", "column"),
    [
        ("21.001,5.6,1,PASSAPS,1,1.0,1,1.1,1", "mean_measured_3dp"),
        ("21.000,5.5,1,PASSAPS,1,1.0,1,1.1,1", "linearity_error_pct"),
        ("21.000,5.6,2,PASSAPS,1,1.0,1,1.1,1", "mean_diff_rounded"),
        ("21.000,5.6,1,PASSED,1,1.0,1,1.1,1", "level_verdict"),
        ("21.000,5.6,1,PASSAPS,5.6,1.0,1,1.1,1", "level_value"),
        ("21.000,5.6,1,PASSAPS,1,1.1,1,1.1,1", "epa_calc_value"),
        ("21.000,5.6,1,PASSAPS,1,1.0,0,1.1,1", "epa_calc_aps_ind"),
        ("21.000,5.6,1,PASSAPS,1,1.0,1,1.3,1", "reported_value"),
        ("21.000,5.6,1,PASSAPS,1,1.0,1,1.1,0", "reported_value"),
    ],
)
def test_every_result_that_differs_is_found(results: str, column: str) -> None:
    (difference,) = found(results)
    assert (difference.line, difference.column) == (2, column)
    assert "3 5 T1 NOXC LOW" in difference.in_words()
    assert "nothing" not in difference.in_words()


def test_results_of_other_injections_differ() -> None:
    (difference,) = qa_linearity.differences(
        qa_linearity.audit([RAW, LOW]), [RAW, LOW.replace("21.2", "21.3")]
    )
    assert (difference.column, difference.reported) == (
        "measured_1",
        LOW.split(",")[7].replace("21.2", "21.3"),
    )


@pytest.mark.parametrize(
    "results",
    [
        "21,5.60,1.0,PASSAPS,1.00,1,1,0.9,1",
        "21.000,5.6,1,PASSAPS,1,,,1.2,1",
        "21.000,5.6,1,PASSAPS,1,NULL,NULL,5.7,0",
        "21.000,5.6,1,PASSAPS,1,,,5.5,NULL",
        ",,,,,,,,",
    ],
    ids=["other zeros", "a plant's exact difference", "a plant's error", "no indicator", "nothing stated"],
)
def test_what_agrees_within_the_tolerances_is_no_difference(results: str) -> None:
    assert found(results) == []


def test_rows_of_one_identity_are_matched_in_any_order() -> None:
    again = LOW.replace("21.2", "22.2")
    ours = qa_linearity.audit([RAW, LOW, again])
    same = [FULL, f"{LOW},21.000,5.6,1,PASSAPS,1,,,,", f"{again},21.333,7.3,1,PASSAPS,1,,,,"]
    assert qa_linearity.differences(ours, same) == []
    assert qa_linearity.differences(ours, [same[0], same[2], same[1]]) == []
    wrong = [same[0], same[2].replace("7.3", "7.4"), same[1]]
    (difference,) = qa_linearity.differences(ours, wrong)
    assert (difference.line, difference.column, difference.place) == (2, "linearity_error_pct", 1)


def test_a_row_that_only_one_side_has_is_a_difference() -> None:
    ours = qa_linearity.audit([RAW, LOW])
    (lacking, foreign) = sorted(
        qa_linearity.differences(ours, [RAW, HIGH]), key=lambda difference: difference.line or 0
    )
    assert (lacking.line, lacking.recomputed) == (None, "a test")
    assert (foreign.line, foreign.recomputed) == (2, "no such test")


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (LOW.replace("19.88", "0"), "reference", "above zero"),
        (LOW.replace("19.88", ""), "reference", "not a plain decimal"),
        (LOW.replace("21.2", "NULL"), "measured_1", "not a plain decimal"),
        (LOW.replace("NOXC", "FLOW"), "parameter", "linearity check"),
        (LOW.replace("NOXC", "HG"), "parameter", "NOXC, SO2C"),
        (LOW.replace("T1", "\x07"), "test_num", "printable"),
    ],
)
def test_a_row_that_cannot_be_judged_is_refused_where_it_is_wrong(row: str, column: str, reason: str) -> None:
    with pytest.raises(TableError, match=reason) as refused:
        qa_linearity.audit([RAW, HIGH, row])
    assert (refused.value.line, refused.value.column) == (3, column)


def test_a_result_that_is_no_number_is_refused_where_it_stands() -> None:
    with pytest.raises(TableError, match="line 2, column linearity_error_pct"):
        found("21.000,many,1,PASSAPS,1,1.0,1,1.1,1")
