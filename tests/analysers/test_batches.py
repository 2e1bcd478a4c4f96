"""Few reads, whole values, no holes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.batches import BatchLimits, Span, plan_reads
from doxedge.analysers.question import Function

REGISTERS, BITS = Function.INPUT_REGISTERS, Function.DISCRETE_INPUTS


def reads(spans: list[Span], limits: BatchLimits) -> list[tuple[int, int, int]]:
    return [(r.function, r.address, r.count) for r in plan_reads(spans, unit_id=1, limits=limits)]


def test_neighbours_share_a_read_and_gaps_up_to_the_limit_are_read_along() -> None:
    spans = [Span(REGISTERS, 38, 2), Span(REGISTERS, 30, 2), Span(REGISTERS, 34, 2)]
    assert reads(spans, BatchLimits(max_gap=2)) == [(4, 30, 10)]
    assert reads(spans, BatchLimits(max_gap=1)) == [(4, 30, 2), (4, 34, 2), (4, 38, 2)]


def test_a_forbidden_hole_is_never_read_through() -> None:
    hole = Span(REGISTERS, 32, 1)
    spans = [Span(REGISTERS, 30, 2), Span(REGISTERS, 34, 2)]
    assert reads(spans, BatchLimits(max_gap=10, forbidden=(hole,))) == [(4, 30, 2), (4, 34, 2)]
    elsewhere = Span(Function.HOLDING_REGISTERS, 32, 1)
    assert reads(spans, BatchLimits(max_gap=10, forbidden=(elsewhere,))) == [(4, 30, 6)]


def test_a_read_ends_at_the_devices_limit() -> None:
    spans = [Span(REGISTERS, address, 2) for address in range(0, 200, 2)]
    assert reads(spans, BatchLimits(max_registers=125)) == [(4, 0, 124), (4, 124, 76)]


def test_a_span_that_no_read_can_fetch_is_an_error_of_the_map() -> None:
    with pytest.raises(ValueError, match="cannot be fetched"):
        plan_reads([Span(REGISTERS, 0, 4)], unit_id=1, limits=BatchLimits(max_registers=3))


LIMITS = st.builds(
    BatchLimits,
    st.integers(0, 30),
    st.integers(4, 125),
    st.integers(1, 2_000),
    st.lists(st.builds(Span, st.sampled_from([REGISTERS, BITS]), st.integers(0, 400), st.integers(1, 9))).map(
        tuple
    ),
)
SPANS = st.lists(
    st.one_of(
        st.builds(Span, st.just(REGISTERS), st.integers(0, 400), st.sampled_from([1, 2, 4])),
        st.builds(Span, st.just(BITS), st.integers(0, 400), st.just(1)),
    ),
    max_size=60,
)


@given(SPANS, LIMITS)
def test_every_value_lies_whole_in_one_read_within_all_limits(spans: list[Span], limits: BatchLimits) -> None:
    wanted = [span for span in spans if limits.allows(span)]
    planned = [Span(r.function, r.address, r.count) for r in plan_reads(wanted, unit_id=1, limits=limits)]
    for span in wanted:
        assert any(
            r.function == span.function and r.first <= span.first and span.last <= r.last for r in planned
        )
    for read in planned:
        assert read.count <= limits.most(read.function)
        assert not any(read.touches(hole) for hole in limits.forbidden)
    assert planned == sorted(planned)
    assert len(planned) <= len(set(wanted))
