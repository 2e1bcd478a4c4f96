"""What a hostile or unlucky broker does to messages: a script of rules that may change while it runs.

The same seed, the same rules and the same messages in the same order give the same faults.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Final

from simulators.broker.topics import check_filter, is_match

_CHANCES: Final = (
    "drop",
    "duplicate",
    "delay",
    "reorder",
    "truncate",
    "corrupt",
    "disconnect",
    "take_over",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """For messages that match: each fault with its own chance, 0.0 (never) to 1.0 (always)."""

    topic_filter: str = "#"
    sender: str = "*"
    """Client id of the publisher, with the wildcards of file names: `*`, `?`, `[...]`."""

    receiver: str = "*"
    """Client id of the subscriber, likewise."""

    drop: float = 0.0
    """The subscriber never gets it, although the publisher was thanked for it."""

    duplicate: float = 0.0
    """The subscriber gets it twice, the second time with its own delay."""

    delay: float = 0.0
    """It comes later, by a time within `delay_ms`; messages behind it may overtake it."""

    delay_ms: tuple[int, int] = (1, 50)
    reorder: float = 0.0
    """It comes after the next message for the same subscriber (or after `HOLD_MS` if there is none)."""

    truncate: float = 0.0
    """The payload loses its end."""

    corrupt: float = 0.0
    """One bit of the payload is flipped."""

    disconnect: float = 0.0
    """The subscriber's connection is cut instead."""

    take_over: float = 0.0
    """The subscriber is thrown out as if someone else had come with its client id."""

    times: int | None = None
    """After this many messages that were touched, the rule is used up; None = never."""

    def __post_init__(self) -> None:
        check_filter(self.topic_filter)
        for name in _CHANCES:
            chance = getattr(self, name)
            if not 0.0 <= chance <= 1.0:
                raise ValueError(f"{name} is {chance}, a chance between 0 and 1 is wanted")
        if not 0 <= self.delay_ms[0] <= self.delay_ms[1]:
            raise ValueError(f"delay_ms is {self.delay_ms}, two numbers in ascending order are wanted")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times is {self.times}, at least 1 is wanted")

    def covers(self, *, topic: str, sender: str, receiver: str) -> bool:
        # `#` also means `$` topics here: faults spare nobody.
        topic_matches = self.topic_filter == "#" or is_match(self.topic_filter, topic)
        return topic_matches and fnmatchcase(sender, self.sender) and fnmatchcase(receiver, self.receiver)


HOLD_MS: Final = 200
"""How long a message that is to be overtaken waits for one that overtakes it."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one message for one subscriber."""

    copies: tuple[tuple[int, bytes], ...]
    """Delay in milliseconds and payload of each copy; none = lost."""

    is_held: bool = False
    """The copies wait for the next message to the same subscriber."""

    disconnects: bool = False
    takes_over: bool = False


class Faults:
    """The rules in force. Without rules and partitions the broker does not even ask."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        """How often each fault was done, by its name."""

        self._random = random.Random(seed)
        self._rules: dict[int, FaultRule] = {}
        self._uses: Counter[int] = Counter()
        self._last_rule_id = 0
        self._islands: tuple[tuple[str, ...], ...] = ()

    @property
    def is_quiet(self) -> bool:
        return not self._rules and not self._islands

    def add(self, rule: FaultRule) -> int:
        """From now on; the number is for `remove`. The first rule that covers a message decides alone."""
        self._last_rule_id += 1
        self._rules[self._last_rule_id] = rule
        return self._last_rule_id

    def remove(self, rule_id: int) -> None:
        """A rule that is used up or unknown is no error: it is gone either way."""
        self._rules.pop(rule_id, None)

    def clear(self) -> None:
        """No rules and no partition."""
        self._rules.clear()
        self.heal()

    def partition(self, *islands: Iterable[str]) -> None:
        """Clients of different islands no longer hear each other; an island is a list of client id patterns.
        A client on no island hears all and is heard by all."""
        self._islands = tuple(tuple(patterns) for patterns in islands)

    def heal(self) -> None:
        self._islands = ()

    def decide(self, payload: bytes, *, topic: str, sender: str, receiver: str) -> Fate:
        """The fate of one message on its way to one subscriber; draws chance in a fixed order."""
        if self._is_parted(sender, receiver):
            self.counts["partition"] += 1
            return Fate(())
        for rule_id, rule in self._rules.items():
            if rule.covers(topic=topic, sender=sender, receiver=receiver):
                fate, done = self._apply(rule, payload)
                if done:
                    self.counts.update(done)
                    self._spend(rule_id, rule)
                return fate
        return Fate(((0, payload),))

    def _apply(self, rule: FaultRule, payload: bytes) -> tuple[Fate, list[str]]:
        # Every chance is drawn, needed or not: so one more fault in a rule does not shift the others.
        drawn = {name: self._random.random() < getattr(rule, name) for name in _CHANCES}
        delays_ms = (self._random.randint(*rule.delay_ms), self._random.randint(*rule.delay_ms))
        place = self._random.random()
        done = [name for name in _CHANCES if drawn[name]]
        if drawn["disconnect"] or drawn["take_over"]:
            return Fate((), disconnects=drawn["disconnect"], takes_over=drawn["take_over"]), done
        if drawn["drop"]:
            return Fate(()), ["drop"]
        if drawn["truncate"]:
            payload = payload[: int(place * len(payload))]
        if drawn["corrupt"] and payload:
            bit = int(place * len(payload) * 8)
            changed = bytearray(payload)
            changed[bit // 8] ^= 1 << bit % 8
            payload = bytes(changed)
        copies = [(delays_ms[0] if drawn["delay"] else 0, payload)]
        if drawn["duplicate"]:
            copies.append((delays_ms[1] if drawn["delay"] else 0, payload))
        return Fate(tuple(copies), is_held=drawn["reorder"]), done

    def _spend(self, rule_id: int, rule: FaultRule) -> None:
        self._uses[rule_id] += 1
        if rule.times is not None and self._uses[rule_id] >= rule.times:
            self.remove(rule_id)

    def _is_parted(self, sender: str, receiver: str) -> bool:
        homes = [
            next((index for index, island in enumerate(self._islands) if _is_on(island, client_id)), None)
            for client_id in (sender, receiver)
        ]
        return None not in homes and homes[0] != homes[1]


def parse_rule(text: str) -> FaultRule:
    """A rule as people write it: `drop=0.1,delay=1,delay_ms=5-50,topic=doxedge/#,from=dx*,to=*,times=3`.
    Raises ValueError that names the part."""
    known = {rule_field.name for rule_field in fields(FaultRule)}
    names = {"topic": "topic_filter", "from": "sender", "to": "receiver"}
    given: dict[str, str | float | int | tuple[int, int]] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        name = names.get(key, key)
        if not equals or name not in known:
            choices = ", ".join([*_CHANCES, "delay_ms", "topic", "from", "to", "times"])
            raise ValueError(f"{part!r}: write name=value, with a name out of {choices}")
        given[name] = _rule_value(name, value, part)
    return FaultRule(**given)  # type: ignore[arg-type]  # checked by __post_init__ and by the table above


def _rule_value(name: str, value: str, part: str) -> str | float | int | tuple[int, int]:
    try:
        if name == "delay_ms":
            low, _, high = value.partition("-")
            return int(low), int(high or low)
        if name == "times":
            return int(value)
        if name in _CHANCES:
            return float(value)
    except ValueError as error:
        raise ValueError(f"{part!r}: {value!r} is not a number") from error
    return value


def _is_on(island: tuple[str, ...], client_id: str) -> bool:
    return any(fnmatchcase(client_id, pattern) for pattern in island)
