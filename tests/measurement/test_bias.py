"""Which bias factor was applied."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.bias import Pair, adjusted, fit, stretch


def pair(unadjusted: str, after: str, line: int = 2) -> Pair:
    return Pair(line, Decimal(unadjusted), Decimal(after))


def twin(one: Pair, places: int, upto: int) -> list[int]:
    """Every thousandth that works, by trying."""
    return [
        k
        for k in range(1000, upto)
        if adjusted(one.unadjusted, Decimal(k) / 1000, places=places) == one.adjusted
    ]


@pytest.mark.parametrize(
    ("one", "places", "expected"),
    [
        (pair("0.183", "0.186"), 3, (1014, 1019)),
        (pair("0.186", "0.1890"), 3, (1014, 1018)),
        (pair("11113000", "11813000"), -3, (1063, 1063)),
        (pair("0.100", "0.100"), 3, (1000, 1004)),
        (pair("0.100", "0.101"), 3, (1005, 1014)),
        (pair("0", "0"), 3, (1000, None)),
        (pair("0", "0.001"), 3, None),
        (pair("0.100", "0.099"), 3, None),
        (pair("0.100", "0.1005"), 3, None),
        (pair("-0.100", "-0.101"), 3, (1005, 1014)),
        (pair("-0.100", "0.101"), 3, None),
        (pair("0.0004", "0.000"), 3, (1000, 1249)),
        (pair("0.0004", "0.001"), 3, (1250, 3749)),
        (pair("1000000", "1000001"), -3, None),
    ],
)
def test_one_hour_leaves_a_stretch_of_factors(
    one: Pair, places: int, expected: tuple[int, int | None] | None
) -> None:
    assert stretch(one, places=places) == expected


@given(st.integers(-3000, 3000), st.integers(-3000, 3000), st.integers(0, 3))
def test_the_stretch_is_what_trying_every_factor_finds(value: int, target: int, places: int) -> None:
    one = Pair(2, Decimal(value).scaleb(-3), Decimal(target).scaleb(-3))
    found = stretch(one, places=places)
    tried = twin(one, places, 2200)
    assert tried == [k for k in range(1000, 2200) if found and found[0] <= k <= (found[1] or k)]


@given(st.integers(1000, 1400), st.lists(st.integers(0, 2000), min_size=1, max_size=30))
def test_the_factor_that_was_applied_is_among_those_found(factor: int, values: list[int]) -> None:
    pairs = [
        Pair(n, Decimal(v).scaleb(-3), adjusted(Decimal(v).scaleb(-3), Decimal(factor) / 1000, places=3))
        for n, v in enumerate(values, start=2)
    ]
    found = fit(pairs, places=3)
    assert found.lowest is not None
    assert found.lowest <= Decimal(factor) / 1000
    assert found.highest is None or found.highest >= Decimal(factor) / 1000
    assert found.unexplained == ()


def test_many_hours_leave_one_factor() -> None:
    values = [Decimal(n).scaleb(-3) for n in range(100, 900)]
    pairs = [Pair(n, v, adjusted(v, Decimal("1.014"), places=3)) for n, v in enumerate(values)]
    found = fit(pairs, places=3)
    assert (found.lowest, found.highest, found.unique) == (Decimal("1.014"), Decimal("1.014"), True)


def test_one_hour_that_does_not_fit_is_named() -> None:
    values = [Decimal(n).scaleb(-3) for n in range(100, 900)]
    pairs = [Pair(n, v, adjusted(v, Decimal("1.014"), places=3)) for n, v in enumerate(values)]
    pairs[7] = Pair(7, values[7], values[7])
    found = fit(pairs, places=3)
    assert (found.lowest, found.best, found.unique) == (None, Decimal("1.014"), False)
    assert found.unexplained == (pairs[7],)


def test_nothing_but_zeros_is_explained_by_every_factor() -> None:
    found = fit([pair("0", "0")], places=1)
    assert (found.lowest, found.highest, found.unique) == (Decimal("1.000"), None, False)


def test_values_that_were_lowered_are_explained_by_no_factor() -> None:
    found = fit([pair("10", "9"), pair("20", "18")], places=1)
    assert (found.lowest, found.best, len(found.unexplained)) == (None, Decimal("1.000"), 2)


def test_a_factor_below_one_and_an_empty_series_are_refused() -> None:
    with pytest.raises(ValueError, match="would lower"):
        adjusted(Decimal(1), Decimal("0.999"), places=3)
    with pytest.raises(ValueError, match="no row"):
        fit([], places=3)
