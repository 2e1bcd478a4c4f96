"""The ledger as the rules see it, in one dictionary: no tree, no layers, no blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TypeVar

from doxedge.contracts.rule import Value

_Parsed = TypeVar("_Parsed")


class MemoryBook:
    """Implements the contracts' Book. Hands out copies, so that a rule that changes a value in place is found out."""

    def __init__(self) -> None:
        """An empty ledger."""
        self.entries: dict[tuple[str, bytes], Value] = {}
        self.events: list[list[Value]] = []

    def get(self, room: str, key: bytes) -> Value:
        """What stands under the key, or None."""
        return copy.deepcopy(self.entries.get((room, key)))

    def read(self, room: str, key: bytes, parse: Callable[[Value], _Parsed]) -> _Parsed:
        """What `parse` makes of what stands under the key."""
        return parse(self.get(room, key))

    def put(self, room: str, key: bytes, value: Value) -> None:
        """Write; None deletes."""
        if value is None:
            self.entries.pop((room, key), None)
        else:
            self.entries[room, key] = copy.deepcopy(value)

    def items(self, room: str) -> Iterator[tuple[bytes, Value]]:
        """All entries of a room in the order of their keys."""
        found = [(key, value) for (own, key), value in self.entries.items() if own == room]
        return iter(sorted(found, key=lambda entry: entry[0]))

    def emit(self, event: list[Value]) -> None:
        """Put an event on the receipt."""
        self.events.append(event)
