"""What a leader puts into his next block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from doxedge.consensus.engine import Build
from doxedge.consensus.header import InvalidBlock
from doxedge.contracts import numbering
from doxedge.ledger.block import TRANSACTIONS_MAX
from doxedge.ledger.chain import ChainState
from doxedge.ledger.pool import Pool
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.transaction import TICK, Transaction
from doxedge.node import proposal
from doxedge.node.accusations import PER_BLOCK, Accusations
from doxedge.signing import limits
from doxedge.signing.canonical import Value
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, signer

LEADER = signer("regulator node")


@dataclass
class Leader:
    """A channel with units, a pool over it, and what is proved against its sources."""

    channel: TestChannel = field(default_factory=lambda: TestChannel.begin().with_units())
    accusations: Accusations = field(default_factory=Accusations)
    pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(self.channel.chain.channel)

    @property
    def chain(self) -> ChainState:
        return self.channel.chain

    def admit(self, *transactions: Transaction) -> None:
        for transaction in transactions:
            assert self.pool.admit(self.chain.state, transaction)

    def plan(self, now_ms: int = START_MS + HOUR_MS) -> list[Transaction]:
        return proposal.plan(self.chain, self.pool, self.accusations, signer=LEADER, now_ms=now_ms)

    def build(self, transactions: Sequence[Transaction]) -> list[Outcome]:
        assert self.chain.head is not None
        wanted = Build(
            epoch=0, view=self.chain.head.view + 1, parent_view=self.chain.head.view, parent_id=self.chain.head_id,
            height=self.chain.height + 1, time_ms=START_MS + HOUR_MS,
        )  # fmt: skip
        extension = proposal.build(self.chain, transactions, wanted=wanted, verified=self.pool.verified)
        self.chain.take(extension)
        self.accusations.judged(extension.transactions)
        self.pool.settle(self.chain.state, extension.transactions)
        return [receipt.outcome for receipt in extension.execution.receipts]


def event(text: str) -> list[Value]:
    return ["alpha-1", "test.event", START_MS, text]


def test_nothing_waiting_makes_no_block() -> None:
    assert Leader().plan() == []


def test_the_tick_comes_first_then_what_waits_in_the_order_of_arrival() -> None:
    leader = Leader()
    waiting = [leader.channel.authors["alpha-1 device"].say("event", event(str(n))) for n in range(3)]
    leader.admit(*waiting)
    planned = leader.plan()
    assert planned[0].record.kind == TICK
    assert planned[0].record.body == [START_MS + HOUR_MS]
    assert planned[1:] == waiting
    assert leader.build(planned) == [Outcome.ACCEPTED] * 4


def test_the_tick_never_goes_back_behind_the_execution_clock() -> None:
    leader = Leader()
    leader.admit(leader.channel.authors["alpha-1 device"].say("event", event("x")))
    assert leader.plan(now_ms=START_MS - HOUR_MS)[0].record.body == [leader.chain.clock_ms]


def test_a_proof_comes_last_and_suspends_the_source_though_its_number_is_consumed_in_the_same_block() -> None:
    leader = Leader()
    device = leader.channel.authors["alpha-1 device"]
    first = device.say("event", event("one"))
    device.seq, device.prev = 0, first.record.prev
    second = device.say("event", event("two"))
    leader.admit(first)
    leader.accusations.add(
        leader.chain.state, source=device.source, seq=1, first=first.raw, second=second.raw
    )
    planned = leader.plan()
    assert [t.record.kind for t in planned] == [TICK, "event", "conflict"]
    assert leader.build(planned) == [Outcome.ACCEPTED] * 3
    entry = numbering.find_source(leader.chain.state, device.source)
    assert entry is not None
    assert entry.suspended
    assert leader.plan() == []


def test_a_proof_that_the_rules_refuse_is_not_proposed_again() -> None:
    """A member's node gives one number twice: that is none of the rules' conflicts, and must not fill every block."""
    leader = Leader()
    node = leader.channel.author("beta node", signer("beta node"))
    first = node.say("event", event("one"))
    node.seq, node.prev = 0, first.record.prev
    second = node.say("event", event("two"))
    leader.admit(first)
    leader.accusations.add(leader.chain.state, source=node.source, seq=1, first=first.raw, second=second.raw)
    planned = leader.plan()
    assert leader.build(planned) == [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.REFUSED]
    assert leader.plan() == []


def test_a_proof_whose_number_is_free_yet_makes_no_block() -> None:
    leader = Leader()
    device = leader.channel.authors["alpha-1 device"]
    leader.accusations.add(leader.chain.state, source=device.source, seq=1, first=b"1", second=b"2")
    assert leader.plan() == []


def test_a_full_pool_makes_a_full_block_that_others_would_take() -> None:
    leader = Leader()
    device = leader.channel.authors["alpha-1 device"]
    leader.admit(*(device.say("event", event("x" * 4_000)) for _ in range(600)))
    assert leader.pool.size_bytes > limits.BODY_BYTES
    planned = leader.plan()
    assert sum(len(t.raw) for t in planned) <= limits.BODY_BYTES
    assert sum(len(t.raw) for t in planned) > limits.BODY_BYTES - 16_384
    assert set(leader.build(planned)) == {Outcome.ACCEPTED}
    assert len(leader.pool) == 600 - (len(planned) - 1)


def test_many_small_ones_leave_room_for_tick_and_proofs() -> None:
    leader = Leader()
    device = leader.channel.authors["alpha-1 device"]
    leader.admit(*(device.say("event", event("x")) for _ in range(TRANSACTIONS_MAX + 10)))
    assert len(leader.plan()) == TRANSACTIONS_MAX - PER_BLOCK


def test_what_waits_of_a_source_that_was_suspended_or_a_key_that_was_revoked_is_stuck() -> None:
    leader = Leader()
    alpha, beta = leader.channel.authors["alpha-1 device"], leader.channel.authors["beta-1 device"]
    stuck, free = alpha.say("event", event("x")), beta.say("event", ["beta-1", "test.event", START_MS, "x"])
    leader.admit(stuck, free)
    assert proposal.find_stuck(leader.chain.state, leader.pool) == []
    leader.channel.block(
        leader.channel.officer("regulator").say("key.revoke", [signer("alpha device").key_id, "stolen"])
    )
    assert proposal.find_stuck(leader.chain.state, leader.pool) == [stuck]


def test_a_node_key_without_a_numbering_makes_no_block() -> None:
    leader = Leader()
    leader.admit(leader.channel.authors["alpha-1 device"].say("event", event("x")))
    with pytest.raises(InvalidBlock, match="has no numbering"):
        proposal.plan(
            leader.chain,
            leader.pool,
            leader.accusations,
            signer=signer("stranger"),
            now_ms=START_MS + HOUR_MS,
        )
