"""What the broker remembers of a client, without any socket."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from simulators.broker.decoding import FrameSplitter, decode
from simulators.broker.message import Message, RetainedStore
from simulators.broker.packets import V5, Ack, PacketType, Publish
from simulators.broker.session import Counters, Delivery, Session
from simulators.broker.settings import BrokerSettings


@dataclass
class Pipe:
    """An outlet that keeps what it is given."""

    version: int = V5
    receive_max: int = 65_535
    client_packet_bytes_max: int = 2**28
    is_congested: bool = False
    sent: list[Publish | Ack] = field(default_factory=list)

    def send_bytes(self, data: bytes, *, droppable: bool = False) -> bool:
        if droppable and self.is_congested:
            return False
        for frame in FrameSplitter(limit_bytes=2**28).feed(data):
            packet = decode(*frame, self.version)
            assert isinstance(packet, Publish | Ack)
            self.sent.append(packet)
        return True

    @property
    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.sent if isinstance(packet, Publish)]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def session_with(**bounds: int) -> Session:
    return Session("c", settings=BrokerSettings(**bounds), counters=Counters(), now_s=Clock())  # type: ignore[arg-type]


def delivery(text: str, qos: int = 1, *, expires_at_s: float | None = None) -> Delivery:
    message = Message("t", text.encode(), qos, retain=False, sender="p", expires_at_s=expires_at_s)
    return Delivery(message, qos, retain=False)


def ack(packet: Publish | Ack, kind: PacketType) -> Ack:
    assert packet.packet_id is not None
    return Ack(kind, packet.packet_id)


def test_the_window_of_the_client_is_kept() -> None:
    session, pipe = session_with(), Pipe(receive_max=2)
    session.attach(pipe)
    for text in "abcd":
        session.offer(delivery(text))
    assert pipe.payloads == [b"a", b"b"]
    session.acknowledge(ack(pipe.sent[0], PacketType.PUBACK))
    assert pipe.payloads == [b"a", b"b", b"c"]


def test_an_unacknowledged_message_comes_again_in_the_old_order_and_marked() -> None:
    session, first, second = session_with(), Pipe(), Pipe()
    session.attach(first)
    for text in "abc":
        session.offer(delivery(text))
    session.acknowledge(ack(first.sent[1], PacketType.PUBACK))
    session.detach()
    session.offer(delivery("d"))
    session.attach(second)
    assert [(p.payload, p.dup) for p in second.sent if isinstance(p, Publish)] == [
        (b"a", True),
        (b"c", True),
        (b"d", False),
    ]


def test_a_released_message_of_quality_2_comes_again_as_release_only() -> None:
    session, first, second = session_with(), Pipe(), Pipe()
    session.attach(first)
    session.offer(delivery("a", 2))
    release = session.acknowledge(ack(first.sent[0], PacketType.PUBREC))
    assert release is not None
    assert release.kind is PacketType.PUBREL
    session.detach()
    session.attach(second)
    assert second.sent == [Ack(PacketType.PUBREL, release.packet_id)]
    session.acknowledge(ack(release, PacketType.PUBCOMP))
    session.detach()
    third = Pipe()
    session.attach(third)
    assert third.sent == []


def test_an_acknowledgement_of_the_wrong_kind_changes_nothing() -> None:
    session, first, second = session_with(), Pipe(), Pipe()
    session.attach(first)
    session.offer(delivery("a", 1))
    session.acknowledge(ack(first.sent[0], PacketType.PUBCOMP))
    answer = session.acknowledge(ack(first.sent[0], PacketType.PUBREC))
    assert answer is not None
    assert answer.reason == 0x92
    session.acknowledge(Ack(PacketType.PUBACK, 999))
    session.detach()
    session.attach(second)
    assert second.payloads == [b"a"]


def test_the_queue_is_bounded_in_number_and_in_bytes_and_drops_the_newest() -> None:
    by_number = session_with(queue_messages_max=2)
    by_bytes = session_with(queue_bytes_max=2)
    for session in (by_number, by_bytes):
        for text in "abcd":
            session.offer(delivery(text))
        pipe = Pipe()
        session.attach(pipe)
        assert pipe.payloads == [b"a", b"b"]
        assert session._counters.dropped_queue == 2


def test_quality_0_does_not_wait() -> None:
    session, pipe = session_with(), Pipe()
    session.offer(delivery("away", 0))
    session.attach(pipe)
    pipe.is_congested = True
    session.offer(delivery("slow", 0))
    session.offer(delivery("waits", 1))
    assert pipe.payloads == []
    pipe.is_congested = False
    session.pump()
    assert pipe.payloads == [b"waits"]
    assert session._counters.dropped_qos0 == 1


def test_what_has_expired_in_the_queue_is_not_sent() -> None:
    session, pipe = session_with(), Pipe()
    session.offer(delivery("old", expires_at_s=0.0))
    session.offer(delivery("new", expires_at_s=60.0))
    session.attach(pipe)
    assert pipe.payloads == [b"new"]


def test_a_packet_that_the_client_cannot_take_is_dropped_without_blocking_the_rest() -> None:
    session, pipe = session_with(), Pipe(client_packet_bytes_max=20)
    session.attach(pipe)
    for qos in (0, 1):
        session.offer(delivery("x" * 100, qos))
        session.offer(delivery("y", qos))
    assert pipe.payloads == [b"y", b"y"]
    assert session._counters.dropped_oversize == 2


@given(st.lists(st.sampled_from(["offer", "ack", "lose", "return"]), max_size=60))
def test_every_message_of_quality_1_is_acknowledged_or_comes_again(steps: list[str]) -> None:
    """A dumb model: what was offered minus what was acknowledged is what a new connection gets first."""
    session = session_with(inflight_max=3, queue_messages_max=1_000)
    pipe: Pipe | None = None
    open_payloads: list[bytes] = []
    for number, step in enumerate(steps):
        if step == "offer":
            session.offer(delivery(str(number)))
            open_payloads.append(str(number).encode())
        elif step == "ack" and pipe is not None:
            waiting = [p for p in pipe.sent if isinstance(p, Publish) and p.payload in open_payloads]
            if waiting:
                session.acknowledge(ack(waiting[0], PacketType.PUBACK))
                open_payloads.remove(waiting[0].payload)
        elif step == "lose":
            session.detach()
            pipe = None
        elif step == "return" and pipe is None:
            pipe = Pipe()
            session.attach(pipe)
            assert pipe.payloads == open_payloads[:3]


def test_retained_messages_are_bounded_and_replaced() -> None:
    def retained(topic: str, size_bytes: int) -> Message:
        return Message(topic, bytes(size_bytes), 0, retain=True, sender="p")

    store = RetainedStore(messages_max=2, bytes_max=100)
    assert store.put(retained("a", 50))
    assert not store.put(retained("b", 60))
    assert store.put(retained("b", 40))
    assert not store.put(retained("c", 1))
    assert store.put(retained("a", 0))
    assert store.put(retained("c", 50))
    assert [message.topic for message in store.all(now_s=0)] == ["b", "c"]


def test_a_retained_message_that_has_expired_frees_its_place() -> None:
    store = RetainedStore(messages_max=1, bytes_max=100)
    store.put(Message("a", b"x", 0, retain=True, sender="p", expires_at_s=5.0))
    assert [message.topic for message in store.all(now_s=4.9)] == ["a"]
    assert store.all(now_s=5.0) == []
    assert store.put(Message("b", b"x", 0, retain=True, sender="p"))
