"""F factors: how much gas a fuel makes for each mmBtu of its heat (40 CFR 75, Appendix F, table 1; Method 19).

    Fd   dry gas at no excess air, dscf/mmBtu
    Fc   carbon dioxide, scf CO2/mmBtu
    Fw   wet gas at no excess air, wscf/mmBtu; the table leaves it out where the fuel's own water varies too much

scf is at 68 degF and 29.92 inHg.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from doxedge.measurement.part75 import mixed_f8


def _factors(fd: int, fc: int, fw: int | None = None) -> Mapping[str, Decimal]:
    known = {"fd": Decimal(fd), "fc": Decimal(fc)}
    return known if fw is None else {**known, "fw": Decimal(fw)}


FUELS: Final[Mapping[str, Mapping[str, Decimal]]] = {
    "anthracite": _factors(10_100, 1_970, 10_540),
    "bituminous": _factors(9_780, 1_800, 10_640),
    "sub_bituminous": _factors(9_820, 1_840),
    "lignite": _factors(9_860, 1_910, 11_950),
    "petroleum_coke": _factors(9_830, 1_850),
    "tyres": _factors(10_260, 1_800),
    "natural_gas": _factors(8_710, 1_040, 10_610),
    "propane": _factors(8_710, 1_190, 10_200),
    "butane": _factors(8_710, 1_250, 10_390),
    "oil": _factors(9_190, 1_420, 10_320),
    "municipal_waste": _factors(9_570, 1_820),
    "bark": _factors(9_600, 1_920),
    "wood_residue": _factors(9_240, 1_830),
}

PLAUSIBLE: Final[Mapping[str, tuple[int, int]]] = {
    "fd": (8_000, 12_000),
    "fc": (900, 3_000),
    "fw": (9_000, 13_000),
}
"""EPA's own bounds; a factor outside them belongs to no fuel, or to another unit."""


def factor(name: str, shares: Mapping[str, Decimal]) -> Decimal:
    """A factor (`fd`, `fc`, `fw`) of fuels by their share of the heat input (F-8).

    Raises ValueError for an unknown fuel, for one that has no such factor, and for shares that are not one whole.
    """
    unknown = sorted(set(shares) - set(FUELS))
    if unknown:
        raise ValueError(f"{unknown[0]} is not a fuel of the table; known are {', '.join(FUELS)}")
    if any(share <= 0 for share in shares.values()) or sum(shares.values()) != 1:
        told = ", ".join(f"{fuel} {share}" for fuel, share in shares.items())
        raise ValueError(f"shares of the heat input are above zero and sum to 1; these are {told or 'none'}")
    without = [fuel for fuel in shares if name not in FUELS[fuel]]
    if without:
        raise ValueError(f"{without[0]} has no {name} in the table; state {name} of your own")
    return mixed_f8({fuel: FUELS[fuel][name] for fuel in shares}, shares)


def require_plausible(name: str, value: Decimal) -> None:
    """Raises ValueError for a factor that no fuel has."""
    low, high = PLAUSIBLE[name]
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, and no fuel has that: it must be {low} to {high}")
