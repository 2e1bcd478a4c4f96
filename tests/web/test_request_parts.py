"""The parts of an address are checked before they are used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from doxedge.web.problem import Problem
from doxedge.web.request_parts import hex_id, seconds, whole_number, year_of


def request(query: str) -> Request:
    return Request(
        {"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []}
    )


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_read_in_either_case(data: bytes) -> None:
    assert hex_id(data.hex(), 16) == hex_id(data.hex().upper(), 16) == data


@given(st.text(max_size=70))
def test_any_other_text_is_refused_with_400(text: str) -> None:
    try:
        assert hex_id(text, 4).hex() == text.lower()
    except Problem as problem:
        assert (problem.status, problem.code) == (400, "bad_id")  # noqa: PT017 - text may be an id by chance


@given(st.integers(0, 10**15 - 1))
def test_a_whole_number_is_read_as_it_is_written(number: int) -> None:
    assert whole_number(request(f"after={number}"), "after") == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.0", "1e3", " 1", "0x1", "1_000", "%D9%A1", "1" * 16, "²"]
)
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="whole number"):
        whole_number(request(f"after={text}"), "after")


def test_what_is_not_given_is_none_or_the_default() -> None:
    assert whole_number(request(""), "after") is None
    assert year_of(request("")) is None
    assert seconds(request(""), "timeout_s", default_s=10, max_s=60) == 10


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("0.5", 0.5), ("60", 60), ("1e1", 10)])
def test_seconds_are_read(text: str, expected: float) -> None:
    assert seconds(request(f"timeout_s={text}"), "timeout_s", default_s=10, max_s=60) == expected


@pytest.mark.parametrize("text", ["", "-0.1", "60.1", "nan", "inf", "-inf", "1e400", "soon", "1" * 30])
def test_seconds_that_cannot_be_waited_are_refused(text: str) -> None:
    with pytest.raises(Problem, match="between 0 and 60"):
        seconds(request(f"timeout_s={text}"), "timeout_s", default_s=10, max_s=60)
