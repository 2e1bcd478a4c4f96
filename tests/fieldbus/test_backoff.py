"""Pauses before a dead device is asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.fieldbus.backoff import BackOff


def test_the_ceiling_doubles_from_one_to_three_hundred_seconds() -> None:
    ceilings = [BackOff().delay_s(failures, lambda: 1.0) for failures in range(1, 12)]
    assert ceilings == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_reaches_from_the_first_pause_to_the_ceiling(failures: int, chance: float) -> None:
    delay_s = BackOff().delay_s(failures, lambda: chance)
    assert 1 <= delay_s <= min(300, 2.0 ** min(failures - 1, 30))


@pytest.mark.parametrize(("first_s", "most_s"), [(0, 10), (-1, 10), (11, 10)])
def test_pauses_that_make_no_sense_are_refused(first_s: float, most_s: float) -> None:
    with pytest.raises(ValueError, match="the first is the shortest"):
        BackOff(first_s, most_s)
