"""What waits for a block: bounded, each record once, each source in its order, nothing lost that may still follow."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import numbering
from doxedge.ledger.admission import Inadmissible, SequenceConflict
from doxedge.ledger.pool import Pool
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.state import restore
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.signing import canonical, limits
from doxedge.signing.canonical import Value
from doxedge.signing.tags import ZERO_HASH, RecordId, WireId
from tests.ledger.channels import Author, TestChannel
from tests.ledger.running import NOTE, device, rewound, running, wrongly_signed


def note(text: str) -> list[Value]:
    return [None, "note", 0, text]


def pool_of(channel: TestChannel, *transactions: Transaction) -> Pool:
    """A pool that took all of these."""
    pool = Pool(channel.chain.channel)
    for transaction in transactions:
        assert pool.admit(channel.chain.state, transaction)
    return pool


def code_of(pool: Pool, channel: TestChannel, transaction: Transaction) -> str:
    """The code with which it is turned away; nothing of the pool changes by that."""
    before = (pool.all(), pool.size_bytes, set(pool.verified))
    with pytest.raises(Inadmissible) as refused:
        pool.admit(channel.chain.state, transaction)
    assert (pool.all(), pool.size_bytes, pool.verified) == before
    return refused.value.code


def make_final(pool: Pool, channel: TestChannel, *transactions: Transaction) -> list[Transaction]:
    """These are in a block now; returns what the pool dropped besides."""
    return pool.settle(channel.chain.state, channel.block(*transactions).transactions)


def test_a_transaction_is_taken_once_and_found_by_all_its_names() -> None:
    channel = running()
    said = device(channel).batch([("event", NOTE), ("event", note("two"))])
    pool = pool_of(channel, said)
    assert not pool.admit(channel.chain.state, said)
    assert (len(pool), pool.size_bytes, pool.all()) == (1, len(said.raw), [said])
    assert said.wire_id in pool
    assert pool.get(said.wire_id) == said
    assert [pool.find_record(record_id) for record_id in said.record_ids] == [said, said]
    assert [pool.find_number(said.source, seq) for seq in (1, 2, 3, 4)] == [None, said, said, None]
    assert said.wire_id in pool.verified


def test_the_same_record_in_another_envelope_waits_already() -> None:
    channel = running()
    batch = device(channel).batch([("event", NOTE), ("event", note("two"))])
    single = rewound(device(channel), seq=1, prev=batch.record.prev).say("event", NOTE)
    pool = pool_of(channel, batch)
    assert not pool.admit(channel.chain.state, single)
    other = replace(single.envelope, signature=bytes(64)).encode()
    assert not pool.admit(channel.chain.state, open_transaction(other, channel.chain.channel))
    assert pool.all() == [batch]


def test_a_source_waits_in_the_order_of_its_numbers_and_without_holes() -> None:
    channel = running()
    author, other = device(channel), device(channel, "beta")
    chain = [author.say("event", note(str(number))) for number in range(4)]
    pool = pool_of(channel)
    assert code_of(pool, channel, chain[1]) == "wrong_sequence"
    for place, said in enumerate(chain):
        assert pool.next_number(channel.chain.state, author.source) == place + 2
        assert pool.admit(channel.chain.state, said)
        assert pool.admit(channel.chain.state, other.say("event", note("b")))
        for later in chain[place + 2 :]:
            assert code_of(pool, channel, later) == "wrong_sequence"
    assert [said for said in pool.take() if said.source == author.source] == chain
    assert pool.next_number(channel.chain.state, bytes(16)) == 1


def test_another_predecessor_than_the_one_that_waits_is_refused() -> None:
    channel = running()
    pool = pool_of(channel, device(channel).say("event", NOTE))
    assert (
        code_of(pool, channel, rewound(device(channel), prev=b"x" * 32).say("event", NOTE))
        == "wrong_previous"
    )


def test_a_second_record_of_a_number_that_waits_is_a_conflict() -> None:
    channel = running()
    author = device(channel)
    rivals = [rewound(author).say("event", note("rival")), rewound(author).batch([("event", note("r"))] * 3)]
    pool = pool_of(channel, author.say("event", NOTE))
    for rival in rivals:
        with pytest.raises(SequenceConflict) as conflict:
            pool.admit(channel.chain.state, rival)
        assert (conflict.value.seq, conflict.value.consumed) == (2, None)


def test_a_second_record_of_the_last_final_number_is_a_conflict_that_names_what_stands() -> None:
    channel = running()
    author = device(channel)
    rival = rewound(author, seq=0, prev=ZERO_HASH).say("event", note("rival"))
    pool = pool_of(channel)
    with pytest.raises(SequenceConflict) as conflict:
        pool.admit(channel.chain.state, rival)
    assert (conflict.value.seq, conflict.value.consumed) == (1, author.prev)
    again = rewound(author, seq=0, prev=ZERO_HASH).say("event", NOTE)
    assert code_of(pool, channel, again) == "duplicate"
    make_final(pool, channel, author.say("event", NOTE))
    assert code_of(pool, channel, rival) == "wrong_sequence", (
        "whose record stands there is for the node to find"
    )


def test_a_conflict_is_seen_only_by_a_signature_that_holds() -> None:
    channel = running()
    pool = pool_of(channel, rewound(device(channel)).say("event", note("first")))
    assert code_of(pool, channel, wrongly_signed(channel)) == "bad_signature"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("tick", [1], "unknown_kind"),
        ("gift", [], "unknown_kind"),
        ("hour", [], "bad_body"),
        ("event", [None, "note", True, ""], "bad_body"),
        ("conflict", [], "bad_body"),
        ("conflict", [b"one", b"two", b"three"], "bad_body"),
        ("equivocation", ["one", "two"], "bad_body"),
        ("party.enrol", ["gamma", "company", -8, bytes(32), None, None], "bad_body"),
    ],
)
def test_what_means_nothing_is_turned_away(kind: str, body: Sequence[Value], code: str) -> None:
    channel = running()
    assert code_of(pool_of(channel), channel, rewound(device(channel)).say(kind, body)) == code
    if kind != "tick":
        batch = rewound(device(channel)).batch([("event", NOTE), (kind, body)])
        assert code_of(pool_of(channel), channel, batch) == code


def copies(said: Transaction, count: int, *, size: int | None = None) -> list[Transaction]:
    """As many transactions that cost nothing to make: other names, other numbers, bytes of this size."""
    raw = said.raw if size is None else bytes(size)
    return [
        replace(
            said,
            raw=raw,
            wire_id=WireId(number.to_bytes(32)),
            record_ids=(RecordId(number.to_bytes(32)),),
            record=replace(said.record, seq=number + 100),
            records=(replace(said.record, seq=number + 100),),
        )
        for number in range(count)
    ]


def test_the_pool_holds_50_000_transactions_and_gives_up_none_of_them_for_another() -> None:
    channel = running()
    pool = Pool(channel.chain.channel)
    held = copies(rewound(device(channel, "beta")).say("event", NOTE), 49_999)
    for transaction in held:
        pool._enter(transaction)
    said, more = device(channel).say("event", NOTE), device(channel).say("event", NOTE)
    assert pool.admit(channel.chain.state, said)
    assert len(pool) == limits.POOL_TRANSACTIONS == 50_000
    with pytest.raises(Inadmissible, match="submit again in a while") as refused:
        pool.admit(channel.chain.state, more)
    assert refused.value.code == "pool_full"
    assert not pool.admit(channel.chain.state, said), "what waits already needs no room"
    assert pool.all() == [*held, said]
    make_final(pool, channel, said)
    assert pool.admit(channel.chain.state, more)


def test_the_pool_holds_64_mebibytes_to_the_byte() -> None:
    channel = running()
    pool = Pool(channel.chain.channel)
    said = device(channel).say("event", NOTE)
    for transaction in copies(rewound(device(channel, "beta")).say("event", NOTE), 1_023, size=64 * 1024):
        pool._enter(transaction)
    filler = 64 * 1024 - len(said.raw)
    (last,) = copies(rewound(device(channel, "beta")).say("event", NOTE), 1, size=filler + 1)
    last = replace(last, wire_id=WireId(b"l" * 32), record_ids=(RecordId(b"l" * 32),))
    pool._enter(last)
    assert code_of(pool, channel, said) == "pool_full"
    pool._remove(last.wire_id)
    pool._enter(replace(last, raw=bytes(filler)))
    assert pool.admit(channel.chain.state, said)
    assert pool.size_bytes == limits.POOL_BYTES == 64 * 1024 * 1024


def test_a_block_takes_what_fits_in_the_order_of_arrival_and_leaves_it_there() -> None:
    channel = running()
    waiting = [device(channel, party).say("event", note("x" * 50)) for party in ("alpha", "beta") * 3]
    pool = pool_of(channel, *waiting)
    size = len(waiting[0].raw)
    assert pool.take() == waiting
    assert pool.take(count_max=4) == waiting[:4]
    assert pool.take(bytes_max=3 * size) == waiting[:3]
    assert pool.take(bytes_max=3 * size - 1) == waiting[:2]
    assert pool.take(count_max=0) == pool.take(bytes_max=0) == []
    assert pool.all() == waiting


def test_what_is_final_is_forgotten_with_its_names() -> None:
    channel = running()
    first, second = device(channel).say("event", NOTE), device(channel).say("event", note("2"))
    other = device(channel, "beta").say("event", NOTE)
    pool = pool_of(channel, first, second, other)
    assert make_final(pool, channel, first, other) == []
    assert pool.all() == [second]
    assert pool.size_bytes == len(second.raw)
    assert pool.verified == {second.wire_id}
    assert pool.find_record(first.record_ids[0]) is None
    assert pool.find_number(first.source, 2) is None
    assert pool.next_number(channel.chain.state, first.source) == 4
    assert make_final(pool, channel, second) == []
    assert (len(pool), pool.size_bytes, pool.verified) == (0, 0, set())
    assert pool.next_number(channel.chain.state, first.source) == 4


def test_what_can_never_follow_any_more_is_dropped_and_named() -> None:
    """Another record took the number, by another node: the chain behind the loser goes with it."""
    channel = running()
    author = device(channel)
    winner = rewound(author).say("event", note("winner"))
    losers = [author.say("event", note(str(number))) for number in range(3)]
    bystander = device(channel, "beta").say("event", NOTE)
    pool = pool_of(channel, *losers, bystander)
    assert make_final(pool, channel, winner) == losers
    assert pool.all() == [bystander]
    follower = rewound(author, seq=2, prev=winner.record_ids[0]).say("event", NOTE)
    assert pool.admit(channel.chain.state, follower)


def test_records_that_became_final_one_by_one_free_the_batch_that_holds_them() -> None:
    channel = running()
    author = device(channel)
    single = rewound(author).say("event", NOTE)
    whole = author.batch([("event", NOTE), ("event", note("2"))])
    rest = rewound(author, seq=2, prev=whole.record_ids[0]).say("event", note("2"))
    pool = pool_of(channel, whole)
    assert make_final(pool, channel, single) == [whole], "half of it is not final: its author must hear of it"
    assert len(pool) == 0
    assert pool.admit(channel.chain.state, rest)


def test_a_batch_whose_records_all_became_final_is_not_called_dropped() -> None:
    channel = running()
    author = device(channel)
    single = rewound(author).say("event", NOTE)
    whole = author.batch([("event", NOTE), ("event", note("2"))])
    rest = rewound(author, seq=2, prev=whole.record_ids[0]).say("event", note("2"))
    pool = pool_of(channel, whole)
    assert make_final(pool, channel, single, rest) == []
    assert len(pool) == 0


def test_a_refused_record_lets_the_chain_behind_it_go_on() -> None:
    channel = running()
    author = device(channel)
    refused = author.say("event", [None, "", 0, "an event without a code"])
    following = author.say("event", NOTE)
    pool = pool_of(channel, refused, following)
    extension = channel.block(refused)
    assert extension.execution.receipts[1].outcome is Outcome.REFUSED
    assert pool.settle(channel.chain.state, extension.transactions) == []
    assert pool.all() == [following]


def test_after_a_restart_the_next_record_is_admitted_and_held_ones_come_back_in_order() -> None:
    channel = running()
    author = device(channel)
    held = [author.say("event", note(str(number))) for number in range(3)]
    final = held[0]
    channel.block(final)
    rows = [
        (room, key, canonical.encode(value))
        for room, entries in channel.chain.state.rooms.items()
        for key, value in entries.items()
    ]
    state = restore(rows)
    assert state.root == channel.chain.state.root
    pool = Pool(channel.chain.channel)
    assert pool.next_number(state, author.source) == 3
    with pytest.raises(Inadmissible, match="on the ledger already"):
        pool.admit(state, final)
    with pytest.raises(Inadmissible, match="leaves a hole"):
        pool.admit(state, held[2])
    for said in held[1:]:
        assert pool.admit(state, said)
    assert pool.admit(state, author.say("event", NOTE))
    assert [said.first_seq for said in pool.all()] == [3, 4, 5]


class Crowd:
    """Several sources that speak, twice at times, to a pool whose node sees only some blocks as its own."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.channel = running()
        self.pool = Pool(self.channel.chain.channel, transactions_max=40, bytes_max=8_000)
        self.said: list[Transaction] = []
        parties = [device(self.channel), device(self.channel, "beta"), self.channel.officer("alpha")]
        self.authors = [rewound(author) for author in parties]

    def speak(self) -> None:
        author: Author = self.chance.choice(self.authors)
        entry = ("event", note(str(self.chance.randrange(3))))
        said = (
            author.batch([entry] * self.chance.randrange(1, 4))
            if self.chance.random() < 0.4
            else author.say(*entry)
        )
        self.said.append(said)
        if self.chance.random() < 0.3:
            author.seq, author.prev = said.first_seq - 1, said.record.prev  # the same number will come again
        self.hear(said)

    def hear(self, said: Transaction) -> None:
        with contextlib.suppress(Inadmissible):
            self.pool.admit(self.channel.chain.state, said)

    def order(self) -> None:
        """A block: mostly of this pool, at times of what only others have heard."""
        chosen = self.pool.take(count_max=self.chance.randrange(6))
        if self.chance.random() < 0.4:
            chosen = self.chance.sample(self.said, min(4, len(self.said)))
        extension = self.channel.block(*chosen)
        before = self.pool.all()
        dropped = self.pool.settle(self.channel.chain.state, extension.transactions)
        final = {record_id for said in extension.transactions for record_id in said.record_ids}
        gone = [said for said in before if said.wire_id not in self.pool]
        assert all(said in dropped or final.issuperset(said.record_ids) for said in gone)
        assert all(said.wire_id not in self.pool for said in dropped)

    def check(self) -> None:
        """The twin counts from the state on; what waits must be exactly such a chain for every source."""
        waiting, state = self.pool.all(), self.channel.chain.state
        assert self.pool.size_bytes == sum(len(said.raw) for said in waiting) <= 8_000
        assert len(self.pool) == len(waiting) <= 40
        assert self.pool.verified == {said.wire_id for said in waiting}
        for source in {said.source for said in waiting}:
            entry = numbering.find_source(state, source)
            assert entry is not None
            seq, prev = entry.seq, entry.prev
            for said in waiting:
                if said.source == source:
                    assert (said.first_seq, said.record.prev) == (seq + 1, prev)
                    seq, prev = said.last_seq, said.record_ids[-1]
            assert self.pool.next_number(state, source) == seq + 1


@given(st.integers(0, 2**32))
def test_whatever_is_said_and_ordered_the_pool_is_a_chain_for_every_source(seed: int) -> None:
    crowd = Crowd(seed)
    for _ in range(25):
        act = crowd.chance.random()
        if act < 0.7:
            crowd.speak()
        elif act < 0.8 and crowd.said:
            crowd.hear(crowd.chance.choice(crowd.said))
        else:
            crowd.order()
        crowd.check()
    planned = crowd.pool.take()
    receipts = crowd.channel.block(*planned).execution.receipts[1:]
    assert all(receipt.outcome is not Outcome.INADMISSIBLE for receipt in receipts), "a block of ours"
