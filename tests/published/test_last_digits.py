"""What real plants and instruments reported shows no sign of made up digits, and shows it when it is made up."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.measurement.digits import LastDigits
from doxedge.quantity import HOUR_MS

COLUMNS = {
    "epa_cem_2007_703-2BLR": ("NOXMASS", "SO2MASS", "NOXRATE", "GLOAD", "HTINPUT"),
    "epa_cem_2007_55304-CT4": ("NOXMASS", "NOXRATE", "GLOAD", "HTINPUT"),
    "epa_cem_2007_55063-1_H1": ("NOXMASS", "SO2MASS", "NOXRATE", "GLOAD", "HTINPUT"),
    "epa_cem_2007_2712-3A_Q1": ("NOXMASS", "SO2MASS", "NOXRATE", "SLOAD", "HTINPUT"),
    "epa_cem_2007_3396-1_H1": ("NOXMASS", "SO2MASS", "NOXRATE", "GLOAD", "HTINPUT"),
    "ecmps_hourly_2021_58054_FLOW": ("unadjusted", "adjusted"),
    "ecmps_hourly_2021_6138_NOXR": ("unadjusted", "adjusted"),
    "uci_gas_turbine_gt_2011": ("AT", "AP", "AH", "AFDP", "GTEP", "TIT", "TAT", "TEY", "CDP", "CO", "NOX"),
}
JUDGED = 35
"""So many of the series have enough different values to be judged at all."""


def series(published: Path, name: str, column: str) -> list[Decimal | None]:
    """Hour by hour; None where the unit stood still or nothing was measured."""
    with (published / "data" / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    stood = [row.get("OPTIME") == "0" or row[column] in ("", "-9") for row in rows]
    return [None if no else Decimal(row[column]) for row, no in zip(rows, stood, strict=True)]


def signs(values: list[Decimal | None]) -> tuple[bool, bool]:
    """(whether any window was judged, whether any was uneven) over the whole series."""
    digits, judged, uneven = LastDigits(), False, False
    for hour, value in enumerate(values):
        if value is not None:
            digits.take(value, hour * HOUR_MS)
            uneven |= digits.uneven is True
            judged |= any(scale.counts for scale in digits.scales.values())
    return judged, uneven


def test_no_real_series_shows_a_sign(published: Path) -> None:
    found = {
        (name, column): signs(series(published, name, column))
        for name, columns in COLUMNS.items()
        for column in columns
    }
    assert [one for one, (_, uneven) in found.items() if uneven] == []
    assert sum(judged for judged, _ in found.values()) >= JUDGED


def in_fives(value: Decimal) -> Decimal:
    return 5 * round(value / 5) * Decimal(1)


def without_odd_tenths(value: Decimal) -> Decimal:
    return 2 * round(value * 5) / Decimal(10)


@pytest.mark.parametrize(
    ("name", "column", "made_up"),
    [
        ("epa_cem_2007_3396-1_H1", "NOXMASS", in_fives),
        ("epa_cem_2007_3396-1_H1", "SO2MASS", without_odd_tenths),
        ("epa_cem_2007_703-2BLR", "HTINPUT", in_fives),
        ("uci_gas_turbine_gt_2011", "NOX", lambda value: Decimal(round(value * 2)) / 2),
    ],
)
def test_a_real_series_that_is_rounded_from_its_second_half_on_shows_it(
    published: Path, name: str, column: str, made_up: Callable[[Decimal], Decimal]
) -> None:
    values = series(published, name, column)
    half = len(values) // 2
    spoilt = [None if one is None else made_up(one) for one in values[half:]]
    assert signs([*values[:half], *spoilt]) == (True, True)
    assert signs(values[:half]) == (True, False)
