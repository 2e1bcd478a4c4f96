"""From the bytes of registers to a decimal value, or to the reason why there is none."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
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


def raw_value(data: bytes, raw_type: RawType, order: Order) -> Decimal | None:
    """The number in the registers, before any scale; None for NaN and the infinities.

    `data` holds exactly the registers of the type. Floats become decimals of 9 or 17 significant digits, so that the
    same bits always give the same decimal; minus zero becomes zero.
    """
    number = struct.unpack(_FORMATS[raw_type], in_order(data, order))[0]
    if isinstance(number, int):
        return Decimal(number)
    if not math.isfinite(number):
        return None
    return EXACT.add(Decimal(f"{number:.{_FLOAT_DIGITS[raw_type]}g}"), _ZERO)


def in_order(data: bytes, order: Order) -> bytes:
    """The bytes of one value with the most significant first."""
    if order in (Order.CDAB, Order.DCBA):
        data = b"".join(data[index : index + 2] for index in range(len(data) - 2, -1, -2))
    if order in (Order.BADC, Order.DCBA):
        data = b"".join(data[index : index + 2][::-1] for index in range(0, len(data), 2))
    return data


def decode(data: bytes, point: Point) -> Decimal | Reason:
    """The value of a point in its canonical unit, or why there is none."""
    raw = raw_value(data, point.type, point.order)
    if raw is None:
        return Reason.NAN
    if raw in point.sentinels:
        # The maker's own way to say `no value`: what NaN is to a float.
        return Reason.NAN
    if point.linear is None:
        return point.conversion.apply(EXACT.fma(raw, point.scale, point.offset))
    broken = _broken_loop(raw, point.linear)
    return broken or point.conversion.apply(point.linear.apply(raw))


def _broken_loop(raw: Decimal, line: Linear) -> Reason | None:
    """NAMUR NE 43: currents outside the band are a fault signal, not a value."""
    if line.bad_below is not None and raw < line.bad_below:
        return Reason.BELOW_RANGE
    if line.bad_above is not None and raw > line.bad_above:
        return Reason.ABOVE_RANGE
    return None
