"""Names at the broker, settings of a broker, and the bounded queue of what is to be published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.gossip import topics
from doxedge.gossip.topics import (
    PACKET_BYTES,
    RECEIVE_MAX,
    BrokerSettings,
    Counters,
    InvalidTopic,
    Kind,
    MessageTooLarge,
    Outbox,
    Outgoing,
    TlsFiles,
)
from doxedge.signing.limits import MESSAGE_BYTES
from simulators.broker.topics import is_match

CHANNEL = bytes(range(32))
CH = "0001020304050607"
ME, YOU = bytes(range(16)), bytes(range(16, 32))
KEYS = st.binary(min_size=16, max_size=16)
MAKERS = {Kind.TX: topics.tx, Kind.CON: topics.con, Kind.HEAD: topics.head, Kind.UP: topics.up}


def test_the_topics_are_those_of_the_wire_page() -> None:
    me = "000102030405060708090a0b0c0d0e0f"
    assert topics.tx(CHANNEL, ME) == f"doxedge/1/{CH}/tx/{me}"
    assert topics.con(CHANNEL, ME) == f"doxedge/1/{CH}/con/{me}"
    assert topics.head(CHANNEL, ME) == f"doxedge/1/{CH}/head/{me}"
    assert topics.up(CHANNEL, ME) == f"doxedge/1/{CH}/up/{me}"
    assert topics.inbox(CHANNEL, member=ME, sender=YOU) == f"doxedge/1/{CH}/in/{me}/{YOU.hex()}"


@given(st.binary(min_size=32, max_size=32), KEYS, st.sampled_from(list(MAKERS)))
def test_a_member_topic_is_read_as_it_was_made(channel: bytes, member: bytes, kind: Kind) -> None:
    parsed = topics.parse(MAKERS[kind](channel, member))
    assert parsed == topics.Topic(channel[:8].hex(), kind, member, member)  # type: ignore[arg-type]


@given(st.binary(min_size=32, max_size=32), KEYS, KEYS)
def test_an_inbox_is_read_as_it_was_made(channel: bytes, member: bytes, sender: bytes) -> None:
    parsed = topics.parse(topics.inbox(channel, member=member, sender=sender))
    assert parsed == topics.Topic(channel[:8].hex(), Kind.INBOX, member, sender)  # type: ignore[arg-type]


TX = topics.tx(CHANNEL, ME)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(TX.upper(), id="upper case"),
        pytest.param(TX + "/", id="a level more"),
        pytest.param("/" + TX, id="a level before"),
        pytest.param(TX + "\n", id="a line feed behind"),
        pytest.param(TX[:-1], id="a digit less"),
        pytest.param(TX + "0", id="a digit more"),
        pytest.param(TX.replace("doxedge/1", "doxedge/2"), id="another version"),
        pytest.param(TX.replace("/tx/", "/in/"), id="an inbox without a sender"),
        pytest.param(TX + "/" + YOU.hex(), id="transactions with a sender"),
        pytest.param(TX.replace("/tx/", "/$SYS/"), id="an unknown kind"),
        pytest.param(TX.replace("0f", "+"), id="a wildcard"),
        pytest.param(TX.replace("0f", "٠f"), id="a digit of another script"),
        pytest.param("x" * 70_000, id="very long"),
    ],
)
def test_what_is_not_exactly_a_topic_of_ours_is_none(text: str) -> None:
    with pytest.raises(InvalidTopic) as refused:
        topics.parse(text)
    assert len(str(refused.value)) < 300


def test_ids_of_another_length_make_no_topic() -> None:
    for channel, member in ((CHANNEL[1:], ME), (CHANNEL, ME[1:]), (CHANNEL + b"0", ME)):
        with pytest.raises(ValueError, match="bytes, not"):
            topics.tx(channel, member)


def test_a_member_hears_the_others_and_his_own_inbox_and_no_one_elses() -> None:
    filters = topics.subscriptions(CHANNEL, ME)

    def qualities(topic: str) -> list[int]:
        return [qos for pattern, qos in filters if is_match(pattern, topic)]

    assert [qualities(make(CHANNEL, YOU)) for make in MAKERS.values()] == [[0], [0], [1], [1]]
    assert qualities(topics.inbox(CHANNEL, member=ME, sender=YOU)) == [1]
    assert qualities(topics.inbox(CHANNEL, member=YOU, sender=ME)) == []
    assert qualities(topics.tx(bytes(32), YOU)) == []
    assert not any("#" in pattern for pattern, _ in filters)


def test_a_client_id_is_one_that_every_broker_must_take() -> None:
    assert topics.client_id(ME) == "0001020304050607node"
    for suffix in ("", "12345678", "a-b", "ä"):
        with pytest.raises(ValueError, match="client id"):
            topics.client_id(ME, suffix=suffix)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("port", 0),
        ("port", 65_536),
        ("protocol", "4"),
        ("keepalive_s", 0),
        ("keepalive_s", 65_536),
        ("connect_timeout_s", 0.0),
        ("puback_deadline_s", -1.0),
        ("window", 0),
        ("window", RECEIVE_MAX + 1),
        ("queue_messages_max", 0),
        ("queue_bytes_max", PACKET_BYTES - 1),
        ("queue_age_s_max", float("nan")),
        ("reconnect_s_max", 0.5),
    ],
)
def test_a_setting_out_of_range_is_named(field: str, value: object) -> None:
    settings: dict[str, Any] = {"host": "broker", field: value}
    with pytest.raises(ValueError, match=field):
        BrokerSettings(**settings)


def test_the_pause_before_another_attempt_doubles_up_to_its_bound_and_is_chance() -> None:
    settings = BrokerSettings(host="broker", reconnect_s_min=1.0, reconnect_s_max=60.0)
    bounds = [settings.pause_s(failures, chance=1.0) for failures in (0, 1, 2, 5, 6, 7, 10_000)]
    assert bounds == [1, 2, 4, 32, 60, 60, 60]
    assert settings.pause_s(5, chance=0.0) == 0
    assert settings.pause_s(5, chance=0.25) == 8


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="cert_file"):
        TlsFiles(ca_file=Path("ca.pem"), key_file=Path("key.pem"))


@pytest.mark.parametrize(("topic", "qos"), [("", 0), ("a/+", 0), ("a/#", 1), ("a\0", 0), ("a", 2), ("a", -1)])
def test_a_message_needs_a_name_without_wildcards_and_a_known_quality(topic: str, qos: int) -> None:
    with pytest.raises(ValueError, match="QoS 0 or 1"):
        Outgoing(topic, b"", qos, retain=False, queued_at_s=0.0)


def test_a_message_over_the_limit_is_refused_before_it_is_queued() -> None:
    Outgoing("a", bytes(MESSAGE_BYTES), 1, retain=False, queued_at_s=0.0)
    with pytest.raises(MessageTooLarge):
        Outgoing("a", bytes(MESSAGE_BYTES + 1), 1, retain=False, queued_at_s=0.0)
    with pytest.raises(MessageTooLarge):
        Outgoing("a" * 2_000, bytes(MESSAGE_BYTES), 1, retain=False, queued_at_s=0.0)


def outgoing(name: str, qos: int = 0, *, at_s: float = 0.0, size: int = 0) -> Outgoing:
    return Outgoing(name, bytes(size), qos, retain=False, queued_at_s=at_s)


def outbox(*, messages_max: int = 5, bytes_max: int = 10_000, age_s_max: float = 60.0) -> Outbox:
    return Outbox(Counters(), messages_max=messages_max, bytes_max=bytes_max, age_s_max=age_s_max)


def taken(box: Outbox, *, window: int = 10, now_s: float = 0.0) -> list[str]:
    found = []
    while (message := box.take(window=window, now_s=now_s)) is not None:
        if message.qos:
            box.in_flight[len(box.in_flight) + 1] = (message, now_s)
        found.append(message.topic)
    return found


def test_sure_messages_go_first_and_each_kind_in_its_order() -> None:
    box = outbox()
    for name, qos in (("a", 0), ("b", 1), ("c", 0), ("d", 1)):
        assert box.put(outgoing(name, qos))
    assert taken(box) == ["b", "d", "a", "c"]


def test_the_window_holds_sure_messages_back_and_lets_the_stream_through() -> None:
    box = outbox()
    for name, qos in (("a", 1), ("b", 1), ("c", 0)):
        box.put(outgoing(name, qos))
    assert taken(box, window=1) == ["a", "c"]
    assert taken(box, window=2) == ["b"]


def test_a_full_queue_drops_the_oldest_of_the_stream_and_never_a_sure_message() -> None:
    box = outbox(messages_max=3)
    for name in ("a", "b", "c"):
        assert box.put(outgoing(name))
    assert box.put(outgoing("d", 1))
    assert box.put(outgoing("e"))
    assert taken(box) == ["d", "c", "e"]


def test_a_queue_full_of_sure_messages_takes_no_more_not_even_in_flight() -> None:
    box = outbox(messages_max=2)
    assert box.put(outgoing("a", 1))
    assert taken(box) == ["a"]
    assert box.put(outgoing("b", 1))
    assert not box.put(outgoing("c", 1))
    assert not box.put(outgoing("d", 0))
    box.in_flight.clear()
    assert box.put(outgoing("e", 0))


def test_the_queue_is_bounded_in_bytes() -> None:
    box = outbox(messages_max=100, bytes_max=1_000)
    for name in ("a", "b", "c"):
        box.put(outgoing(name, size=480))
    assert taken(box) == ["b", "c"]
    assert box.put(outgoing("d", 1, size=900)), "what was taken needs no place"


def test_what_waited_too_long_is_dropped_on_the_way() -> None:
    box = outbox(age_s_max=10.0)
    box.put(outgoing("old", 1, at_s=0.0))
    box.put(outgoing("older", 0, at_s=0.0))
    box.put(outgoing("new", 0, at_s=5.0))
    assert taken(box, now_s=10.5) == ["new"]


def test_after_a_lost_connection_the_unacknowledged_go_first_in_their_old_order() -> None:
    box = outbox()
    for name in ("a", "b", "c"):
        box.put(outgoing(name, 1))
    assert taken(box, window=2) == ["a", "b"]
    box.put_back_in_flight()
    assert taken(box) == ["a", "b", "c"]


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "lose"]), st.integers(0, 1), st.integers(0, 400))))
def test_whatever_happens_the_queue_keeps_its_bounds_and_its_count_of_bytes(
    steps: list[tuple[str, int, int]],
) -> None:
    box = outbox(messages_max=6, bytes_max=900)
    for number, (step, qos, size) in enumerate(steps, 1):
        if step == "put":
            box.put(outgoing(f"{number}", qos, size=size))
        elif step == "lose":
            box.put_back_in_flight()
        elif (message := box.take(window=2, now_s=0.0)) is not None and message.qos:
            box.in_flight[number] = (message, 0.0)
        waiting = [*box._sure, *box._stream]
        assert len(box) == len(waiting) + len(box.in_flight) <= 6
        assert box._bytes == sum(message.size_bytes for message in waiting)
