"""The missing hours of real units: each recipe is followed by hand, from nothing but the file."""

import csv
import json
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main

UNITS = {"703-2BLR": 36, "55304-CT4": 1, "55063-1_H1": 5, "2712-3A_Q1": 11, "3396-1_H1": 184}


def substituted(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["audit", "substitute", str(path), "--output", "json", *options]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@dataclass(frozen=True)
class Hour:
    """An hour of operation, as it stands in the file."""

    measured: bool
    rate: Fraction
    load: Fraction
    heat: Decimal


@cache
def hours_of(path: Path) -> dict[str, Hour]:
    """`2007-03-05 19` to its hour."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["OPTIME"]) > 0]
    return {
        f"20{r['YYMMDD'][:2]}-{r['YYMMDD'][2:4]}-{r['YYMMDD'][4:]} {int(r['HOUR']):02d}": Hour(
            r["NOXRMEASURE"] in ("1", "2"),
            Fraction(r["NOXRATE"]),
            Fraction(r["GLOAD"] if r["GLOAD"] != "-9" else r["SLOAD"]),
            Decimal(r["HTINPUT"]),
        )
        for r in rows
    }


def by_hand(told: dict[str, Any], hours: dict[str, Hour]) -> Decimal:
    """The substitute, from the recipe and the rows alone. Every count in the recipe must be found again."""
    back = told["look_back"]
    candidates = []
    if back is not None:
        top = Fraction(told["load"]["max_load"])
        low, high = (Fraction(back["load_range"] - k, 10) * top for k in (1, 0))
        values = sorted(
            hour.rate
            for name, hour in hours.items()
            if back["first"] <= name <= back["last"]
            and hour.measured
            and (low < hour.load or back["load_range"] == 1)
            and hour.load <= high
        )
        assert len(values) == back["hours"] <= (back["wanted_hours"] or len(values))
        if "rank" in back:
            candidates.append(values[back["rank"] - 1])
        elif "sum" in back:
            assert sum(values) == Fraction(back["sum"])
            candidates.append(Fraction(sum(values), len(values)))
        else:
            candidates.append(values[-1])
    if told["neighbours"] is not None:
        beside = [told["neighbours"][side] for side in ("before", "after") if told["neighbours"][side]]
        assert all(hours[one["hour"]].rate == Fraction(one["value"]) for one in beside)
        candidates.append(sum((Fraction(one["value"]) for one in beside), Fraction(0)) / len(beside))
    if told["maximum_potential"] is not None:
        candidates.append(Fraction(told["maximum_potential"]))
    chosen = max(candidates)
    return (Decimal(chosen.numerator) / Decimal(chosen.denominator)).quantize(
        Decimal(1).scaleb(-told["decimals"]), rounding=ROUND_HALF_UP
    )


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--prior-qa-hours", "8000"),
        ("--prior-qa-hours", "8000", "--prior-operating-hours", "8700"),
        ("--prior-qa-hours", "7400", "--prior-operating-hours", "8700"),
        ("--prior-qa-hours", "5000", "--prior-operating-hours", "8700"),
    ],
    ids=["young", "good", "90 to 95 %", "80 to 90 %", "below 80 %"],
)
@pytest.mark.parametrize("unit", UNITS)
def test_every_recipe_leads_to_its_substitute(
    published: Path, unit: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = published / "data" / f"epa_cem_2007_{unit}.csv"
    result = substituted(path, capsys, *options)
    hours = hours_of(path)
    assert len(result["hours"]) == UNITS[unit]
    for hour in result["hours"]:
        told = hour["recipe"]
        row = hours[f"{hour['date']} {hour['hour']:02d}"]
        assert not row.measured
        assert Decimal(hour["substitute"]) == by_hand(told, hours)
        assert Decimal(hour["nox_lb"]) == Decimal(hour["substitute"]) * row.heat


def test_what_a_real_plant_reported_for_its_short_gaps_is_met(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first 17 missing hours of this boiler, in four load ranges: the plant's own software found the same."""
    result = substituted(published / "data" / "epa_cem_2007_703-2BLR.csv", capsys, "--prior-qa-hours", "8000")
    told = [
        (hour["modc"], Decimal(hour["substitute"]), Decimal(hour["reported"])) for hour in result["hours"]
    ]
    assert [code for code, _, _ in told] == ["11"] * 36
    assert [ours for _, ours, _ in told[:17]] == [theirs for _, _, theirs in told[:17]]


def test_the_plant_read_the_look_back_as_among_the_last_hours(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the change of season the two readings part, and the plant's figures are much nearer to the second."""
    path = published / "data" / "epa_cem_2007_703-2BLR.csv"
    off = {
        reading: sum(
            abs(Decimal(hour["substitute"]) - Decimal(hour["reported"]))
            for hour in substituted(path, capsys, "--prior-qa-hours", "8000", "--look-back", reading)["hours"]
        )
        for reading in ("in-range", "among-last")
    }
    assert off["among-last"] < off["in-range"] / 5


def test_a_series_without_missing_hours_has_no_substitutes(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in (("6138_NOXR", 1312), ("58054_FLOW", 1785)):
        result = substituted(published / "data" / f"ecmps_hourly_2021_{name}.csv", capsys)
        assert (result["series"][0]["operating_hours"], result["hours"]) == (rows, [])
