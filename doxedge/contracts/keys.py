"""Public keys of a channel: which algorithm, whose, for what, and whether they are in force."""

from __future__ import annotations

from typing import Final

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Book, Value
from doxedge.fact import fact

KEYS: Final = "keys"
_KEY: Final = shape(int, bytes, str, str, str, bool)


@fact
class KeyEntry:
    """A public key and what it may do."""

    alg: int
    """COSE number of the algorithm: -8 Ed25519, -7 ES256."""
    public_key: bytes
    party: str
    role: str
    purpose: str
    """`officer`, `node` or `device`: they never stand in for each other."""
    revoked: bool
    """Withdrawn, or replaced by its successor."""


def find_key(book: Book, key_id: bytes) -> KeyEntry | None:
    """The entry of a key, or None when the channel does not know it."""
    return book.read(KEYS, key_id, _key)


def put_key(book: Book, key_id: bytes, entry: KeyEntry) -> None:
    """Write the entry of a key."""
    value: list[Value] = [
        entry.alg,
        entry.public_key,
        entry.party,
        entry.role,
        entry.purpose,
        entry.revoked,
    ]
    book.put(KEYS, key_id, value)


def _key(value: Value) -> KeyEntry | None:
    fields = fields_of(value, _KEY)
    return None if fields is None else KeyEntry(*fields)
