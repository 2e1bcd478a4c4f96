"""Bias factors: what a test gives, from when on, and the mass with them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.bias_factor import (
    BiasFactor,
    LowEmitter,
    adjusted_g,
    factor_at,
    factor_text,
    require_ordered,
)
from doxedge.quantity import HOUR_MS, Grams
from tests.measurement.readings import HOUR


def bias(factor: str, *, hours: int = 0, low_emitter: LowEmitter | None = None) -> BiasFactor:
    return BiasFactor(factor=Decimal(factor), since_ms=HOUR + hours * HOUR_MS, low_emitter=low_emitter)


def test_the_latest_factor_that_has_begun_counts() -> None:
    factors = [bias("1.052"), bias("1.000", hours=2), bias("1.111", hours=5)]
    found = [factor_at(factors, HOUR + hours * HOUR_MS) for hours in range(-1, 7)]
    assert [None if one is None else str(one) for one in found] == [
        None, "1.052", "1.052", "1.000", "1.000", "1.000", "1.111", "1.111",
    ]  # fmt: skip


def test_only_a_low_emitter_caps_its_factor() -> None:
    low = LowEmitter(reference_mean=Decimal("0.009"), unit="lb/mmBtu")
    assert bias("1.125").applied == Decimal("1.125")
    assert bias("1.125", low_emitter=low).applied == Decimal("1.111")
    assert bias("1.052", low_emitter=low).applied == Decimal("1.052")


@pytest.mark.parametrize(
    ("mean", "unit", "message"),
    [
        ("0.201", "lb/mmBtu", "a mean of 0.201 lb/mmBtu is not one of 0 to 0.200"),
        ("250.1", "ppm", "is not one of 0 to 250"),
        ("-1", "ppm", "is not one of 0 to 250"),
        ("5", "mg/m3", "'mg/m3' is not lb/mmBtu or ppm"),
    ],
)
def test_the_condition_of_the_cap_is_held_to(mean: str, unit: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LowEmitter(reference_mean=Decimal(mean), unit=unit)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"factor": Decimal("0.999")}, "never lowers emissions"),
        ({"factor": Decimal("10.001")}, "1.000 to 10"),
        ({"factor": Decimal("1.0525")}, "has three decimals"),
        ({"since_ms": HOUR + 1}, "from the beginning of an hour"),
    ],
)
def test_a_factor_that_no_test_gives_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BiasFactor(**{"factor": Decimal("1.052"), "since_ms": HOUR, **wrong})


@pytest.mark.parametrize("hours", [(0, 0), (2, 1)])
def test_factors_stand_in_the_order_of_their_times(hours: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="in the order of their times"):
        require_ordered([bias("1.052", hours=hour) for hour in hours])
    require_ordered([])


@pytest.mark.parametrize(
    ("grams", "factor", "adjusted"),
    [(1_000, "1.052", 1_052), (500, "1.001", 501), (499, "1.001", 499), (0, "1.5", 0)],
)
def test_the_adjusted_mass_is_rounded_half_away_from_zero(grams: int, factor: str, adjusted: int) -> None:
    assert adjusted_g(Grams(grams), Decimal(factor)) == adjusted


def test_a_factor_is_told_with_three_decimals() -> None:
    assert [factor_text(Decimal(text)) for text in ("1", "1.05", "1.052", "10")] == [
        "1.000", "1.050", "1.052", "10.000",
    ]  # fmt: skip


@given(st.integers(0, 10**12), st.integers(1_000, 10_000))
def test_a_factor_never_lowers_a_mass_and_anybody_can_compute_it_again(grams: int, thousandths: int) -> None:
    adjusted = adjusted_g(Grams(grams), Decimal(thousandths).scaleb(-3))
    assert adjusted >= grams
    assert adjusted == (grams * thousandths + 500) // 1_000
