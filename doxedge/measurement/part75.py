"""The equations of 40 CFR Part 75, Appendix F, and of Method 19: NOx rate, heat input, mass rate, moisture, CO2.

Symbols: C is NOx in ppm, d dry and w wet; H is moisture, O2 and CO2 are shares of the gas, all in percent; Fd, Fw and
Fc are the F factors of the fuel in scf/mmBtu; Q is wet stack flow in scfh; E is a rate in lb/mmBtu; HI is heat input in
mmBtu/h. scf is at 68 degF and 29.92 inHg. Results are exact to 34 digits; `reported` rounds them where they are posted.

A diluent that leaves no denominator raises `DiluentCapNeeded`: such an hour is reported with the diluent cap, method
code 14 (40 CFR 75, Appendix F, 3.3.4.1), and not with this equation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import (
    K_NOX_LB_PER_SCF_PPM,
    PRECISE,
    f24a_lb_per_h,
    f26a_lb_per_h,
    f26b_lb_per_h,
)

O2_AIR_PERCENT: Final = Decimal("20.9")
DEFAULT_BWA: Final = Decimal("0.027")
"""Moisture of ambient air as a share, where nobody measured it (Method 19, 19-2)."""

O2_CAP_PERCENT: Final = {"boiler": Decimal("14.0"), "turbine": Decimal("19.0")}
CO2_CAP_PERCENT: Final = {"boiler": Decimal("5.0"), "turbine": Decimal("1.0")}
"""Diluent caps (40 CFR 75, Appendix F, 3.3.4.1); turbines with integrated gasification among the turbines."""


class DiluentCapNeeded(ArithmeticError):
    """The gas holds so much air that the equation has no answer; the rule answers with the diluent cap."""


@dataclass(frozen=True, slots=True)
class Equation:
    """One equation, and how its result is reported (EPA's rounding places)."""

    codes: tuple[str, ...]
    compute: Callable[..., Decimal]
    inputs: tuple[str, ...]
    places: int
    unit: str
    optional: tuple[str, ...] = ()


def rate_19_1(*, ppm_dry: Decimal, fd: Decimal, o2_dry: Decimal) -> Decimal:
    """19-1, F-5: E = K Cd Fd 20.9 / (20.9 - O2d); both dry."""
    with localcontext(PRECISE):
        return K_NOX_LB_PER_SCF_PPM * ppm_dry * fd * O2_AIR_PERCENT / _left(O2_AIR_PERCENT - o2_dry)


def rate_19_2(*, ppm_wet: Decimal, fw: Decimal, o2_wet: Decimal, bwa: Decimal = DEFAULT_BWA) -> Decimal:
    """19-2: E = K Cw Fw 20.9 / (20.9 (1 - Bwa) - O2w); both wet, moisture of the air only."""
    with localcontext(PRECISE):
        air = _left(O2_AIR_PERCENT * (1 - bwa) - o2_wet)
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * fw * O2_AIR_PERCENT / air


def rate_19_3(*, ppm_wet: Decimal, fd: Decimal, o2_wet: Decimal, moisture: Decimal) -> Decimal:
    """19-3: E = K Cw Fd 20.9 / (20.9 (100 - H)/100 - O2w); both wet, moisture measured."""
    with localcontext(PRECISE):
        air = _left(O2_AIR_PERCENT * _dry_share(moisture) - o2_wet)
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * fd * O2_AIR_PERCENT / air


def rate_19_3d(*, ppm_wet: Decimal, fd: Decimal, o2_cap: Decimal, moisture: Decimal) -> Decimal:
    """19-3D: E = K Cw Fd 20.9 / (f (20.9 - O2cap)), f = (100 - H)/100; 19-3 with the diluent cap."""
    with localcontext(PRECISE):
        air = _left(_dry_share(moisture) * (O2_AIR_PERCENT - o2_cap))
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * fd * O2_AIR_PERCENT / air


def rate_19_4(*, ppm_wet: Decimal, fd: Decimal, o2_dry: Decimal, moisture: Decimal) -> Decimal:
    """19-4: E = K Cw Fd / f 20.9 / (20.9 - O2d); NOx wet, O2 dry."""
    with localcontext(PRECISE):
        air = _left(O2_AIR_PERCENT - o2_dry) * _left(_dry_share(moisture))
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * fd * O2_AIR_PERCENT / air


def rate_19_5(*, ppm_dry: Decimal, fd: Decimal, o2_wet: Decimal, moisture: Decimal) -> Decimal:
    """19-5: E = 20.9 K Cd Fd / (20.9 - O2w/f); NOx dry, O2 wet."""
    with localcontext(PRECISE):
        air = _left(O2_AIR_PERCENT - o2_wet / _left(_dry_share(moisture)))
        return O2_AIR_PERCENT * K_NOX_LB_PER_SCF_PPM * ppm_dry * fd / air


def rate_19_6(*, ppm_dry: Decimal, fc: Decimal, co2_dry: Decimal) -> Decimal:
    """19-6: E = K Cd Fc 100 / CO2d; both dry."""
    with localcontext(PRECISE):
        return K_NOX_LB_PER_SCF_PPM * ppm_dry * fc * 100 / _left(co2_dry)


def rate_19_7(*, ppm_wet: Decimal, fc: Decimal, co2_wet: Decimal) -> Decimal:
    """19-7, F-6: E = K Cw Fc 100 / CO2w; both wet."""
    with localcontext(PRECISE):
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * fc * 100 / _left(co2_wet)


def rate_19_8(*, ppm_wet: Decimal, fc: Decimal, co2_dry: Decimal, moisture: Decimal) -> Decimal:
    """19-8: E = K Cw/f Fc 100 / CO2d; NOx wet, CO2 dry."""
    with localcontext(PRECISE):
        gas = _left(co2_dry) * _left(_dry_share(moisture))
        return K_NOX_LB_PER_SCF_PPM * ppm_wet * fc * 100 / gas


def rate_19_9(*, ppm_dry: Decimal, fc: Decimal, co2_wet: Decimal, moisture: Decimal) -> Decimal:
    """19-9: E = K Cd f Fc 100 / CO2w; NOx dry, CO2 wet."""
    with localcontext(PRECISE):
        return K_NOX_LB_PER_SCF_PPM * ppm_dry * _dry_share(moisture) * fc * 100 / _left(co2_wet)


def heat_f15(*, flow_scfh: Decimal, fc: Decimal, co2_wet: Decimal) -> Decimal:
    """F-15: HI = Q CO2w / (100 Fc)."""
    with localcontext(PRECISE):
        return flow_scfh * co2_wet / (100 * _left(fc))


def heat_f16(*, flow_scfh: Decimal, fc: Decimal, co2_dry: Decimal, moisture: Decimal) -> Decimal:
    """F-16: HI = Q (100 - H) CO2d / (10000 Fc)."""
    with localcontext(PRECISE):
        return flow_scfh * (100 - moisture) * co2_dry / (10_000 * _left(fc))


def heat_f17(*, flow_scfh: Decimal, fd: Decimal, o2_wet: Decimal, moisture: Decimal) -> Decimal:
    """F-17: HI = Q/Fd (0.209 (100 - H) - O2w) / 20.9."""
    with localcontext(PRECISE):
        return flow_scfh * (O2_AIR_PERCENT * (100 - moisture) / 100 - o2_wet) / (_left(fd) * O2_AIR_PERCENT)


def heat_f18(*, flow_scfh: Decimal, fd: Decimal, o2_dry: Decimal, moisture: Decimal) -> Decimal:
    """F-18: HI = Q (100 - H) (20.9 - O2d) / (2090 Fd)."""
    with localcontext(PRECISE):
        return flow_scfh * (100 - moisture) * (O2_AIR_PERCENT - o2_dry) / (100 * O2_AIR_PERCENT * _left(fd))


def moisture_f31(*, o2_dry: Decimal, o2_wet: Decimal) -> Decimal:
    """F-31: H = 100 (O2d - O2w) / O2d."""
    with localcontext(PRECISE):
        return 100 * (o2_dry - o2_wet) / _left(o2_dry)


def co2_f14a(*, fc: Decimal, fd: Decimal, o2_dry: Decimal) -> Decimal:
    """F-14A: CO2d = 100 Fc/Fd (20.9 - O2d) / 20.9."""
    with localcontext(PRECISE):
        return 100 * fc * (O2_AIR_PERCENT - o2_dry) / (_left(fd) * O2_AIR_PERCENT)


def co2_f14b(*, fc: Decimal, fd: Decimal, o2_wet: Decimal, moisture: Decimal) -> Decimal:
    """F-14B: CO2w = 100/20.9 Fc/Fd (20.9 f - O2w)."""
    with localcontext(PRECISE):
        air = O2_AIR_PERCENT * _dry_share(moisture) - o2_wet
        return 100 * fc * air / (_left(fd) * O2_AIR_PERCENT)


def fd_f7a(
    *,
    hydrogen: Decimal,
    carbon: Decimal,
    sulphur: Decimal,
    nitrogen: Decimal,
    oxygen: Decimal,
    gcv_btu_per_lb: Decimal,
) -> Decimal:
    """F-7A: Fd = 1e6 (3.64 %H + 1.53 %C + 0.57 %S + 0.14 %N - 0.46 %O) / GCV."""
    with localcontext(PRECISE):
        scf = (
            Decimal("3.64") * hydrogen
            + Decimal("1.53") * carbon
            + Decimal("0.57") * sulphur
            + Decimal("0.14") * nitrogen
            - Decimal("0.46") * oxygen
        )
        return 1_000_000 * scf / _left(gcv_btu_per_lb)


def fc_f7b(*, carbon: Decimal, gcv_btu_per_lb: Decimal) -> Decimal:
    """F-7B: Fc = 321e3 %C / GCV."""
    with localcontext(PRECISE):
        return 321_000 * carbon / _left(gcv_btu_per_lb)


def mixed_f8(factors: Mapping[str, Decimal], heat_input: Mapping[str, Decimal]) -> Decimal:
    """F-8: F = sum(Xi Fi), Xi the share of a fuel in the heat input. Raises ValueError for a fuel without factor."""
    if missing := sorted(set(heat_input) - set(factors)):
        raise ValueError(f"no F factor for {', '.join(missing)}")
    with localcontext(PRECISE):
        total = sum(heat_input.values(), Decimal(0))
        return sum((factors[fuel] * heat for fuel, heat in heat_input.items()), Decimal(0)) / _left(total)


def _mass_f24a(*, rate: Decimal, heat_input: Decimal) -> Decimal:
    return f24a_lb_per_h(rate_lb_per_mmbtu=rate, heat_input_mmbtu_per_h=heat_input)


def _mass_f26a(*, ppm_wet: Decimal, flow_scfh: Decimal) -> Decimal:
    return f26a_lb_per_h(ppm_wet=ppm_wet, flow_scfh_wet=flow_scfh)


def _mass_f26b(*, ppm_dry: Decimal, flow_scfh: Decimal, moisture: Decimal) -> Decimal:
    return f26b_lb_per_h(ppm_dry=ppm_dry, flow_scfh_wet=flow_scfh, moisture_percent=moisture)


_RATE: Final = "lb/mmBtu"
_HEAT: Final = "mmBtu/h"
_MASS: Final = "lb/h"
_FACTOR: Final = "scf/mmBtu"
_ANALYSIS: Final = ("hydrogen", "carbon", "sulphur", "nitrogen", "oxygen")

EQUATIONS: Final = (
    Equation(("19-1", "F-5"), rate_19_1, ("ppm_dry", "fd", "o2_dry"), 3, _RATE),
    Equation(("19-2",), rate_19_2, ("ppm_wet", "fw", "o2_wet", "bwa"), 3, _RATE, ("bwa",)),
    Equation(("19-3",), rate_19_3, ("ppm_wet", "fd", "o2_wet", "moisture"), 3, _RATE),
    Equation(("19-3D",), rate_19_3d, ("ppm_wet", "fd", "o2_cap", "moisture"), 3, _RATE),
    Equation(("19-4",), rate_19_4, ("ppm_wet", "fd", "o2_dry", "moisture"), 3, _RATE),
    Equation(("19-5",), rate_19_5, ("ppm_dry", "fd", "o2_wet", "moisture"), 3, _RATE),
    Equation(("19-6",), rate_19_6, ("ppm_dry", "fc", "co2_dry"), 3, _RATE),
    Equation(("19-7", "F-6"), rate_19_7, ("ppm_wet", "fc", "co2_wet"), 3, _RATE),
    Equation(("19-8",), rate_19_8, ("ppm_wet", "fc", "co2_dry", "moisture"), 3, _RATE),
    Equation(("19-9",), rate_19_9, ("ppm_dry", "fc", "co2_wet", "moisture"), 3, _RATE),
    Equation(("F-15",), heat_f15, ("flow_scfh", "fc", "co2_wet"), 1, _HEAT),
    Equation(("F-16",), heat_f16, ("flow_scfh", "fc", "co2_dry", "moisture"), 1, _HEAT),
    Equation(("F-17",), heat_f17, ("flow_scfh", "fd", "o2_wet", "moisture"), 1, _HEAT),
    Equation(("F-18",), heat_f18, ("flow_scfh", "fd", "o2_dry", "moisture"), 1, _HEAT),
    Equation(("F-24A",), _mass_f24a, ("rate", "heat_input"), 1, _MASS),
    Equation(("F-26A",), _mass_f26a, ("ppm_wet", "flow_scfh"), 1, _MASS),
    Equation(("F-26B",), _mass_f26b, ("ppm_dry", "flow_scfh", "moisture"), 1, _MASS),
    Equation(("F-31",), moisture_f31, ("o2_dry", "o2_wet"), 1, "pct"),
    Equation(("F-14A",), co2_f14a, ("fc", "fd", "o2_dry"), 1, "pct"),
    Equation(("F-14B",), co2_f14b, ("fc", "fd", "o2_wet", "moisture"), 1, "pct"),
    Equation(("F-7A",), fd_f7a, (*_ANALYSIS, "gcv_btu_per_lb"), 1, _FACTOR),
    Equation(("F-7B",), fc_f7b, ("carbon", "gcv_btu_per_lb"), 1, _FACTOR),
)

BY_CODE: Final[Mapping[str, Equation]] = {code: equation for equation in EQUATIONS for code in equation.codes}


def _dry_share(moisture_percent: Decimal) -> Decimal:
    return (100 - moisture_percent) / 100


def _left(denominator: Decimal) -> Decimal:
    if denominator <= 0:
        raise DiluentCapNeeded(f"the denominator is {denominator}; use the diluent cap, method code 14")
    return denominator
