"""The parameters that EPA's reports name, and what the rules make depend on them: rounding places and kinds of limits.

Rounding is half away from zero (EPA's check engine); a place of -3 means whole thousands.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

from doxedge.measurement.conversion import reported


class Kind(Enum):
    """Which limits apply to a parameter."""

    RATE = "NOx rate, lb/mmBtu"
    CONCENTRATION = "NOx or SO2, ppm"
    DILUENT = "CO2 or O2, percent"
    MOISTURE = "H2O, percent"
    FLOW = "stack flow, scfh"


KINDS: Final[Mapping[str, Kind]] = {
    "NOXR": Kind.RATE,
    "NOX": Kind.RATE,
    "NOXP": Kind.RATE,
    "NOXC": Kind.CONCENTRATION,
    "SO2C": Kind.CONCENTRATION,
    "SO2": Kind.CONCENTRATION,
    "CO2C": Kind.DILUENT,
    "CO2": Kind.DILUENT,
    "O2C": Kind.DILUENT,
    "O2D": Kind.DILUENT,
    "O2W": Kind.DILUENT,
    "O2": Kind.DILUENT,
    "H2O": Kind.MOISTURE,
    "H2OM": Kind.MOISTURE,
    "H2OT": Kind.MOISTURE,
    "FLOW": Kind.FLOW,
}

PLACES: Final[Mapping[Kind, int]] = {
    Kind.RATE: 3,
    Kind.CONCENTRATION: 1,
    Kind.DILUENT: 1,
    Kind.MOISTURE: 1,
    Kind.FLOW: -3,
}
"""Decimals of a reported hourly value."""


def fixed(value: Decimal, places: int) -> str:
    """A value as reports show it: so many decimals, ties away from zero, no exponent, no minus before a zero."""
    rounded = reported(value, places=places)
    return f"{abs(rounded) if rounded == 0 else rounded:f}"
