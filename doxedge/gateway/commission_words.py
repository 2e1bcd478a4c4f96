"""How a verifier follows an hour by hand: formula, constants, and what to do with the sheet of minutes."""

from __future__ import annotations

from doxedge.measurement.conversion import NORMAL_PRESSURE_KPA, ZERO_CELSIUS_K, Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings


def chain_text(emission: EmissionSettings) -> list[str]:
    """The chain from the means of a minute to the grams of the hour, for these bases."""
    concentration, flow = f"C = {emission.concentration} / 1000", f"Q = {emission.flow}"
    lines = [
        "For each minute of the sheet that has all values:",
        f"  {concentration}   ppm, {emission.concentration_basis.value}",
        f"  {flow}   m3/h, {emission.flow_basis.value}",
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
    lines += [
        f"  g_per_h = C * {emission.mg_per_m3_per_ppm} * Q / 1000   NOx counted as NO2",
        "  g = g_per_h * operating_s / 3600",
        "For the hour:",
        "  G = sum of g; S = sum of operating_s; V = sum of operating_s of the minutes that have a g",
        "  nox_g = G * S / V, rounded to whole grams, ties away from zero",
        "  (0 when that is negative, or when the unit did not run)",
    ]
    for name, value in sorted(emission.constants.items()):
        lines.append(f"Configured, not measured: {name} = {value}")
    return lines
