"""From the bytes of registers to a decimal value, or to the reason why there is none."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
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
_ZERO_OF_NO_PLACE: Final = Decimal("0E+999")
"""A sum has the smaller of two exponents, and no value has one as large."""
_NOTHING: Final = (Decimal(1), _ZERO)
"""What a line of slope one through zero does."""
_BYTES_SWAPPED: Final = (Order.BADC, Order.DCBA)

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
    if _is_only_scaled(point):
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


def block_decoder(placed: Sequence[tuple[int, Point]]) -> Callable[[bytes], list[Decimal]] | None:
    """The function that decodes these points of one answer at once, in their order; None where it takes more than that.

    Each comes with its offset in bytes. They are whole numbers that are only scaled, high byte first, one behind the
    other: so does a list of a hundred registers look, and value by value it costs four times as much.
    """
    layout, end = ">", 0
    for offset, point in placed:
        in_place = point.order is Order.ABCD or point.type in (RawType.U16, RawType.I16)
        if not _is_only_scaled(point) or not in_place or point.order in _BYTES_SWAPPED or offset < end:
            return None
        layout += f"{offset - end}x{_FORMATS[point.type][1:]}"
        end = offset + struct.calcsize(_FORMATS[point.type])
    unpack = struct.Struct(layout).unpack_from
    lines = [[(point.scale, point.offset) for _, point in placed]]
    lines += [[(point.conversion.factor, point.conversion.addend) for _, point in placed]]
    steps = [_columns(line) for line in lines if any(pair != _NOTHING for pair in line)]

    def read(data: bytes) -> list[Decimal]:
        values = [*map(Decimal, unpack(data))]
        for factors, addends in steps:
            values = [*map(EXACT.fma, values, factors, addends)]
        return values

    return read


def _columns(line: Sequence[tuple[Decimal, Decimal]]) -> tuple[list[Decimal], list[Decimal]]:
    """Factors and addends; where nothing is to be done a zero is added that leaves the value's exponent alone."""
    pairs = [(Decimal(1), _ZERO_OF_NO_PLACE) if pair == _NOTHING else pair for pair in line]
    return [factor for factor, _ in pairs], [addend for _, addend in pairs]


def _is_only_scaled(point: Point) -> bool:
    """Whether the raw number is whole, and whatever it is, it is a value."""
    return not (point.type in _FLOAT_DIGITS or point.power is not None or point.linear or point.sentinels)


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
