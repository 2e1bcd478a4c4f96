"""From the bytes of registers to a decimal value, or to the reason why there is none."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Final

from doxedge.analysers.profile import Linear, Order, Point, RawType
from doxedge.analysers.units import EXACT
from doxedge.measurement.sample import Reason

_FORMATS: Final = {
    RawType.U16: ">H",
    RawType.I16: ">h",
    RawType.U32: ">I",
    RawType.I32: ">i",
    RawType.U64: ">Q",
    RawType.I64: ">q",
    RawType.F32: ">f",
    RawType.F64: ">d",
}

_FLOAT_DIGITS: Final = {RawType.F32: 9, RawType.F64: 17}
"""Significant digits that tell every float of the width from its neighbours (IEEE 754-2019, 5.12.2)."""

_ZERO: Final = Decimal(0)

SMALLEST_FLOAT: Final = Decimal("1e-6")
"""No instrument of a plant resolves so little, in whatever unit its register is, so what is smaller and not zero is no
measurement. Half of all floats whose words or bytes are in the wrong order are: 16.4 comes out as 2e-19, and would pass
every range that has a zero in it."""

POWER_MAX: Final = 10
"""SunSpec's scale factors lie within -10 and 10 (SunSpec Information Model Specification, sunssf)."""


def raw_value(data: bytes, raw_type: RawType, order: Order) -> Decimal | None:
    """The number in the registers, before any scale; None for NaN and the infinities.

    `data` holds exactly the registers of the type. Floats become decimals of 9 or 17 significant digits, so that the
    same bits always give the same decimal; minus zero becomes zero.
    """
    return _raw_reader(raw_type, order)(data)


@cache
def _raw_reader(raw_type: RawType, order: Order) -> Callable[[bytes], Decimal | None]:
    """How registers of this type and order are read, worked out once."""
    unpack = struct.Struct(_FORMATS[raw_type]).unpack
    digits = _FLOAT_DIGITS.get(raw_type)

    def read(data: bytes) -> Decimal | None:
        (number,) = unpack(data if order is Order.ABCD else in_order(data, order))
        if digits is None:
            return Decimal(number)
        if not math.isfinite(number):
            return None
        return EXACT.add(Decimal(f"{number:.{digits}g}"), _ZERO)

    return read


def in_order(data: bytes, order: Order) -> bytes:
    """The bytes of one value with the most significant first."""
    if order in (Order.CDAB, Order.DCBA):
        data = b"".join(data[index : index + 2] for index in range(len(data) - 2, -1, -2))
    if order in (Order.BADC, Order.DCBA):
        data = b"".join(data[index : index + 2][::-1] for index in range(0, len(data), 2))
    return data


def decode(data: bytes, point: Point, *, power: bytes = b"") -> Decimal | Reason:
    """The value of a point in its canonical unit, or why there is none.

    `power` is the register with its power of ten, where the point has one.
    """
    return decoder(point)(data, power)


def decoder(point: Point) -> Callable[[bytes, bytes], Decimal | Reason]:
    """The function that decodes this point: a gateway reads some thousands a second, and the map stays the same."""
    read_raw, convert = _raw_reader(point.type, point.order), point.conversion.apply
    sentinels, linear, scale, offset = point.sentinels, point.linear, point.scale, point.offset
    is_float, has_power = point.type in _FLOAT_DIGITS, point.power is not None
    if not (is_float or has_power or linear or sentinels):
        return _whole_number(point)

    def read(data: bytes, power: bytes) -> Decimal | Reason:
        raw = read_raw(data)
        if raw is None or raw in sentinels:
            # A sentinel is the maker's own way to say `no value`: what NaN is to a float.
            return Reason.NAN
        if is_float and abs(raw) < SMALLEST_FLOAT and raw:
            return Reason.RANGE
        if has_power:
            exponent = int.from_bytes(power, "big", signed=True)
            if abs(exponent) > POWER_MAX:
                # 0x8000 says that the device has no scale for this value; others are none of SunSpec's.
                return Reason.NAN
            raw = EXACT.scaleb(raw, exponent)
        if linear is None:
            return convert(EXACT.fma(raw, scale, offset))
        return _broken_loop(raw, linear) or convert(linear.apply(raw))

    return read


def _whole_number(point: Point) -> Callable[[bytes, bytes], Decimal | Reason]:
    """The same for a whole number that is only scaled, as most values of a list are: no step that does nothing."""
    unpack, order = struct.Struct(_FORMATS[point.type]).unpack, point.order
    conversion, scale, offset = point.conversion, point.scale, point.offset
    is_scaled = scale != 1 or offset != 0
    is_converted = conversion.factor != 1 or conversion.addend != 0
    fma, factor, addend, swapped = EXACT.fma, conversion.factor, conversion.addend, order is not Order.ABCD

    def read(data: bytes, _: bytes) -> Decimal | Reason:
        (number,) = unpack(in_order(data, order) if swapped else data)
        value = Decimal(number)
        if is_scaled:
            value = fma(value, scale, offset)
        return fma(value, factor, addend) if is_converted else value

    return read


def _broken_loop(raw: Decimal, line: Linear) -> Reason | None:
    """NAMUR NE 43: currents outside the band are a fault signal, not a value."""
    if line.bad_below is not None and raw < line.bad_below:
        return Reason.BELOW_RANGE
    if line.bad_above is not None and raw > line.bad_above:
        return Reason.ABOVE_RANGE
    return None
