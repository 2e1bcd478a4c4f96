"""A small world for consensus engines: virtual time, durable journals, a bus, and crashes after any effect.

An engine is judged by what leaves it. Votes are recorded where they are signed, and count from the moment when their
signature is in a message that was sent or in a certificate that was committed; so the suite knows no engine's messages.
Every block that is built differs from every other, so that building one again is always a second block.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from doxedge.consensus import certificate as certificates
from doxedge.consensus.certificate import Certificate, VoteKind, decode_certificate
from doxedge.consensus.engine import (
    Build,
    Built,
    Check,
    Checked,
    Commit,
    Committed,
    Effect,
    Engine,
    Event,
    Persist,
    Received,
    Send,
    Started,
    TimePassed,
    WakeAt,
    WorkArrived,
)
from doxedge.consensus.header import Header
from doxedge.consensus.validators import ValidatorSet
from doxedge.signing import canonical
from doxedge.signing.signer import Signer
from doxedge.signing.tags import BlockId, KeyId, tag
from tests.consensus.voters import CHANNEL, START_MS, header, validator_set, voters

STEPS_MAX = 20_000
MakeEngine = Callable[[ValidatorSet, Signer, "Header | None"], Engine]


@dataclass
class RecordingSigner:
    """A key that remembers what it signed."""

    key: Signer
    signed: dict[bytes, bytes] = field(default_factory=dict)
    """Signature to message."""

    @property
    def alg(self) -> int:
        return self.key.alg

    @property
    def public_key(self) -> bytes:
        return self.key.public_key

    @property
    def key_id(self) -> KeyId:
        return self.key.key_id

    def sign(self, message: bytes) -> bytes:
        signature = self.key.sign(message)
        self.signed[signature] = message
        return signature


@dataclass
class Node:
    """One validator: what is durable, and the engine of its present life."""

    signer: RecordingSigner
    engine: Engine
    journal: dict[bytes, bytes] = field(default_factory=dict)
    final: list[Header] = field(default_factory=list)
    blocks: dict[bytes, Header] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=deque)
    wake_at_ms: int | None = None
    built_views: list[int] = field(default_factory=list)
    """Of this life."""
    departed: set[bytes] = field(default_factory=set)
    """Signatures that somebody else can have."""


@dataclass
class World:
    """All validators of one channel, and what they have said to each other."""

    make_engine: MakeEngine
    validators: ValidatorSet
    nodes: list[Node]
    chance: random.Random
    now_ms: int = START_MS
    has_work: Callable[[], bool] = lambda: True
    effects: Counter[str] = field(default_factory=Counter)
    certified: list[tuple[Header, Certificate]] = field(default_factory=list)
    crash_after: int | None = None
    """Number of the effect after which the node that carries it out loses everything volatile."""

    @classmethod
    def begin(cls, make_engine: MakeEngine, count: int, *, seed: int = 0) -> World:
        """Fresh nodes, started, with work waiting."""
        validators = validator_set(count)
        signers = [RecordingSigner(key) for key in voters(count)]
        nodes = [Node(signer, make_engine(validators, signer, None)) for signer in signers]
        world = cls(make_engine, validators, nodes, random.Random(seed))
        for node in nodes:
            node.events += [Started(world.now_ms, {}), WorkArrived(world.now_ms)]
        return world

    def run(self, *, height: int) -> None:
        """Turn until every node has this many final blocks; AssertionError when they stand still."""
        for _ in range(STEPS_MAX):
            if all(len(node.final) >= height for node in self.nodes):
                return
            self.turn()
        raise AssertionError(f"heights {[len(node.final) for node in self.nodes]} after {STEPS_MAX} steps")

    def turn(self) -> None:
        """One event of one node that has one; else time passes to the next wish, or new work comes."""
        busy = [node for node in self.nodes if node.events]
        if busy:
            self.step(self.chance.choice(busy))
            return
        wishes = [node.wake_at_ms for node in self.nodes if node.wake_at_ms is not None]
        self.now_ms = max(self.now_ms + 1, min(wishes, default=0))
        for node in self.nodes:
            if node.wake_at_ms is not None and node.wake_at_ms <= self.now_ms:
                node.wake_at_ms = None
                node.events.append(TimePassed(self.now_ms))
            node.events.append(WorkArrived(self.now_ms))

    def step(self, node: Node) -> None:
        """Feed one event and carry the effects out in their order, unless the node dies in between."""
        for effect in node.engine.step(node.events.popleft()):
            self._carry_out(node, effect)
            self.effects["all"] += 1
            self.effects[type(effect).__name__] += 1
            if self.effects["all"] == self.crash_after:
                self.restart(node)
                return

    def restart(self, node: Node) -> None:
        """Everything volatile is lost; the engine is made anew from what is durable."""
        floor = node.final[-1] if node.final else None
        node.engine = self.make_engine(self.validators, node.signer, floor)
        node.events.clear()
        node.built_views.clear()
        node.wake_at_ms = None
        node.events += [Started(self.now_ms, dict(node.journal)), WorkArrived(self.now_ms)]

    def _carry_out(self, node: Node, effect: Effect) -> None:
        match effect:
            case Build():
                node.events.append(Built(self.now_ms, self._build(node, effect)))
            case Check(header=proposed):
                node.blocks[proposed.block_id] = proposed
                node.events.append(Checked(proposed.block_id, True))
            case Persist(journal=records):
                for name, value in records.items():
                    if value is None:
                        node.journal.pop(name, None)
                    else:
                        node.journal[name] = value
            case Send(message=message, to=to):
                node.departed |= {signature for signature in node.signer.signed if signature in message}
                for other in self.nodes:
                    if other is not node and to in {None, other.signer.key_id}:
                        other.events.append(Received(self.now_ms, node.signer.key_id, message))
            case Commit(header=final, certificate=certificate):
                self._commit(node, final, certificate)
                node.events.append(Committed(self.now_ms, final))
            case WakeAt(at_ms=at_ms):
                node.wake_at_ms = at_ms

    def _build(self, node: Node, wanted: Build) -> Header | None:
        if not self.has_work():
            return None
        made = header(
            view=wanted.view,
            parent_view=wanted.parent_view,
            parent_id=wanted.parent_id,
            height=wanted.height,
            time_ms=wanted.time_ms,
            epoch=wanted.epoch,
            root=self.chance.randbytes(32),
        )
        node.blocks[made.block_id] = made
        node.built_views.append(made.view)
        assert node.built_views == sorted(set(node.built_views)), "a second block in one view"
        return made

    def _commit(self, node: Node, final: Header, certificate: Certificate) -> None:
        """Only what is certified, with all its ancestors, and only on what was final before."""
        assert certificate.kind is VoteKind.FINALIZE
        certified = (certificate.view, certificate.block_id)
        assert certified == (final.view, final.block_id), "the certificate is of another block"
        certificates.check(
            decode_certificate(certificate.encode()), channel=CHANNEL, validators=self.validators
        )
        self.certified.append((final, certificate))
        for other in self.nodes:
            other.departed |= other.signer.signed.keys() & set(certificate.signatures)
        node.blocks[final.block_id] = final
        for one in reversed(list(self._new_ancestors(node, final))):
            previous = node.final[-1] if node.final else None
            assert one.height == len(node.final) + 1
            assert one.parent_id == (previous.block_id if previous else CHANNEL)
            assert one.parent_view == (previous.view if previous else 0) < one.view
            assert previous is None or one.time_ms > previous.time_ms
            node.final.append(one)

    def _new_ancestors(self, node: Node, final: Header) -> Iterator[Header]:
        one: Header | None = final
        while one is not None and one.height > len(node.final):
            yield one
            one = node.blocks.get(one.parent_id)

    def votes(self, node: Node) -> list[tuple[int, int, int, BlockId]]:
        """Kind, epoch, view and block of every vote of this node that left it, over all its lives."""
        found = []
        for signature in node.departed:
            message = node.signer.signed[signature]
            if message.startswith(tag("vote")):
                match canonical.decode(message.removeprefix(tag("vote"))):
                    case [int(kind), bytes(), int(epoch), int(view), bytes(block_id)]:
                        found.append((kind, epoch, view, BlockId(block_id)))
        return found

    def check_honesty(self) -> None:
        """No validator contradicted itself, and there is one final block at each height."""
        for node in self.nodes:
            votes = self.votes(node)
            for kind, epoch, view, block_id in votes:
                for other_kind, other_epoch, other_view, other_id in votes:
                    if (epoch, view) == (other_epoch, other_view):
                        assert kind != other_kind or block_id == other_id, "two votes in one view"
                        crossed = {kind, other_kind} == {VoteKind.NULLIFY, VoteKind.FINALIZE}
                        assert not crossed, "nullified and finalized"
        by_height: dict[int, set[bytes]] = {}
        for one, _ in self.certified:
            by_height.setdefault(one.height, set()).add(one.block_id)
        for node in self.nodes:
            for one in node.final:
                by_height.setdefault(one.height, set()).add(one.block_id)
        assert {len(ids) for ids in by_height.values()} <= {1}, "a fork"
