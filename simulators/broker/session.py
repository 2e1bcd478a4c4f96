"""What the broker remembers of one client: its subscriptions, what it was sent and has not acknowledged, and
what waits for it while it is away or slow (MQTT 5.0, 4.1 to 4.6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from simulators.broker.encoding import encode
from simulators.broker.errors import Reason
from simulators.broker.message import Message
from simulators.broker.packets import V5, Ack, PacketType, Publish
from simulators.broker.settings import BrokerSettings
from simulators.broker.topics import Subscription

PACKET_ID_MAX: Final = 65_535
NEVER: Final = 0xFFFFFFFF
"""A session expiry interval of this value means that the session stays (3.1.2.11.2)."""


class Outlet(Protocol):
    """The connection of a client, as its session sees it."""

    @property
    def version(self) -> int: ...

    @property
    def receive_max(self) -> int:
        """How many messages of QoS 1 and 2 the client takes at a time."""

    @property
    def client_packet_bytes_max(self) -> int: ...

    @property
    def is_congested(self) -> bool:
        """The socket is full: what can wait should wait."""

    def send_bytes(self, data: bytes, *, droppable: bool = False) -> bool:
        """False when a droppable frame found no room."""


@dataclass(slots=True)
class Counters:
    """What the broker did; only for people and tests to read."""

    connections: int = 0
    messages_in: int = 0
    messages_out: int = 0
    dropped_qos0: int = 0
    dropped_queue: int = 0
    dropped_oversize: int = 0
    dropped_retained: int = 0
    expired: int = 0
    malformed: int = 0
    refused: int = 0
    take_overs: int = 0
    wills: int = 0
    keep_alive_timeouts: int = 0


@dataclass(slots=True)
class Delivery:
    """A message for one subscriber, at his QoS and with his flags."""

    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...] = ()
    is_released: bool = False
    """QoS 2 only: PUBREC has come, so PUBREL is what is due (4.3.3)."""


class Session:
    """Rule: every message of QoS 1 and 2 is in exactly one place, queue or in-flight, until it is acknowledged."""

    def __init__(
        self,
        client_id: str,
        *,
        settings: BrokerSettings,
        counters: Counters,
        now_s: Callable[[], float],
    ) -> None:
        self.client_id = client_id
        self.expiry_s = 0
        self.subscriptions: dict[str, Subscription] = {}
        self.received_qos2: set[int] = set()
        self.outlet: Outlet | None = None
        self._settings = settings
        self._counters = counters
        self._now_s = now_s
        self._inflight: dict[int, Delivery] = {}
        self._queue: deque[Delivery] = deque()
        self._queued_bytes = 0
        self._last_packet_id = 0

    @property
    def can_take(self) -> bool:
        """A connection that is not congested: the better choice within a shared group."""
        return self.outlet is not None and not self.outlet.is_congested

    def attach(self, outlet: Outlet) -> None:
        """The client is back: first what it never acknowledged, in the old order and marked as repeated
        (4.4), then what has waited."""
        self.outlet = outlet
        for packet_id, delivery in self._inflight.items():
            if delivery.is_released:
                outlet.send_bytes(encode(Ack(PacketType.PUBREL, packet_id), outlet.version))
            else:
                self._send(outlet, packet_id, delivery, dup=True)
        self.pump()

    def detach(self) -> None:
        self.outlet = None

    def offer(self, delivery: Delivery) -> None:
        """Send now, or let it wait if it may, or drop and count it."""
        if delivery.qos == 0:
            self._offer_qos0(delivery)
            return
        size_bytes = len(delivery.message.payload)
        if (
            len(self._queue) >= self._settings.queue_messages_max
            or self._queued_bytes + size_bytes > self._settings.queue_bytes_max
        ):
            self._counters.dropped_queue += 1
            return
        self._queue.append(delivery)
        self._queued_bytes += size_bytes
        self.pump()

    def pump(self) -> None:
        """Send from the queue as long as the client's window and its socket have room."""
        outlet = self.outlet
        while outlet is not None and self._queue and not outlet.is_congested:
            if len(self._inflight) >= min(self._settings.inflight_max, outlet.receive_max):
                return
            delivery = self._queue.popleft()
            self._queued_bytes -= len(delivery.message.payload)
            if delivery.message.is_expired(self._now_s()):
                self._counters.expired += 1
                continue
            packet_id = self._next_packet_id()
            self._inflight[packet_id] = delivery
            if not self._send(outlet, packet_id, delivery, dup=False):
                del self._inflight[packet_id]

    def acknowledge(self, ack: Ack) -> Ack | None:
        """PUBACK, PUBREC or PUBCOMP from the client; what is to be answered, if anything."""
        delivery = self._inflight.get(ack.packet_id)
        if ack.kind is PacketType.PUBREC:
            return self._release(ack, delivery)
        wanted = PacketType.PUBACK if delivery is not None and delivery.qos == 1 else PacketType.PUBCOMP
        if delivery is not None and ack.kind is wanted:
            del self._inflight[ack.packet_id]
            self.pump()
        return None

    def _release(self, ack: Ack, delivery: Delivery | None) -> Ack | None:
        if delivery is None or delivery.qos != 2:
            return Ack(PacketType.PUBREL, ack.packet_id, Reason.PACKET_ID_NOT_FOUND)
        if ack.reason >= Reason.MALFORMED_PACKET - 1:
            # A client that refuses the message ends its flow here (4.3.3).
            del self._inflight[ack.packet_id]
            self.pump()
            return None
        delivery.is_released = True
        return Ack(PacketType.PUBREL, ack.packet_id)

    def _offer_qos0(self, delivery: Delivery) -> None:
        outlet = self.outlet
        if outlet is None:
            return
        message = delivery.message
        properties = (
            message.properties_at(self._now_s(), delivery.identifiers) if outlet.version == V5 else ()
        )
        frame = message.frame_qos0(version=outlet.version, retain=delivery.retain, properties=properties)
        if len(frame) > outlet.client_packet_bytes_max:
            self._counters.dropped_oversize += 1
        elif outlet.send_bytes(frame, droppable=True):
            self._counters.messages_out += 1
        else:
            self._counters.dropped_qos0 += 1

    def _send(self, outlet: Outlet, packet_id: int, delivery: Delivery, *, dup: bool) -> bool:
        """False when the client has said that it does not take packets of this size (3.1.2.11.4)."""
        message = delivery.message
        packet = Publish(
            message.topic,
            message.payload,
            delivery.qos,
            delivery.retain,
            dup,
            packet_id,
            message.properties_at(self._now_s(), delivery.identifiers),
        )
        frame = encode(packet, outlet.version)
        if len(frame) > outlet.client_packet_bytes_max:
            self._counters.dropped_oversize += 1
            return False
        outlet.send_bytes(frame)
        self._counters.messages_out += 1
        return True

    def _next_packet_id(self) -> int:
        """The next number that is not in flight; the window is far smaller than the numbers."""
        packet_id = self._last_packet_id
        while True:
            packet_id = packet_id % PACKET_ID_MAX + 1
            if packet_id not in self._inflight:
                self._last_packet_id = packet_id
                return packet_id
