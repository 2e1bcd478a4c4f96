"""Sum over sum, and never the mean of ratios."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.specific_emission import SpecificEmission, StatedHour, specific_emission

MWH = 1_000_000
HOURS = [
    StatedHour(16_328, 100 * MWH),
    StatedHour(5_000, 0),  # a start without generation
    StatedHour(4_000, 10 * MWH, is_start_stop=True),
    StatedHour(None, 90 * MWH),
]


def test_an_hour_without_energy_has_a_mass_that_counts() -> None:
    found = specific_emission(HOURS)
    assert found == SpecificEmission(3, 1, 0, 25_328, 110 * MWH)
    assert found.kg_per_mwh == Decimal("0.2303")


def test_a_rule_may_leave_start_up_out_of_both() -> None:
    found = specific_emission(HOURS, without_start_stop=True)
    assert (found.hours, found.left_out, found.nox_g, found.energy_wh) == (2, 1, 21_328, 100 * MWH)
    assert found.kg_per_mwh == Decimal("0.2133")


@pytest.mark.parametrize("energy_wh", [0, -5])
def test_nothing_generated_has_no_ratio(energy_wh: int) -> None:
    assert specific_emission([StatedHour(7, energy_wh)]).kg_per_mwh is None


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**9)), min_size=1, max_size=20))
def test_a_stranger_finds_the_same(hours: list[tuple[int, int]]) -> None:
    found = specific_emission(StatedHour(g, wh) for g, wh in hours).kg_per_mwh
    exact = Fraction(sum(g for g, _ in hours) * 1_000, sum(wh for _, wh in hours))
    assert found is not None
    assert abs(Fraction(found) - exact) <= Fraction(1, 20_000)
