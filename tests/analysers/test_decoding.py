"""Bytes of registers become the number they are, or no number."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.batches import Span
from doxedge.analysers.decoding import block_decoder, decode, decoder, in_order, raw_value
from doxedge.analysers.profile import Linear, Order, Point, PointLimits, RawType
from doxedge.analysers.question import Function
from doxedge.analysers.units import conversion
from doxedge.measurement.sample import Reason


def point(
    *,
    raw_type: RawType = RawType.F32,
    order: Order = Order.ABCD,
    scale: str = "1",
    offset: str = "0",
    linear: Linear | None = None,
    sentinels: tuple[int, ...] = (),
    unit: str = "ppb",
) -> Point:
    return Point(
        quantity="nox_ppb",
        group="gas",
        span=Span(Function.INPUT_REGISTERS, 0, raw_type.registers),
        type=raw_type,
        order=order,
        scale=Decimal(scale),
        offset=Decimal(offset),
        linear=linear,
        conversion=conversion("nox_ppb", unit),
        sentinels=tuple(map(Decimal, sentinels)),
        limits=PointLimits(),
    )


LOOP = Linear(Decimal(4_000), Decimal(20_000), Decimal(0), Decimal(500), Decimal(3_600), Decimal(21_000))


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        (Order.ABCD, "41833333"),
        (Order.CDAB, "33334183"),
        (Order.BADC, "83413333"),
        (Order.DCBA, "33338341"),
    ],
)
def test_the_four_orders_of_a_float_on_known_bytes(order: Order, wire: str) -> None:
    """16.4 is 0x41833333."""
    assert raw_value(bytes.fromhex(wire), RawType.F32, order) == Decimal("16.3999996")


def test_wrong_words_give_a_plausible_number_which_is_why_the_order_is_stated() -> None:
    found = raw_value(bytes.fromhex("33334183"), RawType.F32, Order.ABCD)
    assert found is not None
    assert 0 < found < Decimal("1e-6")


@pytest.mark.parametrize(
    ("raw_type", "wire", "value"),
    [
        (RawType.U16, "ffff", 65_535),
        (RawType.I16, "ffff", -1),
        (RawType.U32, "ffffffff", 4_294_967_295),
        (RawType.I32, "80000000", -2_147_483_648),
        (RawType.U64, "ffffffffffffffff", 18_446_744_073_709_551_615),
        (RawType.I64, "ffffffffffffffff", -1),
        (RawType.F64, "3fb999999999999a", Decimal("0.10000000000000001")),
    ],
)
def test_whole_numbers_and_doubles(raw_type: RawType, wire: str, value: int | Decimal) -> None:
    assert raw_value(bytes.fromhex(wire), raw_type, Order.ABCD) == value


@pytest.mark.parametrize("wire", ["7fc00000", "7f800000", "ff800000", "7f800001", "ffffffff"])
def test_nan_and_infinity_are_no_value(wire: str) -> None:
    assert decode(bytes.fromhex(wire), point()) is Reason.NAN


def test_minus_zero_is_zero() -> None:
    assert str(raw_value(bytes.fromhex("80000000"), RawType.F32, Order.ABCD)) == "0"


@pytest.mark.parametrize("value", [9_999, -1])
def test_a_sentinel_is_no_value(value: int) -> None:
    wire = struct.pack(">i", value)
    assert decode(wire, point(raw_type=RawType.I32, sentinels=(9_999, -1))) is Reason.NAN
    assert (
        decode(struct.pack(">i", value + 1), point(raw_type=RawType.I32, sentinels=(9_999, -1))) == value + 1
    )


def test_scale_comes_before_offset_and_the_unit_last() -> None:
    assert decode(b"\x00\x64", point(raw_type=RawType.I16, scale="0.1", offset="5", unit="ppm")) == 15_000


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        (4_000, Decimal(0)),
        (20_000, Decimal(500)),
        (12_000, Decimal(250)),
        (3_600, Decimal("-12.5")),
        (21_000, Decimal("531.25")),
        (3_599, Reason.BELOW_RANGE),
        (0, Reason.BELOW_RANGE),
        (21_001, Reason.ABOVE_RANGE),
    ],
)
def test_a_current_loop_is_a_line_with_broken_ends(counts: int, found: Decimal | Reason) -> None:
    assert decode(struct.pack(">h", counts), point(raw_type=RawType.I16, linear=LOOP)) == found


@given(st.binary(min_size=4, max_size=4), st.sampled_from(Order))
def test_any_four_bytes_are_a_number_or_no_value(wire: bytes, order: Order) -> None:
    found = decode(wire, point(order=order))
    assert found in (Reason.NAN, Reason.RANGE) or (isinstance(found, Decimal) and found.is_finite())


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_survives_as_a_decimal(number: float) -> None:
    found = raw_value(struct.pack(">f", number), RawType.F32, Order.ABCD)
    assert found is not None
    assert struct.pack(">f", float(found)) == struct.pack(">f", number or 0.0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_survives_as_a_decimal(number: float) -> None:
    found = raw_value(struct.pack(">d", number), RawType.F64, Order.ABCD)
    assert found is not None
    assert math.isclose(float(found), number, rel_tol=0, abs_tol=0)


@given(st.binary(min_size=8, max_size=8), st.sampled_from(Order))
def test_an_order_is_its_own_reverse(wire: bytes, order: Order) -> None:
    assert in_order(in_order(wire, order), order) == wire


WHOLE = [RawType.U16, RawType.I16, RawType.U32, RawType.I32, RawType.U64, RawType.I64]


@given(data=st.binary(min_size=8, max_size=8), raw_type=st.sampled_from(WHOLE), order=st.sampled_from(Order),
       scale=st.sampled_from(["1", "0.1", "0.001", "1000", "-2.5", "1E+3"]),
       offset=st.sampled_from(["0", "-40", "0.5"]), unit=st.sampled_from(["ppb", "ppm", "mg/m3 NO2"]))  # fmt: skip
def test_a_scaled_whole_number_takes_no_other_road_to_another_value(
    data: bytes, raw_type: RawType, order: Order, scale: str, offset: str, unit: str
) -> None:
    """A sentinel that no register holds sends the same point through every step."""
    data = data[: 2 * raw_type.registers]
    quick = decode(data, point(raw_type=raw_type, order=order, scale=scale, offset=offset, unit=unit))
    whole = decode(
        data,
        point(raw_type=raw_type, order=order, scale=scale, offset=offset, unit=unit, sentinels=(-(2**70),)),
    )
    assert str(quick) == str(whole)


blocks = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(WHOLE),
        st.sampled_from(["1", "1.0", "0.1", "1000", "-2.5", "1E+3"]),
        st.sampled_from(["0", "-40", "1E+2"]),
        st.sampled_from(["ppb", "ppm", "mg/m3 NO2"]),
    ),
    min_size=1,
    max_size=6,
)
"""Of each value how many registers lie before it, and how it is decoded."""


@given(blocks, st.data())
def test_whole_numbers_of_an_answer_are_decoded_at_once_as_one_by_one(
    block: list[tuple[int, RawType, str, str, str]], drawn: st.DataObject
) -> None:
    placed, end = [], 0
    for gap, raw_type, scale, offset, unit in block:
        order = Order.CDAB if raw_type.registers == 1 else Order.ABCD  # no words, nothing to swap
        placed.append(
            (end + 2 * gap, point(raw_type=raw_type, order=order, scale=scale, offset=offset, unit=unit))
        )
        end += 2 * (gap + raw_type.registers)
    data = drawn.draw(st.binary(min_size=end + 2, max_size=end + 2))
    read = block_decoder(placed)
    assert read is not None
    one_by_one = [decoder(one)(data[first : first + 2 * one.type.registers], b"") for first, one in placed]
    assert [*map(str, read(data))] == [*map(str, one_by_one)]


@pytest.mark.parametrize(
    "odd",
    [
        point(raw_type=RawType.F32),
        point(raw_type=RawType.U32, order=Order.CDAB),
        point(raw_type=RawType.U16, order=Order.BADC),
        point(raw_type=RawType.U16, sentinels=(65_535,)),
        point(raw_type=RawType.U16, linear=LOOP),
    ],
)
def test_what_takes_more_than_a_scale_is_decoded_by_itself(odd: Point) -> None:
    plain = point(raw_type=RawType.U16)
    assert block_decoder([(0, plain), (2, plain)]) is not None
    assert block_decoder([(0, plain), (2, odd)]) is None
    assert block_decoder([(2, plain), (0, plain)]) is None
    assert block_decoder([(0, plain), (0, plain)]) is None
