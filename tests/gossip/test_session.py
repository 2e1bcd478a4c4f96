"""A lasting connection to a broker nobody trusts: over our own broker, over mosquitto, and over one that is odd."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from doxedge.gossip.session import (
    BrokerSession,
    BrokerSettings,
    MessageTooLarge,
    Presence,
    State,
    StateChange,
    TlsFiles,
)
from doxedge.signing.limits import MESSAGE_BYTES
from simulators.broker.packets import V3, Ack, Publish
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings as Allowed
from tests.gossip.odd_broker import EVERYTHING, OddBroker
from tests.node.network import until
from tests.ports import closed_port
from tests.simulators.broker.processes import (
    BrokerProcess,
    find_mosquitto,
    start_mosquitto,
    start_ours,
)
from tests.simulators.broker.raw_client import RawClient

PROTOCOLS: Final = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
QUICK: Final[dict[str, Any]] = {"reconnect_s_min": 0.02, "reconnect_s_max": 0.2}


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


class Ear:
    """What a session reports."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.changes: list[StateChange] = []

    @property
    def states(self) -> list[State]:
        return [change.state for change in self.changes]

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.heard]


def make(
    port: int,
    client_id: str,
    ear: Ear,
    *filters: str,
    on_message: Callable[[str, bytes], None] | None = None,
    presences: Sequence[Presence] = (),
    jitter: Callable[[], float] = lambda: 0.5,
    **settings: Any,
) -> BrokerSession:
    session = BrokerSession(
        BrokerSettings(host="127.0.0.1", port=port, **{**QUICK, **settings}),
        client_id=client_id,
        on_message=on_message or (lambda topic, payload: ear.heard.append((topic, payload))),
        on_state=ear.changes.append,
        jitter=jitter,
        presences=presences,
    )
    session.subscribe([(pattern, 1) for pattern in filters])
    return session


@contextlib.asynccontextmanager
async def running(session: BrokerSession, *, connected: bool = True) -> AsyncIterator[BrokerSession]:
    task = asyncio.create_task(session.run(), name=session.client_id)
    try:
        if connected:
            await until(session.connected.is_set, what=f"{session.client_id} connected")
        yield session
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@PROTOCOLS
@pytest.mark.parametrize("qos", [0, 1])
async def test_messages_arrive_in_order(broker: BrokerProcess, protocol: str, qos: int) -> None:
    ear, said = Ear(), [b"%d" % number for number in range(300)]
    async with (
        running(make(broker.port, "reader", ear, "a/+", protocol=protocol)) as reader,
        running(make(broker.port, "writer", Ear(), protocol=protocol)) as writer,
    ):
        assert reader.protocol == protocol
        for payload in said:
            assert writer.publish("a/b", payload, qos=qos)
        await until(lambda: len(ear.heard) == len(said))
        assert ear.payloads == said
        if qos:
            await until(lambda: writer.counters.acknowledged == len(said))
    assert reader.protocol is None
    assert ear.states == [State.CONNECTED]


async def test_small_packets_are_not_held_back_by_tcp(broker: BrokerProcess) -> None:
    async with running(make(broker.port, "one", Ear())) as session:
        assert session._link is not None
        found = session._link.client.socket()
        assert isinstance(found, socket.socket)
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_callbacks_come_in_the_loops_own_thread_and_may_publish(broker: BrokerProcess) -> None:
    """paho holds its locks while it calls: whoever publishes from inside a callback of its hangs (gateway.md, 6)."""
    threads: set[int] = set()
    heard: list[bytes] = []
    sessions: list[BrokerSession] = []

    def answer(_: str, payload: bytes) -> None:
        threads.add(threading.get_ident())
        heard.append(payload)
        if len(heard) < 500:
            sessions[0].publish("pong", b"%d" % len(heard), qos=1)

    sessions.append(make(broker.port, "both", Ear(), "pong", on_message=answer, protocol="3.1.1"))
    async with running(sessions[0]) as session:
        for _ in range(3):
            session.publish("pong", b"begin", qos=1)
        await until(lambda: len(heard) >= 500)
    assert threads == {threading.get_ident()}


async def test_a_mistake_in_the_callers_callback_ends_the_session_with_it(broker: BrokerProcess) -> None:
    def stumble(_: str, payload: bytes) -> None:
        raise ZeroDivisionError(payload)

    session = make(broker.port, "one", Ear(), "a", on_message=stumble, protocol="3.1.1")
    task = asyncio.create_task(session.run())
    await until(session.connected.is_set)
    session.publish("a", b"payload")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(task, 60)


async def test_a_message_over_the_brokers_limit_is_refused_at_once_and_breaks_nothing(tmp_path: Path) -> None:
    async with Broker(Allowed(packet_bytes_max=10_000)) as small:
        ear = Ear()
        session = make(small.port, "one", ear, "a", protocol="5")
        queued_before = session.publish("a", bytes(20_000), qos=1)
        assert queued_before, "nobody knows the limit yet"
        async with running(session):
            await until(lambda: session.counters.dropped_oversize == 1)
            with pytest.raises(MessageTooLarge):
                session.publish("a", bytes(10_000), qos=1)
            assert session.publish("b", bytes(9_000), qos=1)
            await until(lambda: session.counters.acknowledged == 1)
        assert session.counters.disconnects == 1, "only its own end"
        assert ear.states == [State.CONNECTED]


async def test_a_message_over_our_own_limit_is_refused_even_unconnected() -> None:
    session = make(1, "one", Ear())
    with pytest.raises(MessageTooLarge):
        session.publish("a", bytes(MESSAGE_BYTES + 1))
    for topic, qos in (("a/#", 0), ("a", 2)):
        with pytest.raises(ValueError, match="QoS"):
            session.publish(topic, b"", qos=qos)


async def test_while_nobody_is_there_the_queue_stays_within_its_bounds() -> None:
    session = make(1, "one", Ear(), queue_messages_max=100)
    assert all(session.publish("a", b"%d" % number) for number in range(1_000))
    assert session.counters.dropped_queue_full == 900
    assert sum(session.publish("a", b"", qos=1) for _ in range(150)) == 100
    assert not session.publish("a", b"")


async def test_an_acknowledgement_that_does_not_come_is_waited_for_only_so_long_and_the_message_comes_again() -> (
    None
):
    async with OddBroker({"connect", "subscribe"}) as odd:
        session = make(odd.port, "one", Ear(), "a", protocol="5", puback_deadline_s=0.2)
        async with running(session):
            session.publish("b", b"sure", qos=1)
            await until(lambda: session.counters.forced_reconnects >= 2)
            assert len(odd.connections) >= 2
            assert session.counters.acknowledged == 0
            odd.answers = EVERYTHING
            await until(lambda: session.counters.acknowledged == 1)
        assert {published.payload for published in odd.published} == {b"sure"}
        assert len(odd.published) >= 2


async def test_the_window_is_what_the_broker_may_owe_us() -> None:
    async with (
        OddBroker({"connect", "subscribe"}) as odd,
        running(make(odd.port, "one", Ear(), "a", protocol="3.1.1", window=5)) as session,
    ):
        for number in range(20):
            session.publish("b", b"%d" % number, qos=1)
        session.publish("b", b"stream")
        await until(lambda: b"stream" in {published.payload for published in odd.published})
        assert [p.payload for p in odd.published if p.qos] == [b"%d" % number for number in range(5)]


@pytest.mark.parametrize("answers", [set(), {"connect"}], ids=["no CONNACK", "no SUBACK"])
async def test_a_broker_that_does_not_answer_is_left_and_tried_again(answers: set[str]) -> None:
    ear = Ear()
    async with OddBroker(answers) as odd:
        session = make(odd.port, "one", ear, "a", puback_deadline_s=0.2)
        async with running(session, connected=False):
            await until(lambda: session.counters.forced_reconnects >= 2)
            assert not session.connected.is_set()
            odd.answers = EVERYTHING
            await until(session.connected.is_set)
    assert State.CONNECTED in ear.states


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="HTTP"),
        pytest.param(bytes(64), id="zeros"),
        pytest.param(b"\xff" * 64, id="ones"),
        pytest.param(b"\x20\x7f", id="half a CONNACK"),
        pytest.param(b"\x30\xff\xff\xff\x7f", id="a packet of 256 MiB"),
    ],
)
async def test_what_is_no_broker_does_no_harm(greeting: bytes) -> None:
    ear = Ear()
    async with OddBroker(greeting=greeting) as odd:
        session = make(odd.port, "one", ear, "a", puback_deadline_s=0.2)
        async with running(session, connected=False):
            await until(lambda: len(odd.connections) >= 3)
            odd.greeting = b""
            await until(session.connected.is_set)
    assert ear.states[-1] is State.CONNECTED
    assert set(ear.states[:-1]) <= {State.REFUSED, State.DISCONNECTED, State.TAKEN_OVER}


async def test_a_broker_that_was_killed_is_found_again_and_nothing_sure_is_lost(
    broker: BrokerProcess,
) -> None:
    reader_ear, writer_ear = Ear(), Ear()
    async with (
        running(make(broker.port, "reader", reader_ear, "a")) as reader,
        running(make(broker.port, "writer", writer_ear)) as writer,
    ):
        writer.publish("a", b"before", qos=1)
        await until(lambda: reader_ear.payloads == [b"before"])
        broker.kill()
        await until(lambda: not reader.connected.is_set() and not writer.connected.is_set())
        writer.publish("a", b"meanwhile", qos=1)
        broker.restart()
        await until(lambda: reader.counters.connects >= 2 and writer.counters.connects >= 2)
        await until(lambda: writer.counters.acknowledged == 2)
        writer.publish("a", b"after", qos=1)
        await until(lambda: b"after" in reader_ear.payloads)
    # The broker has no memory: whether `meanwhile` found a subscriber depends on who came back first.
    assert [payload for payload in reader_ear.payloads if payload != b"meanwhile"] == [b"before", b"after"]
    for ear in (reader_ear, writer_ear):
        assert ear.states[0] is ear.states[-1] is State.CONNECTED
        assert State.DISCONNECTED in ear.states


async def test_each_attempt_waits_by_chance() -> None:
    drawn: list[float] = []

    def chance() -> float:
        drawn.append(0.0)
        return 0.0

    ear = Ear()
    with closed_port() as port:
        session = make(port, "one", ear, jitter=chance, reconnect_s_min=60.0, reconnect_s_max=60.0)
        async with running(session, connected=False):
            await until(lambda: session.counters.connect_failures >= 5)
    assert len(drawn) >= 4
    assert ear.states == [State.UNREACHABLE], "the same is not said twice"


@PROTOCOLS
async def test_two_with_one_client_id_are_an_alarm(broker: BrokerProcess, protocol: str) -> None:
    ears = [Ear(), Ear()]
    async with (
        running(make(broker.port, "same", ears[0], protocol=protocol), connected=False) as first,
        running(make(broker.port, "same", ears[1], protocol=protocol), connected=False) as second,
    ):
        await until(lambda: first.counters.take_overs + second.counters.take_overs >= 1)
    alarms = [c for ear in ears for c in ear.changes if c.state is State.TAKEN_OVER]
    assert "same" in alarms[0].reason


@PROTOCOLS
async def test_a_hostile_retained_message_is_dropped_and_the_rest_is_heard(protocol: str) -> None:
    ear = Ear()
    async with Broker() as broker:
        sizes = {"a/huge": 300_000, "a/largest": MESSAGE_BYTES, "a/over": MESSAGE_BYTES + 1, "a/good": 4}
        await retain(broker.port, {topic: bytes(size) for topic, size in sizes.items()})
        async with running(make(broker.port, "one", ear, "a/+", protocol=protocol)) as session:
            await until(lambda: len(ear.heard) == 2)
            session.publish("b", b"", qos=1)
            await until(lambda: session.counters.acknowledged == 1)
            if protocol == "3.1.1":
                await until(lambda: session.counters.received_oversize == 2)
            assert session.counters.connects == 1
    assert sorted(len(payload) for payload in ear.payloads) == [4, MESSAGE_BYTES]


async def test_a_packet_without_measure_is_not_read_to_its_end() -> None:
    """3.1.1 cannot say what is too large, and paho would take 256 MiB."""
    async with Broker(Allowed(packet_bytes_max=8 * 1024 * 1024, unsent_bytes_max=32 * 1024 * 1024)) as broker:
        await retain(broker.port, {"a": bytes(6 * 1024 * 1024)})
        ear = Ear()
        session = make(broker.port, "one", ear, "a", protocol="3.1.1")
        async with running(session, connected=False):
            await until(lambda: State.DISCONNECTED in ear.states)
            assert session.counters.received_oversize >= 1
            assert session.counters.received == 0
    assert "a packet over the limit" in {change.reason for change in ear.changes}


async def retain(port: int, messages: Mapping[str, bytes]) -> None:
    """By a hand-made client, which says more than our own session would."""
    async with RawClient(port, "writer") as client:
        for topic, payload in messages.items():
            client.send(Publish(topic, payload, 1, retain=True, packet_id=1))
            await client.expect(Ack)


async def test_presence_is_kept_by_the_broker_and_turns_when_the_session_ends(broker: BrokerProcess) -> None:
    presences = [Presence(f"up/{number}", b"online", b"offline") for number in range(2)]
    ear = Ear()
    async with running(make(broker.port, "reader", ear, "up/+")):
        async with running(make(broker.port, "one", Ear(), presences=presences)):
            await until(lambda: ear.heard.count(("up/0", b"online")) and ear.heard.count(("up/1", b"online")))
        await until(lambda: ear.heard.count(("up/0", b"offline")) and ear.heard.count(("up/1", b"offline")))
    late = Ear()
    async with running(make(broker.port, "late", late, "up/+")):
        await until(lambda: len(late.heard) == 2)
        assert dict(late.heard) == {"up/0": b"offline", "up/1": b"offline"}


async def test_the_broker_says_offline_for_who_vanished() -> None:
    ear, presence = Ear(), Presence("up/0", b"online", b"offline")
    async with (
        Broker() as broker,
        running(make(broker.port, "reader", ear, "up/+")),
        running(make(broker.port, "one", Ear(), presences=[presence], jitter=lambda: 1.0)) as session,
    ):
        await until(lambda: ear.payloads == [b"online"])
        assert session._link is not None
        session._link.close("cut")
        await until(lambda: ear.payloads == [b"online", b"offline", b"online"])


async def test_a_subscription_that_is_refused_is_told_and_the_others_are_heard() -> None:
    ear = Ear()
    async with (
        Broker(Allowed(subscriptions_max=1)) as broker,
        running(make(broker.port, "one", ear, "a", "b", protocol="3.1.1")) as session,
    ):
        session.publish("a", b"heard")
        await until(lambda: ear.payloads == [b"heard"])
    assert State.SUBSCRIPTION_REFUSED in ear.states


async def test_what_is_subscribed_later_is_heard_too_and_again_after_a_reconnect(
    broker: BrokerProcess,
) -> None:
    ear = Ear()
    async with (
        running(make(broker.port, "one", ear, "a")) as session,
        running(make(broker.port, "two", Ear())) as writer,
    ):
        session.subscribe([("b", 1)])
        for _ in range(2):
            ear.heard.clear()
            await until(lambda: writer.publish("b", b"x", qos=1) and ear.heard)
            assert session._link is not None
            session._link.close("cut")
            await until(lambda: session.counters.connects >= 2)


async def test_where_5_is_unknown_3_1_1_is_spoken() -> None:
    ear = Ear()
    async with Broker(Allowed(versions=frozenset({V3}))) as old:
        async with running(make(old.port, "one", ear, "a")) as session:
            assert session.protocol == "3.1.1"
        strict = make(old.port, "two", Ear(), protocol="5")
        async with running(strict, connected=False):
            await until(lambda: strict.counters.refused_by_broker >= 2)
            assert not strict.connected.is_set()


async def test_two_brokers_at_once_carry_everything_twice_and_one_is_enough() -> None:
    first, second = Broker(), Broker()
    async with first, second:
        ear = Ear()
        async with (
            running(make(first.port, "reader", ear, "a")),
            running(make(second.port, "reader", ear, "a")),
            running(make(first.port, "writer", Ear())) as one,
            running(make(second.port, "writer", Ear())) as two,
        ):
            for session in (one, two):
                session.publish("a", b"both", qos=1)
            await until(lambda: ear.payloads == [b"both", b"both"])
            await first.stop()
            await until(lambda: not one.connected.is_set())
            two.publish("a", b"one", qos=1)
            await until(lambda: ear.payloads == [b"both", b"both", b"one"])


def test_tls_files_that_cannot_be_used_are_named_before_anything_is_opened(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("", encoding="ascii")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=name):
            make(1, "one", Ear(), tls=TlsFiles(ca_file=tmp_path / name))
