"""Real quality-assurance tests and hourly series: every stored result is met, and a changed one is noticed."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main

FILES = {
    "rata": ("epa_qa_rata_runs.csv", "epa_qa_rata_results.csv", 8),
    "linearity": ("epa_qa_linearity.csv", "epa_qa_linearity.csv", 35),
    "calibration": ("epa_qa_7day_calibration.csv", "epa_qa_7day_calibration.csv", 77),
}


def command(published: Path, verb: str) -> list[str]:
    file, results, _ = FILES[verb]
    data = published / "data"
    tests = ["--tests", str(data / results)] if verb == "rata" else []
    return ["audit", verb, str(data / file), *tests, "--output", "json"]


@pytest.mark.parametrize("verb", FILES)
def test_every_stored_result_is_met_row_for_row(
    published: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = published / "data" / FILES[verb][1]
    assert main([*command(published, verb), "--compare", str(results)]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    with results.open(encoding="utf-8", newline="") as file:
        stored = list(csv.DictReader(file))
    assert len(rows) == len(stored) == FILES[verb][2]
    for row, told in zip(rows, stored, strict=True):
        for column, value in row.items():
            if column == "differences":
                assert value == []
            elif _is_number(told[column]):
                assert Decimal(value) == Decimal(told[column]), (column, told)
            else:
                assert value == told[column], (column, told)


@pytest.mark.parametrize("verb", FILES)
def test_raw_columns_alone_are_enough(
    published: Path, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(published, verb)) == 0
    whole = json.loads(capsys.readouterr().out)
    results = {
        "mean_",
        "linearity_",
        "level_",
        "epa_",
        "reported_",
        "test_result",
        "std_",
        "confidence_",
        "t_value",
    }
    results |= {"relative_", "bias_", "aps_", "frequency", "zero_cal", "upscale_cal"}
    trimmed = []
    for argument in command(published, verb):
        path = Path(argument)
        if path.suffix != ".csv":
            trimmed.append(argument)
            continue
        with path.open(encoding="utf-8", newline="") as file:
            stored = list(csv.DictReader(file))
        keep = [name for name in stored[0] if not any(name.startswith(start) for start in results)]
        copy = tmp_path / path.name
        with copy.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, keep, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(stored)
        trimmed.append(str(copy))
    assert main(trimmed) == 0
    assert json.loads(capsys.readouterr().out) == whole


@pytest.mark.parametrize(
    ("verb", "column"),
    [
        ("rata", "mean_ref"),
        ("rata", "confidence_coef"),
        ("rata", "relative_accuracy_pct"),
        ("rata", "test_result"),
        ("linearity", "linearity_error_pct"),
        ("linearity", "level_verdict"),
        ("linearity", "epa_calc_value"),
        ("calibration", "upscale_cal_error"),
        ("calibration", "test_result"),
    ],
)
def test_one_changed_result_is_found(
    published: Path, verb: str, column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (published / "data" / FILES[verb][1]).open(encoding="utf-8", newline="") as file:
        stored = list(csv.DictReader(file))
    row = stored[5]
    row[column] = str(Decimal(row[column]) + Decimal("0.1")) if _is_number(row[column]) else "FAILED"
    copy = tmp_path / "results.csv"
    with copy.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows(stored)
    assert main([*command(published, verb), "--compare", str(copy)]) == 6
    captured = capsys.readouterr()
    found = [one for told in json.loads(captured.out) for one in told["differences"]]
    assert [(one["line"], one["column"]) for one in found] == [(7, column)]
    assert f"line 7, {row['oris']} {row['location']}" in captured.err


@pytest.mark.parametrize(
    ("file", "factor", "rows"),
    [("ecmps_hourly_2021_6138_NOXR.csv", "1.014", 1312), ("ecmps_hourly_2021_58054_FLOW.csv", "1.063", 1785)],
)
def test_the_bias_factor_of_a_real_series_is_found_and_is_the_only_one(
    published: Path, file: str, factor: str, rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "bias", str(published / "data" / file), "--output", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (series,) = result["series"]
    assert (result["factor"], series["rows"], series["unique"]) == (factor, rows, True)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()
