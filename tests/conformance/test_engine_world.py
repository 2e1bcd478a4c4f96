"""The world in which engines are judged catches those that do wrong; each is named by its crime."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from doxedge.consensus.certificate import InvalidCertificate
from doxedge.consensus.engine import Build, Built, Commit, Effect, Event, Persist, Send
from doxedge.consensus.header import Header
from doxedge.consensus.solo import SoloEngine
from doxedge.consensus.validators import ValidatorSet
from doxedge.signing.signer import Signer
from tests.conformance.engine_world import World
from tests.consensus.voters import CHANNEL

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

BLOCKS = 3


class Talker(SoloEngine):
    """Sends its vote before the header is durable."""

    @override
    def step(self, event: Event) -> list[Effect]:
        effects = super().step(event)
        votes: list[Effect] = [
            Send(effect.certificate.signatures[0]) for effect in effects if isinstance(effect, Commit)
        ]
        return votes + effects


class Repeater(SoloEngine):
    """Asks for a second block in the view of the first."""

    asked: Build | None = None

    @override
    def step(self, event: Event) -> list[Effect]:
        if isinstance(event, Built) and event.header is not None and self.asked is not None:
            return [self.asked]
        effects = super().step(event)
        self.asked = next((effect for effect in effects if isinstance(effect, Build)), self.asked)
        return effects


class Forger(SoloEngine):
    """Commits with a signature that does not hold."""

    @override
    def step(self, event: Event) -> list[Effect]:
        return [
            replace(effect, certificate=replace(effect.certificate, signatures=(bytes(64),)))
            if isinstance(effect, Commit)
            else effect
            for effect in super().step(event)
        ]


class Jumper(SoloEngine):
    """Commits another block than the certified one."""

    @override
    def step(self, event: Event) -> list[Effect]:
        return [
            replace(effect, header=replace(effect.header, state_root=bytes(32)))
            if isinstance(effect, Commit)
            else effect
            for effect in super().step(event)
        ]


class Sleeper(SoloEngine):
    """Never gives its block to the node."""

    @override
    def step(self, event: Event) -> list[Effect]:
        return [effect for effect in super().step(event) if isinstance(effect, Build | Persist)]


Maker = Callable[[ValidatorSet, Signer, Header | None], SoloEngine]


def maker(crime: type[SoloEngine]) -> Maker:
    """Makes engines that commit this crime."""

    def make(validators: ValidatorSet, signer: Signer, floor: Header | None) -> SoloEngine:
        return crime(channel=CHANNEL, validators=validators, signer=signer, floor=floor)

    return make


def judged(crime: type[SoloEngine]) -> None:
    """The world's judgement over a run with a crash after each of the first effects."""
    for crash_after in range(1, 4 * BLOCKS):
        world = World.begin(maker(crime), 1)
        world.crash_after = crash_after
        world.run(height=BLOCKS)
        world.check_honesty()


def test_an_honest_engine_passes() -> None:
    judged(SoloEngine)


@pytest.mark.parametrize(
    ("crime", "words"),
    [
        (Talker, "two votes in one view"),
        (Repeater, "a second block in one view"),
        (Jumper, "another block"),
        (Sleeper, "steps"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_engine_that_does_wrong_is_caught(
    crime: type[SoloEngine], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.conformance.engine_world.STEPS_MAX", 500)
    with pytest.raises(AssertionError, match=words):
        judged(crime)


def test_a_certificate_that_does_not_hold_is_caught() -> None:
    with pytest.raises(InvalidCertificate):
        judged(Forger)
