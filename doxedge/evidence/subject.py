"""Whose word a transaction is: from the key that signed to the device, the account, the unit and the party.

The builder follows the chain over the state and proves each entry it passes; the checker follows the same chain over
the proved entries only. One walk serves both, so that neither can forget a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from doxedge.contracts import accounts, numbering, parties, units
from doxedge.contracts.rule import Book, Value
from doxedge.ledger.transaction import Transaction

_Parsed = TypeVar("_Parsed")


class BrokenChain(ValueError):
    """The state does not lead from the key to a party. Says which step is missing."""


class Passage:
    """A book that remembers which entries were looked at."""

    __slots__ = ("_read", "passed")

    def __init__(self, read: Callable[[str, bytes], Value]) -> None:
        """`read` gives what stands under a room and a key, or raises BrokenChain when nothing is known of it."""
        self._read = read
        self.passed: set[tuple[str, bytes]] = set()

    def get(self, room: str, key: bytes) -> Value:
        """What stands under the key, or None."""
        self.passed.add((room, key))
        return self._read(room, key)

    def read(self, room: str, key: bytes, parse: Callable[[Value], _Parsed]) -> _Parsed:
        """What `parse` makes of what stands under the key."""
        return parse(self.get(room, key))

    def items(self, room: str) -> Iterable[tuple[bytes, Value]]:
        """A walk asks for single entries only."""
        raise TypeError(f"the room {room} is not walked through as a whole")

    def put(self, room: str, key: bytes, value: Value) -> None:
        """A walk writes nothing."""
        raise TypeError(f"{room}/{key.hex()} is not written: {value!r}")

    def emit(self, event: list[Value]) -> None:
        """A walk states nothing."""
        raise TypeError(f"no receipt is written: {event!r}")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who signed, and for what."""

    key_id: bytes
    alg: int
    public_key: bytes
    purpose: str
    """`officer`, `node` or `device`."""
    party: str
    role: str
    key_revoked: bool
    """Whether the key was withdrawn or replaced by the time of the certified block."""
    suspended: bool
    """Whether its numbering was suspended by then."""
    device: str | None
    account: str | None
    unit: str | None
    counts_from_ms: int | None
    """Of the device: hours from here on count. None before commissioning or without a device."""


def walk(book: Book, transaction: Transaction) -> Subject:
    """Follow the chain of one transaction. Raises BrokenChain."""
    key_id = transaction.envelope.key_id
    key = parties.find_key(book, key_id)
    if key is None:
        raise BrokenChain(f"the key {key_id.hex()} is not registered")
    source = numbering.find_source(book, transaction.source)
    if source is None:
        raise BrokenChain(f"the numbering {transaction.source.hex()} is not registered")
    if source.party != key.party:
        raise BrokenChain(f"the numbering is of {source.party}, the key of {key.party}")
    device = _device(book, source, transaction.source)
    account = _account(book, source, transaction.source)
    unit = device.unit if device is not None else account.unit if account is not None else None
    if unit is not None:
        entry = units.find_unit(book, unit)
        if entry is None or entry.party != key.party:
            raise BrokenChain(f"the unit {unit} is not a unit of {key.party}")
    return Subject(
        key_id=key_id,
        alg=key.alg,
        public_key=key.public_key,
        purpose=key.purpose,
        party=key.party,
        role=key.role,
        key_revoked=key.revoked,
        suspended=source.suspended,
        device=source.device,
        account=source.account,
        unit=unit,
        counts_from_ms=None if device is None else device.counts_from_ms,
    )


def _device(book: Book, source: numbering.SourceEntry, name: bytes) -> units.DeviceEntry | None:
    if source.device is None:
        return None
    device = units.find_device(book, source.device)
    if device is None or device.source != name:
        raise BrokenChain(f"the device {source.device} is not the one of this numbering")
    return device


def _account(book: Book, source: numbering.SourceEntry, name: bytes) -> accounts.AccountEntry | None:
    if source.account is None:
        return None
    account = accounts.find_account(book, source.account)
    if account is None or account.source != name:
        raise BrokenChain(f"the account {source.account} is not the one of this numbering")
    return account
