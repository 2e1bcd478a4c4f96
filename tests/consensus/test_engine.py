"""The port itself: events and effects are values, and an engine is whatever has `step`."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from doxedge.consensus import engine
from doxedge.consensus.engine import AmnesiaError, Effect, Engine, Event
from doxedge.consensus.solo import SoloEngine
from tests.consensus.voters import CHANNEL, validator_set, voters


@pytest.mark.parametrize("kind", [*get_args(Event), *get_args(Effect)], ids=lambda kind: kind.__name__)
def test_events_and_effects_do_not_change_once_they_are_made(kind: type) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(kind)


def test_every_event_but_an_answer_of_the_rules_carries_the_time() -> None:
    """An engine has no clock: what it knows of time comes with its events."""
    without = [
        kind.__name__
        for kind in get_args(Event)
        if "now_ms" not in {f.name for f in dataclasses.fields(kind)}
    ]
    assert without == ["Checked"]


def test_the_engine_of_one_validator_is_an_engine() -> None:
    (key,) = voters(1)
    made: Engine = SoloEngine(channel=CHANNEL, validators=validator_set(1), signer=key, floor=None)
    assert made.step(engine.TimePassed(1)) == []


def test_amnesia_is_a_broken_invariant_and_not_the_fault_of_a_peer() -> None:
    assert issubclass(AmnesiaError, RuntimeError)
    assert not issubclass(AmnesiaError, ValueError)
