"""Real nodes over a real broker, real sockets and real files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.node.network import Network, until
from tests.simulators.broker.processes import find_mosquitto, start_mosquitto

PARTIES = ("regulator", "alpha", "beta")


async def test_a_record_is_final_on_every_node_of_its_channel_and_on_no_other(tmp_path: Path) -> None:
    async with Broker(BrokerSettings()) as broker:
        network = Network(
            tmp_path,
            channels={"north": ("regulator", "alpha", "beta"), "south": ("regulator", "alpha")},
            broker_ports=[broker.port],
        )
        async with (
            network.running("regulator") as regulator,
            network.running("alpha") as alpha,
            network.running("beta") as beta,
        ):
            north = await network.submit(alpha, "north", network.hand("north").registrations())
            south = await network.submit(regulator, "south", network.hand("south").registrations(["alpha"]))
            assert [r.state for s in north + south for r in s.records] == ["final"] * 9
            assert [r.outcome for s in north + south for r in s.records] == [0] * 9
            await network.in_step([regulator, alpha, beta], "north")
            await network.in_step([regulator, alpha], "south")
            assert list(beta.hosts) == [network.channels["north"]]
            assert beta.book(network.channels["north"]).get("units", b"alpha-1") is not None
            assert regulator.book(network.channels["south"]).get("units", b"beta-1") is None


@pytest.mark.slow
async def test_a_channel_lives_over_mosquitto_and_outlives_its_death(tmp_path: Path) -> None:
    """The broker that operators use: it is killed, what is handed in meanwhile is kept, and all meet again."""
    program = find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: nodes were tested with our own broker only")
    broker = await asyncio.to_thread(start_mosquitto, program, tmp_path)
    try:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[broker.port])
        hand = network.hand("north")
        async with (
            network.running("regulator") as regulator,
            network.running("alpha") as alpha,
            network.running("beta") as beta,
        ):
            nodes = [regulator, alpha, beta]
            await network.submit(alpha, "north", hand.registrations())
            await network.in_step(nodes, "north")
            broker.kill()
            await until(lambda: not any(node.brokers and node.brokers.is_connected for node in nodes))
            assert not alpha.health().ready
            assert "no broker is reached" in alpha.health().reasons[0]
            kept = await network.submit(beta, "north", hand.configs(40), wait="stored")
            assert {record.state for status in kept for record in status.records} == {"stored"}
            await asyncio.to_thread(broker.restart)
            statuses = await network.submit(beta, "north", hand.configs(10, start=40))
            assert [r.outcome for s in statuses for r in s.records] == [0] * 10
            await network.in_step(nodes, "north")
            await until(lambda: all(node.health().ready for node in nodes), what="everybody is in step")
    finally:
        broker.stop()
