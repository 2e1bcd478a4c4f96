"""The readings of a sample are made when somebody wants them, and are what they would have been."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.measurement.judged_sample import JudgedSample, JudgedValues, LatestReadings, layout_of
from doxedge.measurement.reading import FINE, Judgement, Reading
from doxedge.measurement.sample import Quality, Reason

AT_MS = 1_000
BAD: Judgement = (Quality.BAD, Reason.NAN)


def judged(
    *names: str, device: str = "stack", at_ms: int = AT_MS, judgements: list[Judgement] | None = None
) -> JudgedSample:
    decoded = [Decimal(place) for place in range(len(names))]
    values = JudgedValues(layout_of(device, names), decoded, judgements or [FINE] * len(names))
    return JudgedSample(at_ms, values)


def test_a_sample_is_the_sequence_of_its_readings() -> None:
    sample = judged("nox_ppb", "no_ppb", "o2_percent", judgements=[FINE, BAD, FINE])
    readings = [
        Reading("stack", "nox_ppb", AT_MS, Decimal(0), Quality.GOOD, Reason.NONE),
        Reading("stack", "no_ppb", AT_MS, Decimal(1), Quality.BAD, Reason.NAN),
        Reading("stack", "o2_percent", AT_MS, Decimal(2), Quality.GOOD, Reason.NONE),
    ]
    assert [*sample] == readings
    assert (len(sample), sample[-1], sample[1:]) == (3, readings[2], readings[1:])
    assert sample.bad == readings[1:2]
    assert sample.of({"o2_percent", "nox_ppb", "flow_m3_per_h"}) == [readings[0], readings[2]]
    with pytest.raises(IndexError):
        sample[3]


def test_what_is_judged_anew_is_another_sample() -> None:
    sample = judged("nox_ppb", "no_ppb")
    bad = Reading("stack", "no_ppb", AT_MS, Decimal(1), Quality.BAD, Reason.OUT_OF_CONTROL)
    assert [*sample.judged_anew({"no_ppb": bad})] == [sample[0], bad]
    assert sample.bad == []


def test_the_latest_reading_of_a_quantity_is_that_of_the_sample_that_came_last() -> None:
    latest = LatestReadings()
    first, second = judged("nox_ppb", "no_ppb"), judged("no_ppb", "o2_percent", at_ms=2_000)
    for sample in (first, second):
        latest.note(sample)
    assert latest.readings() == {"nox_ppb": first[0], "no_ppb": second[0], "o2_percent": second[1]}
    again = JudgedSample(3_000, first.values)
    latest.note(again)
    assert latest.readings()["no_ppb"] == again[1]


def test_what_is_of_no_interest_any_more_is_forgotten() -> None:
    latest = LatestReadings()
    sample = judged("nox_ppb", "no_ppb")
    latest.note(sample)
    latest.forget_others({"no_ppb"})
    assert latest.readings() == {"no_ppb": sample[1]}
    other = judged("no_ppb", "so2_ppb", device="other", at_ms=2_000)
    latest.note(other)
    assert latest.readings() == {"no_ppb": other[0], "so2_ppb": other[1]}
