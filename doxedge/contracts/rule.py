"""The grammar of the rules: who acts, what they see of the ledger, and how a rule says no.

A rule is a function of the ledger (`Book`), of the one who acts (`Act`) and of the facts of the transaction. It either
returns, having written, or raises `Refused` with the clause that decided; then nothing it wrote stands. Where several
clauses would refuse, the one with the lowest number is cited. Two refusals come before any rule: 0.1, the source of the
record was suspended or its key withdrawn by an earlier record, and 0.2, the body has no meaning or the signed bytes
inside it do not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias, TypeVar

from doxedge.fact import fact

Value: TypeAlias = "int | str | bytes | bool | list[Value] | None"
"""What the ledger can hold: the types of the wire."""

REGULATOR = "regulator"
COMPANY = "company"
VERIFIER = "verifier"
ROLES = (REGULATOR, COMPANY, VERIFIER)

NAME_CHARACTERS_MAX: Final = 64
_UNSEEN: Final = frozenset(
    [
        *range(0x20),
        *range(0x7F, 0xA1),
        *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x1680, 0x17B4, 0x17B5),
        *range(0x180B, 0x1810),
        *range(0x2000, 0x2010),
        *range(0x2028, 0x2030),
        *range(0x205F, 0x2070),
        *(0x2800, 0x3000, 0x3164),
        *range(0xFE00, 0xFE10),
        *(0xFEFF, 0xFFA0),
        *range(0xFFF0, 0xFFFC),
        *range(0x1BCA0, 0x1BCA4),
        *range(0x1D173, 0x1D17B),
        *range(0xE0000, 0xE1000),
    ]
)
"""Code points that a reader cannot see or takes for a space: controls, joiners, fillers, selectors, marks that turn the
direction of writing, and every space but the plain one.

A list and not a question to the interpreter: its tables differ between versions, and all nodes must agree.
"""

_Found = TypeVar("_Found")
_Parsed = TypeVar("_Parsed")


class Refused(Exception):
    """A rule said no. Expected: it stands on the receipt, with the clause."""

    def __init__(self, clause: str, reason: str) -> None:
        """Keep the clause beside the words."""
        super().__init__(f"{clause}: {reason}")
        self.clause = clause
        self.reason = reason


class Book(Protocol):
    """The ledger as a rule sees it. Values are never changed in place: read, make anew, put."""

    def get(self, room: str, key: bytes) -> Value:
        """What stands under the key, or None."""
        ...

    def read(self, room: str, key: bytes, parse: Callable[[Value], _Parsed]) -> _Parsed:
        """What `parse` makes of what stands under the key; a book may remember it until something else stands there."""
        ...

    def put(self, room: str, key: bytes, value: Value) -> None:
        """Write; None deletes."""
        ...

    def items(self, room: str) -> Iterable[tuple[bytes, Value]]:
        """All entries of a room in the order of their keys. For screens; no rule may depend on it."""
        ...

    def emit(self, event: list[Value]) -> None:
        """Put an event on the receipt of the transaction."""
        ...


@fact
class Act:
    """Who does it, when, and under which number."""

    channel: bytes
    clock_ms: int
    """The execution clock: the largest accepted tick so far (wire.md 1)."""
    party: str
    role: str
    purpose: str
    """Of the key that signed: `officer`, `node` or `device`."""
    key_id: bytes
    source: bytes
    """16 bytes: what numbers the record."""
    record_id: bytes
    device: str | None = None
    """The device whose source this is, or None."""
    account: str | None = None
    """The account whose source this is, or None."""

    @property
    def is_regulator(self) -> bool:
        """Whether an officer of the regulator acts."""
        return self.role == REGULATOR and self.purpose == "officer"


def require(condition: bool, clause: str, reason: str) -> None:
    """Refuse with the clause unless the condition holds."""
    if not condition:
        raise Refused(clause, reason)


def require_found(entry: _Found | None, clause: str, reason: str) -> _Found:
    """The entry. Refuse with the clause when there is none."""
    if entry is None:
        raise Refused(clause, reason)
    return entry


def is_name(text: str) -> bool:
    """Whether a text can name something: 1 to 64 characters that can be seen, without a space at either end."""
    seen = all(ord(character) not in _UNSEEN for character in text)
    return 0 < len(text) <= NAME_CHARACTERS_MAX and seen and text == text.strip(" ")
