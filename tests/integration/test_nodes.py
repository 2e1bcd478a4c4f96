"""Real nodes over a real broker, real sockets and real files."""

from __future__ import annotations

from pathlib import Path

from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.node.network import Network


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
