"""A unit's formula on the published vectors: rate times heat input, and concentration times flow, in grams."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from doxedge.measurement.conversion import Basis
from doxedge.measurement.part75 import BY_CODE
from doxedge.measurement.part75_mass import (
    CONCENTRATION_MASSES,
    GRAMS_PER_POUND,
    M3_PER_CUBIC_FOOT,
    RATES,
    Part75Formula,
    factors_wanted,
)

SCFH: Final = Decimal(40_000_000)
NORMAL_M3_PER_SCF: Final = M3_PER_CUBIC_FOOT * Decimal("273.15") / Decimal("293.15")
HEAT_INPUT: Final = {"o2_dry": "F-18", "o2_wet": "F-17", "co2_dry": "F-16", "co2_wet": "F-15"}
"""Which heat input goes with the diluent of a rate."""


def vectors(published: Path) -> list[tuple[str, dict[str, Decimal], Decimal]]:
    """Code, inputs by the published names, and the expected result."""
    text = (published / "data/vectors_formulas_protocols.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text, parse_float=Decimal, parse_int=Decimal)["part75"]
    return [(v["formula"].split("_")[0], v["inputs"], v["expected_unrounded"]) for v in found]


def grams(formula: Part75Formula, inputs: dict[str, Decimal], *, scfh: Decimal) -> Decimal:
    named = {"O2": "o2_percent", "CO2": "co2_percent", "H2O": "moisture_percent"}
    values = {named[key.split("_")[0]]: value for key, value in inputs.items() if key.split("_")[0] in named}
    ppm = next(value for key, value in inputs.items() if key.startswith("C_ppm"))
    g_per_h, capped = formula.g_per_h(
        ppm=ppm,
        normal_wet_m3_per_h=scfh * NORMAL_M3_PER_SCF,
        values={"moisture_percent": Decimal(10), **values},
    )
    assert not capped
    return g_per_h


def test_concentration_times_flow_is_as_published(published: Path) -> None:
    met = 0
    for code, inputs, expected in vectors(published):
        if code in CONCENTRATION_MASSES:
            g_per_h = grams(Part75Formula(mass=code), inputs, scfh=inputs["Q_scfh_wet"])
            assert float(g_per_h) == pytest.approx(float(expected * GRAMS_PER_POUND), rel=1e-12)
            met += 1
    assert met >= 4


def test_rate_times_heat_input_is_the_published_rate_times_the_heat_input(published: Path) -> None:
    met = 0
    for code, inputs, expected in vectors(published):
        if code not in RATES:
            continue
        diluent = next(name for name in BY_CODE[code].inputs if name in HEAT_INPUT)
        heat_code = HEAT_INPUT[diluent]
        wanted = factors_wanted(code, heat_code)
        factors = {name: inputs.get(name.capitalize(), Decimal(9_780)) for name in wanted}
        formula = Part75Formula(
            mass="F-24A",
            rate=code,
            heat_input=heat_code,
            factors=factors,
            diluent_basis=Basis(diluent.rpartition("_")[2]),
        )
        heat = {
            **factors,
            "flow_scfh": SCFH,
            diluent: next(value for key, value in inputs.items() if "O2_pct" in key),
            "moisture": inputs.get("H2O_pct", Decimal(10)),
        }
        heat_input = BY_CODE[heat_code].compute(**{name: heat[name] for name in BY_CODE[heat_code].inputs})
        g_per_h = grams(formula, inputs, scfh=SCFH)
        assert float(g_per_h) == pytest.approx(float(expected * heat_input * GRAMS_PER_POUND), rel=1e-9), code
        met += 1
    assert met >= 18
