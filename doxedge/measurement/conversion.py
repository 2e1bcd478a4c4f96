"""Units and bases: from what the instruments say to dry gas at normal conditions, and to a mass rate.

Normal means 0 degC and 101.325 kPa. NOx counts as NO2. Every value carries its basis, and a conversion that lacks
one raises `BasisError`: mixing wet with dry is the classic error of emission reports. Mass is concentration times
flow on one basis at *actual* oxygen; nothing here corrects to a reference oxygen.

The equations of EPA (Appendix F of 40 CFR Part 75, Method 19) that need a concentration and a flow are at the end.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum
from typing import Final

PRECISE: Final = Context(prec=34, rounding=ROUND_HALF_EVEN)
"""The arithmetic of decimal128: far finer than any instrument, the same on every machine."""

ZERO_CELSIUS_K: Final = Decimal("273.15")
STANDARD_K: Final = Decimal("293.15")
"""68 degF, that is 20 degC: where a standard cubic foot of EPA's is measured, at 101.325 kPa."""
NORMAL_PRESSURE_KPA: Final = Decimal("101.325")

MG_PER_M3_PER_PPM_NO2: Final = Decimal("2.0525")
"""46.0055 g/mol over the molar volume at 0 degC and 101.325 kPa. By convention many permits say 2.05: a setting."""

K_NOX_LB_PER_SCF_PPM: Final = Decimal("1.194E-7")
"""40 CFR Part 75, Appendix F, 3.3: at 68 degF and 29.92 inHg."""

PLAUSIBLE_STACK: Final = {
    "stack_temperature_c": (Decimal(-50), Decimal(1500)),
    "stack_pressure_kpa": (Decimal(50), Decimal(150)),
    "moisture_percent": (Decimal(0), Decimal(60)),
}
"""Outside these a stack value is bad, whatever its instrument says."""


class Basis(StrEnum):
    """Whether a concentration counts the water."""

    WET = "wet"
    DRY = "dry"


class FlowBasis(StrEnum):
    """What a volume flow counts: as it is in the stack, or at normal conditions, with or without the water."""

    ACTUAL_WET = "actual_wet"
    NORMAL_WET = "normal_wet"
    NORMAL_DRY = "normal_dry"
    STANDARD_WET = "standard_wet"
    """At 20 degC and 101.325 kPa, as monitors that count standard cubic feet have it."""


class BasisError(ValueError):
    """A conversion was asked for that needs a basis or a stack value which nobody stated."""


@dataclass(frozen=True, slots=True)
class Concentration:
    """NOx by volume, in parts per billion."""

    ppb: Decimal
    basis: Basis | None
    o2_corrected: bool = False
    """At a reference oxygen, as limits are stated: no flow goes with it, so it makes no mass."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Stack gas, in cubic metres per hour."""

    m3_per_h: Decimal
    basis: FlowBasis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackGas:
    """The state of the gas where the flow is measured; None where nobody knows."""

    stack_temperature_c: Decimal | None = None
    stack_pressure_kpa: Decimal | None = None
    moisture_percent: Decimal | None = None


def stack_values_needed(concentration: Basis, flow: FlowBasis) -> frozenset[str]:
    """Which stack values a mass needs on these two bases. Wet times wet needs no moisture."""
    needed: set[str] = set()
    if flow is FlowBasis.ACTUAL_WET:
        needed |= {"stack_temperature_c", "stack_pressure_kpa"}
    if (concentration is Basis.DRY) != (flow is FlowBasis.NORMAL_DRY):
        needed.add("moisture_percent")
    return frozenset(needed)


def is_plausible(quantity: str, value: Decimal) -> bool:
    """False for a stack value no stack has; True for quantities that have no such bounds."""
    low, high = PLAUSIBLE_STACK.get(quantity, (value, value))
    return low <= value <= high


def mg_per_m3(ppb: Decimal, *, mg_per_m3_per_ppm: Decimal = MG_PER_M3_PER_PPM_NO2) -> Decimal:
    """Volume share to mass per normal cubic metre of the same basis."""
    with localcontext(PRECISE):
        return ppb * mg_per_m3_per_ppm / 1000


def dry(concentration: Concentration, gas: StackGas) -> Concentration:
    """C_dry = C_wet / (1 - H)."""
    match concentration.basis:
        case Basis.DRY:
            return concentration
        case Basis.WET:
            with localcontext(PRECISE):
                ppb = concentration.ppb * 100 / (100 - _stated(gas, "moisture_percent"))
            return Concentration(ppb, Basis.DRY)
        case None:
            raise BasisError(
                "a concentration without a basis cannot be made dry; state wet or dry in the profile"
            )


def normal(flow: Flow, gas: StackGas) -> Flow:
    """Q_n = Q_actual * 273.15 / (273.15 + t) * p / 101.325; what is at normal conditions already stays as it is."""
    match flow.basis:
        case FlowBasis.NORMAL_WET | FlowBasis.NORMAL_DRY:
            return flow
        case FlowBasis.STANDARD_WET:
            with localcontext(PRECISE):
                return Flow(flow.m3_per_h * ZERO_CELSIUS_K / STANDARD_K, FlowBasis.NORMAL_WET)
        case FlowBasis.ACTUAL_WET:
            with localcontext(PRECISE):
                kelvin = ZERO_CELSIUS_K + _stated(gas, "stack_temperature_c")
                pressure_kpa = _stated(gas, "stack_pressure_kpa")
                m3_per_h = flow.m3_per_h * ZERO_CELSIUS_K * pressure_kpa / (kelvin * NORMAL_PRESSURE_KPA)
            return Flow(m3_per_h, FlowBasis.NORMAL_WET)
        case None:
            raise BasisError("a flow without a basis cannot be normalised; state it in the profile")


def normal_dry(flow: Flow, gas: StackGas) -> Flow:
    """Q_dry = Q_n * (1 - H)."""
    at_normal = normal(flow, gas)
    if at_normal.basis is FlowBasis.NORMAL_DRY:
        return at_normal
    with localcontext(PRECISE):
        m3_per_h = at_normal.m3_per_h * (100 - _stated(gas, "moisture_percent")) / 100
    return Flow(m3_per_h, FlowBasis.NORMAL_DRY)


def mass_rate_g_per_h(
    concentration: Concentration,
    flow: Flow,
    gas: StackGas,
    *,
    mg_per_m3_per_ppm: Decimal = MG_PER_M3_PER_PPM_NO2,
) -> Decimal:
    """Grams of NOx as NO2 per hour: wet times wet where both are wet, else dry times dry.

    Raises BasisError when a basis, or a stack value that the bases need, is not stated, and for a concentration at a
    reference oxygen.
    """
    require_actual_oxygen(concentration)
    if concentration.basis is Basis.WET and flow.basis is not FlowBasis.NORMAL_DRY:
        counted, through = concentration, normal(flow, gas)
    else:
        counted, through = dry(concentration, gas), normal_dry(flow, gas)
    mg = mg_per_m3(counted.ppb, mg_per_m3_per_ppm=mg_per_m3_per_ppm)
    with localcontext(PRECISE):
        return mg * through.m3_per_h / 1000


def require_actual_oxygen(concentration: Concentration) -> None:
    """Raises BasisError for a concentration at a reference oxygen: the flow it would be multiplied by is not."""
    if concentration.o2_corrected:
        raise BasisError(
            "the concentration is corrected to a reference oxygen and the flow is not; have the analyser deliver it"
            " at actual oxygen"
        )


def f26a_lb_per_h(*, ppm_wet: Decimal, flow_scfh_wet: Decimal) -> Decimal:
    """Equation F-26A: K * C_w * Q."""
    with localcontext(PRECISE):
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * flow_scfh_wet


def f26b_lb_per_h(*, ppm_dry: Decimal, flow_scfh_wet: Decimal, moisture_percent: Decimal) -> Decimal:
    """Equation F-26B: K * C_d * Q * (100 - H) / 100."""
    with localcontext(PRECISE):
        return K_NOX_LB_PER_SCF_PPM * ppm_dry * flow_scfh_wet * (100 - moisture_percent) / 100


def f24a_lb_per_h(*, rate_lb_per_mmbtu: Decimal, heat_input_mmbtu_per_h: Decimal) -> Decimal:
    """Equation F-24A: E * HI."""
    with localcontext(PRECISE):
        return rate_lb_per_mmbtu * heat_input_mmbtu_per_h


def reported(value: Decimal, *, places: int) -> Decimal:
    """A value with so many decimals, ties away from zero: EPA's rounding, for reports only."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=PRECISE)


def _stated(gas: StackGas, quantity: str) -> Decimal:
    value: Decimal | None = getattr(gas, quantity)
    if value is None:
        raise BasisError(f"the conversion needs {quantity}, and nobody states it")
    if not is_plausible(quantity, value):
        low, high = PLAUSIBLE_STACK[quantity]
        raise BasisError(f"{quantity} is {value}, and no stack has that: it must be {low} to {high}")
    return value
