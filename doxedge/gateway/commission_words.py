"""How a verifier follows an hour by hand: formula, constants, and what to do with the sheet of minutes."""

from __future__ import annotations

from typing import Final

from doxedge.measurement.conversion import (
    K_NOX_LB_PER_SCF_PPM,
    NORMAL_PRESSURE_KPA,
    ZERO_CELSIUS_K,
    Basis,
    FlowBasis,
)
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.part75_mass import Part75Formula

_MASSES: Final = {
    "F-26A": f"F-26A: M = {K_NOX_LB_PER_SCF_PPM:f} * C * Q   lb/h",
    "F-26B": f"F-26B: M = {K_NOX_LB_PER_SCF_PPM:f} * C * Q * (100 - moisture_percent) / 100   lb/h",
    "F-24A": "F-24A: M = E * HI   lb/h",
}


def chain_text(emission: EmissionSettings) -> list[str]:
    """The chain from the means of a minute to the grams of the hour, for these settings."""
    lines = ["For each minute of the sheet that has all values:"]
    lines += _metric(emission) if emission.formula is None else _part75(emission.formula)
    lines += [
        "  g = g_per_h * operating_s / 3600",
        "For the hour:",
        "  G = sum of g; S = sum of operating_s; V = sum of operating_s of the minutes that have a g",
        "  nox_g = G * S / V, rounded to whole grams, ties away from zero",
        "  (0 when that is negative, or when the unit did not run)",
    ]
    for bias in emission.bias:
        lines.append(
            f"For hours from {bias.since_ms} ms on: nox_g = nox_g * {bias.factor}, rounded again, until the next factor"
        )
    for name, value in sorted(emission.constants.items()):
        lines.append(f"Configured, not measured: {name} = {value}")
    return lines


def _metric(emission: EmissionSettings) -> list[str]:
    lines = [
        f"  C = {emission.concentration} / 1000   ppm, {emission.concentration_basis.value}",
        f"  Q = {emission.flow}   m3/h, {emission.flow_basis.value}",
    ]
    wet = emission.concentration_basis is Basis.WET
    both_wet = wet and emission.flow_basis is not FlowBasis.NORMAL_DRY
    if emission.flow_basis is FlowBasis.ACTUAL_WET:
        lines.append(
            f"  Q = Q * {ZERO_CELSIUS_K} / ({ZERO_CELSIUS_K} + stack_temperature_c) "
            f"* stack_pressure_kpa / {NORMAL_PRESSURE_KPA}   at 0 degC and {NORMAL_PRESSURE_KPA} kPa"
        )
    if wet and not both_wet:
        lines.append("  C = C * 100 / (100 - moisture_percent)   dry")
    if not wet and emission.flow_basis is not FlowBasis.NORMAL_DRY:
        lines.append("  Q = Q * (100 - moisture_percent) / 100   dry")
    lines.append(f"  g_per_h = C * {emission.mg_per_m3_per_ppm} * Q / 1000   NOx counted as NO2")
    return lines


def _part75(formula: Part75Formula) -> list[str]:
    """The equations by their codes; their text is law (40 CFR Part 75, Appendix F; Method 19)."""
    factors = ", ".join(f"{name} = {value}" for name, value in sorted(formula.factors.items()))
    cap = f", diluent cap of a {formula.diluent_cap}" if formula.diluent_cap else ""
    lines = [f"  lb/h by {formula.told} of 40 CFR Part 75, Appendix F{cap}"]
    if factors:
        lines.append(f"  F factors: {factors}")
    lines.append("  flow in scf/h at 20 degC and 101.325 kPa; g_per_h = lb/h * 453.59237")
    return lines
