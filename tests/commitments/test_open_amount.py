"""Open amounts add and subtract as whole numbers do, and know a debt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.commitments.open_amount import OpenAmount

grams = st.integers(-(2**70), 2**70)


@given(grams, grams)
def test_sums_and_differences_are_exact_and_undo_each_other(one: int, other: int) -> None:
    a, b = OpenAmount(one), OpenAmount(other)
    assert a.plus(b) == b.plus(a) == OpenAmount(one + other)
    assert a.minus(b) == OpenAmount(one - other)
    assert a.plus(b).minus(b) == a
    assert a.minus(b).is_non_negative() == (one >= other)


@pytest.mark.parametrize(("number", "holds"), [(0, True), (1, True), (-1, False), (2**63, True)])
def test_a_debt_is_below_zero(number: int, holds: bool) -> None:
    assert OpenAmount(number).is_non_negative() == holds
    assert OpenAmount(number).disclosed_g() == number


def test_arithmetic_makes_another_amount() -> None:
    amount = OpenAmount(5)
    assert amount.plus(OpenAmount(1)) == OpenAmount(6)
    assert amount.minus(OpenAmount(1)) == OpenAmount(4)
    assert amount == OpenAmount(5)
