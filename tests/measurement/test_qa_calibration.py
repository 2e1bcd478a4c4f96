"""Files of calibration checks: recomputed, and held against what was reported."""

import pytest

from doxedge.measurement import qa_calibration
from doxedge.measurement.calibration import Limits
from doxedge.measurement.qa_comparison import Audited
from doxedge.measurement.table_file import TableError

RAW = (
    "oris,location,test_num,error_rule,span,online_ind,zero_date,zero_time,zero_measured,zero_ref,"
    "upscale_level,upscale_date,upscale_time,upscale_measured,upscale_ref"
)
DAY = "991,GT1,C1,ppm_span,80,1,2018-02-03,24:20,0.2,0,NULL,2018-02-03,08:11,70.9,72.8"
NEXT = DAY.replace("2018-02-03", "2018-02-04")
OXYGEN = "991,GT1,O1,pct_abs,25,1,2018-02-03,08:05,-0.05,0,HIGH,2018-02-03,08:11,22.3,22.54"


def results(row: Audited) -> list[object]:
    return [row.shown[name] for name in qa_calibration.RESULTS]


def test_a_day_comes_out_under_the_columns_of_the_results_file() -> None:
    ppm, oxygen = qa_calibration.audit([RAW, DAY, OXYGEN])
    assert list(ppm.shown) == list(qa_calibration.ORDER)
    assert results(ppm) == ["0.30", "2.40", "PASSED"]
    assert results(oxygen) == ["0.10", "0.20", "PASSED"]
    assert (ppm.shown["upscale_level"], ppm.shown["zero_time"]) == ("NULL", "24:20")


def test_the_limits_are_a_choice() -> None:
    bad = DAY.replace("70.9", "78.5").replace(",80,", ",300,")
    worse = DAY.replace("70.9", "95").replace(",80,", ",300,")
    lines = [RAW, bad, worse]
    assert [day.shown["test_result"] for day in qa_calibration.audit(lines)] == ["PASSED", "FAILED"]
    lines = [RAW, bad.replace("78.5", "82"), worse]
    seven = qa_calibration.audit(lines)
    daily = qa_calibration.audit(lines, limits=Limits.DAILY)
    assert [day.shown["test_result"] for day in seven] == ["FAILED", "FAILED"]
    assert [day.shown["test_result"] for day in daily] == ["PASSED", "FAILED"]


def test_dates_levels_and_results_may_be_absent() -> None:
    (day,) = qa_calibration.audit(
        [
            "oris,location,test_num,error_rule,span,zero_measured,zero_ref,upscale_measured,upscale_ref",
            "991,GT1,C1,ppm_span,100,0.5,0,55.3,54.9",
        ]
    )
    assert results(day) == ["0.50", "0.40", "PASSED"]


def test_percent_of_gas_needs_no_span() -> None:
    (oxygen,) = qa_calibration.audit([RAW, OXYGEN.replace(",25,", ",,")])
    assert results(oxygen) == ["0.10", "0.20", "PASSED"]
    with pytest.raises(TableError, match="column span"):
        qa_calibration.audit([RAW, DAY.replace(",80,", ",,")])


FULL = RAW + ",zero_cal_error,upscale_cal_error,test_result"


@pytest.mark.parametrize(
    ("told", "columns"),
    [
        ("0.30,2.40,PASSED", []),
        ("0.3,2.4,", []),
        ("0.25,2.40,PASSED", ["zero_cal_error"]),
        ("0.30,2.50,PASSED", ["upscale_cal_error"]),
        ("0.30,2.40,FAILED", ["test_result"]),
        ("0.20,2.30,PASSAPS", ["zero_cal_error", "upscale_cal_error", "test_result"]),
    ],
)
def test_every_result_that_differs_is_found(told: str, columns: list[str]) -> None:
    lines = [FULL, f"{DAY},{told}"]
    found = qa_calibration.differences(qa_calibration.audit(lines), lines)
    assert [difference.column for difference in found] == columns


def test_a_day_may_be_reported_with_the_result_of_its_whole_test() -> None:
    bad = NEXT.replace("70.9", "10")
    lines = [FULL, f"{DAY},0.30,2.40,FAILED", f"{bad},0.30,78.50,FAILED"]
    assert qa_calibration.differences(qa_calibration.audit(lines), lines) == []
    lines = [FULL, f"{DAY},0.30,2.40,PASSED", f"{bad},0.30,78.50,PASSED"]
    (difference,) = qa_calibration.differences(qa_calibration.audit(lines), lines)
    assert (difference.line, difference.column) == (3, "test_result")


def test_days_are_matched_by_their_moment() -> None:
    ours = qa_calibration.audit([RAW, DAY, NEXT])
    (difference,) = qa_calibration.differences(ours, [FULL, f"{NEXT},0.30,2.40,PASSED"])
    assert difference.line is None
    assert "2018-02-03" in difference.in_words()


def test_results_that_leave_out_moments_are_matched_by_those_they_state() -> None:
    lines = ["oris,location,test_num,zero_date,zero_cal_error", "991,GT1,C1,2018-02-04,0.3"]
    ours = qa_calibration.audit([RAW, NEXT])
    assert qa_calibration.differences(ours, lines) == []
    (difference,) = qa_calibration.differences(ours, [lines[0], lines[1].replace("0.3", "0.4")])
    assert (difference.place, difference.column) == (0, "zero_cal_error")
    plain = ["oris,location,test_num,upscale_cal_error", "991,GT1,C1,2.4"]
    assert qa_calibration.differences(ours, plain) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "column"), [(",80,", ",81,", "span"), ("70.9", "70.8", "upscale_measured")]
)
def test_results_of_other_readings_differ(ours: str, theirs: str, column: str) -> None:
    days = qa_calibration.audit([RAW, DAY])
    (difference,) = qa_calibration.differences(days, [RAW, DAY.replace(ours, theirs)])
    assert difference.column == column


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (DAY.replace("ppm_span", "percent"), "error_rule", "ppm_span, pct_abs, flow_span"),
        (DAY.replace(",80,", ",0,"), "span", "above zero"),
        (DAY.replace("70.9", "x"), "upscale_measured", "not a plain decimal"),
        (DAY.replace(",0.2,", ",,"), "zero_measured", "not a plain decimal"),
    ],
)
def test_a_day_that_cannot_be_judged_is_refused_where_it_is_wrong(row: str, column: str, reason: str) -> None:
    with pytest.raises(TableError, match=reason) as refused:
        qa_calibration.audit([RAW, OXYGEN, row])
    assert (refused.value.line, refused.value.column) == (3, column)
