"""The script of faults: seeded, bounded, and written in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.broker.faults import Fate, FaultRule, Faults, parse_rule

CHANCE = st.sampled_from([0.0, 0.3, 1.0])
RULE = st.builds(
    FaultRule, drop=CHANCE, duplicate=CHANCE, delay=CHANCE, reorder=CHANCE, truncate=CHANCE, corrupt=CHANCE
)


def decide(faults: Faults, payload: bytes = b"payload", /, **where: str) -> Fate:
    place = {"topic": "t", "sender": "s", "receiver": "r"} | where
    return faults.decide(payload, **place)


@given(st.integers(), st.lists(RULE, min_size=1, max_size=3), st.lists(st.binary(max_size=30), max_size=20))
def test_one_seed_gives_one_history(seed: int, rules: list[FaultRule], payloads: list[bytes]) -> None:
    histories = []
    for _ in range(2):
        faults = Faults(seed)
        for rule in rules:
            faults.add(rule)
        histories.append([decide(faults, payload) for payload in payloads])
    assert histories[0] == histories[1]


@given(RULE, st.binary(max_size=30))
def test_a_fault_never_invents_bytes(rule: FaultRule, payload: bytes) -> None:
    faults = Faults(1)
    faults.add(rule)
    for _, copy in decide(faults, payload).copies:
        assert len(copy) <= len(payload)
        changed = sum((a ^ b).bit_count() for a, b in zip(copy, payload, strict=False))
        assert changed <= 1


def test_without_rules_everything_passes() -> None:
    faults = Faults()
    assert faults.is_quiet
    assert decide(faults) == Fate(((0, b"payload"),))


@pytest.mark.parametrize(
    ("fault", "fate"),
    [
        ("drop", Fate(())),
        ("duplicate", Fate(((0, b"payload"), (0, b"payload")))),
        ("reorder", Fate(((0, b"payload"),), is_held=True)),
        ("disconnect", Fate((), disconnects=True)),
        ("take_over", Fate((), takes_over=True)),
    ],
)
def test_a_certain_fault_happens_and_is_counted(fault: str, fate: Fate) -> None:
    chances: dict[str, Any] = {fault: 1.0}
    faults = Faults()
    faults.add(FaultRule(**chances))
    assert decide(faults) == fate
    assert faults.counts == {fault: 1}


def test_a_delay_lies_within_its_bounds() -> None:
    faults = Faults()
    faults.add(FaultRule(delay=1, delay_ms=(20, 30)))
    assert all(20 <= decide(faults).copies[0][0] <= 30 for _ in range(50))


def test_a_chance_is_about_what_it_says() -> None:
    faults = Faults(7)
    faults.add(FaultRule(drop=0.3))
    lost = sum(not decide(faults).copies for _ in range(2_000))
    assert 500 <= lost <= 700


def test_a_rule_covers_topic_sender_and_receiver() -> None:
    faults = Faults()
    faults.add(FaultRule(topic_filter="a/+", sender="s*", receiver="r?", drop=1))
    assert decide(faults, topic="a/b", sender="s1", receiver="r1").copies == ()
    for other in ({"topic": "a"}, {"sender": "x"}, {"receiver": "r"}):
        assert decide(faults, b"x", **({"topic": "a/b", "sender": "s1", "receiver": "r1"} | other)).copies


def test_the_first_rule_that_covers_decides_until_it_is_used_up_or_removed() -> None:
    faults = Faults()
    faults.add(FaultRule(drop=1, times=2))
    rule = faults.add(FaultRule(duplicate=1))
    assert [len(decide(faults).copies) for _ in range(4)] == [0, 0, 2, 2]
    faults.remove(rule)
    faults.remove(rule)
    assert len(decide(faults).copies) == 1
    assert faults.is_quiet


def test_islands_do_not_hear_each_other_and_others_hear_all() -> None:
    faults = Faults()
    faults.partition(["a*"], ["b", "c"])
    heard = {
        (sender, receiver): bool(decide(faults, sender=sender, receiver=receiver).copies)
        for sender in ("a1", "b", "z")
        for receiver in ("a2", "c", "z")
    }
    assert [pair for pair, hears in heard.items() if not hears] == [("a1", "c"), ("b", "a2")]
    faults.heal()
    assert decide(faults, sender="a1", receiver="c").copies


def test_a_rule_can_be_written_in_words() -> None:
    text = "topic=a/+, from=x*,to=y,drop=0.5,delay=1,delay_ms=5-50,times=3"
    assert parse_rule(text) == FaultRule(
        topic_filter="a/+", sender="x*", receiver="y", drop=0.5, delay=1.0, delay_ms=(5, 50), times=3
    )
    assert parse_rule("delay=1,delay_ms=7").delay_ms == (7, 7)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dorp=1", "'dorp=1': write name=value"),
        ("drop", "'drop': write name=value"),
        ("", "write name=value"),
        ("drop=often", "'often' is not a number"),
        ("drop=1.1", "drop is 1.1"),
        ("drop=-0.1", "drop is -0.1"),
        ("drop=nan", "drop is nan"),
        ("delay_ms=9-3", "ascending"),
        ("delay_ms=-5", "not a number"),
        ("times=0", "at least 1"),
        ("topic=a#,drop=1", "not a topic filter"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_part(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        parse_rule(text)
