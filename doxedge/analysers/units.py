"""The canonical unit of a quantity is the ending of its name; other units convert to it exactly.

Canonical units are those of the measurement room. A register map states the unit of the register, this file turns it
into the unit in the quantity's name, as `canonical = raw * factor + addend` in decimal arithmetic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Final

from doxedge.measurement.conversion import MG_PER_M3_PER_PPM_NO2

EXACT: Final = Context(prec=34, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Our own decimal context: results must not depend on what another module did to the global one.

34 digits (IEEE 754 decimal128) hold the product of any 64-bit raw value and a factor of 14 digits.
"""

QUANTITY_PATTERN: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Conversion:
    """`canonical = raw * factor + addend`."""

    factor: Decimal
    addend: Decimal = Decimal(0)

    def apply(self, value: Decimal) -> Decimal:
        """The value in the canonical unit."""
        return EXACT.fma(value, self.factor, self.addend)


_SAME: Final = Conversion(Decimal(1))


def _by(factor: str) -> Conversion:
    return Conversion(Decimal(factor))


MG_PER_M3_PER_PPM_NO: Final = EXACT.divide(Decimal("30.0061"), Decimal("22.414"))
"""g/mol over m3/kmol at 0 degC and 101.325 kPa."""

CONVERSIONS: Final[dict[str, dict[str, Conversion]]] = {
    "_ppb": {
        "ppb": _SAME,
        "ppm": _by("1000"),
        # Per m3 at 0 degC and 101.325 kPa; what the milligrams are of must be said. As NO2 by the measurement room's
        # own constant, so that milligrams in and milligrams out are the same number.
        "mg/m3 NO": Conversion(EXACT.divide(Decimal(1000), MG_PER_M3_PER_PPM_NO)),
        "mg/m3 NO2": Conversion(EXACT.divide(Decimal(1000), MG_PER_M3_PER_PPM_NO2)),
    },
    "_percent": {"%": _SAME, "ppm": _by("0.0001"), "fraction": _by("100")},
    "_m3_per_h": {"m3/h": _SAME, "m3/s": _by("3600"), "m3/min": _by("60")},
    "_c": {
        "degC": _SAME,
        "K": Conversion(Decimal(1), Decimal("-273.15")),
        # (F - 32) * 5/9; 34 digits are beyond any instrument's.
        "degF": Conversion(EXACT.divide(Decimal(5), Decimal(9)), EXACT.divide(Decimal(-160), Decimal(9))),
    },
    "_kpa": {
        "kPa": _SAME,
        "Pa": _by("0.001"),
        "hPa": _by("0.1"),
        "mbar": _by("0.1"),
        "bar": _by("100"),
        "mmHg": _by("0.1333224"),  # at 0 degC; NIST SP 811, B.8
        "inHg": _by("3.38639"),  # at 0 degC; NIST SP 811, B.8 has 3.386389
        "psi": _by("6.894757"),  # NIST SP 811, B.8
    },
    "_w": {"W": _SAME, "kW": _by("1000"), "MW": _by("1000000")},
    "_wh": {"Wh": _SAME, "kWh": _by("1000"), "MWh": _by("1000000")},
    "_ma": {"mA": _SAME, "uA": _by("0.001")},
    "_cc_per_min": {"cc/min": _SAME, "l/min": _by("1000")},
    "_v": {"V": _SAME, "mV": _by("0.001")},
    "_hz": {"Hz": _SAME},
}
"""Ending of a quantity's name -> unit of a register -> how to convert."""


def ending_of(quantity: str) -> str:
    """The unit ending of a quantity's name. ValueError when it has none, with the endings there are."""
    if not QUANTITY_PATTERN.fullmatch(quantity):
        raise ValueError(f"{quantity!r} is not lower case words joined by `_`, as in `nox_ppb`")
    for ending in sorted(CONVERSIONS, key=len, reverse=True):
        if quantity.endswith(ending):
            return ending
    raise ValueError(f"{quantity!r} does not end in a unit; endings are {', '.join(sorted(CONVERSIONS))}")


def conversion(quantity: str, raw_unit: str) -> Conversion:
    """How a register in `raw_unit` becomes `quantity`. ValueError when it cannot, with the units that can."""
    units = CONVERSIONS[ending_of(quantity)]
    if raw_unit not in units:
        raise ValueError(f"{raw_unit!r} does not convert to {quantity}; units that do are {', '.join(units)}")
    return units[raw_unit]
