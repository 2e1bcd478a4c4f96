"""The equations of measurement against vectors computed elsewhere."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.measurement.conversion import (
    Basis,
    Concentration,
    Flow,
    FlowBasis,
    StackGas,
    dry,
    f24a_lb_per_h,
    f26a_lb_per_h,
    f26b_lb_per_h,
    mass_rate_g_per_h,
    mg_per_m3,
    normal_dry,
    reported,
)

VECTORS = Path("data/vectors_formulas_protocols.json")

EQUATIONS: dict[str, Callable[[dict[str, Decimal]], Decimal]] = {
    "F-24A": lambda given: f24a_lb_per_h(
        rate_lb_per_mmbtu=given["NOXR_lb_mmBtu"], heat_input_mmbtu_per_h=given["HI_mmBtu_h"]
    ),
    "F-26A": lambda given: f26a_lb_per_h(ppm_wet=given["C_ppm_wet"], flow_scfh_wet=given["Q_scfh_wet"]),
    "F-26B": lambda given: f26b_lb_per_h(
        ppm_dry=given["C_ppm_dry"], flow_scfh_wet=given["Q_scfh_wet"], moisture_percent=given["H2O_pct"]
    ),
}


def load(published: Path) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads(
        (published / VECTORS).read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal
    )
    return vectors


def close(value: Decimal, expected: Decimal) -> bool:
    """Equal to the twelve digits that a vector computed in binary floating point can be trusted for."""
    return abs(value - expected) <= abs(expected) * Decimal("1e-12")


@pytest.mark.parametrize("formula", EQUATIONS)
def test_an_equation_of_part_75_gives_the_published_value_before_and_after_rounding(
    published: Path, formula: str
) -> None:
    cases = [case for case in load(published)["part75"] if case["formula"] == formula]
    assert cases
    for case in cases:
        value = EQUATIONS[formula](case["inputs"])
        assert close(value, case["expected_unrounded"])
        assert reported(value, places=int(case["decimals"])) == case["expected"]


def test_concentration_flow_and_mass_meet_the_standardisation_vectors(published: Path) -> None:
    cases = load(published)["eu_standardisation"]
    assert cases
    for case in cases:
        given, expected = case["inputs"], case["expected"]
        gas = StackGas(
            stack_temperature_c=given["stack_T_C"],
            stack_pressure_kpa=given["stack_p_kPa"],
            moisture_percent=given["H2O_pct_vol"],
        )
        per_ppm = case["const"]["mg_per_ppm"]
        nox = Concentration(given["NOx_ppm"] * 1000, Basis(given["analyser_basis"]))
        flow = Flow(given["Q_actual_wet_m3h"], FlowBasis.ACTUAL_WET)
        assert close(mg_per_m3(dry(nox, gas).ppb, mg_per_m3_per_ppm=per_ppm), expected["mg_Nm3_dry_actualO2"])
        assert close(normal_dry(flow, gas).m3_per_h, expected["Q_Nm3h_dry"])
        g_per_h = mass_rate_g_per_h(nox, flow, gas, mg_per_m3_per_ppm=per_ppm)
        assert close(g_per_h / 1000, expected["kg_h"])
