"""A group of values that comes again and again is judged as if each poll were looked at anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from doxedge.measurement.movement import ValueLimits
from doxedge.measurement.quality import AssessmentSettings, Assessor, ClockState
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import SECOND_MS
from tests.measurement.readings import HOUR

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

LIMITS = AssessmentSettings(
    limits={
        "nox_ppb": ValueLimits(
            hard_high=Decimal(90), soft_high=Decimal(50), max_rate_per_s=Decimal(9), stuck_ms=9 * SECOND_MS
        ),
        "no_ppb": ValueLimits(
            max_rate_per_s=Decimal(8), stuck_ms=4 * SECOND_MS, stuck_tolerance=Decimal(2), span=Decimal(100)
        ),
        "flow_m3_per_h": ValueLimits(max_rate_per_s=Decimal(30)),
    }
)
GROUPS = (("nox_ppb", "no_ppb", "no2_ppb"), ("flow_m3_per_h", "o2_percent"))


class Step(NamedTuple):
    """Some polls of a group with the answer of that number."""

    polls: int

    group: int
    answer: int
    waited_s: int
    running: bool
    flags: frozenset[str]
    clock_set_s: int


steps = st.builds(
    Step,
    st.integers(1, 6),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4]),
    st.sampled_from([0, 1, 1, 2, 5]),
    st.sampled_from([True, True, False]),
    st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"zero"}), frozenset({"warning"})]),
    st.sampled_from([0, 0, 0, 0, 0, 2, 90, -90]),
)
NOTHING_FAILED: dict[str, Reason] = {}
ANSWERS: tuple[tuple[tuple[Decimal | None, ...], dict[str, Reason]], ...] = (
    ((Decimal(40), Decimal(30), Decimal(10)), {}),
    ((Decimal(41), Decimal("31.5"), Decimal(10)), {}),
    ((Decimal(60), None, Decimal(-5)), {"no_ppb": Reason.NAN, "o2_percent": Reason.COMMS}),
    ((Decimal(95), Decimal(3), Decimal(0)), {}),
    ((Decimal(40), Decimal(30), Decimal(10)), {"no_ppb": Reason.DEFAULT}),
)


def polled(taken: list[Step], *, again: bool) -> list[tuple[Sample, bool]]:
    """The samples; `again`: as a driver makes them, with the same mappings while the answer is the same."""
    at_ms, monotonic_ns, made = HOUR, 0, []
    known: dict[int, tuple[int, dict[str, Decimal | None], dict[str, Reason]]] = {}
    for step in (one for run in taken for one in [run, *[run._replace(clock_set_s=0)] * (run.polls - 1)]):
        at_ms += (step.waited_s + step.clock_set_s) * SECOND_MS
        monotonic_ns += step.waited_s * 10**9
        if not again or step.group not in known or known[step.group][0] != step.answer:
            numbers, failures = ANSWERS[step.answer]
            values = dict(zip(GROUPS[step.group], numbers, strict=False))
            known[step.group] = step.answer, values, {k: v for k, v in failures.items() if k in values}
        _, values, failures = known[step.group]
        sample = Sample("stack", at_ms, monotonic_ns, values, flags=step.flags, failures=failures)
        made.append((sample, step.running))
    return made


def judged(samples: list[tuple[Sample, bool]], by: Callable[[int], Assessor]) -> list[tuple[Reading, ...]]:
    return [
        by(index).assess(sample, clock=ClockState.SYNCHRONISED, running=running)
        for index, (sample, running) in enumerate(samples)
    ]


@example(  # Stuck, and then not seen for longer than it may stand still.
    [
        Step(1, 0, 0, 0, running=True, flags=frozenset(), clock_set_s=0),
        Step(5, 0, 0, 2, running=True, flags=frozenset(), clock_set_s=0),
        Step(1, 0, 0, 5, running=True, flags=frozenset(), clock_set_s=0),
    ]
)
@settings(max_examples=400)
@given(st.lists(steps, max_size=16))
def test_what_comes_again_is_judged_as_if_it_were_new(taken: list[Step]) -> None:
    one, other = Assessor(LIMITS), Assessor(LIMITS)

    assert judged(polled(taken, again=True), lambda _: one) == judged(
        polled(taken, again=False), lambda _: other
    )


@example(
    [
        Step(6, 0, 0, 5, running=True, flags=frozenset(), clock_set_s=0),
        Step(1, 0, 3, 1, running=True, flags=frozenset(), clock_set_s=0),
    ],
    {5},
)
@given(st.lists(steps, max_size=10), st.sets(st.integers(0, 60)))
def test_two_setups_that_judge_one_device_do_not_mislead_each_other(
    taken: list[Step], by_second: set[int]
) -> None:
    stricter = AssessmentSettings(limits={"nox_ppb": ValueLimits(stuck_ms=2 * SECOND_MS)})

    def pair() -> Callable[[int], Assessor]:
        first = Assessor(LIMITS)
        second = Assessor(stricter, before=first, kept=frozenset({"stack"}))
        return lambda index: second if index in by_second else first

    assert judged(polled(taken, again=True), pair()) == judged(polled(taken, again=False), pair())


class Watched(Decimal):
    """A number that knows how often it was looked at."""

    looks = 0

    @override
    def is_finite(self) -> bool:
        Watched.looks += 1
        return super().is_finite()


def test_a_value_that_comes_again_is_not_looked_at_again() -> None:
    Watched.looks = 0
    values = {"nox_ppb": Watched(40), "no_ppb": Decimal(30), "no2_ppb": Decimal(10)}
    assessor = Assessor(LIMITS)

    readings = [
        assessor.assess(Sample("stack", HOUR + s * SECOND_MS, s * 10**9, values, failures=NOTHING_FAILED))
        for s in range(100)
    ]

    # The first time, and where one of them is stuck: no_ppb after 4 s, nox_ppb after 9 s.
    assert Watched.looks == 3
    assert [one[1].reason is Reason.STUCK for one in readings] == [False] * 4 + [True] * 96
    assert [one[0].reason is Reason.STUCK for one in readings] == [False] * 9 + [True] * 91
    assert all(one[2].quality is Quality.GOOD for one in readings)


def test_a_value_that_was_missing_for_a_while_moves_from_when_it_was_seen_last() -> None:
    assessor = Assessor(LIMITS)
    missing: dict[str, Decimal | None] = {"nox_ppb": Decimal(40), "no_ppb": None}
    polls: list[dict[str, Decimal | None]] = [{"nox_ppb": Decimal(40), "no_ppb": Decimal(30)}]
    polls += [missing] * 4 + [{"nox_ppb": Decimal(40), "no_ppb": Decimal(63)}]

    readings = [
        assessor.assess(Sample("stack", HOUR + s * SECOND_MS, s * 10**9, values, failures=NOTHING_FAILED))
        for s, values in enumerate(polls)
    ]

    # 33 ppb in 5 s are less than 8 ppb/s; in the one second since the last poll they would be more.
    assert readings[-1][1].quality is Quality.GOOD
