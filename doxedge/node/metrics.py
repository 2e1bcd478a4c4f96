"""Figures of the node for Prometheus.

No company names in labels: channels go by their short id, brokers by their place in the configuration.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from doxedge.node.brokers import Brokers
from doxedge.node.channel_host import ChannelHost
from doxedge.node.loop_watch import LoopWatch

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class _NodeCollector(Collector):
    """Reads what the channels hold at the moment of a scrape: nothing is counted twice, nothing is kept beside."""

    def __init__(self, hosts: Sequence[ChannelHost], brokers: Brokers | None, watch: LoopWatch) -> None:
        self._hosts, self._brokers, self._watch = hosts, brokers, watch

    @override
    def collect(self) -> Iterator[Metric]:
        """All families of one scrape."""
        yield from self._channels()
        yield from self._gossip()
        lag = GaugeMetricFamily(
            "doxedge_event_loop_lag_seconds_max", "Longest hold-up of the loop since start"
        )
        lag.add_metric([], self._watch.worst_s)
        yield lag

    def _channels(self) -> Iterator[Metric]:
        gauges = {
            "doxedge_height": "Height of the newest final block",
            "doxedge_best_height": "Highest certified height seen of anybody",
            "doxedge_head_age_seconds": "Plant seconds since the newest block",
            "doxedge_pool_transactions": "Transactions waiting for a block",
            "doxedge_pool_bytes": "Bytes waiting for a block",
            "doxedge_not_final_transactions": "Transactions handed in here that are not final",
            "doxedge_peers_heard": "Nodes of others that were heard since start",
            "doxedge_votes": "1 while this node makes blocks",
            "doxedge_halted": "1 when this node follows the channel no more",
        }
        families = {name: GaugeMetricFamily(name, text, labels=["channel"]) for name, text in gauges.items()}
        for host in self._hosts:
            node = host.node
            head = node.chain.head
            values = {
                "doxedge_height": node.chain.height,
                "doxedge_best_height": max(node.chain.height, node.standing.best_height),
                "doxedge_head_age_seconds": (node.clock.now_ms() - head.time_ms) / 1_000 if head else 0,
                "doxedge_pool_transactions": len(node.pool),
                "doxedge_pool_bytes": node.pool.size_bytes,
                "doxedge_not_final_transactions": host.relay.outgoing.waiting,
                "doxedge_peers_heard": len(host.relay.peers),
                "doxedge_votes": int(node.standing.votes),
                "doxedge_halted": int(node.standing.halted is not None),
            }
            for name, value in values.items():
                families[name].add_metric([node.short], value)
        yield from families.values()
        refused = CounterMetricFamily(
            "doxedge_refused",
            "Transactions refused since start: by a rule, or at the door",
            labels=["channel", "by"],
        )
        for host in self._hosts:
            for by, count in host.node.refusals.counts.items():
                refused.add_metric([host.node.short, by], count)
        yield refused

    def _gossip(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "doxedge_gossip_refused", "Messages that changed nothing, by why", labels=["channel", "why"]
        )
        dropped = CounterMetricFamily(
            "doxedge_gossip_not_sent", "Messages that no queue took", labels=["channel"]
        )
        for host in self._hosts:
            for why, count in sorted(host.relay.refused.items()):
                refused.add_metric([host.node.short, why], count)
            dropped.add_metric([host.node.short], host.relay.outgoing.queue_full)
        yield refused
        yield dropped
        broker = CounterMetricFamily(
            "doxedge_broker_events", "Of the sessions with brokers", labels=["broker", "what"]
        )
        for number, session in enumerate(self._brokers.sessions if self._brokers else ()):
            for what, count in asdict(session.counters).items():
                broker.add_metric([str(number), what], count)
        yield broker


def node_metrics(hosts: Sequence[ChannelHost], brokers: Brokers | None, watch: LoopWatch) -> bytes:
    """The text of one scrape."""
    registry = CollectorRegistry()
    registry.register(_NodeCollector(hosts, brokers, watch))
    return generate_latest(registry)
