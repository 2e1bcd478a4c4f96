"""`doxedge audit rata|linearity|calibration|bias` as somebody at a terminal or in a script meets them."""

import json
from pathlib import Path

import pytest

from doxedge.cli.main import main

TESTS = "oris,location,test_num,parameter,units,ref_method,op_level,note\n3,6A,T1,NOXR,lb/mmBtu,7E,H,x\n"
RUNS = "oris,location,test_num,op_level,run,cem_value,ref_value,run_status\n" + "".join(
    f"3,6A,T1,H,{k},0.008,0.009,RUNUSED\n" for k in range(1, 10)
)
LINEARITY = (
    "oris,location,test_num,parameter,gas_level,measured_1,measured_2,measured_3,reference,level_verdict\n"
    "3,5,T1,NOXC,LOW,21.2,20.9,20.9,19.88,PASSAPS\n"
)
CALIBRATION = (
    "oris,location,test_num,error_rule,span,zero_measured,zero_ref,upscale_measured,upscale_ref,zero_cal_error\n"
    "3,5,C1,ppm_span,100,0.5,0,55.3,54.9,0.50\n"
)
HOURS = "oris,location,date,hour,parameter,unadjusted,adjusted\n" + "".join(
    f"1,A,2021-01-01,{k},NOXR,{v},{a}\n" for k, (v, a) in enumerate([("0.500", "0.507"), ("0.714", "0.724")])
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (
        ("tests.csv", TESTS),
        ("runs.csv", RUNS),
        ("linearity.csv", LINEARITY),
        ("calibration.csv", CALIBRATION),
        ("hours.csv", HOURS),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def arguments(folder: Path, verb: str) -> list[str]:
    file = {"rata": "runs", "bias": "hours"}.get(verb, verb)
    tests = ["--tests", str(folder / "tests.csv")] if verb == "rata" else []
    return ["audit", verb, str(folder / f"{file}.csv"), *tests]


VERBS = ["rata", "linearity", "calibration"]


@pytest.mark.parametrize(
    ("verb", "column", "value"),
    [
        ("rata", "bias_adj_factor", "1.111"),
        ("linearity", "level_verdict", "PASSAPS"),
        ("calibration", "zero_cal_error", "0.50"),
    ],
)
def test_json_is_a_list_with_a_row_for_each_test(
    folder: Path, capsys: pytest.CaptureFixture[str], verb: str, column: str, value: str
) -> None:
    assert main([*arguments(folder, verb), "--output", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row[column] == value
    assert "differences" not in row


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_has_the_same_row(folder: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert main(arguments(folder, verb)) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith("oris  location  test_num")
    assert row.startswith("3")


@pytest.mark.parametrize(
    ("verb", "right", "wrong"), [("linearity", "PASSAPS", "PASSED"), ("calibration", "0.50", "0.60")]
)
def test_a_reported_result_that_differs_gives_exit_code_6_and_is_listed(
    folder: Path, capsys: pytest.CaptureFixture[str], verb: str, right: str, wrong: str
) -> None:
    file = folder / f"{verb}.csv"
    command = [*arguments(folder, verb), "--compare", str(file)]
    assert main(command) == 0
    assert "all 1 rows agree with" in capsys.readouterr().out
    file.write_text(file.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    assert main(command) == 6
    assert f"{wrong}, but recomputed is {right}" in capsys.readouterr().out
    assert main([*command, "--output", "json"]) == 6
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)
    (difference,) = row["differences"]
    assert (difference["line"], difference["reported"], difference["recomputed"]) == (2, wrong, right)
    assert f"line 2, 3 5 {row['test_num']}" in captured.err


def test_of_two_rows_with_one_identity_the_one_that_differs_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "linearity.csv"
    again = LINEARITY.splitlines()[1].replace("PASSAPS", "PASSED")
    file.write_text(f"{LINEARITY}{again}\n", encoding="utf-8")
    assert main([*arguments(folder, "linearity"), "--compare", str(file), "--output", "json"]) == 6
    first, second = json.loads(capsys.readouterr().out)
    assert (first["differences"], second["differences"][0]["line"]) == ([], 3)


def test_a_result_without_a_test_and_a_test_without_a_result_are_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = folder / "other.csv"
    other.write_text(TESTS.replace("T1", "T2"), encoding="utf-8")
    assert main([*arguments(folder, "rata"), "--compare", str(other), "--output", "json"]) == 6
    ours, theirs = json.loads(capsys.readouterr().out)
    assert ours["differences"][0]["reported"] == "no result"
    assert (theirs["key"], theirs["differences"][0]["recomputed"]) == (["3", "6A", "T2", "H"], "no such test")


def test_runs_of_no_test_are_mentioned_and_no_cap_shows_the_raw_factor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = folder / "runs.csv"
    runs.write_text(RUNS + "3,6A,T9,H,1,1,1,RUNUSED\n", encoding="utf-8")
    assert main([*arguments(folder, "rata"), "--no-cap", "--output", "json"]) == 0
    captured = capsys.readouterr()
    assert "1 runs are of no test" in captured.err
    assert json.loads(captured.out)[0]["bias_adj_factor"] == "1.125"


@pytest.mark.parametrize("verb", [*VERBS, "bias"])
def test_a_file_of_another_layout_is_refused_with_line_and_column(
    folder: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    path = Path(arguments(folder, verb)[2])
    text = path.read_text(encoding="utf-8")
    wrong = {"rata": "0.009", "linearity": "20.9", "calibration": "55.3", "bias": "0.507"}[verb]
    path.write_text(text.replace(wrong, "many", 1), encoding="utf-8")
    assert main([*arguments(folder, verb), "--output", "json"]) == 6
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "refused"
    assert "line 2, column" in captured.err
    assert "'many': not a plain decimal number" in captured.err


@pytest.mark.parametrize("verb", [*VERBS, "bias"])
def test_a_file_that_cannot_be_read_gives_exit_code_7(
    folder: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    Path(arguments(folder, verb)[2]).unlink()
    assert main(arguments(folder, verb)) == 7
    assert "No such file" in capsys.readouterr().err


def test_rata_needs_its_tests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["audit", "rata", str(folder / "runs.csv")])
    assert stopped.value.code == 2
    assert "--tests" in capsys.readouterr().err


def test_a_bias_factor_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments(folder, "bias"), "--output", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (series,) = result["series"]
    assert (result["factor"], series["unique"], series["rows"]) == ("1.014", True, 2)
    assert main(arguments(folder, "bias")) == 0
    assert capsys.readouterr().out == "1 A NOXR: 1.014 explains all 2 rows\n"


def test_where_no_factor_does_the_rows_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "hours.csv"
    path.write_text(
        HOURS + "1,A,2021-01-01,9,NOXR,0.500,0.499\n1,A,2021-01-01,10,NOXR,,0.5\n", encoding="utf-8"
    )
    assert main([*arguments(folder, "bias"), "--output", "json"]) == 6
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert (series["factor"], series["best"], series["explained"], series["passed_over"]) == (
        None,
        "1.014",
        2,
        1,
    )
    assert series["unexplained"] == [
        {"line": 4, "unadjusted": "0.500", "adjusted": "0.499", "expected": "0.507"}
    ]
    assert main(arguments(folder, "bias")) == 6
    assert "line 4: 0.500 x 1.014 is 0.507, but adjusted says 0.499" in capsys.readouterr().out


def test_several_series_have_a_factor_each_and_several_factors_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "hours.csv"
    path.write_text(
        HOURS + "1,B,2021-01-01,9,NOXR,0.100,0.100\n1,C,2021-01-01,9,NOXR,0,0\n", encoding="utf-8"
    )
    assert main([*arguments(folder, "bias"), "--output", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["factor"] is None
    assert [one["factor"] for one in result["series"]] == ["1.014", "1.000", "1.000"]
    assert main(arguments(folder, "bias")) == 0
    out = capsys.readouterr().out
    assert "1 B NOXR: 1.000 up to 1.004 explain all 1 rows" in out
    assert "1 C NOXR: 1.000 and every greater factor explain all 1 rows" in out


def test_a_file_without_any_pair_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "hours.csv"
    path.write_text(
        "oris,location,date,hour,parameter,unadjusted,adjusted\n1,A,2021-01-01,1,NOXR,,1\n", encoding="utf-8"
    )
    assert main(arguments(folder, "bias")) == 6
    assert "no row has both" in capsys.readouterr().err
