"""The chain names every step that the mass takes on the bases of the unit, and its constants."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.gateway.commission_words import chain_text
from doxedge.measurement.bias_factor import BiasFactor
from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.part75_mass import Part75Formula
from doxedge.quantity import HOUR_MS

TO_NORMAL, TO_DRY_FLOW, TO_DRY_GAS = "273.15 / (273.15", "Q = Q * (100", "C = C * 100"
STEPS = {
    (Basis.DRY, FlowBasis.ACTUAL_WET): {TO_NORMAL, TO_DRY_FLOW},
    (Basis.DRY, FlowBasis.NORMAL_WET): {TO_DRY_FLOW},
    (Basis.DRY, FlowBasis.NORMAL_DRY): set(),
    (Basis.WET, FlowBasis.ACTUAL_WET): {TO_NORMAL},
    (Basis.WET, FlowBasis.NORMAL_WET): set(),
    (Basis.WET, FlowBasis.NORMAL_DRY): {TO_DRY_GAS},
}


@pytest.mark.parametrize("bases", STEPS, ids=lambda bases: f"{bases[0]} {bases[1]}")
def test_each_basis_has_its_steps(bases: tuple[Basis, FlowBasis]) -> None:
    text = "\n".join(chain_text(EmissionSettings(concentration_basis=bases[0], flow_basis=bases[1])))
    assert {step for step in (TO_NORMAL, TO_DRY_FLOW, TO_DRY_GAS) if step in text} == STEPS[bases]
    assert "C * 2.0525 * Q / 1000" in text


def test_a_bias_factor_and_a_configured_constant_are_named() -> None:
    text = "\n".join(
        chain_text(
            EmissionSettings(
                concentration_basis=Basis.DRY,
                flow_basis=FlowBasis.NORMAL_WET,
                constants={"moisture_percent": Decimal(12)},
                bias=(BiasFactor(factor=Decimal("1.052"), since_ms=5 * HOUR_MS),),
            )
        )
    )
    assert "nox_g * 1.052" in text
    assert "moisture_percent = 12" in text


def test_an_equation_of_part_75_is_named_by_its_code() -> None:
    settings = EmissionSettings(
        concentration_basis=Basis.WET, flow_basis=FlowBasis.ACTUAL_WET, formula=Part75Formula(mass="F-26A")
    )
    assert any("F-26A: M = " in line and "40 CFR Part 75" in line for line in chain_text(settings))
