"""The state `seen` (wire.md 5), over a real broker: other members say that they hold a submission, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import RecordStatus, Wait
from doxedge.backends.remote import RemoteLedger
from doxedge.gossip import message, seen, topics
from doxedge.gossip.message import Kind
from doxedge.ledger.transaction import Transaction
from doxedge.node.daemon import Node
from doxedge.signing.canonical import Value
from simulators.broker.faults import FaultRule, Faults
from simulators.broker.server import Broker
from tests.gossip.voice import Voice
from tests.ledger.channels import signer
from tests.node.network import PATIENCE_S, Network, until

PARTIES = ("regulator", "alpha", "beta")
BRIEF_S = 0.5
"""A wait that must run into its time-out."""


@contextlib.asynccontextmanager
async def bench(folder: Path, *, members: int = 1, faults: Faults | None = None) -> AsyncIterator[Network]:
    """A channel of three parties; the regulator's node, which orders, listens so long that no block is made."""
    async with Broker(faults=faults) as broker:
        network = Network(folder, channels={"north": PARTIES}, broker_ports=[broker.port])
        for party in PARTIES:
            text = network.config(party).read_text(encoding="utf-8")
            text = text.replace("listen_before_voting_ms = 200", "listen_before_voting_ms = 60000")
            network.config(party).write_text(f"seen_by_members = {members}\n{text}", encoding="utf-8")
        yield network


async def hand_in(
    network: Network,
    node: Node,
    transactions: Sequence[Transaction],
    *,
    wait: Wait,
    timeout_s: float = PATIENCE_S,
) -> list[RecordStatus]:
    statuses = await node.submit(
        network.channels["north"], [t.raw for t in transactions], wait=wait, timeout_s=timeout_s
    )
    return [record for status in statuses for record in status.records]


def whole(records: Sequence[RecordStatus]) -> list[tuple[str, tuple[str, ...]]]:
    return [(record.state, record.seen_by) for record in records]


async def test_a_submission_is_seen_when_another_member_says_that_he_holds_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as network, network.running("alpha") as alpha, network.running("beta"):
        records = await hand_in(network, alpha, network.hand("north").configs(5), wait="seen")
        assert whole(records) == [("seen", ("beta",))] * 5


async def test_who_says_so_has_it_on_his_disk(tmp_path: Path) -> None:
    async with bench(tmp_path) as network, network.running("alpha") as alpha, network.running("beta"):
        submitted = network.hand("north").configs(3)
        await hand_in(network, alpha, submitted, wait="seen")
        with contextlib.closing(sqlite3.connect(network.ledger_file("beta", "north"))) as file:
            held = [raw for (raw,) in file.execute("SELECT raw FROM pool ORDER BY number")]
        assert held == [transaction.raw for transaction in submitted]


async def test_seen_waits_for_as_many_members_as_the_operator_wants(tmp_path: Path) -> None:
    async with bench(tmp_path, members=2) as network, network.running("alpha") as alpha:
        submitted = network.hand("north").configs(1)
        async with network.running("beta"):
            assert whole(await hand_in(network, alpha, submitted, wait="stored")) == [("stored", ())]
            record_id = submitted[0].record_ids[0]
            channel = network.channels["north"]

            async def by() -> RecordStatus:
                found = await alpha.record_status(channel, record_id)
                assert found is not None
                return found

            waiting = asyncio.create_task(hand_in(network, alpha, submitted, wait="seen"), name="wait")
            host = network.host(alpha, "north")
            await until(lambda: host.intake.sightings.seen_by(submitted[0].tx_id), what="one note")
            assert whole([await by()]) == [("stored", ("beta",))]
            assert not waiting.done()
            async with network.running("regulator"):
                assert whole(await waiting) == [("seen", ("beta", "regulator"))]
                assert whole([await by()]) == [("seen", ("beta", "regulator"))]


async def test_without_another_member_it_stays_stored_and_the_wait_ends(tmp_path: Path) -> None:
    async with bench(tmp_path) as network, network.running("alpha") as alpha:
        submitted = network.hand("north").configs(1)
        records = await hand_in(network, alpha, submitted, wait="seen", timeout_s=BRIEF_S)
        assert whole(records) == [("stored", ())]
        assert whole(await hand_in(network, alpha, submitted, wait="none")) == [("stored", ())]


async def test_final_is_more_than_seen_so_a_wait_for_seen_ends_with_it(tmp_path: Path) -> None:
    network = Network(tmp_path, channels={"north": ("regulator",)})
    async with network.running("regulator") as regulator:
        records = await hand_in(network, regulator, network.hand("north").configs(2), wait="seen")
        assert [(record.state, record.outcome, record.seen_by) for record in records] == [
            ("final", 0, ())
        ] * 2


async def test_over_http_a_submission_goes_from_stored_over_seen_to_final(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[broker.port])
        channel, submitted = network.channels["north"], network.hand("north").configs(1)
        record_id = submitted[0].record_ids[0]
        ledger = RemoteLedger(NodeAddress(socket_path=network.socket("alpha")))
        async with network.running("alpha"):
            (stored,) = await ledger.submit(channel, [submitted[0].raw], wait="none")
            assert whole(stored.records) == [("stored", ())]
            async with network.running("beta"):
                (seen_now,) = await ledger.submit(channel, [submitted[0].raw], wait="seen", timeout_ms=60_000)
                assert whole(seen_now.records) == [("seen", ("beta",))]
                assert await ledger.record_status(channel, record_id) == seen_now.records[0]
                async with network.running("regulator"):
                    (final,) = await ledger.submit(
                        channel, [submitted[0].raw], wait="final", timeout_ms=60_000
                    )
        await ledger.close()
        assert [(record.state, record.outcome, record.seen_by) for record in final.records] == [
            ("final", 0, ())
        ]


async def test_a_lost_note_is_said_again_when_the_author_says_his_transaction_again(tmp_path: Path) -> None:
    faults = Faults()
    faults.add(FaultRule(topic_filter="doxedge/1/+/in/#", drop=1.0, times=1))
    async with (
        bench(tmp_path, faults=faults) as network,
        network.running("alpha") as alpha,
        network.running("beta"),
    ):
        records = await hand_in(network, alpha, network.hand("north").configs(1), wait="seen")
        assert whole(records) == [("seen", ("beta",))]
        assert faults.counts["drop"] == 1


async def test_after_a_restart_the_author_asks_anew_and_hears_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as network, network.running("beta"):
        submitted = network.hand("north").configs(1)
        for _ in range(2):
            async with network.running("alpha") as alpha:
                records = await hand_in(network, alpha, submitted, wait="seen")
                assert whole(records) == [("seen", ("beta",))]


async def test_who_hands_the_same_record_in_elsewhere_has_seen_it(tmp_path: Path) -> None:
    """A gateway with two nodes: what beta's node gossips is held by beta, so alpha's node counts it."""
    async with bench(tmp_path) as network, network.running("alpha") as alpha, network.running("beta") as beta:
        submitted = network.hand("north").configs(1)
        await hand_in(network, beta, submitted, wait="stored")
        assert whole(await hand_in(network, alpha, submitted, wait="seen")) == [("seen", ("beta",))]


async def test_what_is_final_is_not_counted_any_more(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[broker.port])
        async with network.running("regulator") as regulator, network.running("alpha") as alpha:
            await network.submit(alpha, "north", network.hand("north").configs(20))
            await network.in_step([regulator, alpha], "north")
            for node in (regulator, alpha):
                assert len(network.host(node, "north").intake.sightings) == 0


NOTE = "note"


@pytest.mark.parametrize(
    ("who", "body", "why"),
    [
        pytest.param("stranger node", NOTE, "stranger", id="of a stranger"),
        pytest.param("beta officer", NOTE, "stranger", id="of an officer's key"),
        pytest.param("alpha node", NOTE, None, id="of the author's own party"),
        pytest.param("beta node", [bytes(33)], "bad_seen", id="that is none"),
        pytest.param("beta node", [bytes(32)], None, id="of what does not wait here"),
    ],
)
async def test_a_note_counts_for_nothing(
    tmp_path: Path, who: str, body: list[Value] | str, why: str | None
) -> None:
    async with bench(tmp_path) as network, network.running("alpha") as alpha:
        channel, host = network.channels["north"], network.host(alpha, "north")
        submitted = network.hand("north").configs(1)
        await hand_in(network, alpha, submitted, wait="stored")
        names = seen.note([submitted[0].tx_id])
        async with Voice(alpha.settings.broker[0].port) as voice:
            key, good = signer(who), signer("beta node")
            inbox = topics.inbox(channel, member=signer("alpha node").key_id, sender=key.key_id)
            sealed = message.seal(
                Kind.SEEN, names if isinstance(body, str) else body, channel=channel, signer=key
            )
            await voice.say(inbox, sealed)
            # A good presence of beta comes behind it: what came before has been judged by then.
            online = message.seal(Kind.PRESENCE, [True], channel=channel, signer=good)
            await voice.say(topics.up(channel, good.key_id), online)
            await until(lambda: good.key_id in host.relay.peers and host.relay.peers[good.key_id].is_online)
        assert host.intake.sightings.seen_by(submitted[0].tx_id) == ()
        assert why is None or host.relay.refused[why] == 1


async def test_nobody_is_told_stored_before_it_is_on_the_disk(tmp_path: Path) -> None:
    """The same record again, while the first hand-in waits for a busy disk, has to wait as well."""
    network = Network(tmp_path, channels={"north": ("alpha",)})
    async with network.running("alpha") as alpha:
        (submitted,) = network.hand("north").configs(1)
        host = network.host(alpha, "north")
        with contextlib.closing(sqlite3.connect(network.ledger_file("alpha", "north"))) as other:
            other.execute("BEGIN IMMEDIATE")
            first = asyncio.create_task(hand_in(network, alpha, [submitted], wait="stored"), name="first")
            await until(lambda: submitted.wire_id in host.node.pool, what="admission")
            second = asyncio.create_task(hand_in(network, alpha, [submitted], wait="stored"), name="second")
            done, _ = await asyncio.wait({first, second}, timeout=BRIEF_S)
            other.rollback()
        assert done == set()
        assert whole(await first) == whole(await second) == [("stored", ())]


async def test_a_note_in_somebody_elses_inbox_is_not_read_and_does_not_keep_the_true_one_out(
    tmp_path: Path,
) -> None:
    """A hostile broker may show anything under any topic, sooner than the honest one beside it."""
    hostile, honest = Broker(), Broker()
    async with hostile, honest:
        network = Network(tmp_path, channels={"north": ("alpha",)}, broker_ports=[hostile.port, honest.port])
        async with network.running("alpha") as alpha, Voice(honest.port) as voice:
            channel, host, beta = network.channels["north"], network.host(alpha, "north"), signer("beta node")
            (submitted,) = network.hand("north").configs(1)
            await hand_in(network, alpha, [submitted], wait="stored")
            sealed = message.seal(Kind.SEEN, seen.note([submitted.tx_id]), channel=channel, signer=beta)
            elsewhere = topics.inbox(channel, member=signer("regulator node").key_id, sender=beta.key_id)
            # What the hostile broker does: it delivers, although nobody subscribed to that topic.
            alpha._receive(elsewhere, sealed)
            assert host.relay.refused == {"foreign_inbox": 1}
            await voice.say(
                topics.inbox(channel, member=signer("alpha node").key_id, sender=beta.key_id), sealed
            )
            await until(lambda: host.intake.sightings.is_seen(submitted.tx_id), what="the note")
