"""How a verifier follows an hour by hand: formula, constants, and what to do with the sheet of minutes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from doxedge.measurement.bias_factor import factor_text
from doxedge.measurement.bias_in_force import BY_RATA
from doxedge.measurement.calibrated import CALIBRATED
from doxedge.measurement.conversion import (
    K_NOX_LB_PER_SCF_PPM,
    NORMAL_PRESSURE_KPA,
    STANDARD_K,
    ZERO_CELSIUS_K,
    Basis,
    FlowBasis,
)
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.part75 import BY_CODE, CO2_CAP_PERCENT, O2_CAP_PERCENT
from doxedge.measurement.part75_mass import GRAMS_PER_POUND, M3_PER_CUBIC_FOOT, Part75Formula
from doxedge.quantity import SECOND_MS

_MASSES: Final = {
    "F-26A": f"F-26A: M = {K_NOX_LB_PER_SCF_PPM:f} * C * Q   lb/h",
    "F-26B": f"F-26B: M = {K_NOX_LB_PER_SCF_PPM:f} * C * Q * (100 - moisture_percent) / 100   lb/h",
    "F-24A": "F-24A: M = E * HI   lb/h",
}


def chain_text(
    emission: EmissionSettings, stacks: Sequence[str] = (), units: Sequence[str] = ()
) -> list[str]:
    """The chain from the means of a minute to the grams of the hour, for these bases and these stacks.

    `units` are those that share the stack.
    """
    lines = []
    if emission.calibrated:
        lines += [
            "The means of the sheet are a + b x, where x is the mean of the readings and the hour's record says",
            f"  {CALIBRATED}:MONITOR:A:B:END-OF-RANGE:SHA-256 of the QAL2; of other monitors they are as read",
        ]
    lines.append("For each minute of the sheet that has all values:")
    if len(stacks) > 1:
        lines.append(f"  for each stack, {', '.join(stacks)}, with the columns of its name:")
    lines += [
        f"  C = {emission.concentration} / 1000   ppm, {emission.concentration_basis.value}",
        f"  Q = {emission.flow}   m3/h, {emission.flow_basis.value}",
    ]
    if emission.flow_basis is FlowBasis.ACTUAL_WET:
        lines.append(
            f"  Q = Q * {ZERO_CELSIUS_K} / ({ZERO_CELSIUS_K} + stack_temperature_c) "
            f"* stack_pressure_kpa / {NORMAL_PRESSURE_KPA}   at 0 degC and {NORMAL_PRESSURE_KPA} kPa"
        )
    if emission.flow_basis is FlowBasis.STANDARD_WET:
        lines.append(f"  Q = Q * {ZERO_CELSIUS_K} / {STANDARD_K}   at 0 degC")
    lines += _metric_text(emission) if emission.formula is None else _equations_text(emission.formula)
    lines += [
        "  g = g_per_h * operating_s / 3600",
        "For the hour:" if len(stacks) < 2 else "For the hour, for each stack; the hour is the sum of nox_g:",
        "  G = sum of g; S = sum of operating_s; V = sum of operating_s of the minutes that have a g",
        "  nox_g = G * S / V, rounded to whole grams, ties away from zero",
        "  (0 when that is negative, or when the unit did not run)",
    ]
    for bias in emission.bias:
        since = dt.datetime.fromtimestamp(bias.since_ms // SECOND_MS, tz=dt.UTC)
        of = f"stack {bias.stack}, " if bias.stack else ""
        lines.append(
            f"  {of}hours from {since:%Y-%m-%dT%H:%MZ} on: nox_g = nox_g * {factor_text(bias.applied)},"
            " rounded the same way"
        )
    if emission.bias_by_rata:
        lines.append(
            "  then nox_g = nox_g * baf, rounded the same way; the hour's record says baf and the tests that gave it,"
        )
        lines.append(
            f"  as {BY_RATA}:MONITOR:FACTOR:SHA-256 (several multiply; of first and backup the larger)"
        )
    lines += _divided_text(units) if units else []
    for name, value in sorted(emission.constants.items()):
        lines.append(f"Configured, not measured: {name} = {value}")
    return lines


def _divided_text(units: Sequence[str]) -> list[str]:
    return [
        f"  so far nox_g is that of the stack. For each unit on it, U = {', '.join(units)}:",
        "  T = sum of operating_s:U; V = sum of operating_s:U of the minutes that have a load_w:U",
        "  L = sum of load_w:U * operating_s:U / 3600 of those minutes, times T / V, in whole Wh (0 when T is 0)",
        "  where a unit that ran has no load_w in any minute, or all L are 0: L = T * 1000 for all of them",
        "  the unit's nox_g = nox_g * L / sum of all L, rounded down; the grams that are left go one each to the units",
        "  with the largest remainders, the first by name where two are equal",
    ]


def _metric_text(emission: EmissionSettings) -> list[str]:
    lines = []
    wet = emission.concentration_basis is Basis.WET
    if wet and emission.flow_basis is FlowBasis.NORMAL_DRY:
        lines.append("  C = C * 100 / (100 - moisture_percent)   dry")
    if not wet and emission.flow_basis is not FlowBasis.NORMAL_DRY:
        lines.append("  Q = Q * (100 - moisture_percent) / 100   dry")
    lines.append(f"  g_per_h = C * {emission.mg_per_m3_per_ppm} * Q / 1000   NOx counted as NO2")
    return lines


def _equations_text(formula: Part75Formula) -> list[str]:
    lines = [f"  Q = Q * {STANDARD_K} / {ZERO_CELSIUS_K} / {M3_PER_CUBIC_FOOT}   scfh, wet"]
    lines += [f"  {name.capitalize()} = {value:f}" for name, value in sorted(formula.factors.items())]
    for cap, beyond, caps in (("O2", "above", O2_CAP_PERCENT), ("CO2", "below", CO2_CAP_PERCENT)):
        quantity = formula.o2 if cap == "O2" else formula.co2
        if formula.diluent_cap and quantity in formula.diluents:
            lines.append(
                f"  {quantity} {beyond} {caps[formula.diluent_cap]} % of dry gas: taken as that (diluent cap)"
            )
    lines += [f"  {(BY_CODE[code].compute.__doc__ or code).strip()}" for code in formula.codes[1:]]
    lines.append(f"  {_MASSES[formula.mass]} (40 CFR Part 75, Appendix F)")
    lines.append(f"  g_per_h = M * {GRAMS_PER_POUND}")
    return lines
