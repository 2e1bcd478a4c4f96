"""The linearity check of one gas."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.linearity import judge_level
from doxedge.measurement.parameters import Kind
from doxedge.measurement.verdict import worst

PPM, GAS = Kind.CONCENTRATION, Kind.DILUENT


def judged(kind: Kind, reference: str, *measured: str) -> tuple[str, str, str, str]:
    level = judge_level(kind, [Decimal(text) for text in measured], Decimal(reference))
    return (str(level.error_percent), str(level.difference_rounded), level.verdict, f"{level.value:f}")


@pytest.mark.parametrize(
    ("kind", "reference", "measured", "expected"),
    [
        (PPM, "19.880", ("20.9", "21.2", "20.9"), ("5.6", "1", "PASSAPS", "1")),
        (PPM, "489.6", ("470.2", "472.7", "471.7"), ("3.7", "18", "PASSED", "3.7")),
        (GAS, "5.580", ("5.9", "5.9", "5.9"), ("5.7", "0.3", "PASSAPS", "0.3")),
        (GAS, "8.980", ("9.0", "8.9", "9.0"), ("0.1", "0.0", "PASSED", "0.1")),
        # 5.05 rounds away from zero, to 5.1; 5.04 does not
        (PPM, "1000", ("1050.5", "1050.5", "1050.5"), ("5.1", "51", "FAILED", "5.1")),
        (PPM, "1000", ("1050.4", "1050.4", "1050.4"), ("5.0", "50", "PASSED", "5.0")),
        # 5.49 ppm is 5 whole ppm, 5.5 ppm is 6
        (PPM, "50", ("55.49", "55.49", "55.49"), ("11.0", "5", "PASSAPS", "5")),
        (PPM, "50", ("44.5", "44.5", "44.5"), ("11.0", "6", "FAILED", "11.0")),
        # 0.54 % of gas is 0.5, 0.55 is 0.6
        (GAS, "5", ("5.54", "5.54", "5.54"), ("10.8", "0.5", "PASSAPS", "0.5")),
        (GAS, "5", ("5.55", "5.55", "5.55"), ("11.0", "0.6", "FAILED", "11.0")),
        (PPM, "0.001", ("900", "900", "900"), ("9999.9", "900", "FAILED", "9999.9")),
    ],
)
def test_a_level_is_judged_in_epas_order_with_epas_places(
    kind: Kind, reference: str, measured: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert judged(kind, reference, *measured) == expected


def test_the_error_is_that_of_the_unrounded_mean() -> None:
    """Means 95.0495 -> 95.050 with three decimals: 4.9505 % rounds to 5.0 only before."""
    assert judged(PPM, "100", "94.949", "94.950", "94.950")[0] == "5.1"
    level = judge_level(PPM, [Decimal("94.949"), Decimal("94.950"), Decimal("94.950")], Decimal(100))
    assert str(round(level.mean, 3)) == "94.950"  # a plant that rounds here finds 5.05 -> 5.1 as well
    assert judged(PPM, "100", "94.950", "94.950", "94.951")[0] == "5.0"


@given(
    st.sampled_from([PPM, GAS]),
    st.decimals("0.1", 2000, places=3),
    st.lists(st.decimals(0, 2000, places=3), min_size=3, max_size=3),
)
def test_a_level_is_its_twin_in_fractions(kind: Kind, reference: Decimal, measured: list[Decimal]) -> None:
    def half_away(value: Fraction, places: int) -> Fraction:
        scaled = value * 10**places
        return Fraction(int(scaled + Fraction(1, 2)), 10**places)  # nothing here is negative

    mean = Fraction(sum(measured)) / 3
    difference = abs(Fraction(reference) - mean)
    error = min(half_away(100 * difference / Fraction(reference), 1), Fraction("9999.9"))
    rounded = half_away(difference, 0 if kind is PPM else 1)
    by_difference = rounded <= (5 if kind is PPM else Fraction(1, 2))
    verdict = "PASSED" if error <= 5 else "PASSAPS" if by_difference else "FAILED"
    level = judge_level(kind, measured, reference)
    assert (Fraction(level.error_percent), Fraction(level.difference_rounded)) == (error, rounded)
    assert level.verdict == verdict


def test_what_is_no_level_is_refused() -> None:
    with pytest.raises(ValueError, match="2 injections"):
        judge_level(PPM, [Decimal(1)] * 2, Decimal(1))
    with pytest.raises(ValueError, match="no linearity check"):
        judge_level(Kind.FLOW, [Decimal(1)] * 3, Decimal(1))
    with pytest.raises(ValueError, match="is no gas"):
        judge_level(PPM, [Decimal(1)] * 3, Decimal(0))


@pytest.mark.parametrize(
    ("levels", "whole"),
    [
        (("PASSED", "PASSED"), "PASSED"),
        (("PASSED", "PASSAPS"), "PASSAPS"),
        (("FAILED", "PASSAPS"), "FAILED"),
        ((), "PASSED"),
    ],
)
def test_one_level_outside_fails_the_test(levels: tuple[str, ...], whole: str) -> None:
    assert worst(levels) == whole
