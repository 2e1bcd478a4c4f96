"""Nodes over brokers that lose, double, reorder, change, hold and forget: they only delay."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from doxedge.gossip import message, topics
from doxedge.gossip.message import Kind
from doxedge.node.daemon import Node
from doxedge.signing.canonical import Value
from simulators.broker.faults import FaultRule, Faults
from simulators.broker.server import Broker
from tests.gossip.voice import Voice
from tests.ledger.channels import signer
from tests.node.network import Network, until
from tests.simulators.broker.processes import BrokerProcess, find_mosquitto, start_mosquitto, start_ours

PARTIES = ("regulator", "alpha", "beta")
SOUP = FaultRule(
    drop=0.15, duplicate=0.3, delay=0.3, delay_ms=(1, 30), reorder=0.2, truncate=0.1, corrupt=0.15
)
LOSSY = FaultRule(drop=0.5, delay=0.5, delay_ms=(1, 60))
PATIENCE_S = 60.0


async def records(node: Node, network: Network) -> list[bytes]:
    """Every record on a node's chain, in final order."""
    host = network.host(node, "north")
    stored = await host.node.store.blocks(1, network.height(node, "north"), bytes_max=2**30)
    return [raw for row in stored for raw in row.transactions or ()]


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_brokers_that_spoil_what_they_can_lose_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    spoiling, lossy = Faults(seed), Faults(seed + 100)
    spoiling.add(SOUP)
    lossy.add(LOSSY)
    print(f"seed {seed}")
    async with Broker(faults=spoiling) as first, Broker(faults=lossy) as second:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[first.port, second.port])
        submitted = network.hand("north").configs(60)
        async with (
            network.running("regulator") as regulator,
            network.running("alpha") as alpha,
            network.running("beta") as beta,
        ):
            for start in range(0, len(submitted), 5):
                await network.submit(alpha, "north", submitted[start : start + 5], wait="stored")
            await network.in_step([regulator, alpha, beta], "north", timeout_s=PATIENCE_S)
            await until(lambda: network.height(beta, "north") > 0)
            await until(
                lambda: network.host(alpha, "north").relay.outgoing.waiting == 0, timeout_s=PATIENCE_S
            )
            found = Counter(await records(beta, network))
            assert [found[transaction.raw] for transaction in submitted] == [1] * len(submitted)
            refused = sum(
                (network.host(n, "north").relay.refused for n in (regulator, alpha, beta)), Counter[str]()
            )
            assert set(refused) <= {"malformed", "bad_signature", "repeated", "foreign_topic", "stranger"}
            assert refused["repeated"]
            assert refused["malformed"] + refused["bad_signature"] + refused["stranger"]
            assert not any(network.host(n, "north").node.standing.halted for n in (regulator, alpha, beta))


@pytest.fixture(params=["ours", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    if request.param == "ours":
        running = start_ours()
    else:
        program = find_mosquitto()
        if program is None:
            pytest.skip("mosquitto is not installed: only our own broker was tested")
        running = start_mosquitto(program, tmp_path)
    yield running
    running.stop()


async def test_what_is_handed_in_while_the_only_broker_is_dead_is_final_when_it_lives(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[broker.port])
    submitted = network.hand("north").configs(12)
    async with network.running("regulator") as regulator, network.running("alpha") as alpha:
        await network.submit(alpha, "north", submitted[:4])
        broker.kill()
        for node in (regulator, alpha):
            brokers = node.brokers
            assert brokers is not None
            await until(lambda brokers=brokers: not brokers.is_connected)  # type: ignore[misc]
        stored = await network.submit(alpha, "north", submitted[4:], wait="stored")
        assert {record.state for status in stored for record in status.records} == {"stored"}
        broker.restart()
        final = await network.submit(alpha, "north", submitted[4:])
        assert [record.outcome for status in final for record in status.records] == [0] * 8
        await network.in_step([regulator, alpha], "north")


async def test_retained_lies_do_not_mislead_who_joins(tmp_path: Path) -> None:
    """Old, forged, changed and senseless heads wait at the broker for whoever comes."""
    async with Broker() as there:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[there.port])
        channel = network.channels["north"]
        async with network.running("regulator") as regulator:
            await network.submit(regulator, "north", network.hand("north").configs(1))
            certified = network.host(regulator, "north").node.certified
            assert certified is not None
            header, certificate = certified
            for start in range(3):
                await network.submit(regulator, "north", network.hand("north").configs(1, start=start + 1))
            alpha, stranger = signer("alpha node"), signer("stranger node")
            old: list[Value] = [header.time_ms, header.encode(), certificate]
            # Flipped, not overwritten: the last byte of a signature is often 0, and the lie would be the truth.
            bent = certificate[:-1] + bytes([certificate[-1] ^ 1])
            changed: list[Value] = [header.time_ms, header.encode(), bent]
            true_head = message.seal(Kind.HEAD, old, channel=channel, signer=alpha)
            lies = {
                topics.head(channel, signer("verifier node").key_id): true_head,
                topics.head(channel, stranger.key_id): message.seal(
                    Kind.HEAD, old, channel=channel, signer=stranger
                ),
                topics.head(channel, alpha.key_id): message.seal(
                    Kind.HEAD, changed, channel=channel, signer=alpha
                ),
                topics.up(channel, alpha.key_id): bytes(90_000),
                topics.tx(channel, alpha.key_id): true_head,
                topics.con(channel, alpha.key_id): true_head[:-1],
                topics.inbox(channel, member=signer("beta node").key_id, sender=alpha.key_id): true_head,
                "doxedge/1/ffffffffffffffff/head/" + alpha.key_id.hex(): true_head,
            }
            async with Voice(there.port) as voice:
                for topic, payload in lies.items():
                    await voice.say(topic, payload, retain=True)
            async with network.running("beta") as beta:
                await network.in_step([regulator, beta], "north")
                refused = network.host(beta, "north").relay.refused
                expected = Counter(foreign_topic=3, stranger=1, bad_head=1, malformed=2)
                await until(lambda: refused >= expected, what=f"{expected}")
                # Whoever has to connect once more is shown all of it once more.
                assert set(refused) <= {*expected, "repeated"}
                assert network.host(beta, "north").node.standing.halted is None


async def test_a_silenced_inbox_only_costs_questions(tmp_path: Path) -> None:
    """A broker that lets nothing through to one member's inbox: another broker, or a later answer, does."""
    faults = Faults(3)
    rule = faults.add(FaultRule(topic_filter="doxedge/1/+/in/#", drop=1.0))
    async with Broker(faults=faults) as there:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[there.port])
        async with network.running("regulator") as regulator:
            await network.submit(regulator, "north", network.hand("north").configs(3))
            async with network.running("alpha") as alpha:
                await until(lambda: faults.counts["drop"] >= 2, what="questions that are asked again")
                assert network.height(alpha, "north") == 0
                faults.remove(rule)
                await network.in_step([regulator, alpha], "north")


async def test_a_partition_heals_and_nobody_orders_twice(tmp_path: Path) -> None:
    faults = Faults(4)
    async with Broker(faults=faults) as there:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[there.port])
        names = {party: f"dox{signer(f'{party} node').key_id.hex()[:16]}" for party in PARTIES}
        submitted = network.hand("north").configs(6)
        async with network.running("regulator") as regulator, network.running("alpha") as alpha:
            faults.partition([names["regulator"]], [names["alpha"]])
            await network.submit(alpha, "north", submitted, wait="stored")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await network.host(alpha, "north").node.committed.wait()
            assert network.height(regulator, "north") == network.height(alpha, "north") == 0
            faults.heal()
            final = await network.submit(alpha, "north", submitted)
            assert [record.outcome for status in final for record in status.records] == [0] * 6
            await network.in_step([regulator, alpha], "north")
