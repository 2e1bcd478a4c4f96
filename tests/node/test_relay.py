"""What a node makes of what the others say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doxedge.consensus.cosignature import cosign
from doxedge.consensus.header import decode_header
from doxedge.contracts import numbering
from doxedge.gossip import message, topics
from doxedge.gossip.message import Kind
from doxedge.ledger.block import Block, decode_block
from doxedge.ledger.chain import ChainState
from doxedge.ledger.transaction import TICK, Transaction
from doxedge.node.cosignatures import COSIGNATURE_DEPTH
from doxedge.node.relay import SUSPECTS_A_TURN
from doxedge.node.standing import FORK
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import source_id
from tests.ledger.channels import Author, certified, signer
from tests.node.bench import CHANNEL, GENESIS, Bench, bench, chain_of
from tests.node.network import Hand, until

LEADER = signer("regulator node").key_id


def forked(transactions: Sequence[Transaction], *, time_ms: int) -> Block:
    """A first block that the validator certified elsewhere."""
    chain = ChainState(GENESIS)
    key = signer("regulator node")
    tick = Author(CHANNEL, key, source_id(CHANNEL, key.key_id)).say(TICK, [time_ms])
    return certified(chain.build([tick, *transactions], view=1, parent_view=0, time_ms=time_ms), chain)


def head_body(block: bytes, *, sent_ms: int = 0) -> list[Value]:
    decoded = decode_block(block)
    return [sent_ms, decoded.header.encode(), decoded.certificate]


def is_idle(node: Bench) -> bool:
    return node.host.relay._inbox.empty()


async def refused(node: Bench, why: str) -> None:
    await until(lambda: node.host.relay.refused[why], what=f"{why}: {node.host.relay.refused}")


async def test_a_block_of_the_leader_is_executed_cosigned_and_shown(tmp_path: Path) -> None:
    (block,) = await chain_of(tmp_path, Hand(CHANNEL).configs(1))
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.hear("regulator", Kind.FINAL, [block])
        await until(lambda: alpha.height == 1)
        await until(lambda: alpha.said(Kind.COSIGNATURE))
        own = alpha.said(Kind.COSIGNATURE)[0].body
        assert own[:2] == [1, decode_block(block).header.block_id]
        await until(lambda: alpha.said(Kind.HEAD) and alpha.said(Kind.HEAD)[-1].body[1:])
        assert alpha.said(Kind.HEAD)[-1].body[1] == decode_block(block).header.encode()
        assert alpha.said(Kind.FINAL) == [], "only who ordered a block sends it to all"
        assert alpha.host.node.is_in_step


async def test_a_node_that_was_away_asks_for_what_is_missing_and_has_all_of_it(tmp_path: Path) -> None:
    blocks = await chain_of(tmp_path, Hand(CHANNEL).configs(7))
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.hear("regulator", Kind.HEAD, head_body(blocks[-1]), expires_ms=0)
        await until(lambda: alpha.said(Kind.WANT))
        question = alpha.said(Kind.WANT)[0]
        assert question.body == [LEADER, 1, 0]
        assert not alpha.host.node.is_in_step
        assert alpha.host.node.standing.reasons(0) == ["is at height 0 of 7: wait"]
        alpha.hear("regulator", Kind.HAVE, [1, 0, 0, list(blocks[:4])], correlation=question.correlation)
        await until(lambda: alpha.height == 4)
        await until(lambda: len(alpha.said(Kind.WANT)) > 1)
        question = alpha.said(Kind.WANT)[-1]
        assert question.body == [LEADER, 5, 0]
        alpha.hear("regulator", Kind.HAVE, [5, 0, 0, list(blocks[4:])], correlation=question.correlation)
        await until(lambda: alpha.height == 7)
        assert alpha.host.node.is_in_step


async def test_blocks_that_come_in_any_order_and_twice_are_executed_in_theirs(tmp_path: Path) -> None:
    blocks = await chain_of(tmp_path, Hand(CHANNEL).configs(5))
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        for place in (4, 2, 2, 1, 3, 0, 0):
            alpha.hear("regulator", Kind.FINAL, [blocks[place]])
        await until(lambda: alpha.height == 5)


async def test_a_large_block_is_put_together_from_the_pool(tmp_path: Path) -> None:
    author = Hand(CHANNEL).author("regulator officer")
    large = [author.say("config", ["warning_percent", 12, "x" * 4_000]) for _ in range(40)]
    async with bench(tmp_path) as leader:
        await leader.submit(large)
        await until(lambda: leader.said(Kind.FINAL))
        body = leader.said(Kind.FINAL)[0].body
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        for page in message.pages([t.raw for t in large]):
            alpha.hear("regulator", Kind.TRANSACTIONS, list(page))
        await until(lambda: len(alpha.host.node.pool) == len(large))
        alpha.hear("regulator", Kind.FINAL, body)
        # The chain is ahead of the disk for a moment, and the pool follows the disk.
        await until(lambda: alpha.height == 1 and len(alpha.host.node.pool) == 0)
    async with bench(tmp_path, "beta", has_broker=True) as beta:
        beta.hear("regulator", Kind.FINAL, body)
        await until(lambda: beta.said(Kind.WANT), what="who lacks the bodies asks for the block")
        assert beta.host.node.chain.height == 0


@pytest.mark.parametrize("party", ["regulator", "beta"])
async def test_gossiped_transactions_enter_the_pool_and_their_author_is_told(
    tmp_path: Path, party: str
) -> None:
    transactions = Hand(CHANNEL).configs(3)
    async with bench(tmp_path, party, votes=False) as node:
        node.hear("alpha", Kind.TRANSACTIONS, [t.raw for t in transactions])
        await until(lambda: node.said(Kind.SEEN))
        assert node.said(Kind.SEEN)[0].body == [b"".join(t.tx_id for t in transactions)]
        assert await node.host.node.store.held() == [t.raw for t in transactions]
        topic = next(topic for topic, m, _, _ in node.sent if m.kind is Kind.SEEN)
        assert topic.member == signer("alpha node").key_id


async def test_two_records_of_one_number_become_a_proof_and_suspend_the_source(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    clone = copy(device)
    first = device.say("event", ["alpha-1", "test.event", 946_684_800_000, "one"])
    second = clone.say("event", ["alpha-1", "test.event", 946_684_800_000, "two"])
    async with bench(tmp_path) as leader:
        await leader.submit(registrations)
        leader.hear("alpha", Kind.TRANSACTIONS, [first.raw])
        leader.hear("beta", Kind.TRANSACTIONS, [second.raw])
        state = leader.host.node.chain.state

        def is_suspended() -> bool:
            entry = numbering.find_source(state, device.source)
            return entry is not None and entry.suspended

        await until(is_suspended)
        proof = state.get(numbering.FORKS, device.source + (1).to_bytes(8, "big"))
        assert proof == [first.record_ids[0], second.record_ids[0], "regulator"]
        later = device.say("event", ["alpha-1", "test.event", 946_684_800_000, "three"])
        (status,) = await leader.host.submit([later.raw], wait="stored", timeout_s=1)
        assert status.code == "suspended"


async def test_a_follower_whose_record_was_overtaken_by_another_shows_it_to_the_leader(
    tmp_path: Path,
) -> None:
    """Nobody else may have seen it: the leader built his block before."""
    hand = Hand(CHANNEL)
    clone = copy(hand.author("regulator officer"))
    (first,) = hand.configs(1)
    second = clone.say("config", ["warning_percent", 77, "the clone says"])
    third = clone.say("config", ["warning_percent", 78, "the clone goes on"])
    (block,) = await chain_of(tmp_path, [first])
    async with bench(tmp_path, "beta", has_broker=True) as beta:
        await beta.host.submit([second.raw, third.raw], wait="stored", timeout_s=1)
        beta.hear("regulator", Kind.FINAL, [block])
        await until(lambda: beta.height == 1)
        beta.sent.clear()
        await until(lambda: beta.said(Kind.TRANSACTIONS))
        shown = [raw for said in beta.said(Kind.TRANSACTIONS) for raw in message.byte_strings(said.body)]
        assert set(shown) == {second.raw}, "the number of the third is free"


async def test_of_many_records_that_were_overtaken_some_are_looked_up_at_a_turn(tmp_path: Path) -> None:
    """Each look may read the whole history of a source, and heads and the watchdog wait for it."""
    hand = Hand(CHANNEL)
    clone = copy(hand.author("regulator officer"))
    finals = hand.configs(20)
    others = [clone.say("config", ["warning_percent", 77, str(n)]) for n in range(20)]
    (block,) = await chain_of(tmp_path, finals, each=20)
    async with bench(tmp_path, "beta", has_broker=True, turns=False) as beta:
        relay = beta.host.relay
        await beta.host.submit([t.raw for t in others], wait="stored", timeout_s=1)
        beta.host.node.block_arrived(decode_block(block), len(block))
        await beta.host.node._follow()
        assert len(relay._suspects) == 20
        await relay._judge_suspects()
        assert len(relay._suspects) == 20 - SUSPECTS_A_TURN
        beta.sent.clear()
        relay.outgoing.resend(beta.clock.monotonic_s())
        shown = [raw for said in beta.said(Kind.TRANSACTIONS) for raw in message.byte_strings(said.body)]
        assert shown == [t.raw for t in others[:SUSPECTS_A_TURN]]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.FINAL, []),
        (Kind.FINAL, [b"no block"]),
        (Kind.FINAL, [b"h", b"c", b"w", [1]]),
        (Kind.HEAD, ["now"]),
        (Kind.HEAD, [0, b"no header", b"no certificate"]),
        (Kind.COSIGNATURE, [0, bytes(32), bytes(64)]),
        (Kind.COSIGNATURE, [1, bytes(32), bytes(63)]),
        (Kind.WANT, [LEADER, 0, 0]),
        (Kind.WANT, [LEADER, 1, -1]),
        (Kind.WANT, [signer("beta node").key_id, 1, 0]),
        (Kind.SEEN, [bytes(33)]),
        (Kind.SEEN, [[]]),
        (Kind.PRESENCE, [1]),
        (Kind.TRANSACTIONS, [b"ok", 7]),
    ],
)
async def test_a_message_of_a_member_that_makes_no_sense_is_counted_and_changes_nothing(
    tmp_path: Path, kind: Kind, body: list[Value]
) -> None:
    async with bench(tmp_path) as node:
        node.hear("alpha", kind, body)
        await refused(node, f"bad_{kind.value}")
        assert node.host.node.chain.height == 0
        assert await node.submit(Hand(CHANNEL).configs(1)) == ["final"], "the channel still turns"


async def test_a_certificate_that_does_not_hold_makes_nobody_believe_in_a_head(tmp_path: Path) -> None:
    (block,) = await chain_of(tmp_path, Hand(CHANNEL).configs(1))
    decoded = decode_block(block)
    lie = replace(decoded.header, height=99).encode()
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.hear("beta", Kind.HEAD, [0, lie, decoded.certificate])
        await refused(alpha, "bad_head")
        assert alpha.host.node.standing.best_height == 0
        assert alpha.said(Kind.WANT) == []


async def test_a_liar_among_those_who_answer_is_left_for_another_member(tmp_path: Path) -> None:
    blocks = await chain_of(tmp_path, Hand(CHANNEL).configs(2))
    broken = replace(decode_block(blocks[0]), certificate=decode_block(blocks[1]).certificate).encode()
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.hear("beta", Kind.HEAD, head_body(blocks[-1]))
        alpha.hear("regulator", Kind.HEAD, head_body(blocks[-1]))
        await until(lambda: alpha.said(Kind.WANT))
        first = alpha.said(Kind.WANT)[0]
        names: dict[object, str] = {signer(f"{name} node").key_id: name for name in ("beta", "regulator")}
        liar = names.pop(first.body[0])
        alpha.hear(liar, Kind.HAVE, [1, 0, 0, [broken]], correlation=first.correlation)
        await refused(alpha, "bad_have")
        ((honest_key, honest),) = names.items()
        await until(lambda: alpha.said(Kind.WANT)[-1].body[0] == honest_key)
        asked = alpha.said(Kind.WANT)[-1]
        alpha.hear(honest, Kind.HAVE, [1, 0, 0, list(blocks)], correlation=asked.correlation)
        await until(lambda: alpha.height == 2)


async def test_an_answer_that_nobody_asked_for_is_dropped_unread(tmp_path: Path) -> None:
    (block,) = await chain_of(tmp_path, Hand(CHANNEL).configs(1))
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.hear("regulator", Kind.HAVE, [1, 0, 0, [block]], correlation=5)
        alpha.hear("regulator", Kind.HEAD, [0])
        await until(lambda: alpha.host.node.standing.has_heard)
        assert alpha.host.node.chain.height == 0


async def test_strangers_and_forged_topics_do_not_pass_the_gate(tmp_path: Path) -> None:
    async with bench(tmp_path, "alpha") as alpha:
        alpha.hear("stranger", Kind.PRESENCE, [True])
        assert alpha.host.relay.refused["stranger"] == 1
        beta = signer("beta node").key_id
        alpha.hear("regulator", Kind.PRESENCE, [True], topic=topics.up(CHANNEL, beta))
        assert alpha.host.relay.refused["foreign_topic"] == 1
        inbox = topics.inbox(CHANNEL, member=beta, sender=LEADER)
        alpha.hear("regulator", Kind.SEEN, [b""], topic=inbox)
        assert alpha.host.relay.refused["foreign_inbox"] == 1
        assert alpha.host.relay.peers == {}


async def test_questions_are_answered_to_the_inbox_of_who_asked(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        leader.hear("beta", Kind.WANT, [LEADER, 1, 0], correlation=77)
        await until(lambda: leader.said(Kind.HAVE))
        topic, answer, _, _ = next(item for item in leader.sent if item[1].kind is Kind.HAVE)
        assert (topic.member, topic.sender) == (signer("beta node").key_id, LEADER)
        assert answer.correlation == 77


async def test_cosignatures_of_everybody_who_executed_the_block_are_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        await until(lambda: leader.host.node.cosigned)
        head = leader.host.node.chain.head
        assert head is not None
        for name in ("alpha", "beta"):
            given = cosign(
                channel=CHANNEL, height=1, block_id=head.block_id, history_root=head.history_root,
                signer=signer(f"{name} node"),
            )  # fmt: skip
            leader.hear(name, Kind.COSIGNATURE, [1, head.block_id, given.signature])
        await until(lambda: len([p for p in leader.host.relay.peers.values() if p.cosigned_height == 1]) == 2)
        kept = await leader.host.node.store.cosignatures(1)
        assert {c.key_id for c in kept} == {
            signer(f"{n} node").key_id for n in ("regulator", "alpha", "beta")
        }


async def test_a_cosignature_of_something_else_is_not_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        head = leader.host.node.chain.head
        assert head is not None
        leader.hear("alpha", Kind.COSIGNATURE, [1, bytes(32), bytes(64)])
        await refused(leader, "bad_cosign")
        leader.hear("beta", Kind.COSIGNATURE, [1, head.block_id, bytes(64)])
        await until(lambda: leader.host.relay.refused["bad_cosign"] == 2)
        for height in (2, 2**63, 1 - COSIGNATURE_DEPTH + 64):
            leader.hear("alpha", Kind.COSIGNATURE, [height, head.block_id, bytes(64)])
        await until(lambda: is_idle(leader))
        assert {c.key_id for c in await leader.host.node.store.cosignatures(1)} == {LEADER}


async def test_two_certified_blocks_of_one_height_stop_the_node_and_the_proof_is_kept(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    (block,) = await chain_of(tmp_path, hand.configs(1))
    header = decode_block(block).header
    other = forked(Hand(CHANNEL).configs(1, start=7), time_ms=header.time_ms)
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        alpha.hear("regulator", Kind.FINAL, [block])
        await until(lambda: alpha.height == 1)
        alpha.hear("beta", Kind.HEAD, head_body(other.encode()))
        await until(lambda: alpha.host.node.standing.halted)
        assert other.header.block_id.hex() in (alpha.host.node.standing.halted or "")
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        loaded = await alpha.host.node.store.load()
        assert loaded is not None
        proof = canonical.decode(loaded.journal[FORK], limit=2**16)
        assert isinstance(proof, list)
        headers = {decode_header(item).block_id for item in proof[::2] if isinstance(item, bytes)}
        assert headers == {header.block_id, other.header.block_id}
        # A restart does not make two blocks one.
        assert "two blocks of one height" in (alpha.host.node.standing.halted or "")
        assert alpha.host.node.cosigned is None


async def test_a_second_block_that_comes_before_the_first_is_durable_is_compared_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = await chain_of(tmp_path, Hand(CHANNEL).configs(1))
    other = forked(Hand(CHANNEL).configs(1, start=7), time_ms=decode_block(block).header.time_ms)
    async with bench(tmp_path, "alpha", has_broker=True) as alpha:
        node, disk = alpha.host.node, asyncio.Event()
        append = node.store.append

        async def slowly(*commits: Any, **journal: Any) -> None:
            await disk.wait()
            await append(*commits, **journal)

        monkeypatch.setattr(node.store, "append", slowly)
        alpha.hear("regulator", Kind.FINAL, [block])
        await until(lambda: node.chain.height == 1)
        alpha.hear("beta", Kind.HEAD, head_body(other.encode()))
        await until(lambda: alpha.host.relay.heads.uncompared)
        assert not node.standing.halted
        disk.set()
        await until(lambda: node.standing.halted)


async def test_a_validator_whose_disk_is_older_than_its_votes_falls_silent_also_after_a_restart(
    tmp_path: Path,
) -> None:
    hand = Hand(CHANNEL)
    transactions = hand.configs(3)
    blocks = await chain_of(tmp_path / "new", transactions)
    async with bench(tmp_path / "old", has_broker=True) as leader:
        leader.hear("alpha", Kind.HEAD, head_body(blocks[-1]))
        await until(lambda: leader.host.node.standing.silent and leader.said(Kind.WANT))
        assert not leader.host.node.standing.votes
        question = leader.said(Kind.WANT)[0]
        assert question.body[0] == signer("alpha node").key_id
        leader.hear("alpha", Kind.HAVE, [1, 0, 0, list(blocks)], correlation=question.correlation)
        await until(lambda: leader.height == 3)
    async with bench(tmp_path / "old", has_broker=True) as leader:
        assert not leader.host.node.standing.votes
    async with bench(tmp_path / "old", has_broker=True, vote_again_from_height=3) as leader:
        assert leader.host.node.standing.votes
        assert await leader.submit(hand.configs(1, start=3)) == ["final"]
    async with bench(tmp_path / "old", has_broker=True) as leader:
        assert leader.host.node.standing.votes


async def test_an_echo_of_the_own_head_at_the_broker_silences_a_node_that_lost_it(tmp_path: Path) -> None:
    """The broker remembers what this very key once showed."""
    blocks = await chain_of(tmp_path / "new", Hand(CHANNEL).configs(2))
    async with bench(tmp_path / "old", has_broker=True) as leader:
        leader.hear("regulator", Kind.HEAD, head_body(blocks[-1]), expires_ms=0)
        await until(lambda: leader.host.node.standing.silent)
        assert leader.said(Kind.WANT) == [], "nobody asks himself"


async def test_who_comes_on_line_is_shown_the_head_soon(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        await until(lambda: leader.said(Kind.HEAD))
        leader.host.relay._head_due_s = leader.clock.monotonic_s() + 1_000
        before = len(leader.said(Kind.HEAD))
        leader.hear("alpha", Kind.PRESENCE, [True])
        await until(lambda: len(leader.said(Kind.HEAD)) > before)
        assert leader.host.relay.peers[signer("alpha node").key_id].is_online


async def test_a_retained_head_says_when_its_author_was_there_and_never_later_than_now(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as node:
        alpha = signer("alpha node").key_id
        node.hear("alpha", Kind.HEAD, [1_000], expires_ms=0)
        await until(lambda: alpha in node.host.relay.peers and node.host.relay.peers[alpha].seen_ms)
        assert node.host.relay.peers[alpha].seen_ms == 1_000
        node.hear("alpha", Kind.HEAD, [2**62], expires_ms=0)
        await until(lambda: node.host.relay.peers[alpha].seen_ms != 1_000)
        assert (node.host.relay.peers[alpha].seen_ms or 0) <= node.clock.now_ms()
