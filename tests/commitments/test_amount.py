"""An amount on the wire is a suite and a number; everything else is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.commitments.amount import OPEN_SUITE, Amount, UnknownSuite, parse, unparse
from doxedge.commitments.open_amount import OpenAmount
from doxedge.signing import canonical


@pytest.mark.parametrize("grams", [0, 1, -1, 2**40 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)])
def test_any_number_of_the_wire_is_read_and_its_bounds_are_left_to_the_rules(grams: int) -> None:
    value = canonical.decode(canonical.encode([OPEN_SUITE, grams]))
    amount = parse(value)
    assert amount == OpenAmount(grams)
    assert amount.is_non_negative() == (grams >= 0)
    assert list(unparse(amount)) == value


@pytest.mark.parametrize("suite", [1, 2, -1, 2**63])
def test_a_suite_that_is_not_in_force_is_refused_by_its_number(suite: int) -> None:
    with pytest.raises(UnknownSuite, match=f"suite {suite} are not in force"):
        parse([suite, 5])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(5, id="a number alone"),
        pytest.param(None, id="null"),
        pytest.param([], id="nothing"),
        pytest.param([0], id="a suite alone"),
        pytest.param([0, 5, 5], id="three items"),
        pytest.param([False, 5], id="false for suite 0"),
        pytest.param([0, True], id="true for one gram"),
        pytest.param([0, None], id="null for grams"),
        pytest.param([0, "5"], id="text for grams"),
        pytest.param([0, b"\x05"], id="bytes for grams"),
        pytest.param([0, 5.0], id="a float for grams"),
        pytest.param([0, [5]], id="an array for grams"),
        pytest.param(["0", 5], id="text for the suite"),
        pytest.param("05", id="two characters"),
        pytest.param(b"\x00\x05", id="two bytes"),
    ],
)
def test_another_shape_is_no_amount(value: object) -> None:
    with pytest.raises(ValueError, match=r"an amount is \[suite, grams\]") as refusal:
        parse(value)
    assert not isinstance(refusal.value, UnknownSuite)


@given(st.integers(-(2**63), 2**64 - 1))
def test_what_is_written_is_read_back(grams: int) -> None:
    assert parse(list(unparse(OpenAmount(grams)))) == OpenAmount(grams)


def test_an_open_amount_is_an_amount() -> None:
    amount: Amount = OpenAmount(5)
    assert amount.disclosed_g() == 5
