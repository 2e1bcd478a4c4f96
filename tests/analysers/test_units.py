"""The ending of a name is its unit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.units import CONVERSIONS, conversion, ending_of


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
    ],
)
def test_units_convert_exactly(quantity: str, raw_unit: str, raw: str, canonical: str) -> None:
    assert conversion(quantity, raw_unit).apply(Decimal(raw)) == Decimal(canonical)


@pytest.mark.parametrize(("fahrenheit", "celsius"), [(32, 0), (212, 100), (-40, -40)])
def test_fahrenheit_converts_to_far_beyond_what_matters(fahrenheit: int, celsius: int) -> None:
    found = conversion("stack_temperature_c", "degF").apply(Decimal(fahrenheit))
    assert abs(found - celsius) < Decimal("1e-28")


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
