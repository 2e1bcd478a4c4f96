"""An alarm is raised once per outage and cleared once, after its delays, whatever the looks and the clock do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.alarms import (
    QUIET,
    Acknowledgement,
    Alarm,
    AlarmRule,
    Band,
    Change,
    Priority,
    step,
)

Look = tuple[int, bool | None]
T, F, N = True, False, None


def rule(raise_after_ms: int = 0, clear_after_ms: int = 0, *, latched: bool = True) -> AlarmRule:
    return AlarmRule(
        code="value.stuck",
        meaning="a value stands still",
        priority=Priority.HIGH,
        raise_after_ms=raise_after_ms,
        clear_after_ms=clear_after_ms,
        latched=latched,
    )


def changes(looks: Sequence[Look], behaves: AlarmRule) -> list[tuple[int, Change]]:
    """(number of the look, what changed)."""
    course, found = QUIET, []
    for index, (now_ms, holds) in enumerate(looks):
        course, change = step(course, behaves, holds=holds, now_ms=now_ms)
        if change is not None:
            found.append((index, change))
    return found


def changes_of_the_dumb_twin(looks: Sequence[Look], behaves: AlarmRule) -> list[tuple[int, Change]]:
    """The same, by looking back over everything at every look; it remembers only where it changed last."""
    found: list[tuple[int, Change]] = []
    for index, (now_ms, holds) in enumerate(looks):
        if holds is None:
            continue
        is_raised = len(found) % 2 == 1
        begin = found[-1][0] + 1 if found else 0
        run = []
        for at_ms, said in reversed(looks[begin : index + 1]):
            if said is None:
                continue
            if said is is_raised:
                break
            run.append(at_ms)
        delay_ms = behaves.clear_after_ms if is_raised else behaves.raise_after_ms
        if run and now_ms - min(run) >= delay_ms:
            found.append((index, Change.CLEARED if is_raised else Change.RAISED))
    return found


CASES: dict[str, tuple[AlarmRule, list[Look], list[tuple[int, Change]]]] = {
    "nothing happens": (rule(), [(0, F), (5, F)], []),
    "at once, without a delay": (rule(), [(0, F), (5, T), (10, T)], [(1, Change.RAISED)]),
    "once, however long it lasts": (rule(), [(t, T) for t in range(100)], [(0, Change.RAISED)]),
    "over once": (rule(), [(0, T), (5, F), (10, F)], [(0, Change.RAISED), (1, Change.CLEARED)]),
    "a spike shorter than the delay is none": (rule(10), [(0, T), (5, T), (9, F), (12, T)], []),
    "exactly the delay": (rule(10), [(0, T), (10, T)], [(1, Change.RAISED)]),
    "the delay begins anew after an interruption": (
        rule(10),
        [(0, T), (9, F), (12, T), (20, T), (22, T)],
        [(4, Change.RAISED)],
    ),
    "a look that says nothing does not interrupt": (
        rule(10),
        [(0, T), (5, N), (10, T)],
        [(2, Change.RAISED)],
    ),
    "a look that says nothing raises nothing": (rule(10), [(0, T), (50, N), (90, N)], []),
    "unknown from the beginning": (rule(), [(0, N), (5, N)], []),
    "a short return is not the end": (
        rule(0, 10),
        [(0, T), (5, F), (9, T), (12, F), (22, F)],
        [(0, Change.RAISED), (4, Change.CLEARED)],
    ),
    "two outages are two alarms": (
        rule(),
        [(0, T), (1, F), (2, T), (3, F)],
        [(0, Change.RAISED), (1, Change.CLEARED), (2, Change.RAISED), (3, Change.CLEARED)],
    ),
    "a clock that is set back does not hold it up": (
        rule(10),
        [(1_000, T), (0, T), (5, T), (10, T)],
        [(3, Change.RAISED)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_course_of(case: str) -> None:
    behaves, looks, expected = CASES[case]
    assert changes(looks, behaves) == expected
    assert changes_of_the_dumb_twin(looks, behaves) == expected


looks = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([True, False, None])), max_size=40)
delays = st.sampled_from([0, 1, 5, 20])


@given(looks, delays, delays)
def test_the_machine_does_what_its_dumb_twin_does(found: list[Look], up_ms: int, down_ms: int) -> None:
    assert changes(found, rule(up_ms, down_ms)) == changes_of_the_dumb_twin(found, rule(up_ms, down_ms))


@given(looks, delays, delays)
def test_raised_and_cleared_take_turns_and_rest_on_a_look_that_says_so(
    found: list[Look], up_ms: int, down_ms: int
) -> None:
    turns = changes(found, rule(up_ms, down_ms))
    assert [change for _, change in turns] == [Change.RAISED, Change.CLEARED] * (len(turns) // 2) + [
        Change.RAISED
    ] * (len(turns) % 2)
    assert all(found[index][1] is (change is Change.RAISED) for index, change in turns)


@given(looks)
def test_without_a_delay_each_turn_of_what_is_seen_is_a_change(found: list[Look]) -> None:
    said = [False, *(holds for _, holds in found if holds is not None)]
    turns = sum(before is not after for before, after in itertools.pairwise(said))
    assert len(changes(found, rule())) == turns


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (6, True),
        (5, None),
        (3, None),
        (2, False),
        (0, False),
        (-1, False),
        (Decimal("5.001"), True),
        (None, None),
    ],
)
def test_a_dead_band_says_nothing_between_its_edges(value: Decimal | int | None, holds: bool | None) -> None:
    assert Band(Decimal(5), Decimal(2)).holds(value) is holds


def test_a_crossed_band_and_a_delay_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="crossed"):
        Band(Decimal(1), Decimal(2))
    with pytest.raises(ValueError, match="not below zero"):
        rule(-1)
    with pytest.raises(ValueError, match="not below zero"):
        rule(0, -1)


SAID = Acknowledgement("A. Person", "filter changed", 9, "operator")


@pytest.mark.parametrize(
    ("cleared_ms", "said", "latched", "is_listed"),
    [
        (None, None, True, True),
        (None, SAID, True, True),
        (None, None, False, True),
        (7, None, True, True),
        (7, None, False, False),
        (7, SAID, True, False),
        (7, SAID, False, False),
    ],
)
def test_an_alarm_wants_an_eye_while_it_stands_and_when_latched_until_it_is_acknowledged(
    cleared_ms: int | None, said: Acknowledgement | None, latched: bool, is_listed: bool
) -> None:
    alarm = Alarm(1, "value.stuck", "alpha-1.nox_ppb", "", 5, cleared_ms, said)
    assert alarm.is_listed(rule(latched=latched)) is is_listed
