"""Figures that Prometheus reads, without anybody's name."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from doxedge.gossip.message import Kind
from doxedge.node.loop_watch import LoopWatch
from doxedge.node.metrics import node_metrics
from simulators.broker.server import Broker
from tests.node.bench import CHANNEL, bench
from tests.node.network import Hand, Network, until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(data: bytes) -> Samples:
    """Every sample by its name and labels, read by the client library's own parser."""
    found: Samples = {}
    for family in text_string_to_metric_families(data.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            name = (sample.name, tuple(sorted(sample.labels.items())))
            assert name not in found, f"{name} twice"
            found[name] = sample.value
    return found


async def test_figures_are_those_of_the_channel(tmp_path: Path) -> None:
    label = (("channel", CHANNEL[:8].hex()),)
    watch = LoopWatch()
    watch.worst_s = 0.25
    async with bench(tmp_path) as leader:
        await leader.submit(Hand(CHANNEL).configs(1))
        leader.hear("alpha", Kind.PRESENCE, [7])
        await until(lambda: leader.host.relay.refused["bad_up"])
        found = parsed(node_metrics([leader.host], None, watch))
        assert found["doxedge_height", label] == 1
        assert found["doxedge_best_height", label] == 1
        assert found["doxedge_votes", label] == 1
        assert found["doxedge_halted", label] == 0
        assert found["doxedge_pool_transactions", label] == 0
        assert 0 <= found["doxedge_head_age_seconds", label] < 3_600
        assert found["doxedge_gossip_refused_total", (*label, ("why", "bad_up"))] == 1
        assert found["doxedge_event_loop_lag_seconds_max", ()] == 0.25
        leader.host.node.standing.halt("for a test")
        assert parsed(node_metrics([leader.host], None, watch))["doxedge_halted", label] == 1


async def test_refusals_are_counted_by_who_refused(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    by_rule = hand.author("alpha officer").say("config", ["warning_percent", 20, "not mine to say"])
    at_the_door = hand.author("beta officer").say("no.such.kind", [])
    async with bench(tmp_path) as leader:
        await leader.host.submit([by_rule.raw, at_the_door.raw, at_the_door.raw], wait="final", timeout_s=60)
        found = parsed(node_metrics([leader.host], None, LoopWatch()))
        channel = ("channel", CHANNEL[:8].hex())
        assert found["doxedge_refused_total", (("by", "rule"), channel)] == 1
        assert found["doxedge_refused_total", (("by", "door"), channel)] == 1
        assert found["doxedge_peers_heard", (channel,)] == 0
        leader.hear("alpha", Kind.HEAD, [leader.clock.now_ms()])
        await until(lambda: leader.host.relay.peers)
        found = parsed(node_metrics([leader.host], None, LoopWatch()))
        assert found["doxedge_peers_heard", (channel,)] == 1


async def test_no_label_carries_a_name_of_a_company_a_channel_or_a_host(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(
            tmp_path,
            channels={"north": ("regulator", "alpha"), "south": ("regulator",)},
            broker_ports=[broker.port],
        )
        async with network.running("regulator") as regulator, network.running("alpha") as alpha:
            await network.submit(alpha, "north", network.hand("north").registrations())
            found = parsed(regulator.metrics())
        values = {value for _, labels in found for _, value in labels}
        named = [v for v in values for name in ("alpha", "beta", "regulator", "north", "south") if name in v]
        assert named == []
        assert [value for value in values if "." in value or ":" in value] == [], "no host names either"
        shorts = {channel[:8].hex() for channel in network.channels.values()}
        assert {value for _, labels in found for key, value in labels if key == "channel"} == shorts
        assert found["doxedge_broker_events_total", (("broker", "0"), ("what", "connects"))] == 1
