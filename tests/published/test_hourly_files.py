"""Five real units of 2007, against the table that came with their files."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.measurement.hourly_file import HourlyRow, parse
from doxedge.quantity import HOUR_MS

# rows, operating, partial, without NOx, NOx lb to a tenth, gross MWh to a whole, mismatches
UNITS = {
    "703-2BLR": (8760, 7477, 16, 1, "9704277.3", "4890247", 0),
    "55304-CT4": (8760, 270, 57, 0, "8554.5", "10523", 0),
    "55063-1_H1": (4344, 1953, 224, 2, "90613.3", "373715", 0),
    "2712-3A_Q1": (2160, 2160, 0, 0, "647217.4", None, 0),
    "3396-1_H1": (4344, 3919, 8, 0, "13455756.6", "3472798", 96),
}
FLAGS = {
    "703-2BLR": ("NOXRMEASURE", {"1": 7441, "3": 36}),
    "55304-CT4": ("NOXRMEASURE", {"1": 269, "3": 1}),
    "55063-1_H1": ("NOXRMEASURE", {"1": 1948, "3": 5}),
    "2712-3A_Q1": ("NOXMMEASURE", {"1": 2146, "3": 14}),
    "3396-1_H1": ("NOXMMEASURE", {"1": 3728, "3": 53, "4": 138}),
}
KEYS = [
    "rows", "operating_hours", "partial_hours", "missing_nox_hours", "nox_lb", "nox_g", "gross_mwh",
    "mismatch_hours", "flags",
]  # fmt: skip


def path_of(published: Path, unit: str) -> Path:
    return published / "data" / f"epa_cem_2007_{unit}.csv"


def audit(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["audit", "hours", str(path), "--output", "json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("unit", UNITS)
def test_the_audit_of_a_real_unit_gives_the_published_figures(
    published: Path, unit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = audit(path_of(published, unit), capsys)
    rows, operating, partial, missing, nox_lb, gross_mwh, mismatches = UNITS[unit]
    assert list(result) == KEYS
    assert (result["rows"], result["operating_hours"], result["partial_hours"]) == (rows, operating, partial)
    assert (result["missing_nox_hours"], result["mismatch_hours"]) == (missing, mismatches)
    assert abs(Decimal(result["nox_lb"]) - Decimal(nox_lb)) <= Decimal("0.05")
    if gross_mwh is None:
        assert result["gross_mwh"] is None
    else:
        assert abs(Decimal(result["gross_mwh"]) - Decimal(gross_mwh)) <= Decimal("0.5")
    column, counts = FLAGS[unit]
    assert result["flags"][column] == counts


@pytest.mark.parametrize("unit", UNITS)
def test_grams_are_the_pounds_within_half_a_gram_an_hour(
    published: Path, unit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = audit(path_of(published, unit), capsys)
    exact_g = Decimal(result["nox_lb"]) * Decimal("453.59237")
    assert abs(result["nox_g"] - exact_g) <= Decimal(result["rows"]) / 2


def rows_of(published: Path, unit: str) -> tuple[HourlyRow, ...]:
    return parse(path_of(published, unit).read_text(encoding="utf-8").splitlines())


def test_the_first_hour_of_the_worked_example_is_met(published: Path) -> None:
    first = rows_of(published, "703-2BLR")[0]
    assert first.start_ms() == 1_167_609_600_000  # 2007-01-01T00:00:00Z
    assert first.start_ms(-6) == first.start_ms() + 6 * HOUR_MS
    assert first.nox_lb == Decimal("1631.656")
    assert first.grams == 740_107  # 1631.656 x 453.59237 = 740106.7...
    assert not first.mismatches


def test_hours_of_a_year_follow_each_other_without_a_step_for_summer_time(published: Path) -> None:
    starts = [row.start_ms() for row in rows_of(published, "703-2BLR")]
    assert starts == list(range(starts[0], starts[0] + 8760 * HOUR_MS, HOUR_MS))
