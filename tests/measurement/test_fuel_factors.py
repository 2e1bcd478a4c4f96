"""F factors by fuel, mixed by heat input, and none that no fuel has."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.fuel_factors import FUELS, PLAUSIBLE, factor, require_plausible


def test_the_table_holds_what_epa_states_and_nothing_implausible() -> None:
    assert FUELS["bituminous"] == {"fd": 9_780, "fc": 1_800, "fw": 10_640}
    assert FUELS["natural_gas"] == {"fd": 8_710, "fc": 1_040, "fw": 10_610}
    assert "fw" not in FUELS["tyres"]
    for known in FUELS.values():
        for name, value in known.items():
            require_plausible(name, value)


def test_fuels_are_mixed_by_their_share_of_the_heat_input() -> None:
    shares = {"bituminous": Decimal("0.75"), "natural_gas": Decimal("0.25")}
    assert factor("fd", shares) == Decimal("9512.5")
    assert factor("fc", {"oil": Decimal(1)}) == 1_420


@pytest.mark.parametrize(
    ("name", "shares", "message"),
    [
        ("fd", {"peat": "1"}, "peat is not a fuel of the table; known are anthracite"),
        ("fw", {"oil": "0.5", "lignite": "0.4"}, "sum to 1; these are oil 0.5, lignite 0.4"),
        ("fw", {"oil": "1.5", "lignite": "-0.5"}, "above zero"),
        ("fd", {}, "these are none"),
        ("fw", {"oil": "0.5", "tyres": "0.5"}, "tyres has no fw in the table; state fw of your own"),
    ],
)
def test_what_makes_no_factor_is_refused(name: str, shares: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        factor(name, {fuel: Decimal(share) for fuel, share in shares.items()})


@pytest.mark.parametrize(
    ("name", "value"), [("fd", "7999.9"), ("fd", "12001"), ("fc", "899"), ("fc", "3001"), ("fw", "13000.1")]
)
def test_a_factor_outside_epas_bounds_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}, and no fuel has that"):
        require_plausible(name, Decimal(value))


@given(st.sampled_from(sorted(FUELS)), st.sampled_from(sorted(FUELS)), st.integers(1, 999))
def test_a_mixture_lies_between_its_fuels(one: str, other: str, thousandths: int) -> None:
    share = Decimal(thousandths).scaleb(-3)
    shares = {one: share, other: 1 - share} if one != other else {one: Decimal(1)}
    for name in ("fd", "fc"):
        low, high = sorted((FUELS[one][name], FUELS[other][name]))
        assert low <= factor(name, shares) <= high
        assert PLAUSIBLE[name][0] <= factor(name, shares) <= PLAUSIBLE[name][1]
