"""A token bucket, and its dumb twin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from doxedge.gossip.rate import TokenBucket


def test_it_starts_full_and_then_gives_what_time_brings() -> None:
    bucket = TokenBucket(per_s=2, burst=4, now_s=10.0)
    assert [bucket.take(1, now_s=10.0) for _ in range(5)] == [True] * 4 + [False]
    assert not bucket.take(1, now_s=10.25)
    assert bucket.take(1, now_s=10.5)
    assert not bucket.take(1, now_s=10.5)


def test_a_long_rest_fills_it_to_the_burst_and_no_further() -> None:
    bucket = TokenBucket(per_s=2, burst=4, now_s=0.0)
    assert bucket.take(4, now_s=0.0)
    assert not bucket.take(5, now_s=1e9)
    assert bucket.take(4, now_s=1e9)


def test_what_cannot_be_paid_takes_nothing() -> None:
    bucket = TokenBucket(per_s=1, burst=3, now_s=0.0)
    assert not bucket.take(4, now_s=0.0)
    assert bucket.take(3, now_s=0.0)


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(per_s=1, burst=1, now_s=100.0)
    assert bucket.take(1, now_s=100.0)
    assert not bucket.take(1, now_s=0.0)
    assert not bucket.take(1, now_s=100.5), "the second half of a second was not there twice"
    assert bucket.take(1, now_s=101.0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=60))
def test_it_gives_what_a_slow_count_gives(requests: list[tuple[int, int]]) -> None:
    """Time in steps of a quarter second, at four tokens a second: one token a step."""
    burst = 10
    bucket = TokenBucket(per_s=4, burst=burst, now_s=0.0)
    now, tokens = 0, burst
    for steps, wanted in requests:
        for _ in range(steps):
            now, tokens = now + 1, min(burst, tokens + 1)
        given_out = wanted <= tokens
        tokens -= wanted if given_out else 0
        assert bucket.take(wanted, now_s=now / 4) is given_out
