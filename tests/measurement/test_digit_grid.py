"""The grid of an instrument is found from what it says: decimal steps, factors, converters, floats."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.digit_grid import LEARN, LEARN_MAX, Grid, figure_of, learn_grid


def as_f32(value: float) -> Decimal:
    """As a driver decodes a 32-bit float: nine significant digits."""
    (stored,) = struct.unpack(">f", struct.pack(">f", value))
    return Decimal(f"{stored:.9g}")


def figures(values: list[Decimal]) -> set[int]:
    found = [figure_of(value) for value in values]
    return {one[1] for one in found if one is not None}


@pytest.mark.parametrize(
    ("value", "scale", "figure"),
    [
        ("123.4", 2, 123_400),
        ("123.400002", 2, 123_400),  # the same number from a 32-bit float
        ("0.00712345678", -3, 712_346),
        ("999999.7", 6, 100_000),
        ("-50", 1, -500_000),
    ],
)
def test_a_value_is_its_first_six_digits_within_its_power_of_ten(value: str, scale: int, figure: int) -> None:
    assert figure_of(Decimal(value)) == (scale, figure)


def test_zero_has_no_scale() -> None:
    assert figure_of(Decimal("0.00")) is None


def uneven_strides(count: int) -> list[int]:
    """Different whole numbers that rise by 1 to 7."""
    numbers = [0]
    for n in range(count - 1):
        numbers.append(numbers[-1] + 1 + n * n * 5 % 7)
    return numbers


@pytest.mark.parametrize(
    ("name", "values", "step_thousandths"),
    [
        ("tenths", [Decimal(2_000 + k) / 10 for k in uneven_strides(LEARN)], 100_000),
        ("multiples of five", [Decimal(2_000 + 5 * k) for k in uneven_strides(LEARN)], 500_000),
        (
            "tenths in inches of mercury",
            [(Decimal(600) + k) / 10 * Decimal("3.38639") for k in uneven_strides(LEARN)],
            338_639,
        ),
        ("whole kelvins in degC", [1_300 + k - Decimal("273.15") for k in uneven_strides(LEARN)], 100_000),
        ("tenths in a float", [as_f32(200 + k / 10) for k in uneven_strides(LEARN)], 100_000),
        (
            "a converter of 12 bits",
            [as_f32((1_000 + k) * 500 / 4_095) for k in uneven_strides(LEARN)],
            122_100,
        ),
        ("a step of 0.5001", [as_f32((300 + k) * 0.5001) for k in uneven_strides(LEARN)], 500_100),
    ],
)
def test_the_step_of_an_instrument_is_found(name: str, values: list[Decimal], step_thousandths: int) -> None:
    one_scale = [value for value in values if value.adjusted() == values[0].adjusted()]
    assert len(one_scale) == LEARN, name
    grid = learn_grid(figures(one_scale))
    assert grid is not None
    # A step that is no whole number of figures is known to a few of its thousandths.
    assert abs(grid.step_thousandths - step_thousandths) <= step_thousandths // 10_000 + 1, name
    numbers = [grid.step_of(figure) for figure in sorted(figures(one_scale))]
    assert numbers == uneven_strides(LEARN), name


def test_what_lies_on_no_grid_is_taken_by_a_decimal_digit_once_that_is_sure() -> None:
    some = [300_000 + 13 * k + k * k % 7 for k in range(LEARN_MAX)]
    assert learn_grid(some[: LEARN_MAX - 1]) is None
    grid = learn_grid(some)
    assert grid == Grid(500, 1_000_000)  # twenty times ten figures are fewer than a thousand
    assert [grid.step_of(figure) for figure in (299_999, 300_000, 300_999, 301_000)] == [299, 300, 300, 301]


def test_nothing_is_learned_from_few() -> None:
    assert learn_grid(range(100_000, 100_000 + LEARN - 1)) is None


@given(
    step=st.integers(2, 2_000),
    numbers=st.sets(st.integers(0, 400), min_size=LEARN, max_size=LEARN + 50),
    origin=st.integers(-999_999, 999_999),
)
def test_every_whole_step_is_found_and_numbers_what_lies_on_it(
    step: int, numbers: set[int], origin: int
) -> None:
    ordered = sorted(numbers)
    grid = learn_grid([origin + step * number for number in ordered])
    assert grid is not None
    strides = [grid.step_of(origin + step * number) for number in ordered]
    times = grid.step_thousandths // (1_000 * step)
    assert [one * times for one in strides] == [number - ordered[0] for number in ordered]
