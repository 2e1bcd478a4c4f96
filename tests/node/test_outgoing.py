"""What a node says, and says again until it is final."""

from __future__ import annotations

from copy import copy
from pathlib import Path

from doxedge.gossip import topics
from doxedge.gossip.message import Kind, byte_strings
from doxedge.ledger.block import decode_block
from doxedge.node.outgoing import RESEND_BYTES, RESEND_S, RESEND_SEEN_S, RIVAL_TIMES, RIVALS_MAX
from doxedge.signing import limits
from tests.node.bench import CHANNEL, Bench, StillClock, bench
from tests.node.network import Hand, until


def said_envelopes(node: Bench) -> list[bytes]:
    """All envelopes that were gossiped, in order."""
    return [raw for message in node.said(Kind.TRANSACTIONS) for raw in byte_strings(message.body)]


async def test_what_is_handed_in_is_told_at_once_and_again_until_it_is_final(tmp_path: Path) -> None:
    async with bench(tmp_path, clock=StillClock(), turns=False, votes=False) as node:
        transactions = Hand(CHANNEL).configs(3)
        raws = [t.raw for t in transactions]
        await node.host.submit(raws, wait="stored", timeout_s=1)
        outgoing, now_s = node.host.relay.outgoing, node.clock.monotonic_s()
        assert said_envelopes(node) == raws
        outgoing.resend(now_s)
        assert said_envelopes(node) == raws
        outgoing.resend(now_s + RESEND_S * 2)
        assert said_envelopes(node) == raws * 2
        assert outgoing.waiting == 3
        outgoing.settled(transactions[:2])
        outgoing.resend(now_s + RESEND_S * 4)
        assert said_envelopes(node) == raws * 2 + raws[2:]


async def test_a_repetition_is_not_the_same_message_for_the_others_drop_what_they_have_seen(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, clock=StillClock(), turns=False, votes=False) as node:
        await node.host.submit([t.raw for t in Hand(CHANNEL).configs(1)], wait="stored", timeout_s=1)
        node.host.relay.outgoing.resend(node.clock.monotonic_s() + RESEND_S * 2)
        first, second = node.said(Kind.TRANSACTIONS)
        assert first.body == second.body
        assert first.correlation != second.correlation


async def test_what_a_validator_has_seen_is_repeated_at_leisure(tmp_path: Path) -> None:
    async with bench(tmp_path, "alpha", clock=StillClock(), turns=False) as node:
        first, second = Hand(CHANNEL).configs(2)
        await node.host.submit([first.raw, second.raw], wait="stored", timeout_s=1)
        outgoing, now_s = node.host.relay.outgoing, node.clock.monotonic_s()
        outgoing.was_seen([first.tx_id, bytes(32)])
        outgoing.resend(now_s + RESEND_S * 2)
        assert said_envelopes(node)[2:] == [second.raw]
        outgoing.resend(now_s + RESEND_SEEN_S * 2)
        assert said_envelopes(node)[3:] == [first.raw, second.raw]


async def test_the_first_number_that_is_due_takes_the_later_ones_along(tmp_path: Path) -> None:
    """Else each waits for its own timer and arrives before the one in front of it, which the others must refuse."""
    async with bench(tmp_path, clock=StillClock(), turns=False, votes=False) as node:
        early, *later = Hand(CHANNEL).configs(4)
        await node.host.submit([early.raw], wait="stored", timeout_s=1)
        outgoing, now_s = node.host.relay.outgoing, node.clock.monotonic_s()
        await node.host.submit([t.raw for t in later], wait="stored", timeout_s=1)
        for due in list(outgoing._own.values())[1:]:
            due.at_s = now_s + 1_000
        outgoing.resend(now_s + RESEND_S * 2)
        assert said_envelopes(node)[4:] == [t.raw for t in (early, *later)]
        outgoing.resend(now_s + RESEND_S * 2.5)
        assert len(said_envelopes(node)) == 8, "from then on they have one time"


async def test_what_left_the_pool_is_not_repeated(tmp_path: Path) -> None:
    async with bench(tmp_path, clock=StillClock(), turns=False, votes=False) as node:
        transactions = Hand(CHANNEL).configs(2)
        await node.host.submit([t.raw for t in transactions], wait="stored", timeout_s=1)
        node.host.node.pool.settle(node.host.node.chain.state, transactions[:1])
        node.host.relay.outgoing.resend(node.clock.monotonic_s() + RESEND_S * 2)
        assert node.host.relay.outgoing.waiting == len(node.host.node.pool)


async def test_a_backlog_goes_out_oldest_first_within_a_budget(tmp_path: Path) -> None:
    author = Hand(CHANNEL).author("regulator officer")
    many = [author.say("config", ["warning_percent", 10, "x" * 4_000]) for _ in range(300)]
    async with bench(tmp_path, clock=StillClock(), turns=False, votes=False) as node:
        for start in range(0, len(many), 64):
            await node.host.intake.take([t.raw for t in many[start : start + 64]])
        outgoing = node.host.relay.outgoing
        outgoing.own(many)
        first = said_envelopes(node)
        assert sum(map(len, first)) <= RESEND_BYTES
        assert first == [t.raw for t in many[: len(first)]]
        outgoing.resend(node.clock.monotonic_s() + RESEND_S * 2)
        again = said_envelopes(node)[len(first) :]
        assert sum(map(len, again)) <= RESEND_BYTES
        assert again == [t.raw for t in many[: len(again)]]
        outgoing.resend(node.clock.monotonic_s() + RESEND_S * 2)
        assert said_envelopes(node)[len(first) + len(again) :] != again


async def test_a_rival_is_shown_until_the_proof_stands_or_long_enough(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    clone = copy(hand.author("regulator officer"))
    (first,) = hand.configs(1)
    rivals = [copy(clone).say("config", ["warning_percent", 50, str(n)]) for n in range(RIVALS_MAX + 1)]
    async with bench(tmp_path, "alpha", clock=StillClock(), turns=False) as node:
        await node.host.submit([first.raw], wait="stored", timeout_s=1)
        outgoing, now_s = node.host.relay.outgoing, node.clock.monotonic_s()
        outgoing.show_rivals(rivals[:1])
        outgoing.show_rivals(rivals[:1])
        for turn in range(RIVAL_TIMES + 3):
            outgoing.resend(now_s + turn * RESEND_S * 2)
        assert said_envelopes(node).count(rivals[0].raw) == RIVAL_TIMES
        outgoing.show_rivals(rivals)
        before = len(said_envelopes(node))
        outgoing.resend(now_s + 1_000)
        assert len([raw for raw in said_envelopes(node)[before:] if raw != first.raw]) == RIVALS_MAX


async def test_a_small_block_travels_whole_and_a_large_one_by_names_with_the_leaders_own(
    tmp_path: Path,
) -> None:
    author = Hand(CHANNEL).author("regulator officer")
    small = author.say("config", ["warning_percent", 11, "small"])
    large = [author.say("config", ["warning_percent", 12, "x" * 4_000]) for _ in range(40)]
    async with bench(tmp_path) as leader:
        await leader.submit([small])
        await leader.submit(large)
        await until(lambda: len(leader.said(Kind.FINAL)) == 2)
        whole, by_names = (message.body for message in leader.said(Kind.FINAL))
        assert isinstance(whole[0], bytes)
        assert decode_block(whole[0]).header.height == 1
        _, _, wire_ids, own = by_names
        assert isinstance(wire_ids, bytes)
        assert isinstance(own, list)
        assert wire_ids[32:] == b"".join(t.wire_id for t in large)
        assert len(own) == 1, "the tick, which nobody else can have"
        assert all(len(m.envelope.encode()) <= limits.MESSAGE_BYTES for m in leader.said(Kind.FINAL))


async def test_heads_and_presence_stay_at_the_broker_and_the_rest_does_not(tmp_path: Path) -> None:
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        await until(lambda: any(len(m.body) == 3 for m in leader.said(Kind.HEAD)))
        kept = {(topic.kind, message.kind, qos) for topic, message, qos, retain in leader.sent if retain}
        assert kept == {(topics.Kind.HEAD, Kind.HEAD, 1)}
        assert all(m.expires_ms == 0 for m in leader.said(Kind.HEAD))
        assert all(m.expires_ms > 0 for m in leader.said(Kind.FINAL) + leader.said(Kind.COSIGNATURE))
        topic, data = leader.host.relay.outgoing.presence(online=True)
        assert topics.parse(topic).kind is topics.Kind.UP
        assert data != leader.host.relay.outgoing.presence(online=False)[1]


async def test_messages_that_no_queue_takes_are_counted(tmp_path: Path) -> None:
    async with bench(tmp_path, clock=StillClock(), turns=False) as node:
        outgoing = node.host.relay.outgoing
        outgoing._publish = lambda topic, payload, *, qos=0, retain=False: False
        outgoing.head()
        assert outgoing.queue_full == 1
