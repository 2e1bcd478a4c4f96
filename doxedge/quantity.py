"""Exact amounts of mass, energy, money and time; every rounding has a name.

Wire units (they never change): grams of NOx counted as NO2, watt-hours, cents, milliseconds since 1970 UTC.
No float and no `/` in this file: a quotient is always one of the named roundings below.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NewType

Grams = NewType("Grams", int)
WattHours = NewType("WattHours", int)
Cents = NewType("Cents", int)
Millis = NewType("Millis", int)
Ppb = NewType("Ppb", int)

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

CREDIT_UNIT_G: Final = 1_000
"""One credit is one kilogram; lots and screens use kilograms."""

MAX_AMOUNT_G: Final = 2**40 - 1
"""Grams are committed at 40 bits once amounts are hidden, so open amounts keep the same bound (1.1 million t)."""

MICROGRAMS_PER_POUND: Final = 453_592_370
"""The international avoirdupois pound is exactly 453.59237 g (NIST SP 811, B.8)."""

MICROGRAMS_PER_GRAM: Final = 1_000_000


def round_half_away(numerator: int, denominator: int) -> int:
    """The quotient rounded to the nearest whole number, ties away from zero (EPA's rule for reported values).

    Raises ZeroDivisionError for a denominator of zero.
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    whole = (2 * abs(numerator) + denominator) // (2 * denominator)
    return whole if numerator >= 0 else -whole


def round_down(numerator: int, denominator: int) -> int:
    """The quotient rounded towards minus infinity: what is certainly there."""
    return numerator // denominator


def round_up(numerator: int, denominator: int) -> int:
    """The quotient rounded towards plus infinity: what is certainly enough."""
    return -(-numerator // denominator)


def whole(value: Decimal) -> int:
    """A decimal rounded to a whole number, ties away from zero. Raises ValueError for NaN and infinities."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a number that can be rounded")
    numerator, denominator = value.as_integer_ratio()
    return round_half_away(numerator, denominator)


def grams_from_pounds(pounds: Decimal) -> Grams:
    """Pounds to whole grams, half away from zero. Raises ValueError for NaN and infinities."""
    if not pounds.is_finite():
        raise ValueError(f"{pounds} lb is not a mass")
    numerator, denominator = pounds.as_integer_ratio()
    return Grams(round_half_away(numerator * MICROGRAMS_PER_POUND, denominator * MICROGRAMS_PER_GRAM))


def kilograms_text(grams: int) -> str:
    """Grams as kilograms with three decimals, exactly: 1234567 -> `1234.567`."""
    sign = "-" if grams < 0 else ""
    kilograms, rest = divmod(abs(grams), CREDIT_UNIT_G)
    return f"{sign}{kilograms}.{rest:03d}"
