"""`doxedge audit substitute` as somebody at a terminal or in a script meets it."""

import json
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main

CEM = "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,NOXRATE,OPTIME,GLOAD,HTINPUT,NOXRMEASURE\n"
ECMPS = "oris,location,date,hour,parameter,unadjusted,adjusted,modc\n"


def cem(*rates: str) -> str:
    """Hours of one day; a rate with `*` is a reported substitute."""
    return CEM + "".join(
        f"7,1,070101,{hour},1,{rate.rstrip('*')},1,50,10,{3 if rate.endswith('*') else 1}\n"
        for hour, rate in enumerate(rates)
    )


def ecmps(parameter: str, *values: str) -> str:
    return ECMPS + "".join(
        f"7,1,2021-01-01,{hour},{parameter},,{value.rstrip('*')},{'11' if value.endswith('*') else '01'}\n"
        for hour, value in enumerate(values)
    )


def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *options: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    path = tmp_path / "hours.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["audit", "substitute", str(path), "--output", "json", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == ["series", "hours"]
    return result["series"], result["hours"]


OLD = ("--prior-qa-hours", "5000")


def test_json_tells_substitute_code_and_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (series,), (hour,) = run(tmp_path, capsys, cem(".100", ".201", ".5*", ".400"), *OLD)
    assert series == {
        "plant": "7",
        "unit": "1",
        "parameter": "NOXR",
        "operating_hours": 4,
        "quality_assured_hours": 3,
        "substituted_hours": 1,
        "gaps": 1,
        "load_unit": "MW",
        "max_load": "50",
        "maximum_potential": "5.659",
        "look_back": "in-range",
        "prior_operating_hours": 5000,
        "prior_qa_hours": 5000,
    }
    assert hour == {
        "plant": "7",
        "unit": "1",
        "parameter": "NOXR",
        "line": 4,
        "date": "2007-01-01",
        "hour": 2,
        "modc": "11",
        "substitute": "0.151",
        "provisional": False,
        "nox_lb": "1.510",
        "reported": "0.5",
        "reported_modc": "3",
        "recipe": {
            "rule": "availability of at least 95 %, gap of at most 24 operating hours",
            "statistic": "mean of the look-back",
            "exact": "0.1505",
            "decimals": 3,
            "availability": {"qa_hours": 5002, "operating_hours": 5003, "percent": "100.0"},
            "gap": {"first": "2007-01-01 02", "last": "2007-01-01 02", "operating_hours": 1, "ended": True},
            "load": {"load": "50", "max_load": "50", "range": 10, "ranges": 10},
            "look_back": {
                "load_range": 10,
                "reading": "in-range",
                "wanted_hours": 2160,
                "hours": 2,
                "first": "2007-01-01 00",
                "last": "2007-01-01 01",
                "statistic": "mean of the look-back",
                "value": "0.1505",
                "sum": "0.301",
            },
            "neighbours": None,
            "maximum_potential": None,
        },
    }


def test_a_young_monitor_is_told_by_code_07(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, (hour,) = run(tmp_path, capsys, cem(".1", ".3", "-9", ".4"))
    assert (hour["modc"], hour["substitute"], hour["reported"]) == ("07", "0.200", None)
    assert hour["recipe"]["look_back"]["reading"] == "all"


def test_a_long_gap_tells_percentile_rank_and_neighbours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--prior-qa-hours", "4700", "--prior-operating-hours", "5000")
    _, hours = run(tmp_path, capsys, ecmps("NOXC", "100", "110", *["1*"] * 9, "300"), *options)
    assert {(hour["modc"], hour["substitute"]) for hour in hours} == {("09", "205.0")}
    told = hours[0]["recipe"]
    assert (told["look_back"]["percent"], told["look_back"]["rank"], told["look_back"]["value"]) == (
        95,
        2,
        "110",
    )
    assert told["neighbours"] == {
        "before": {"hour": "2021-01-01 01", "value": "110"},
        "after": {"hour": "2021-01-01 11", "value": "300"},
        "mean": "205",
    }
    assert (told["load"], hours[0]["nox_lb"]) == (None, None)


def test_the_maximum_is_an_option_and_where_there_is_no_default_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, (hour,) = run(tmp_path, capsys, cem("-9", ".1"), "--maximum", "0.7")
    assert (hour["substitute"], hour["recipe"]["maximum_potential"]) == ("0.700", "0.7")
    path = tmp_path / "flow.csv"
    path.write_text(ecmps("FLOW", "*", "1000"), encoding="utf-8")
    assert main(["audit", "substitute", str(path)]) == 0
    told = capsys.readouterr()
    assert "1 hours of 7 1 FLOW have no substitute without the unit's maximum potential value" in told.err
    assert "07    -" in told.out
    assert main(["audit", "substitute", str(path), "--output", "json"]) == 0
    (hour,) = json.loads(capsys.readouterr().out)["hours"]
    assert (hour["modc"], hour["substitute"]) == ("07", None)
    assert (hour["recipe"]["statistic"], hour["recipe"]["exact"]) == ("maximum potential value", None)
    assert main(["audit", "substitute", str(path), "--maximum", "9000"]) == 0
    assert "9000" in capsys.readouterr().out


def test_moisture_and_oxygen_have_their_neighbours_and_else_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ecmps("H2O", "8.0", "*", "9.0") + ecmps("NOXR", ".1", ".2").split("\n", 1)[1]
    series, hours = run(tmp_path, capsys, text)
    assert [one["parameter"] for one in series] == ["H2O", "NOXR"]
    assert (hours[0]["modc"], hours[0]["substitute"]) == ("07", "8.5")
    _, hours = run(tmp_path, capsys, ecmps("O2D", "5.0", *["*"] * 9), "--prior-qa-hours", "800")
    assert (hours[0]["modc"], hours[0]["substitute"]) == ("06", "5.0")
    options = ("--prior-qa-hours", "800", "--prior-operating-hours", "880")
    _, hours = run(tmp_path, capsys, ecmps("O2D", "5.0", *["*"] * 9), *options)
    assert (hours[0]["modc"], hours[0]["substitute"], hours[0]["nox_lb"]) == ("09", None, None)
    assert hours[0]["recipe"]["statistic"] == "a low or a high value, which depends on the equation"


def test_load_ranges_and_look_back_are_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (series,), (hour,) = run(
        tmp_path, capsys, cem(".1", "-9", ".1"), *OLD, "--max-load", "500", "--look-back", "among-last"
    )
    assert (series["max_load"], series["look_back"]) == ("500", "among-last")
    assert hour["recipe"]["load"]["range"] == 1
    assert hour["recipe"]["look_back"]["reading"] == "among-last"


def test_the_table_has_a_line_for_each_hour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hours.csv"
    path.write_text(cem(".1", ".5*", "-9"), encoding="utf-8")
    assert main(["audit", "substitute", str(path)]) == 0
    first, header, *rows = capsys.readouterr().out.splitlines()
    assert first == "7 1 NOXR: 3 operating hours, 2 without quality-assured data in 1 gaps"
    assert header.startswith("series")
    assert rows[0].split()[:7] == ["7", "1", "NOXR", "2007-01-01", "01", "07", "0.100"]
    assert "provisional" in rows[1]


def test_a_file_without_gaps_has_no_hours_to_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (series,), hours = run(tmp_path, capsys, cem(".1", ".2"))
    assert (series["substituted_hours"], hours) == (0, [])


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (cem(".1", "x"), 6, "line 3, column NOXRATE: 'x'"),
        (ecmps("NOXR", "x"), 6, "line 2, column adjusted: 'x'"),
        (ecmps("DUST", "1"), 6, "column parameter: 'DUST'"),
        ("", 6, "the file is empty"),
        ("a,b\n1,2\n", 6, "the first line must name the columns"),
    ],
)
def test_what_is_no_hourly_file_is_refused_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, reason: str
) -> None:
    path = tmp_path / "hours.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["audit", "substitute", str(path), "--output", "json"]) == code
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "refused"
    assert reason in captured.err


@pytest.mark.parametrize(
    "options",
    [
        ("--maximum", "0"),
        ("--maximum", "NaN"),
        ("--maximum", "much"),
        ("--max-load", "-1"),
        ("--prior-qa-hours", "-1"),
        ("--prior-qa-hours", "1.5"),
        ("--look-back", "none"),
    ],
)
def test_wrong_options_are_a_matter_of_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["audit", "substitute", str(tmp_path / "x.csv"), *options])
    assert stopped.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_more_good_hours_than_hours_are_a_matter_of_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hours.csv"
    path.write_text(cem(".1"), encoding="utf-8")
    options = ["--prior-qa-hours", "9", "--prior-operating-hours", "8"]
    assert main(["audit", "substitute", str(path), *options]) == 2
    assert "cannot be more than" in capsys.readouterr().err


def test_masses_are_judged_as_a_gateway_does_and_need_a_maximum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 lb is 454 g; an hour whose rate is a substitute has no mass that was measured."""
    text = (
        cem(".1", ".2", ".3*", ".1")
        .replace(",10,", ",10,1,")
        .replace("NOXRMEASURE", "NOXMMEASURE,NOXRMEASURE")
    )
    (series,), (hour,) = run(tmp_path, capsys, text, "--mass", "--maximum", "9000", *OLD)
    assert (series["parameter"], series["load_unit"], series["max_load"]) == ("NOX g/h", "W", "50000000")
    assert (hour["modc"], hour["substitute"], hour["reported"]) == ("11", "454", None)
    assert (hour["line"], hour["recipe"]["availability"]["percent"]) == (4, "100.0")
    young = tmp_path / "young.csv"
    young.write_text(cem(".3*").replace("NOXRMEASURE", "NOXMMEASURE"), encoding="utf-8")
    assert main(["audit", "substitute", str(young), "--mass"]) == 0
    assert "have no substitute without the unit's maximum potential value" in capsys.readouterr().err
