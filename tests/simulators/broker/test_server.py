"""The broker over real sockets: what the standard asks beyond the conformance suite, its bounds, and its faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simulators.broker.faults import FaultRule
from simulators.broker.packets import (
    V3,
    V5,
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    SubscribeRequest,
    Unsuback,
    Unsubscribe,
    Will,
)
from simulators.broker.properties import Property
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.simulators.broker.raw_client import RawClient


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with Broker() as running:
        yield running


async def pair(broker: Broker) -> tuple[RawClient, RawClient]:
    """A subscriber of `t` and a publisher, both connected."""
    reader, writer = RawClient(broker.port, "reader"), RawClient(broker.port, "writer")
    await reader.__aenter__()
    await writer.__aenter__()
    await reader.subscribe("t/#")
    return reader, writer


async def close(*clients: RawClient) -> None:
    for client in clients:
        await client.__aexit__(None, None, None)


async def test_a_newcomer_is_told_what_he_needs(broker: Broker) -> None:
    async with RawClient(broker.port) as nameless, RawClient(broker.port, "v3", version=V3) as old:
        assert nameless.connack is not None
        given = dict(nameless.connack.properties)
        assert given[Property.MAXIMUM_PACKET_SIZE] == broker.settings.packet_bytes_max
        assert given[Property.ASSIGNED_CLIENT_ID] in broker.client_ids()
        assert old.connack == Connack(session_present=False, reason=0)


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (Connect("x", V5, properties=((Property.AUTHENTICATION_METHOD, "SCRAM"),)), Connack(False, 0x8C)),
        (Connect("", V3, clean_start=False), Connack(False, 0x85)),
        (Connect("x" * 257, V5), Connack(False, 0x85)),
    ],
    ids=["extended authentication", "no name for a session that stays", "endless name"],
)
async def test_a_connect_that_cannot_be_served_is_refused(
    broker: Broker, packet: Connect, answer: Connack
) -> None:
    async with RawClient(broker.port, version=packet.version, connects=False) as client:
        client.send(packet)
        assert await client.receive() == answer
        assert await client.receive() is None
        assert broker.client_ids() == []
        assert broker.counters.refused == 1


async def test_a_broker_of_mqtt_3_refuses_5_in_its_own_words() -> None:
    async with Broker(BrokerSettings(versions=frozenset({V3}))) as broker:
        async with RawClient(broker.port, version=V3, connects=False) as client:
            client.send(Connect("x", V5))
            assert await client.receive() == Connack(session_present=False, reason=0x84)
        async with RawClient(broker.port, "x", version=V3) as client:
            assert broker.client_ids() == ["x"]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Connect("again", V5), 0x82),
        (Connack(session_present=False, reason=0), 0x82),
        (Pingresp(), 0x82),
        (Auth(), 0x82),
        (Publish("t", b"", properties=((Property.TOPIC_ALIAS, 1),)), 0x94),
        (Publish("t", b"", properties=((Property.SUBSCRIPTION_ID, 1),)), 0x82),
        (Disconnect(0, ((Property.SESSION_EXPIRY, 9),)), 0x82),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Packet) else None,
)
async def test_a_client_that_breaks_the_protocol_is_told_why(
    broker: Broker, packet: Packet, reason: int
) -> None:
    async with RawClient(broker.port, "x") as client:
        client.send(packet)
        assert await client.receive() == Disconnect(reason)
        assert await client.receive() is None


async def test_an_oversize_packet_ends_the_connection_before_it_has_come() -> None:
    async with Broker(BrokerSettings(packet_bytes_max=1_000)) as broker:
        async with RawClient(broker.port, "x") as client:
            client.send_bytes(b"\x30\xff\xff\x03")
            assert await client.receive() == Disconnect(0x95)
            assert await client.receive() is None
        async with RawClient(broker.port, "x", version=V3) as client:
            client.send_bytes(b"\x30\xff\xff\x03")
            assert await client.receive() is None


async def test_a_connection_without_connect_is_closed() -> None:
    settings = BrokerSettings(connect_timeout_s=0.05)
    async with Broker(settings) as broker, RawClient(broker.port, connects=False) as client:
        assert await client.receive() is None


async def test_too_many_connections_sessions_and_subscriptions_are_refused() -> None:
    settings = BrokerSettings(connections_max=2, sessions_max=1, subscriptions_max=1)
    async with Broker(settings) as broker, RawClient(broker.port, "a") as client:
        assert await client.subscribe("1") == (0,)
        assert await client.subscribe("2") == (0x97,)
        assert await client.subscribe("1", 1) == (1,)
        async with RawClient(broker.port, connects=False) as second:
            async with RawClient(broker.port, connects=False) as third:
                assert await third.receive() is None
            second.send(Connect("b", V5))
            assert await second.receive() == Connack(session_present=False, reason=0x97)


async def test_publishing_below_dollar_is_not_allowed(broker: Broker) -> None:
    async with RawClient(broker.port, "x") as client:
        await client.subscribe("$SYS/#")
        assert await client.publishes(1) == [b"doxedge simulator broker"]
        client.send(Publish("$SYS/broker/version", b"mine", 1, retain=True, packet_id=1))
        assert await client.receive() == Ack(PacketType.PUBACK, 1, 0x87)
        assert await client.quiet()


async def test_a_message_of_quality_2_counts_once_however_often_it_is_sent(broker: Broker) -> None:
    reader, writer = await pair(broker)
    packet = Publish("t", b"once", 2, packet_id=7)
    writer.send(packet, Publish("t", b"once", 2, dup=True, packet_id=7), Ack(PacketType.PUBREL, 7))
    assert [await writer.receive() for _ in range(3)] == [
        Ack(PacketType.PUBREC, 7),
        Ack(PacketType.PUBREC, 7),
        Ack(PacketType.PUBCOMP, 7),
    ]
    writer.send(Ack(PacketType.PUBREL, 7))
    assert await writer.receive() == Ack(PacketType.PUBCOMP, 7, 0x92)
    assert await reader.publishes(1) == [b"once"]
    assert await reader.quiet()
    await close(reader, writer)


async def test_overlapping_subscriptions_name_all_their_identifiers(broker: Broker) -> None:
    async with RawClient(broker.port, "x") as client:
        await client.subscribe("a/#", 0, ((Property.SUBSCRIPTION_ID, 1),))
        await client.subscribe("a/b", 0, ((Property.SUBSCRIPTION_ID, 200),))
        client.send(Publish("a/b", b"x"))
        found = (await client.expect(Publish)).properties
        assert sorted(value for _, value in found if isinstance(value, int)) == [1, 200]


async def test_an_unsubscribe_says_what_there_was(broker: Broker) -> None:
    async with RawClient(broker.port, "x") as client:
        client.send(Subscribe(1, (SubscribeRequest("a", 0), SubscribeRequest("$share/g/a", 2))))
        assert (await client.expect(Suback)).reasons == (0, 2)
        client.send(Unsubscribe(2, ("a", "b", "$share/g/a")))
        assert await client.receive() == Unsuback(2, (0, 0x11, 0))
        client.send(Publish("a", b"x"))
        assert await client.quiet()


async def test_a_take_over_tells_the_old_publishes_its_will_and_keeps_the_session(broker: Broker) -> None:
    stays = ((Property.SESSION_EXPIRY, 60),)
    reader, writer = await pair(broker)
    async with RawClient(broker.port, "x", will=Will("t/will", b"gone"), properties=stays) as old:
        await old.subscribe("mine", 1)
        async with RawClient(broker.port, "x", clean=False, properties=stays) as new:
            assert new.connack is not None
            assert new.connack.session_present
            assert await old.receive() == Disconnect(0x8E)
            assert await old.receive() is None
            assert await reader.publishes(1) == [b"gone"]
            writer.send(Publish("mine", b"x", 1, packet_id=1))
            assert await new.publishes(1) == [b"x"]
            assert broker.counters.take_overs == 1
    await close(reader, writer)


async def test_a_client_may_ask_for_its_will_as_it_leaves(broker: Broker) -> None:
    reader, writer = await pair(broker)
    async with RawClient(broker.port, "x", will=Will("t/will", b"gone")) as client:
        client.send(Disconnect(0x04))
        assert await reader.publishes(1) == [b"gone"]
    await close(reader, writer)


async def test_a_session_ends_when_its_time_is_over_and_its_will_comes_at_the_latest_then(
    broker: Broker,
) -> None:
    reader, writer = await pair(broker)
    will = Will("t/will", b"gone", properties=((Property.WILL_DELAY, 3_600),))
    async with RawClient(broker.port, "x", will=will, properties=((Property.SESSION_EXPIRY, 1),)):
        pass
    assert await reader.publishes(1) == [b"gone"]
    async with RawClient(broker.port, "x", clean=False) as client:
        assert client.connack is not None
        assert not client.connack.session_present
    await close(reader, writer)


async def test_the_end_of_the_broker_is_announced_and_leaves_no_wills() -> None:
    broker = Broker()
    await broker.start()
    async with RawClient(broker.port, "x", will=Will("t", b"gone")) as client:
        await client.subscribe("t")
        await broker.stop()
        assert await client.receive() == Disconnect(0x8B)
        assert await client.receive() is None
    await broker.stop()


async def test_a_stalled_reader_is_bounded_and_the_broker_still_stops() -> None:
    async with Broker(BrokerSettings(unsent_bytes_max=300_000, farewell_timeout_s=0.2)) as broker:
        reader, writer = await pair(broker)
        reader.pause()
        while broker.counters.dropped_qos0 < 10:
            writer.send(*(Publish("t", bytes(50_000)) for _ in range(20)))
            assert await writer.quiet()
        assert all(c._transport.get_write_buffer_size() <= 300_000 for c in broker._connections)  # type: ignore[union-attr]
        await close(writer)
    await close(reader)


async def test_a_frozen_broker_is_silent_and_wakes_up_with_what_was_sure(broker: Broker) -> None:
    reader, writer = await pair(broker)
    await reader.subscribe("sure", 1)
    assert broker.freeze("reader") == 1
    writer.send(Publish("t", b"lost"), Publish("sure", b"kept", 1, packet_id=1))
    assert await writer.receive() == Ack(PacketType.PUBACK, 1)
    reader.send(Subscribe(9, (SubscribeRequest("x", 0),)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.receive(), 0.1)
    broker.freeze("reader", frozen=False)
    assert await reader.publishes(1) == [b"kept"]
    assert (await reader.expect(Suback)).packet_id == 9
    await close(reader, writer)


async def test_a_test_can_cut_and_feign_take_overs(broker: Broker) -> None:
    reader, writer = await pair(broker)
    assert broker.disconnect("wri*") == 1
    assert await writer.receive() is None
    assert broker.take_over("reader") == 1
    assert await reader.receive() == Disconnect(0x8E)
    assert broker.take_over() == 0
    await close(reader, writer)


async def test_lost_messages_are_lost_although_the_publisher_was_thanked(broker: Broker) -> None:
    reader, writer = await pair(broker)
    broker.faults.add(FaultRule(topic_filter="t/bad", drop=1))
    writer.send(Publish("t/bad", b"1", 1, packet_id=1), Publish("t/good", b"2"))
    assert await writer.receive() == Ack(PacketType.PUBACK, 1)
    assert await reader.publishes(1) == [b"2"]
    broker.faults.clear()
    writer.send(Publish("t/bad", b"3"))
    assert await reader.publishes(1) == [b"3"]
    await close(reader, writer)


async def test_a_held_message_is_overtaken_by_the_next_or_comes_alone(broker: Broker) -> None:
    reader, writer = await pair(broker)
    broker.faults.add(FaultRule(reorder=1, times=1))
    writer.send(Publish("t", b"1"), Publish("t", b"2"), Publish("t", b"3"))
    assert await reader.publishes(3) == [b"2", b"1", b"3"]
    broker.faults.add(FaultRule(reorder=1, times=1))
    writer.send(Publish("t", b"4"))
    assert await reader.publishes(1) == [b"4"]
    await close(reader, writer)


async def test_delayed_doubled_cut_and_altered_messages_arrive_so(broker: Broker) -> None:
    reader, writer = await pair(broker)
    for rule in (
        FaultRule(topic_filter="t/late", delay=1, delay_ms=(30, 30)),
        FaultRule(topic_filter="t/twice", duplicate=1),
        FaultRule(topic_filter="t/cut", truncate=1),
        FaultRule(topic_filter="t/bit", corrupt=1),
    ):
        broker.faults.add(rule)
    for topic in ("late", "twice", "cut", "bit"):
        writer.send(Publish(f"t/{topic}", b"abcdefgh"))
    twice, again, cut, altered, late = await reader.publishes(5)
    assert twice == again == late == b"abcdefgh"
    assert b"abcdefgh".startswith(cut)
    assert len(cut) < 8
    assert sum((a ^ b).bit_count() for a, b in zip(altered, b"abcdefgh", strict=True)) == 1
    await close(reader, writer)


@pytest.mark.parametrize("fault", ["disconnect", "take_over"])
async def test_a_message_can_cost_its_receiver_the_connection(broker: Broker, fault: str) -> None:
    reader, writer = await pair(broker)
    broker.faults.add(FaultRule(**{fault: 1.0, "times": 1}))  # type: ignore[arg-type]
    writer.send(Publish("t", b"x"))
    assert await reader.receive() == (Disconnect(0x8E) if fault == "take_over" else None)
    assert await writer.quiet()
    await close(reader, writer)


async def test_a_partition_holds_for_retained_messages_and_wills_too(broker: Broker) -> None:
    reader, writer = await pair(broker)
    broker.faults.partition(["reader"], ["writer", "dying"])
    writer.send(Publish("kept", b"x", 1, retain=True, packet_id=1))
    await writer.receive()
    await reader.subscribe("kept")
    async with RawClient(broker.port, "bystander") as bystander:
        await bystander.subscribe("t/#")
        async with RawClient(broker.port, "dying", will=Will("t/will", b"gone")):
            pass
        assert await bystander.publishes(1) == [b"gone"]
    assert await reader.quiet()
    broker.faults.heal()
    await reader.subscribe("kept")
    assert await reader.publishes(1) == [b"x"]
    await close(reader, writer)
