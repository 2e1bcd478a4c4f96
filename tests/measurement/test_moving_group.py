"""Values that are judged as a whole are judged as one by one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxedge.measurement.judged_sample import JudgedValues
from doxedge.measurement.movement import ValueLimits
from doxedge.measurement.quality import AssessmentSettings, Assessor, ClockState, _DeviceMemory
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import SECOND_MS
from tests.measurement.readings import HOUR
from tests.measurement.test_movement import LIMITS, Step, judged, polled, steps

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

WALKED = AssessmentSettings(
    limits={
        "nox_ppb": ValueLimits(
            hard_low=Decimal(-4),
            hard_high=Decimal(9),
            soft_low=Decimal(0),
            soft_high=Decimal(8),
            max_rate_per_s=Decimal("5.5"),
            stuck_ms=3 * SECOND_MS,
        ),
        "no_ppb": ValueLimits(
            span=Decimal(100), stuck_ms=2 * SECOND_MS, stuck_tolerance=Decimal(1), hard_high=Decimal(9)
        ),
        "no2_ppb": ValueLimits(max_rate_per_s=Decimal(4), stuck_tolerance=Decimal(1)),
        "flow_m3_per_h": ValueLimits(hard_low=Decimal(1), soft_high=Decimal(8)),
    },
    pair_floor_ppb=Decimal(7),
)
NAMES = ("nox_ppb", "no_ppb", "no2_ppb", "flow_m3_per_h", "o2_percent")


class OneByOne(Assessor):
    """The dumb twin: it looks at every value of every poll by itself."""

    @override
    def _judge_values(self, sample: Sample, memory: _DeviceMemory, running: bool) -> JudgedValues:
        values = self._judge_one_by_one(sample, memory, next(iter(sample.values), ""), running)
        memory.moving.clear()
        memory.still.clear()
        return values


@settings(max_examples=300)
@given(st.lists(steps, max_size=16))
def test_groups_are_judged_as_one_by_one(taken: list[Step]) -> None:
    as_groups, one_by_one = Assessor(LIMITS), OneByOne(LIMITS)

    assert judged(polled(taken, again=True), lambda _: as_groups) == judged(
        polled(taken, again=False), lambda _: one_by_one
    )


numbers = st.integers(-5, 10).map(Decimal)
walks = st.lists(
    st.tuples(
        st.tuples(*[st.one_of(st.none(), st.none(), st.none(), numbers)] * len(NAMES)),
        st.sampled_from([0, 1_000, 1_000, 1_000, 400, 2_000]),
        st.sampled_from([True, True, True, True, False]),
    ),
    max_size=30,
)
"""Of each poll what is other than before (None: nothing), how long after it, and whether the unit ran."""


@settings(max_examples=500)
@given(walks, st.tuples(*[st.integers(1, 7).map(Decimal)] * len(NAMES)))
def test_a_walk_of_values_is_judged_as_one_by_one(
    walk: list[tuple[tuple[Decimal | None, ...], int, bool]], begin: tuple[Decimal, ...]
) -> None:
    as_groups, one_by_one = Assessor(WALKED), OneByOne(WALKED)
    at_ms, now = HOUR, begin
    for changes, waited_ms, running in walk:
        at_ms += waited_ms
        now = tuple(old if new is None else new for old, new in zip(now, changes, strict=True))
        sample = Sample("stack", at_ms, at_ms * 1_000_000, dict(zip(NAMES, now, strict=True)))
        readings = [one.assess(sample, running=running) for one in (as_groups, one_by_one)]
        assert readings[0] == readings[1]


class Watched(Decimal):
    """A number that knows how often it was looked at."""

    looks = 0

    @override
    def is_finite(self) -> bool:
        Watched.looks += 1
        return super().is_finite()


def test_values_that_are_fine_are_not_looked_at_one_by_one() -> None:
    Watched.looks = 0
    assessor = Assessor(LIMITS)
    for s in range(100):
        readings = assess(assessor, s, {"nox_ppb": Watched(40 + s % 5), "no_ppb": Watched(30 + 2 * (s % 4))})
        assert {reading.quality for reading in readings} == {Quality.GOOD}
    assert Watched.looks == 2


def test_a_value_among_others_that_move_is_stuck_when_its_time_has_come() -> None:
    assessor = Assessor(LIMITS)
    told = [
        [one.reason for one in assess(assessor, s, {"nox_ppb": Decimal(40 + s % 5), "no_ppb": Decimal(30)})]
        for s in range(6)
    ]
    assert told == [[Reason.NONE, Reason.NONE]] * 4 + [[Reason.NONE, Reason.STUCK]] * 2


@pytest.mark.parametrize(
    ("value", "quality"),
    [(-1, Quality.UNCERTAIN), (0, Quality.GOOD), (8, Quality.GOOD), (9, Quality.UNCERTAIN)],
)
def test_a_value_outside_the_soft_range_is_told_among_others_that_are_fine(
    value: int, quality: Quality
) -> None:
    assessor = Assessor(WALKED)
    for s in range(2):
        assess(assessor, s, {"nox_ppb": Decimal(3 + s), "no2_ppb": Decimal(3 + s)})
    readings = assess(assessor, 2, {"nox_ppb": Decimal(value), "no2_ppb": Decimal(5)})
    assert [one.quality for one in readings] == [quality, Quality.GOOD]


def test_what_is_missing_or_no_number_ends_the_judgement_of_all_at_once() -> None:
    assessor = Assessor(LIMITS)
    for value, reason in (
        (None, Reason.COMMS),
        (Decimal("NaN"), Reason.NAN),
        (Decimal("Infinity"), Reason.NAN),
    ):
        for s in range(3):
            assess(assessor, s, {"nox_ppb": Decimal(40 + s), "no_ppb": Decimal(30)})
        readings = assess(assessor, 3, {"nox_ppb": value, "no_ppb": Decimal(31)})
        assert [one.reason for one in readings] == [reason, Reason.NONE]


def test_a_poor_clock_is_said_of_every_value_of_a_group_that_is_fine() -> None:
    assessor = Assessor(LIMITS)
    values = {"nox_ppb": Decimal(40), "no_ppb": Decimal(30)}
    for s in range(3):
        sample = Sample("stack", HOUR + s * SECOND_MS, s * 10**9, values)
        readings = assessor.assess(sample, clock=ClockState.WARNING)
        assert {(one.quality, one.reason) for one in readings} == {(Quality.UNCERTAIN, Reason.CLOCK)}
    assert assess(assessor, 3, values)[0].quality is Quality.GOOD


def assess(assessor: Assessor, s: int, values: Mapping[str, Decimal | None]) -> tuple[Reading, ...]:
    return assessor.assess(Sample("stack", HOUR + s * SECOND_MS, s * 10**9, values))
