"""§ 10 Requests for raw samples."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import inquiry
from doxedge.contracts.inquiry import DUE_MS_MAX, DUE_MS_MIN, OPEN_MAX, Answer, Request
from doxedge.contracts.rule import Refused
from doxedge.quantity import DAY_MS, HOUR_MS
from tests.contracts.refusals import (
    Attempt,
    Fault,
    RuleCases,
    accepted,
    check_accepted,
    check_lower,
    check_refused,
    pairs,
    singles,
)
from tests.contracts.small_channel import START_MS, SmallChannel, long, register_device

NOW_MS = START_MS + 30 * HOUR_MS
DUE_MS = NOW_MS + DAY_MS


def request(**changes: Any) -> Request:
    """A day of alpha's unit, to be answered in a day."""
    fields: dict[str, Any] = {
        "unit": "alpha-1", "from_ms": START_MS, "to_ms": START_MS + DAY_MS, "due_ms": DUE_MS, "reason": "spot check",
    }  # fmt: skip
    return Request(**{**fields, **changes})


def answer(asked: bytes, **changes: Any) -> Answer:
    """The samples are there."""
    fields: dict[str, Any] = {
        "request": asked, "content_hash": long("file"), "samples": 720, "outcome": "produced", "text": "",
    }  # fmt: skip
    return Answer(**{**fields, **changes})


def begun() -> SmallChannel:
    channel = SmallChannel.begin().with_plants()
    channel.now_ms = NOW_MS
    return channel


def ask(channel: SmallChannel, **changes: Any) -> bytes:
    """A request that is accepted; its record id."""
    act = channel.regulator
    channel.do("samples.request", act, request(**changes))
    return act.record_id


def _request() -> Attempt:
    channel = begun()
    return Attempt(channel, "samples.request", channel.regulator, request())


def _answer() -> Attempt:
    channel = begun()
    asked = ask(channel)
    return Attempt(channel, "samples.answer", channel.device("alpha-gw"), answer(asked))


def _full(attempt: Attempt) -> None:
    for _ in range(OPEN_MAX):
        ask(attempt.channel)


def _replaced(attempt: Attempt) -> None:
    """Alpha puts another device in the place of the one that answers."""
    attempt.channel.do(
        "device.register", attempt.channel.officer("alpha"), register_device("alpha-gw-2", "alpha-1")
    )


CASES = (
    RuleCases(
        "samples.request",
        _request,
        {
            "10.1": {
                "another company": lambda a: a.by(party="beta", role="company"),
                "a verifier": lambda a: a.by(party="verifier", role="verifier"),
                "the regulator's node": lambda a: a.by(purpose="node"),
            },
            "10.2": {"an unknown unit": lambda a: a.saying(unit="nowhere")},
            "10.3": {
                "half an hour": lambda a: a.saying(from_ms=START_MS + HOUR_MS // 2),
                "an end within an hour": lambda a: a.saying(to_ms=START_MS + HOUR_MS + 1),
                "no hour": lambda a: a.saying(to_ms=START_MS),
                "backwards": lambda a: a.saying(to_ms=START_MS - HOUR_MS),
                "before 1970": lambda a: a.saying(from_ms=-HOUR_MS, to_ms=0),
            },
            "10.4": {
                "a day and an hour": lambda a: a.saying(from_ms=START_MS, to_ms=START_MS + DAY_MS + HOUR_MS)
            },
            "10.5": {
                "an hour that runs": lambda a: a.saying(from_ms=NOW_MS, to_ms=NOW_MS + HOUR_MS),
            },
            "10.6": {
                "at once": lambda a: a.saying(due_ms=NOW_MS + DUE_MS_MIN - 1),
                "in the past": lambda a: a.saying(due_ms=0),
                "never": lambda a: a.saying(due_ms=NOW_MS + DUE_MS_MAX + 1),
            },
            "10.7": {"no reason": lambda a: a.saying(reason="")},
            "10.8": {"sixteen are open": _full},
        },
    ),
    RuleCases(
        "samples.answer",
        _answer,
        {
            "10.9": {
                "an officer of its party": lambda a: a.by(device=None, purpose="officer"),
                "the regulator himself": lambda a: a.by(device=None, party="regulator", role="regulator"),
            },
            "10.10": {
                "an unknown request": lambda a: a.saying(request=long("nothing")),
                "a record of another kind": lambda a: a.saying(request=long("record 1")),
            },
            "10.11": {
                "the device of another unit": lambda a: a.by(device="beta-gw", party="beta"),
                "a device that was replaced": _replaced,
            },
            "10.12": {"the same answer again": lambda a: a.first()},
            "10.13": {"another word": lambda a: a.saying(outcome="refused")},
            "10.14": {"fewer than none": lambda a: a.saying(samples=-1)},
            "10.15": {"a loss without a word": lambda a: a.saying(outcome="lost", text="")},
        },
        apart=frozenset({("10.13", "10.15")}),
    ),
)


@accepted(*CASES)
def test_what_a_rule_allows_is_accepted(cases: RuleCases) -> None:
    check_accepted(cases)


@singles(*CASES)
def test_every_clause_refuses(cases: RuleCases, clause: str, fault: Fault) -> None:
    check_refused(cases, clause, fault)


@pairs(*CASES)
def test_the_lowest_clause_is_cited(cases: RuleCases, lower: str, two: list[Fault]) -> None:
    check_lower(cases, lower, two)


def test_a_request_is_open_until_it_is_answered() -> None:
    channel = begun()
    first, second = ask(channel), ask(channel, from_ms=START_MS + HOUR_MS)
    assert inquiry.find_open(channel.book, "alpha-1") == [first, second]
    act = channel.device("alpha-gw")
    events = channel.do("samples.answer", act, answer(first))
    assert events == [["samples.answered", "alpha-1", first, "produced", 720, "in time"]]
    assert inquiry.find_open(channel.book, "alpha-1") == [second]
    found, given_answer = inquiry.find_request(channel.book, first), inquiry.find_answer(channel.book, first)
    assert found is not None
    assert given_answer is not None
    assert found.answer == given_answer.record_id == act.record_id
    assert (given_answer.device, given_answer.answered_ms, given_answer.content_hash, given_answer.samples) == (
        "alpha-gw", NOW_MS, long("file"), 720,
    )  # fmt: skip
    assert inquiry.find_answer(channel.book, second) is None


def test_an_answer_gives_room_for_the_next_request() -> None:
    channel = begun()
    ids = [ask(channel) for _ in range(OPEN_MAX)]
    with pytest.raises(Refused, match=r"10\.8"):
        ask(channel)
    ask(channel, unit="beta-1")
    channel.do("samples.answer", channel.device("alpha-gw"), answer(ids[3]))
    ask(channel)


@pytest.mark.parametrize(("after_ms", "word"), [(0, "in time"), (1, "late"), (DAY_MS, "late")])
def test_a_late_answer_is_taken_and_marked(after_ms: int, word: str) -> None:
    channel = begun()
    asked = ask(channel)
    channel.now_ms = DUE_MS + after_ms
    events = channel.do(
        "samples.answer", channel.device("alpha-gw"), answer(asked, outcome="lost", text="disk")
    )
    assert events == [["samples.answered", "alpha-1", asked, "lost", 720, word]]


def test_the_successor_of_a_device_answers_what_its_predecessor_was_asked() -> None:
    attempt = _answer()
    _replaced(attempt)
    assert attempt.cited() == "10.11"
    attempt.act = attempt.channel.device("alpha-gw-2")
    assert attempt.cited() is None


@pytest.mark.parametrize("wait_ms", [DUE_MS_MIN, DUE_MS_MAX])
def test_the_bounds_of_the_deadline_belong_to_it(wait_ms: int) -> None:
    channel = begun()
    ask(channel, due_ms=NOW_MS + wait_ms)


@given(
    st.lists(st.tuples(st.sampled_from(["alpha", "beta"]), st.booleans(), st.integers(0, 20)), max_size=40)
)
def test_what_is_open_is_what_was_asked_and_not_answered(
    acts: list[tuple[str, bool, int]],
) -> None:
    """The dumb twin keeps two lists."""
    channel = begun()
    asked: dict[str, list[bytes]] = {"alpha": [], "beta": []}
    for party, asks, place in acts:
        waiting = asked[party]
        if asks:
            act = channel.regulator
            attempt = Attempt(channel, "samples.request", act, request(unit=f"{party}-1"))
            assert attempt.cited() == ("10.8" if len(waiting) == OPEN_MAX else None)
            waiting += [act.record_id] * (len(waiting) < OPEN_MAX)
        elif waiting:
            chosen = waiting.pop(place % len(waiting))
            channel.do("samples.answer", channel.device(f"{party}-gw"), answer(chosen))
        for name, ids in asked.items():
            assert inquiry.find_open(channel.book, f"{name}-1") == ids
    unanswered = {record_id for record_id, entry in inquiry.find_all(channel.book) if entry.answer is None}
    assert unanswered == {record_id for ids in asked.values() for record_id in ids}
