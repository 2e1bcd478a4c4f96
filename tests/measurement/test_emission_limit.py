"""A stack against its emission limit: minutes in the limit's terms, averages, projections."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.emission_limit import (
    EmissionLimit,
    LimitCourse,
    LimitMinute,
    course_of,
    interval_of,
)
from doxedge.measurement.standardisation import Standard
from doxedge.quantity import HOUR_MS, MINUTE_MS

CONVENTION = Standard(mg_per_ppm=Decimal("2.05"))


def emission(basis: Basis = Basis.DRY, **changed: Any) -> EmissionSettings:
    return EmissionSettings(concentration_basis=basis, flow_basis=FlowBasis.ACTUAL_WET, **changed)


def limit(**changed: Any) -> EmissionLimit:
    table: dict[str, Any] = {"name": "permit", "mg_per_m3": Decimal(200), "standard": CONVENTION}
    return EmissionLimit(**{**table, **changed})


def at_six(**changed: Any) -> EmissionLimit:
    return limit(o2_reference_percent=Decimal(6), **changed)


@pytest.mark.parametrize(
    ("one", "basis", "means", "expected"),
    [
        pytest.param(limit(), Basis.DRY, {"nox_ppb": 200_000}, "410", id="dry, as it is"),
        pytest.param(at_six(), Basis.DRY, {"nox_ppb": 200_000, "o2_percent": 5}, "384.375", id="the worked example"),
        pytest.param(
            at_six(), Basis.WET, {"nox_ppb": 176_000, "o2_percent": 5, "moisture_percent": 12}, "384.375", id="wet gas"
        ),
        pytest.param(
            at_six(o2_basis=Basis.WET),
            Basis.DRY,
            {"nox_ppb": 200_000, "o2_percent": Decimal("4.4"), "moisture_percent": 12},
            "384.375",
            id="wet oxygen",
        ),
        pytest.param(
            at_six(standard=Standard(mg_per_ppm=Decimal("2.05"), correct_below_reference=False)),
            Basis.DRY,
            {"nox_ppb": 200_000, "o2_percent": 5},
            "410",
            id="less oxygen than the reference is left as it is",
        ),
        pytest.param(at_six(), Basis.DRY, {"nox_ppb": 200_000, "o2_percent": Decimal("19.6")}, None, id="nearly air"),
        pytest.param(at_six(), Basis.DRY, {"nox_ppb": 200_000, "o2_percent": 21}, None, id="air"),
        pytest.param(at_six(), Basis.DRY, {"nox_ppb": 200_000, "o2_percent": None}, None, id="oxygen is not known"),
        pytest.param(at_six(), Basis.DRY, {"nox_ppb": None, "o2_percent": 5}, None, id="NOx is not known"),
        pytest.param(
            at_six(), Basis.WET, {"nox_ppb": 1, "o2_percent": 5, "moisture_percent": 61}, None, id="no such moisture"
        ),
    ],
)  # fmt: skip
def test_a_minute_comes_in_the_terms_of_the_limit(
    one: EmissionLimit, basis: Basis, means: dict[str, int | Decimal | None], expected: str | None
) -> None:
    exact = {name: None if value is None else Decimal(value) for name, value in means.items()}
    found = one.minute(exact, Decimal(7), emission(basis))
    assert found == (None if expected is None else Decimal(expected))
    assert one.quantities(emission(basis)) <= exact.keys()


def test_a_configured_moisture_and_a_mass_limit_need_no_more_measurements() -> None:
    wet = emission(Basis.WET, constants={"moisture_percent": Decimal(12)})
    assert at_six().quantities(wet) == {"nox_ppb", "o2_percent"}
    means = {"nox_ppb": Decimal(176_000), "o2_percent": Decimal(5)}
    assert at_six().minute(means, None, wet) == Decimal("384.375")
    of_mass = limit(mg_per_m3=None, g_per_h=Decimal(20_000))
    assert of_mass.quantities(emission()) == frozenset()
    assert of_mass.minute({}, Decimal(7), emission()) == Decimal(7)
    assert of_mass.minute({}, None, emission()) is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mg_per_m3": None}, "either mg_per_m3 or kg_per_h"),
        ({"g_per_h": Decimal(1)}, "either mg_per_m3 or kg_per_h"),
        ({"mg_per_m3": None, "g_per_h": Decimal(1), "o2_reference_percent": Decimal(6)}, "no reference oxygen"),
        ({"o2_reference_percent": Decimal(21)}, "is not 0 to 21"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        limit(**changed)


def course(
    one: EmissionLimit, so_far: Sequence[LimitMinute], last: Sequence[LimitMinute] = (), minutes: int = 60
) -> LimitCourse:
    return course_of(one, "", start_ms=HOUR_MS, minutes=minutes, so_far=so_far, last_start_ms=0, last=last)


def minutes_of(*values: tuple[int, int | None]) -> list[LimitMinute]:
    """(how many, at which value) in full operation."""
    return [
        LimitMinute(MINUTE_MS, None if value is None else Decimal(value))
        for count, value in values
        for _ in range(count)
    ]


def test_the_rest_of_the_hour_is_taken_to_go_on_as_the_last_minutes() -> None:
    found = course(limit(), minutes_of((25, 100), (5, 250)))
    assert (found.average, found.minutes_valid) == (Decimal(125), 30)
    assert found.projected == (Decimal(25 * 100 + 5 * 250) + 30 * 250) / 60
    assert found.most_from_now == Decimal(60 * 200 - 25 * 100 - 5 * 250) / 30
    assert (found.start_ms, found.end_ms) == (HOUR_MS, 2 * HOUR_MS)


def test_what_cannot_be_kept_any_more_has_less_than_nothing_left() -> None:
    found = course(limit(), minutes_of((59, 210)))
    assert found.most_from_now == Decimal(60 * 200 - 59 * 210)
    assert found.most_from_now < 0


def test_the_confidence_interval_is_a_share_of_the_limit_and_leaves_nothing_below_zero() -> None:
    one = limit(confidence_percent=Decimal(20))
    found = course(one, minutes_of((30, 250)), minutes_of((60, 30)))
    assert [found.average, found.projected, found.last] == [Decimal(210), Decimal(210), Decimal(0)]
    assert found.most_from_now == (240 * 60 - 30 * 250) / 30


@pytest.mark.parametrize(
    ("last", "average"),
    [
        pytest.param(minutes_of((40, 210), (20, None)), 210, id="two thirds are enough"),
        pytest.param(minutes_of((39, 210), (21, None)), None, id="less are not"),
        pytest.param([*minutes_of((39, 210)), *[LimitMinute(0, Decimal(9))] * 21], None, id="nor is a start-up"),
        pytest.param([*minutes_of((40, 210)), *[LimitMinute(0, Decimal(9))] * 20], 210, id="standstill weighs nothing"),
        pytest.param([], None, id="nobody remembers it"),
    ],
)  # fmt: skip
def test_an_interval_that_is_over_has_an_average_by_two_thirds(
    last: list[LimitMinute], average: int | None
) -> None:
    assert course(limit(), [], last).last == average


@pytest.mark.parametrize("so_far", [[], minutes_of((4, 500)), minutes_of((4, 500), (20, None))])
def test_a_few_minutes_say_nothing_of_the_interval(so_far: list[LimitMinute]) -> None:
    found = course(limit(), so_far)
    assert (found.projected, found.most_from_now) == (None, None)


@pytest.mark.parametrize(
    ("at_ms", "minutes", "start_ms"),
    [
        (HOUR_MS, 60, HOUR_MS),
        (2 * HOUR_MS - 1, 60, HOUR_MS),
        (HOUR_MS + 30 * MINUTE_MS - 1, 30, HOUR_MS),
        (HOUR_MS + 30 * MINUTE_MS, 30, HOUR_MS + 30 * MINUTE_MS),
    ],
)
def test_intervals_lie_on_the_grid_of_full_hours(at_ms: int, minutes: int, start_ms: int) -> None:
    assert interval_of(at_ms, minutes) == start_ms


one_minute = st.tuples(st.integers(0, MINUTE_MS), st.none() | st.integers(-50, 900))


@given(st.lists(one_minute, max_size=60))
def test_a_stranger_finds_the_same_average_and_the_same_room(drawn: list[tuple[int, int | None]]) -> None:
    """With fractions, from the text alone: whoever keeps to `most_from_now` ends exactly at the limit."""
    found = course(limit(), [LimitMinute(ms, None if v is None else Decimal(v)) for ms, v in drawn])
    known = [(ms, v) for ms, v in drawn if v is not None and ms]
    weight = sum(ms for ms, _ in known)
    if not weight:
        assert found.average is None
        return
    total = Fraction(sum(ms * v for ms, v in known))
    assert found.average is not None
    assert float(found.average) == pytest.approx(float(max(Fraction(0), total / weight)))
    if len(known) < 5:
        assert found.most_from_now is None
    elif len(drawn) < 60:
        rest = (60 - len(drawn)) * MINUTE_MS
        assert found.most_from_now is not None
        end: Fraction = (total + Fraction(found.most_from_now) * rest) / (weight + rest)
        assert float(end) == pytest.approx(200)
