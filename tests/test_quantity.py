"""Every rounding has a name, and says what the decimal arithmetic of the schoolbook says."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.quantity import (
    CREDIT_UNIT_G,
    DAY_MS,
    HOUR_MS,
    MAX_AMOUNT_G,
    MICROGRAMS_PER_POUND,
    MINUTE_MS,
    grams_from_pounds,
    kilograms_text,
    round_down,
    round_half_away,
    round_up,
    whole,
)

numerators = st.integers(-(10**30), 10**30)
denominators = st.integers(-(10**12), 10**12).filter(bool)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9)


def by_decimal(numerator: int, denominator: int, rounding: str) -> int:
    """The twin: a quotient with so many digits that only an exact tie looks like one."""
    with localcontext() as context:
        context.prec = 120
        return int((Decimal(numerator) / Decimal(denominator)).to_integral_value(rounding))


@pytest.mark.parametrize(
    ("numerator", "denominator", "down", "half_away", "up"),
    [
        pytest.param(0, 1, 0, 0, 0, id="nothing"),
        pytest.param(0, -7, 0, 0, 0, id="nothing of a negative"),
        pytest.param(1, 2, 0, 1, 1, id="a half"),
        pytest.param(-1, 2, -1, -1, 0, id="minus a half"),
        pytest.param(1, -2, -1, -1, 0, id="a half with the sign below"),
        pytest.param(-1, -2, 0, 1, 1, id="a half with both signs"),
        pytest.param(3, 2, 1, 2, 2, id="one and a half"),
        pytest.param(5, 2, 2, 3, 3, id="two and a half: not to the even"),
        pytest.param(-5, 2, -3, -3, -2, id="minus two and a half"),
        pytest.param(49, 100, 0, 0, 1, id="just under a half"),
        pytest.param(51, 100, 0, 1, 1, id="just over a half"),
        pytest.param(-51, 100, -1, -1, 0, id="just under minus a half"),
        pytest.param(1, 3, 0, 0, 1, id="a third, odd denominator"),
        pytest.param(2, 3, 0, 1, 1, id="two thirds"),
        pytest.param(6, 3, 2, 2, 2, id="without rest"),
        pytest.param(2**63, 1, 2**63, 2**63, 2**63, id="2^63"),
        pytest.param(2**64 + 1, 2, 2**63, 2**63 + 1, 2**63 + 1, id="a tie that a float would lose"),
        pytest.param(10**40 + 1, 10**40, 1, 1, 2, id="a rest that a float would lose"),
    ],
)
def test_a_quotient_is_rounded_as_its_name_says(
    numerator: int, denominator: int, down: int, half_away: int, up: int
) -> None:
    assert round_down(numerator, denominator) == down
    assert round_half_away(numerator, denominator) == half_away
    assert round_up(numerator, denominator) == up


@given(numerators, denominators)
def test_every_rounding_is_that_of_decimal(numerator: int, denominator: int) -> None:
    assert round_half_away(numerator, denominator) == by_decimal(numerator, denominator, ROUND_HALF_UP)
    assert round_down(numerator, denominator) == by_decimal(numerator, denominator, ROUND_FLOOR)
    assert round_up(numerator, denominator) == by_decimal(numerator, denominator, ROUND_CEILING)


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**10))
def test_ties_go_away_from_zero_on_both_sides(quotient: int, half: int) -> None:
    denominator = 2 * half
    tie = quotient * denominator + half
    assert round_half_away(tie, denominator) == (quotient + 1 if tie > 0 else quotient)
    assert round_half_away(-tie, denominator) == -round_half_away(tie, denominator)


@given(numerators, denominators)
def test_the_roundings_enclose_the_quotient(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    down, up = round_down(numerator, denominator), round_up(numerator, denominator)
    assert down <= exact <= up
    assert up - down == (0 if exact.denominator == 1 else 1)
    assert abs(round_half_away(numerator, denominator) - exact) <= Fraction(1, 2)


@pytest.mark.parametrize("numerator", [-1, 0, 1])
def test_nothing_is_divided_by_zero(numerator: int) -> None:
    for rounding in (round_down, round_half_away, round_up):
        with pytest.raises(ZeroDivisionError):
            rounding(numerator, 0)


@given(decimals)
def test_a_decimal_becomes_whole_half_away_from_zero(value: Decimal) -> None:
    assert whole(value) == int(value.to_integral_value(ROUND_HALF_UP))


@given(decimals)
def test_pounds_become_grams_with_one_rounding(pounds: Decimal) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = pounds * Decimal("453.59237")
    assert grams_from_pounds(pounds) == int(exact.to_integral_value(ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("pounds", "grams"),
    [
        pytest.param("0", 0, id="none"),
        pytest.param("-0", 0, id="minus none"),
        pytest.param("1", 454, id="one: 453.59"),
        pytest.param("1631.656", 740_107, id="an hour of a coal boiler"),
        pytest.param("100000", 45_359_237, id="without rest"),
        pytest.param("0.0011", 0, id="0.499 g"),
        pytest.param("0.00110232", 1, id="0.5000039 g"),
        pytest.param("-1", -454, id="less than none"),
        pytest.param("1E+3", 453_592, id="with an exponent"),
    ],
)
def test_pounds_of_a_file_become_these_grams(pounds: str, grams: int) -> None:
    assert grams_from_pounds(Decimal(pounds)) == grams


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_neither_rounded_nor_weighed(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        whole(Decimal(text))
    with pytest.raises(ValueError, match="not a mass"):
        grams_from_pounds(Decimal(text))


@pytest.mark.parametrize(
    ("grams", "text"),
    [(0, "0.000"), (1, "0.001"), (-1, "-0.001"), (999, "0.999"), (1_000, "1.000"), (1_234_567, "1234.567"),
     (-1_000, "-1.000"), (2**63, "9223372036854775.808"), (MAX_AMOUNT_G, "1099511627.775")],
)  # fmt: skip
def test_grams_are_shown_as_kilograms_exactly(grams: int, text: str) -> None:
    assert kilograms_text(grams) == text


@given(st.integers(-(2**70), 2**70))
def test_the_text_of_kilograms_loses_no_gram(grams: int) -> None:
    assert Fraction(kilograms_text(grams)) * CREDIT_UNIT_G == grams


def test_the_fixed_figures_are_those_of_their_sources() -> None:
    assert (MINUTE_MS, HOUR_MS, DAY_MS) == (60_000, 3_600_000, 86_400_000)
    assert Fraction(MICROGRAMS_PER_POUND, 10**6) == Fraction("453.59237")
    assert MAX_AMOUNT_G == 1_099_511_627_775
    assert CREDIT_UNIT_G == 1_000
