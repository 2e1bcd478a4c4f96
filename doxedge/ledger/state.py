"""The state of a channel: rooms of keys and values, and the tree over them.

`State` is what a final block left behind. A `Draft` is written over it while a block is executed and is either merged
or forgotten. Inside a draft each transaction runs on a layer of its own, so that a refusal leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from doxedge.contracts.rule import Value
from doxedge.ledger import state_tree
from doxedge.signing import canonical

Name: TypeAlias = tuple[str, bytes]
"""Room and key."""
Writes: TypeAlias = dict[Name, Value]
"""What changes; None deletes."""
_Parsed = TypeVar("_Parsed")
_UNWRITTEN: Final[Any] = object()
"""What stood on a sheet before the first write under a key."""


class State:
    """Everything the ledger knows after one block."""

    __slots__ = ("rooms", "tree")

    def __init__(
        self, rooms: dict[str, dict[bytes, Value]] | None = None, tree: state_tree.Tree = None
    ) -> None:
        """An empty state, or one with these rooms and their tree."""
        self.rooms = {} if rooms is None else rooms
        self.tree = tree

    @property
    def root(self) -> bytes:
        """The state root, 32 bytes."""
        return state_tree.root_of(self.tree)

    def get(self, room: str, key: bytes) -> Value:
        """What stands under the key, or None."""
        entries = self.rooms.get(room)
        return None if entries is None else entries.get(key)

    def read(self, room: str, key: bytes, parse: Callable[[Value], _Parsed]) -> _Parsed:
        """What `parse` makes of what stands under the key."""
        return parse(self.get(room, key))

    def items(self, room: str) -> Iterator[tuple[bytes, Value]]:
        """All entries of a room in the order of their keys."""
        entries = self.rooms.get(room, {})
        return iter(sorted(entries.items(), key=lambda entry: entry[0]))

    def put(self, room: str, key: bytes, value: Value) -> None:
        """A final state is not written by rules."""
        raise TypeError(f"the state after a block does not change: {room}/{key.hex()} = {value!r}")

    def emit(self, event: list[Value]) -> None:
        """A final state has no receipt."""
        raise TypeError(f"there is no receipt for {event!r}")

    def draft(self) -> Draft:
        """A sheet over this state."""
        return Draft(self)

    def prove(self, room: str, key: bytes) -> tuple[bytes | None, state_tree.StateProof]:
        """The canonical value under a key (None when absent) and the proof of it."""
        value = self.get(room, key)
        encoded = None if value is None else canonical.encode(value)
        return encoded, state_tree.prove(self.tree, state_tree.path_of(room, key))

    def merge(self, sealed: SealedWrites) -> None:
        """Take over what a block wrote."""
        for (room, key), value in sealed.values.items():
            entries = self.rooms.setdefault(room, {})
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
        self.tree = sealed.tree


class Draft:
    """A sheet over a state: what the transactions of one block write. Implements the contracts' Book.

    A layer is a list of what to put back: nearly every transaction is accepted, and nothing is copied for it.
    """

    __slots__ = ("_base", "_before", "_events", "_parsed", "_rooms", "_written")

    def __init__(self, base: State) -> None:
        """Nothing is written yet."""
        self._base, self._rooms = base, base.rooms
        self._written: Writes = {}
        self._before: Writes | None = None
        self._parsed: dict[Name, tuple[Callable[[Value], object], Any]] = {}
        self._events: list[list[Value]] = []

    def get(self, room: str, key: bytes) -> Value:
        """The newest value: of this transaction, of this block, of the state."""
        written: Value = self._written.get((room, key), _UNWRITTEN)
        if written is not _UNWRITTEN:
            return written
        entries = self._rooms.get(room)
        return None if entries is None else entries.get(key)

    def read(self, room: str, key: bytes, parse: Callable[[Value], _Parsed]) -> _Parsed:
        """What `parse` makes of the newest value, remembered until something is written under the key."""
        name = (room, key)
        known = self._parsed.get(name)
        if known is not None and known[0] is parse:
            found: _Parsed = known[1]
            return found
        made = parse(self.get(room, key))
        self._parsed[name] = (parse, made)
        return made

    def put(self, room: str, key: bytes, value: Value) -> None:
        """Write on the open layer, or on the sheet when none is open."""
        name = (room, key)
        if self._before is not None and name not in self._before:
            self._before[name] = self._written.get(name, _UNWRITTEN)
        self._written[name] = value
        self._parsed.pop(name, None)

    def items(self, room: str) -> Iterator[tuple[bytes, Value]]:
        """All entries of a room, with what was written over them."""
        merged = dict(self._base.rooms.get(room, {}))
        for (written_room, key), value in self._written.items():
            if written_room == room:
                merged[key] = value
        return iter(sorted((key, value) for key, value in merged.items() if value is not None))

    def emit(self, event: list[Value]) -> None:
        """Put an event on the receipt."""
        self._events.append(event)

    def take_events(self) -> list[list[Value]]:
        """The events since they were last taken."""
        events, self._events = self._events, []
        return events

    def has_changed(self, room: str, key: bytes) -> bool:
        """Whether the transaction on the open layer has written under the key."""
        return self._before is not None and (room, key) in self._before

    def open_layer(self) -> None:
        """Begin a transaction."""
        self._before, self._events = {}, []

    def keep_layer(self) -> list[list[Value]]:
        """The transaction was accepted: what it wrote stays. Returns its events."""
        events, self._before, self._events = self._events, None, []
        return events

    def drop_layer(self) -> None:
        """The transaction was refused: nothing of it stays."""
        for name, before in (self._before or {}).items():
            if before is _UNWRITTEN:
                del self._written[name]
            else:
                self._written[name] = before
            self._parsed.pop(name, None)
        self._before, self._events = None, []

    def seal(self) -> SealedWrites:
        """Encode what was written, once, and compute the new tree."""
        encoded: dict[Name, bytes | None] = {}
        items: list[state_tree.Item] = []
        for name, value in self._written.items():
            data = None if value is None else canonical.encode(value)
            encoded[name] = data
            items.append((state_tree.path_of(*name), None if data is None else state_tree.value_hash(data)))
        return SealedWrites(self._written, encoded, state_tree.update(self._base.tree, items))


class SealedWrites:
    """What one block changes: values for memory, bytes for the disk, the tree for the root."""

    __slots__ = ("encoded", "tree", "values")

    def __init__(self, values: Writes, encoded: dict[Name, bytes | None], tree: state_tree.Tree) -> None:
        """`encoded` holds the canonical bytes of `values`."""
        self.values = values
        self.encoded = encoded
        self.tree = tree

    @property
    def root(self) -> bytes:
        """The state root after the block."""
        return state_tree.root_of(self.tree)

    def rows(self) -> list[tuple[str, bytes, bytes | None]]:
        """(room, key, bytes) in the order of room and key, for the store."""
        return sorted(
            ((room, key, data) for (room, key), data in self.encoded.items()), key=lambda row: row[:2]
        )


def restore(entries: Iterable[tuple[str, bytes, bytes]]) -> State:
    """The state of stored (room, key, canonical value), its tree built anew."""
    rooms: dict[str, dict[bytes, Value]] = {}
    items: list[state_tree.Item] = []
    for room, key, data in entries:
        rooms.setdefault(room, {})[key] = canonical.decode(data, limit=4 * 1024 * 1024)
        items.append((state_tree.path_of(room, key), state_tree.value_hash(data)))
    return State(rooms, state_tree.update(None, items))
