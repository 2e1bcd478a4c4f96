"""The hour of one unit from the hour of the stack that it shares."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.apportioning import By
from doxedge.measurement.hour import Carry
from doxedge.measurement.operating import OperatingSettings, Operation
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.measurement.shared_stack import RunningUnits, SharedStack, StackUnit
from doxedge.quantity import HOUR_MS, MINUTE_MS

SIGNAL = OperatingSettings(on_above=Decimal(10), off_below=Decimal(5))
UNITS = tuple(StackUnit(name, SIGNAL, f"{name}.power_w") for name in ("a", "b", "c"))
SHARED = SharedStack("a", UNITS)
WHOLE = [MINUTE_MS] * 60
EDGES = st.lists(st.integers(0, 50), max_size=10, unique=True)
"""Where a signal changes, in any order."""


def spans_between(edges: list[int]) -> tuple[tuple[int, int], ...]:
    """Half-open stretches that do not touch, as a signal gives them."""
    ordered = sorted(edges)
    return tuple(zip(ordered[::2], ordered[1::2], strict=False))


@given(st.tuples(EDGES, EDGES, EDGES))
def test_the_stack_runs_when_any_unit_runs(edges: tuple[list[int], list[int], list[int]]) -> None:
    spans = [spans_between(one) for one in edges]
    by_unit = {one.unit: Operation(found, 1) for one, found in zip(UNITS, spans, strict=True)}
    operation = SHARED.operation(lambda unit: by_unit[unit])
    for instant in range(50):
        runs = any(start <= instant < end for found in spans for start, end in found)
        assert any(start <= instant < end for start, end in operation.spans) is runs
    assert list(operation.spans) == sorted(operation.spans)
    assert all(
        before[1] < after[0] for before, after in zip(operation.spans, operation.spans[1:], strict=False)
    )
    assert dict(operation.units) == by_unit
    assert operation.assumed_ms == 3


@pytest.mark.parametrize(
    ("means_w", "operating_ms", "load_wh"),
    [
        pytest.param([Decimal(60)] * 60, WHOLE, 60, id="a whole hour"),
        pytest.param([Decimal(60)] * 30 + [Decimal(20)] * 30, WHOLE, 40, id="the mean, times the time"),
        pytest.param([Decimal(60)] * 60, WHOLE[:15] + [0] * 45, 15, id="for as long as it ran"),
        pytest.param([Decimal(60)] * 15 + [None] * 45, WHOLE, 60, id="minutes without a mean are filled"),
        pytest.param([None] * 60, WHOLE, None, id="nobody knows"),
        pytest.param([None] * 60, [0] * 60, 0, id="and nobody asks"),
        pytest.param([None] * 15 + [Decimal(60)] * 45, WHOLE[:15] + [0] * 45, None, id="not while it ran"),
        pytest.param([Decimal(-60)] * 60, WHOLE, 0, id="a unit that draws power has no load"),
        pytest.param([Decimal("0.5")] * 60, WHOLE, 1, id="ties away from zero"),
    ],
)
def test_the_load_of_an_hour(
    means_w: list[Decimal | None], operating_ms: list[int], load_wh: int | None
) -> None:
    assert UNITS[0].load_wh(means_w, operating_ms) == load_wh


def test_of_an_hour_that_nobody_saw_all_units_have_an_equal_part() -> None:
    how = SHARED.nobody_knows
    assert (how.by, how.weights) == (By.OPERATING_TIME, (("a", HOUR_MS), ("b", HOUR_MS), ("c", HOUR_MS)))


def test_a_unit_of_which_nothing_was_read_runs_and_each_follows_its_own_signal() -> None:
    running = RunningUnits()
    signals = {
        name: OperatingSettings(quantity=f"{name}.power_w", on_above=Decimal(10), off_below=Decimal(5))
        for name in ("a", "b")
    }
    assert running.any_of(("a", "b"))
    for unit, value, runs in (
        ("a", 3, False),
        ("a", 7, False),
        ("a", 11, True),
        ("a", 7, True),
        ("a", 4, False),
    ):
        reading = Reading("device", f"{unit}.power_w", 0, Decimal(value), Quality.GOOD, Reason.NONE)
        running.note([reading], signals)
        assert running.runs(unit) is runs
        assert running.runs("b")
    assert running.any_of(("a", "b"))
    running.note([Reading("device", "b.power_w", 0, Decimal(0), Quality.GOOD, Reason.NONE)], signals)
    assert not running.any_of(("a", "b"))
    running.forget()
    assert running.runs("a")


def test_what_a_restart_needs_of_other_units_is_kept() -> None:
    carry = Carry(HOUR_MS, True, None, (("b", False), ("c", None)))
    assert Carry.from_dict(carry.as_dict()) == carry
    assert "others" not in Carry(HOUR_MS, True).as_dict(), "the form is what it was for a unit that is alone"


@pytest.mark.parametrize("others", [[], {"b": 1}, {"b": "yes"}, "b"])
def test_a_memory_that_does_not_say_who_ran_is_refused(others: object) -> None:
    with pytest.raises(ValueError, match="does not say of each unit whether it ran"):
        Carry.from_dict({"next_start_ms": HOUR_MS, "running": None, "counter_at_ms": None, "others": others})
