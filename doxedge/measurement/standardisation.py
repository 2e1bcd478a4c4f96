"""European limits are milligrams per normal cubic metre of dry gas at a reference oxygen (EN 17255-1).

    C_s = C (T/273.15) (101.325/p) (100/(100 - H)) (21 - O2ref) / (21 - O2)

Each factor is taken only where the analyser has not applied it already. The standardised value is for limits alone:
mass is concentration times flow on one basis at actual oxygen (`conversion.mass_rate_g_per_h`).
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, Basis

CONVENTION_MG_PER_PPM: Final = Decimal("2.05")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """The constants of a rule set. Each is a number that some authority writes differently."""

    mg_per_ppm: Decimal = CONVENTION_MG_PER_PPM
    zero_k: Decimal = Decimal("273.15")
    pressure_kpa: Decimal = Decimal("101.325")
    o2_air: Decimal = Decimal(21)
    max_oxygen_factor: Decimal = Decimal(10)
    """Near 21 % the correction means nothing any more; a factor beyond this is refused."""

    correct_below_reference: bool = True
    """False: gas with less oxygen than the reference is left as it is, as many permits have it."""


class NoStandardValue(ArithmeticError):
    """The gas is outside what the formula is for: no dry gas, no pressure, or (nearly) nothing but air."""


def dry_mg_per_m3(ppm: Decimal, basis: Basis, moisture_percent: Decimal, standard: Standard) -> Decimal:
    """By volume to mg per normal cubic metre of dry gas, at actual oxygen."""
    with localcontext(PRECISE):
        mg = ppm * standard.mg_per_ppm
        if basis is Basis.DRY:
            return mg
        return mg * 100 / _positive(100 - moisture_percent, "dry share of the gas")


def dry_share(moisture_percent: Decimal) -> Decimal:
    """(100 - H)/100. Raises NoStandardValue where nothing but water is left."""
    with localcontext(PRECISE):
        return _positive(100 - moisture_percent, "dry share of the gas") / 100


def at_reference_oxygen(
    mg: Decimal, *, o2_dry: Decimal, o2_reference: Decimal, standard: Standard
) -> Decimal:
    """The same at the reference oxygen. Raises NoStandardValue where the correction exceeds its bound."""
    with localcontext(PRECISE):
        if o2_dry < o2_reference and not standard.correct_below_reference:
            return mg
        factor = (standard.o2_air - o2_reference) / _positive(standard.o2_air - o2_dry, "distance to air")
        if factor > standard.max_oxygen_factor:
            raise NoStandardValue(f"oxygen factor {factor:.2f} is beyond {standard.max_oxygen_factor}")
        return mg * factor


def normal_dry_m3_per_h(
    actual_wet_m3_per_h: Decimal,
    *,
    temperature_c: Decimal,
    pressure_kpa: Decimal,
    moisture_percent: Decimal,
    standard: Standard,
) -> Decimal:
    """Q_n,dry = Q_act (T0/(T0 + t)) (p/p0) (1 - H)."""
    with localcontext(PRECISE):
        kelvin = _positive(standard.zero_k + temperature_c, "temperature in K")
        wet = actual_wet_m3_per_h * standard.zero_k * pressure_kpa / (kelvin * standard.pressure_kpa)
        return wet * (100 - moisture_percent) / 100


def kg_per_h(dry_mg: Decimal, dry_m3_per_h: Decimal) -> Decimal:
    """Dry concentration at actual oxygen times dry flow."""
    with localcontext(PRECISE):
        return dry_mg * dry_m3_per_h / 1_000_000


def kg_per_mwh(mass_kg_per_h: Decimal, power_mw: Decimal) -> Decimal:
    """Specific emission of one hour. Raises NoStandardValue where nothing was generated."""
    with localcontext(PRECISE):
        return mass_kg_per_h / _positive(power_mw, "power")


def _positive(value: Decimal, what: str) -> Decimal:
    if value <= 0:
        raise NoStandardValue(f"{what} is {value}, which must be above zero")
    return value
