"""A message inside the broker, between the packet it came in and the packets it leaves in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from simulators.broker.encoding import encode
from simulators.broker.packets import Publish, Will
from simulators.broker.properties import MESSAGE, Properties, Property, number, only


@dataclass(frozen=True, slots=True)
class Message:
    """What was published, by whom, and when it goes stale."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    sender: str
    """Client id of the publisher; the faults know the clients by it."""

    properties: Properties = ()
    """Only those that travel with a message; empty for a publisher of 3.1.1."""

    expires_at_s: float | None = None
    """On the clock of the event loop."""

    _frames: dict[int, bytes] = field(default_factory=dict, compare=False, repr=False)
    """Frames at QoS 0 by protocol level, see `frame_qos0`."""

    @classmethod
    def from_publish(cls, packet: Publish | Will, *, sender: str, now_s: float) -> Message:
        properties = only(packet.properties, MESSAGE - {Property.MESSAGE_EXPIRY})
        expiry_s = number(packet.properties, Property.MESSAGE_EXPIRY, -1)
        expires_at_s = now_s + expiry_s if expiry_s >= 0 else None
        return cls(packet.topic, packet.payload, packet.qos, packet.retain, sender, properties, expires_at_s)

    def with_payload(self, payload: bytes) -> Message:
        return replace(self, payload=payload, _frames={})

    def is_expired(self, now_s: float) -> bool:
        return self.expires_at_s is not None and now_s >= self.expires_at_s

    def properties_at(self, now_s: float, identifiers: tuple[int, ...]) -> Properties:
        """As sent on: the expiry counts down (3.3.2.3.3), the subscriber's identifiers are added."""
        expiry: Properties = ()
        if self.expires_at_s is not None:
            expiry = ((Property.MESSAGE_EXPIRY, max(0, round(self.expires_at_s - now_s))),)
        return self.properties + expiry + tuple((Property.SUBSCRIPTION_ID, number) for number in identifiers)

    def frame_qos0(self, *, version: int, retain: bool, properties: Properties) -> bytes:
        """The bytes of a delivery at QoS 0, made once for all the subscribers that get the same."""
        if retain or (properties and properties != self.properties):
            # Retained messages stay long and expiries count down: keeping every form would grow.
            return self._encode_qos0(version=version, retain=retain, properties=properties)
        frame = self._frames.get(version)
        if frame is None:
            frame = self._encode_qos0(version=version, retain=retain, properties=properties)
            self._frames[version] = frame
        return frame

    def _encode_qos0(self, *, version: int, retain: bool, properties: Properties) -> bytes:
        return encode(Publish(self.topic, self.payload, 0, retain, properties=properties), version)


class RetainedStore:
    """The last retained message of each topic, bounded in number and bytes; what does not fit is not kept."""

    def __init__(self, *, messages_max: int, bytes_max: int) -> None:
        self._messages: dict[str, Message] = {}
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Message) -> bool:
        """Keep, replace, or with an empty payload remove (3.3.1.3); False when there is no room."""
        previous = self._messages.pop(message.topic, None)
        if previous is not None:
            self._bytes -= _weight(previous)
        if not message.payload:
            return True
        if len(self._messages) >= self._messages_max or self._bytes + _weight(message) > self._bytes_max:
            return False
        self._messages[message.topic] = message
        self._bytes += _weight(message)
        return True

    def all(self, *, now_s: float) -> list[Message]:
        """Everything that is not stale; stale messages are dropped on this occasion."""
        for topic in [topic for topic, message in self._messages.items() if message.is_expired(now_s)]:
            self._bytes -= _weight(self._messages.pop(topic))
        return list(self._messages.values())


def _weight(message: Message) -> int:
    return len(message.topic) + len(message.payload)
