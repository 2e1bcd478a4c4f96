"""What is packed comes out again as it went in."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.counter_trail import STEP_MS, CounterPoint, CounterTrail

amounts = st.decimals(allow_nan=False, allow_infinity=False)
stretches = st.lists(st.tuples(st.integers(1, 3 * STEP_MS), amounts, amounts), max_size=20)


@given(stretches)
def test_a_trail_gives_back_every_digit(taken: list[tuple[int, Decimal, Decimal]]) -> None:
    points, at_ms = [], 0
    for waited_ms, counter_wh, total_wh in taken:
        at_ms += waited_ms
        points.append(CounterPoint(at_ms, counter_wh, total_wh))
    found = CounterTrail(points).points()
    assert [(p.at_ms, str(p.counter_wh), str(p.total_wh)) for p in found] == [
        (p.at_ms, str(p.counter_wh), str(p.total_wh)) for p in points
    ]


@given(stretches)
def test_readings_are_remembered_no_closer_than_a_step_and_the_last_is_always_there(
    taken: list[tuple[int, Decimal, Decimal]],
) -> None:
    trail, at_ms = CounterTrail(), 0
    for waited_ms, counter_wh, total_wh in taken:
        at_ms += waited_ms
        trail.follow(CounterPoint(at_ms, counter_wh, total_wh))
        found = trail.points()
        assert found[-1] == CounterPoint(at_ms, counter_wh, total_wh)
        assert all(
            after.at_ms - before.at_ms >= STEP_MS for before, after in zip(found, found[2:], strict=False)
        )
