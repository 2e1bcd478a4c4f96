"""One suite for every consensus engine: what the port promises, whoever keeps it.

To add an engine, name it in `ENGINES` with the numbers of validators that it serves; the suite knows nothing else of
it. The promises: persist before send, commit only what is certified, never two blocks in one view, nothing
contradictory after a crash at any moment, rest without work, certificates in the one form of the wire.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from doxedge.consensus.certificate import VoteKind
from doxedge.consensus.engine import (
    AmnesiaError,
    Build,
    Built,
    Commit,
    Engine,
    Persist,
    Received,
    Started,
    TimePassed,
    WakeAt,
    WorkArrived,
)
from doxedge.consensus.header import Header
from doxedge.consensus.solo import SoloEngine
from doxedge.consensus.validators import ValidatorSet
from doxedge.signing import canonical
from doxedge.signing.signer import Signer
from tests.conformance.engine_world import MakeEngine, World
from tests.consensus.voters import CHANNEL, START_MS

BLOCKS = 6


def make_solo(validators: ValidatorSet, signer: Signer, floor: Header | None) -> Engine:
    """The engine for one validator, at a pace of 200 ms."""
    return SoloEngine(channel=CHANNEL, validators=validators, signer=signer, floor=floor)


def make_solo_unpaced(validators: ValidatorSet, signer: Signer, floor: Header | None) -> Engine:
    """As a node drives it that keeps the pace itself."""
    return SoloEngine(channel=CHANNEL, validators=validators, signer=signer, floor=floor, interval_ms=0)


@dataclass(frozen=True)
class Case:
    """An engine, and how many validators drive it here."""

    name: str
    make: MakeEngine
    validators: int


ENGINES = [Case("solo", make_solo, 1), Case("solo without pace", make_solo_unpaced, 1)]
every_engine = pytest.mark.parametrize("case", ENGINES, ids=lambda case: case.name)


@every_engine
def test_waiting_work_becomes_certified_blocks_in_one_chain(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.run(height=BLOCKS)
    world.check_honesty()
    assert world.certified
    for _, certificate in world.certified:
        assert len(certificate.signatures) >= world.validators.quorum


@every_engine
def test_a_certificate_has_the_six_fields_of_the_wire(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.run(height=1)
    header, certificate = world.certified[0]
    match canonical.decode(certificate.encode()):
        case [kind, epoch, view, block_id, bytes(bitmap), list(signatures)]:
            assert (kind, epoch, view, block_id) == (2, header.epoch, header.view, header.block_id)
            assert len(bitmap) == -(-case.validators // 8)
            assert int.from_bytes(bitmap, "little").bit_count() == len(signatures)
        case other:
            pytest.fail(f"{other!r} is no certificate")


@every_engine
def test_a_crash_after_any_effect_leads_to_nothing_contradictory(case: Case) -> None:
    """Whatever left before the crash was durable, or the next life would contradict it."""
    whole = World.begin(case.make, case.validators)
    whole.run(height=BLOCKS)
    assert whole.effects["all"] > 2 * BLOCKS
    for crash_after in range(1, whole.effects["all"] + 1):
        world = World.begin(case.make, case.validators)
        world.crash_after = crash_after
        world.run(height=BLOCKS + 2)
        world.check_honesty()


@every_engine
def test_a_node_that_crashes_again_and_again_still_comes_forward(case: Case) -> None:
    for seed in range(20):
        world = World.begin(case.make, case.validators, seed=seed)
        for height in range(1, BLOCKS):
            world.run(height=height)
            world.restart(world.chance.choice(world.nodes))
            for _ in range(world.chance.randrange(6)):
                world.turn()
            world.restart(world.chance.choice(world.nodes))
        world.check_honesty()


@every_engine
def test_a_header_is_durable_before_its_vote_leaves(case: Case) -> None:
    """Read from the effects themselves: what a commit or a message shows was persisted by then."""
    world = World.begin(case.make, case.validators)
    for _ in range(200):
        for node in world.nodes:
            while node.events:
                event = node.events.popleft()
                effects = node.engine.step(event)
                for effect in effects:
                    if isinstance(effect, Commit):
                        kept = b"".join([*node.journal, *node.journal.values()])
                        assert effect.header.encode() in kept or bytes(effect.header.block_id) in kept
                    world._carry_out(node, effect)
        world.turn()
    assert world.certified


@every_engine
def test_no_vote_is_a_finalization_of_what_was_not_built_or_checked(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.run(height=BLOCKS)
    for node in world.nodes:
        finalized = {block_id for kind, _, _, block_id in world.votes(node) if kind == VoteKind.FINALIZE}
        assert finalized
        assert finalized <= node.blocks.keys()


@every_engine
def test_without_work_an_engine_rests(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    for node in world.nodes:
        effects = node.engine.step(Started(START_MS, {})) + node.engine.step(TimePassed(START_MS + 10_000))
        assert not [effect for effect in effects if isinstance(effect, Build | Commit)]


@every_engine
def test_when_there_was_nothing_after_all_no_view_is_burnt_and_later_work_is_taken(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.has_work = lambda: False
    for _ in range(50):
        world.turn()
    assert not world.certified
    asked = world.effects["Build"]
    assert asked >= 1
    assert world.effects["all"] < 300, "it asks without being told of work"
    world.has_work = lambda: True
    world.run(height=2)
    world.check_honesty()


@every_engine
def test_noise_from_another_validator_does_nothing(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.run(height=2)
    node = world.nodes[0]
    for noise in (b"", b"\xff", bytes(1_000), node.journal.get(next(iter(node.journal), b""), b"")):
        for sender in (bytes(16), node.signer.key_id):
            effects = node.engine.step(Received(world.now_ms, sender, noise))
            assert not [effect for effect in effects if isinstance(effect, Commit | Persist)]
    world.run(height=4)
    world.check_honesty()


@every_engine
def test_a_block_is_later_than_its_parent_when_the_clock_was_set_back(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.run(height=2)
    while busy := [node for node in world.nodes if node.events]:
        world.step(busy[0])
    world.now_ms -= 7_200_000
    for node in world.nodes:
        node.wake_at_ms = None
    world.run(height=4)
    times = [header.time_ms for header in world.nodes[0].final]
    assert times == sorted(set(times))
    assert world.now_ms < START_MS, "an engine waits for hours that it has seen already"


@every_engine
def test_a_disk_older_than_the_votes_is_noticed(case: Case) -> None:
    """Whoever forgets what he voted must not vote: the journal says more than the chain holds."""
    world = World.begin(case.make, case.validators)
    world.run(height=4)
    for node in world.nodes:
        engine = case.make(world.validators, node.signer, node.final[0])
        with pytest.raises(AmnesiaError, match="old copy"):
            engine.step(Started(world.now_ms, dict(node.journal)))


@every_engine
def test_a_wish_to_be_woken_lies_ahead(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    for _ in range(300):
        for node in world.nodes:
            if node.events:
                event = node.events.popleft()
                now_ms = getattr(event, "now_ms", world.now_ms)
                for effect in node.engine.step(event):
                    if isinstance(effect, WakeAt):
                        assert effect.at_ms > now_ms
                    world._carry_out(node, effect)
        world.turn()
    assert world.certified


@every_engine
def test_a_block_that_was_not_asked_for_is_not_signed(case: Case) -> None:
    world = World.begin(case.make, case.validators)
    world.run(height=2)
    node = world.nodes[0]
    before = set(node.signer.signed)
    head = node.final[-1]
    strange = dataclasses.replace(head, height=head.height + 1, view=head.view, parent_id=head.block_id)
    fresh = case.make(world.validators, node.signer, head)
    fresh.step(Started(world.now_ms, dict(node.journal)))
    for engine in (fresh, node.engine):
        with pytest.raises(RuntimeError, match="not asked for"):
            engine.step(Built(world.now_ms, strange))
    assert set(node.signer.signed) == before
    fresh.step(WorkArrived(world.now_ms))
