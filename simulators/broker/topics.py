"""Topic names, topic filters, and who has subscribed to what (MQTT 5.0, 4.7 and 4.8)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from simulators.broker.errors import MalformedPacket, Reason

LEVELS_MAX: Final = 64
"""Levels of a topic; the standard has no bound, and each level costs a step of the search."""

SHARE: Final = "$share/"


def check_name(topic: str) -> str:
    """A topic that can be published to, else MalformedPacket."""
    if not topic or "+" in topic or "#" in topic or topic.count("/") >= LEVELS_MAX:
        raise MalformedPacket(f"{topic[:100]!r} is not a topic name", Reason.TOPIC_NAME_INVALID)
    return topic


def check_filter(topic_filter: str) -> str:
    """A filter that can be subscribed to, shared or not, else MalformedPacket."""
    _, plain = split_share(topic_filter)
    levels = plain.split("/")
    sound = (
        plain != ""
        and len(levels) <= LEVELS_MAX
        and all(level == "#" or "#" not in level for level in levels)
        and all(level == "+" or "+" not in level for level in levels)
        and "#" not in levels[:-1]
    )
    if not sound:
        raise MalformedPacket(f"{topic_filter[:100]!r} is not a topic filter", Reason.TOPIC_FILTER_INVALID)
    return topic_filter


def split_share(topic_filter: str) -> tuple[str | None, str]:
    """`$share/<group>/<filter>` as group and filter (4.8.2); any other filter has the group None."""
    if not topic_filter.startswith(SHARE):
        return None, topic_filter
    group, slash, plain = topic_filter.removeprefix(SHARE).partition("/")
    if not (group and slash and plain) or "+" in group or "#" in group:
        raise MalformedPacket(
            f"{topic_filter[:100]!r} names no group and filter", Reason.TOPIC_FILTER_INVALID
        )
    return group, plain


def is_match(topic_filter: str, topic: str) -> bool:
    """Whether a plain filter covers a topic. Wildcards in front do not cover `$` topics (4.7.2)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one client wants of one filter."""

    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    identifier: int | None = None


@dataclass(slots=True)
class _Node:
    """One level of the tree of filters."""

    children: dict[str, _Node] = field(default_factory=dict)
    plain: dict[str, Subscription] = field(default_factory=dict)
    shared: dict[str, OrderedDict[str, Subscription]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.children or self.plain or self.shared)


@dataclass(frozen=True, slots=True)
class Matches:
    """Who is to get a message: all of `plain`, and one of each group in `shared`, the first one that can."""

    plain: dict[str, list[Subscription]]
    shared: list[list[tuple[str, Subscription]]]


class SubscriptionTree:
    """All filters of all clients, searched by topic in time that grows with the levels, not with the clients."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, topic_filter: str, client_id: str, subscription: Subscription) -> bool:
        """Enter or replace; True when the client had not subscribed to this filter before."""
        group, plain = split_share(topic_filter)
        node = self._root
        for level in plain.split("/"):
            node = node.children.setdefault(level, _Node())
        members = node.plain if group is None else node.shared.setdefault(group, OrderedDict())
        is_new = client_id not in members
        members[client_id] = subscription
        return is_new

    def remove(self, topic_filter: str, client_id: str) -> bool:
        """Take out, and prune the branch; True when there was something to take out."""
        group, plain = split_share(topic_filter)
        path: list[tuple[_Node, str]] = []
        node = self._root
        for level in plain.split("/"):
            if level not in node.children:
                return False
            path.append((node, level))
            node = node.children[level]
        members = node.plain if group is None else node.shared.get(group, {})
        found = members.pop(client_id, None) is not None
        if group is not None and not members:
            node.shared.pop(group, None)
        for parent, level in reversed(path):
            if parent.children[level].is_empty:
                del parent.children[level]
        return found

    def match(self, topic: str) -> Matches:
        """The subscribers of a topic. Each call moves the first member of a shared group to its end, so that
        the members take turns."""
        plain: dict[str, list[Subscription]] = {}
        shared: list[list[tuple[str, Subscription]]] = []
        for node in self._nodes(topic):
            for client_id, subscription in node.plain.items():
                plain.setdefault(client_id, []).append(subscription)
            for members in node.shared.values():
                shared.append(list(members.items()))
                members.move_to_end(next(iter(members)))
        return Matches(plain, shared)

    def _nodes(self, topic: str) -> Iterator[_Node]:
        levels = topic.split("/")
        is_reserved = topic.startswith("$")
        reached = [self._root]
        for index, level in enumerate(levels):
            wildcards_count = not (is_reserved and index == 0)
            following: list[_Node] = []
            for node in reached:
                if wildcards_count and "#" in node.children:
                    yield node.children["#"]
                names = (level, "+") if wildcards_count else (level,)
                following.extend(node.children[name] for name in names if name in node.children)
            reached = following
        for node in reached:
            yield node
            # A filter `a/#` covers `a` itself (4.7.1.2).
            if "#" in node.children:
                yield node.children["#"]
