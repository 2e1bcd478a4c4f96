"""The live board: the newest value of each unit, bounded, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from doxedge.web.live import UNITS_MAX, LiveBoard
from doxedge.web.problem import Problem

GOOD: dict[str, Any] = {
    "at_ms": 1_000,
    "hour_start_ms": 0,
    "minutes_valid": 7,
    "nox_g_running": 1_234,
    "values": {"nox_ppb": "81.5", "flow_m3_per_h": None, "status": 3},
    "quality": "good",
    "flags": ["calibrating"],
}


def test_the_newest_message_of_a_unit_stands() -> None:
    board = LiveBoard()
    board.put("alpha-1", GOOD, now_ms=1)
    board.put("alpha-1", {**GOOD, "minutes_valid": 8}, now_ms=2)
    entry = board.get("alpha-1")
    assert entry is not None
    assert (entry.received_ms, entry.message.minutes_valid) == (2, 8)
    assert board.get("beta-1") is None


def test_a_missing_value_is_none_and_never_zero() -> None:
    board = LiveBoard()
    board.put("alpha-1", {**GOOD, "nox_g_running": None}, now_ms=1)
    entry = board.get("alpha-1")
    assert entry is not None
    assert entry.message.nox_g_running is None
    assert entry.message.values["flow_m3_per_h"] is None


def test_units_are_shown_by_name() -> None:
    board = LiveBoard()
    for name in ("c", "a", "b"):
        board.put(name, GOOD, now_ms=1)
    assert list(board.all()) == ["a", "b", "c"]


def test_the_unit_that_was_silent_longest_makes_room() -> None:
    board = LiveBoard()
    for number in range(UNITS_MAX):
        board.put(f"unit-{number}", GOOD, now_ms=number)
    board.put("unit-0", GOOD, now_ms=10**6)
    board.put("one-more", GOOD, now_ms=10**6)
    assert len(board.all()) == UNITS_MAX
    assert board.get("unit-0") is not None
    assert board.get("unit-1") is None


@pytest.mark.parametrize("unit", ["", "x" * 65, "a\nb", "a\x00", "\u202eabc"])
def test_a_name_that_cannot_be_shown_is_refused(unit: str) -> None:
    with pytest.raises(Problem) as caught:
        LiveBoard().put(unit, GOOD, now_ms=1)
    assert caught.value.code == "bad_unit"


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("at_ms", {"at_ms": -1}),
        ("at_ms", {"at_ms": 2**53}),
        ("at_ms", {"at_ms": "1000"}),
        ("at_ms", {"at_ms": 1.5}),
        ("minutes_valid", {"minutes_valid": 61}),
        ("minutes_valid", {"minutes_valid": True}),
        ("nox_g_running", {"nox_g_running": -1}),
        ("quality", {"quality": "splendid"}),
        ("values", {"values": {"x" * 65: 1}}),
        ("values", {"values": {"nox_ppb": "9" * 65}}),
        ("values", {"values": {"nox_ppb": 1.5}}),
        ("values", {"values": {"nox_ppb": [1]}}),
        ("values", {"values": {f"value-{n}": n for n in range(65)}}),
        ("flags", {"flags": ["x"] * 33}),
        ("flags", {"flags": [""]}),
        ("colour", {"colour": "red"}),
    ],
)
def test_a_message_that_is_none_is_refused_and_the_field_named(named: str, change: dict[str, Any]) -> None:
    board = LiveBoard()
    board.put("alpha-1", GOOD, now_ms=1)
    with pytest.raises(Problem) as caught:
        board.put("alpha-1", {**GOOD, **change}, now_ms=2)
    assert (caught.value.status, caught.value.code) == (400, "bad_live")
    assert caught.value.detail.startswith(named)
    entry = board.get("alpha-1")
    assert entry is not None
    assert entry.received_ms == 1, "what was there stands"


@pytest.mark.parametrize("missing", ["at_ms", "hour_start_ms", "minutes_valid", "quality"])
def test_what_must_be_there_is_missed(missing: str) -> None:
    with pytest.raises(Problem, match=missing):
        LiveBoard().put("alpha-1", {name: value for name, value in GOOD.items() if name != missing}, now_ms=1)


@pytest.mark.parametrize("content", [None, [], "text", 7])
def test_something_that_is_no_object_is_refused(content: object) -> None:
    with pytest.raises(Problem, match="the body"):
        LiveBoard().put("alpha-1", content, now_ms=1)
