"""The ending of a name is its unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.units import CONVERSIONS, conversion, ending_of
from doxedge.measurement.conversion import mg_per_m3


@pytest.mark.parametrize(
    ("quantity", "raw_unit", "raw", "canonical"),
    [
        ("nox_ppb", "ppb", "412.5", "412.5"),
        ("nox_ppb", "ppm", "0.4125", "412.5"),
        ("cell_pressure_kpa", "inHg", "29.92", "101.3207888"),
        ("stack_pressure_kpa", "mbar", "1013.25", "101.325"),
        ("stack_temperature_c", "K", "373.15", "100"),
        ("energy_wh", "kWh", "12.5", "12500"),
        ("power_w", "MW", "-1.5", "-1500000"),
        ("flow_m3_per_h", "m3/s", "2", "7200"),
        ("sample_flow_cc_per_min", "l/min", "0.5", "500"),
        ("o2_percent", "ppm", "209000", "20.9"),
        ("chamber_pressure_kpa", "mmHg", "760", "101.325024"),
    ],
)
def test_units_convert_exactly(quantity: str, raw_unit: str, raw: str, canonical: str) -> None:
    assert conversion(quantity, raw_unit).apply(Decimal(raw)) == Decimal(canonical)


@pytest.mark.parametrize(("fahrenheit", "celsius"), [(32, 0), (212, 100), (-40, -40)])
def test_fahrenheit_converts_to_far_beyond_what_matters(fahrenheit: int, celsius: int) -> None:
    found = conversion("stack_temperature_c", "degF").apply(Decimal(fahrenheit))
    assert abs(found - celsius) < Decimal("1e-28")


@pytest.mark.parametrize(
    ("unit", "mg_of_one_ppm"), [("mg/m3 NO2", "2.0525"), ("mg/m3 NO", "1.338721334879986")]
)
def test_milligrams_are_of_what_their_unit_says(unit: str, mg_of_one_ppm: str) -> None:
    found = conversion("nox_ppb", unit).apply(Decimal(mg_of_one_ppm))
    assert abs(found - 1_000) < Decimal("1e-10")


@given(st.decimals(0, 10_000, places=6))
def test_milligrams_in_and_milligrams_out_are_the_same_number(mg: Decimal) -> None:
    ppb = conversion("no2_ppb", "mg/m3 NO2").apply(mg)
    assert abs(mg_per_m3(ppb) - mg) < Decimal("1e-20")


def test_the_longest_ending_names_the_unit() -> None:
    assert ending_of("sample_flow_cc_per_min") == "_cc_per_min"
    assert ending_of("flow_m3_per_h") == "_m3_per_h"
    assert ending_of("energy_wh") == "_wh"


@pytest.mark.parametrize("quantity", ["nox", "NOX_ppb", "nox_mg", "_ppb", "nox__ppb", "1_ppb", "nox ppb"])
def test_a_name_without_a_unit_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match=r"unit|words"):
        ending_of(quantity)


def test_a_unit_of_another_kind_is_refused_with_those_that_fit() -> None:
    with pytest.raises(ValueError, match="'kPa' does not convert to nox_ppb; units that do are ppb, ppm"):
        conversion("nox_ppb", "kPa")


def test_each_ending_has_its_own_canonical_unit() -> None:
    for ending, units in CONVERSIONS.items():
        same = [name for name, convert in units.items() if convert.factor == 1 and convert.addend == 0]
        assert len(same) == 1, ending
