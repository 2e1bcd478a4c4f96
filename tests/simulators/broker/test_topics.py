"""Filters, and the tree that finds who wants a topic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.broker.errors import MalformedPacket
from simulators.broker.topics import (
    LEVELS_MAX,
    Subscription,
    SubscriptionTree,
    check_filter,
    check_name,
    is_match,
    split_share,
)

LEVEL = st.sampled_from(["a", "b", "", "$s"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = (
    st.tuples(st.lists(LEVEL | st.just("+"), max_size=4), st.sampled_from([[], ["#"]]))
    .map(lambda parts: "/".join(parts[0] + parts[1]))
    .filter(bool)
)


@given(st.lists(st.tuples(st.sampled_from("xyz"), FILTER), max_size=12), st.data(), TOPIC)
def test_the_tree_finds_whom_a_plain_search_finds(
    entries: list[tuple[str, str]], data: st.DataObject, topic: str
) -> None:
    tree = SubscriptionTree()
    table = dict.fromkeys(entries)
    for client_id, topic_filter in entries:
        tree.add(topic_filter, client_id, Subscription(0))
    for client_id, topic_filter in data.draw(
        st.lists(st.sampled_from(entries), max_size=4) if entries else st.just([])
    ):
        assert tree.remove(topic_filter, client_id) is ((client_id, topic_filter) in table)
        table.pop((client_id, topic_filter), None)
    found = {client_id: len(wanted) for client_id, wanted in tree.match(topic).plain.items()}
    expected: dict[str, int] = {}
    for client_id, topic_filter in table:
        if is_match(topic_filter, topic):
            expected[client_id] = expected.get(client_id, 0) + 1
    assert found == expected


@given(st.lists(FILTER, max_size=8))
def test_a_tree_that_was_emptied_holds_no_branches(filters: list[str]) -> None:
    tree = SubscriptionTree()
    for topic_filter in filters:
        tree.add(topic_filter, "x", Subscription(0))
        tree.add(f"$share/g/{topic_filter}", "x", Subscription(0))
    for topic_filter in filters:
        tree.remove(topic_filter, "x")
        tree.remove(f"$share/g/{topic_filter}", "x")
    assert tree._root.is_empty


@pytest.mark.parametrize(
    ("topic_filter", "topic", "covers"),
    [
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/#", "a", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+", "/", False),
        ("/+", "/a", True),
    ],
)
def test_a_filter_covers(topic_filter: str, topic: str, covers: bool) -> None:
    assert is_match(topic_filter, topic) is covers


def test_members_of_a_group_take_turns() -> None:
    tree = SubscriptionTree()
    for client_id in "abc":
        tree.add("$share/g/t", client_id, Subscription(1))
    first = [tree.match("t").shared[0][0][0] for _ in range(6)]
    assert first == list("abcabc")


@pytest.mark.parametrize("text", ["", "a#", "a/#/b", "a+", "#/a", "a/b#", "/".join("a" * (LEVELS_MAX + 1))])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedPacket, match="not a topic filter"):
        check_filter(text)


@pytest.mark.parametrize("text", ["", "a/+", "#", "/".join("a" * (LEVELS_MAX + 1))])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedPacket, match="not a topic name"):
        check_name(text)


def test_a_shared_filter_has_a_group_and_a_filter() -> None:
    assert split_share("$share/g/a/b") == ("g", "a/b")
    assert split_share("$shared/g") == (None, "$shared/g")
    for text in ("$share/", "$share/g", "$share//a", "$share/g/", "$share/g+/a"):
        with pytest.raises(MalformedPacket, match="names no group"):
            split_share(text)
