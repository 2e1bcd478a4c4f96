"""What is kept of a sample is enough to judge it again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.gateway.sample_rows import Packer, pack, unpack
from doxedge.measurement.sample import Reason, Sample
from doxedge.signing import canonical

names = st.from_regex(r"[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,6}){1,2}", fullmatch=True)
numbers = st.decimals(allow_nan=False, allow_infinity=False)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    values: dict[str, Decimal | None] = {}
    failures: dict[str, Reason] = {}
    for name in draw(st.lists(names, unique=True, max_size=6)):
        match draw(st.integers(0, 2)):
            case 0:
                values[name] = draw(numbers)
            case 1:
                values[name], failures[name] = draw(numbers), Reason.DEFAULT
            case _:
                values[name] = None
                failures[name] = draw(st.sampled_from(sorted(set(Reason) - {Reason.NONE, Reason.DEFAULT})))
    return Sample(
        device="north.analyser",
        at_ms=draw(st.integers(0, 2**44)),
        monotonic_ns=draw(st.integers(0, 2**62)),
        values=values,
        flags=draw(st.frozensets(st.sampled_from(["fault", "warning", "zero", "span"]))),
        failures=failures,
        raw=draw(st.binary(max_size=300)),
    )


@given(samples())
def test_a_sample_comes_back_from_its_row_as_it_was(sample: Sample) -> None:
    back = unpack(sample.device, sample.at_ms, pack(sample))
    assert back == sample
    # Equal decimals may be written differently; what was decoded is kept to the last digit.
    assert [str(v) for v in back.values.values()] == [str(v) for v in sample.values.values()]


@given(samples())
def test_the_same_sample_has_the_same_row(sample: Sample) -> None:
    assert pack(sample) == pack(unpack(sample.device, sample.at_ms, pack(sample)))


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"\xff",
        canonical.encode([2, 0, b"", [], b""]),
        canonical.encode([1, 0, "nox_ppb=1", [], b""]),
        canonical.encode([1, 0, b"nox_ppb=", [], b""]),
        canonical.encode([1, 0, b"nox_ppb=1.2.3", [], b""]),
        canonical.encode([1, 0, b"nox_ppb!no_such_reason", [], b""]),
        canonical.encode([1, 0, b"nox_ppb=1\n\n", [], b""]),
        canonical.encode([1, 0, "n\u00f6x=1".encode(), [], b""]),
        canonical.encode([1, 0, b"nox_ppb=NaN", [], b""]),
    ],
)
def test_a_row_that_is_none_of_ours_is_an_error_and_not_a_sample(row: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack("north.analyser", 0, row)


@given(st.lists(samples(), min_size=1, max_size=3), st.lists(st.integers(0, 5), max_size=12))
def test_lines_that_come_again_make_the_same_rows(made: list[Sample], order: list[int]) -> None:
    packer = Packer()
    for n, index in enumerate(order):
        kept = made[index % len(made)]
        sample = replace(kept, monotonic_ns=n, flags=frozenset({"zero"}) if index > 3 else kept.flags)
        assert packer.pack(sample) == pack(sample)
