"""What a broker allows: every bound on what clients can make it hold."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from simulators.broker.packets import V3, V5


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Bounds are per client unless they say otherwise. The defaults suit a test and a demo, not a town."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 = any free port."""

    versions: frozenset[int] = frozenset({V3, V5})
    """Protocol levels that are accepted; without 5 the broker behaves like one that never heard of it."""

    tls: ssl.SSLContext | None = None

    packet_bytes_max: int = 2 * 1024 * 1024
    """Largest packet taken from a client; announced to MQTT 5 clients, who are cut off with 0x95 beyond it."""

    inflight_max: int = 1_000
    """Messages of QoS 1 and 2 that may await their acknowledgement; the 20 of other brokers throttle to 200/s."""

    queue_messages_max: int = 1_000
    """Messages of QoS 1 and 2 that wait for a client which is away or slow; the newest are dropped beyond it."""

    queue_bytes_max: int = 8 * 1024 * 1024
    unsent_bytes_max: int = 4 * 1024 * 1024
    """Bytes that wait in the socket of a reader which stalls; QoS 0 is dropped beyond it."""

    subscriptions_max: int = 1_000
    connections_max: int = 1_000
    """In all."""

    sessions_max: int = 10_000
    """In all, with those of clients that are away."""

    retained_messages_max: int = 10_000
    """In all."""

    retained_bytes_max: int = 64 * 1024 * 1024
    """In all."""

    connect_timeout_s: float = 10.0
    """How long a new connection may stay without its CONNECT."""

    keep_alive_factor: float = 1.5
    """A client that is silent for this many keep-alive intervals is gone (3.1.2.10)."""

    farewell_timeout_s: float = 2.0
    """How long a closing connection may take to empty its socket."""
