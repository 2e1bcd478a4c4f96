"""§ 2 Parties and keys

A party is a member of the channel: the regulator, a company, a verifier. An officer key acts for it, a node key orders
and gossips for it, a device key measures for it. The ledger holds keys, never persons. A key that is replaced hands the
numberings it holds to its successor, so that nothing a party owns is lost with a key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts import numbering
from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.keys import KEYS, KeyEntry, find_key, put_key
from doxedge.contracts.rule import REGULATOR, ROLES, Act, Book, Value, is_name, require, require_found
from doxedge.fact import fact

__all__ = ["KEYS", "PARTIES", "KeyEntry", "find_key", "find_party", "put_key", "role_of", "write_party"]
"""Keys are read together with the parties that hold them; their file stands apart because numbering needs it too."""

PARTIES: Final = "parties"
_PARTY: Final = shape(str, bytes, (bytes, None))


@fact
class Enrol:
    """Facts of `party.enrol`; key ids are computed and the keys were checked before the rule sees them."""

    party: str
    role: str
    alg: int
    officer_key: bytes
    officer_key_id: bytes
    node_alg: int | None
    node_key: bytes | None
    node_key_id: bytes | None
    new_source: bytes
    """Of the officer, made from the record's id."""


@fact
class Rotate:
    """Facts of `key.rotate`; possession of the new key was checked."""

    old_key_id: bytes
    alg: int
    new_key: bytes
    new_key_id: bytes


@fact
class Revoke:
    """Facts of `key.revoke`."""

    key_id: bytes
    reason: str


@fact
class PartyEntry:
    """A party as enrolled."""

    role: str
    officer_key_id: bytes
    """The officer key of today."""
    node_key_id: bytes | None


def find_party(book: Book, party: str) -> PartyEntry | None:
    """The entry of a party, or None."""
    return book.read(PARTIES, party.encode(), _party)


def role_of(book: Book, party: str) -> str | None:
    """The role of a party, or None when there is no such party."""
    entry = find_party(book, party)
    return None if entry is None else entry.role


def enrol(book: Book, act: Act, facts: Enrol) -> None:
    """The regulator enrols a party with its keys, or gives a party whose officer key was withdrawn a new one."""
    require(act.is_regulator, "2.1", "only the regulator enrols a party")
    require(is_name(facts.party), "2.2", "a party's name has 1 to 64 characters that can be seen")
    require(facts.role in ROLES, "2.3", "a party is regulator, company or verifier")
    known = find_party(book, facts.party)
    former = None if known is None else find_key(book, known.officer_key_id)
    orphan = former is None or former.revoked
    require(orphan, "2.4", "a party of that name is enrolled, and its officer key is in force")
    require(known is None or known.role == facts.role, "2.5", "a party keeps its role")
    ids = [key_id for key_id in (facts.officer_key_id, facts.node_key_id) if key_id is not None]
    fresh = len(set(ids)) == len(ids) and all(find_key(book, key_id) is None for key_id in ids)
    require(fresh, "2.6", "a key is enrolled once, for one purpose")
    write_party(book, facts)
    numbering.create_source(book, facts.new_source, holder_key_id=facts.officer_key_id, party=facts.party)
    if known is not None:
        numbering.hand_over(book, known.officer_key_id, facts.officer_key_id)
    book.emit(["party.enrolled", facts.party, facts.role])


def write_party(book: Book, facts: Enrol) -> None:
    """Enter a party and its keys, as the genesis and an enrolment do."""
    known = find_party(book, facts.party)
    node_key_id = facts.node_key_id or (None if known is None else known.node_key_id)
    book.put(PARTIES, facts.party.encode(), [facts.role, facts.officer_key_id, node_key_id])
    officer = KeyEntry(facts.alg, facts.officer_key, facts.party, facts.role, "officer", False)
    put_key(book, facts.officer_key_id, officer)
    if facts.node_key_id is not None and facts.node_key is not None and facts.node_alg is not None:
        node = KeyEntry(facts.node_alg, facts.node_key, facts.party, facts.role, "node", False)
        put_key(book, facts.node_key_id, node)


def rotate(book: Book, act: Act, facts: Rotate) -> None:
    """A key names its successor, which takes over every numbering that the old key holds."""
    require(act.key_id == facts.old_key_id, "2.7", "only the old key names its successor")
    entry = require_found(find_key(book, facts.old_key_id), "2.8", "the key is not known on this channel")
    require(entry.purpose != "node", "2.9", "a node key stands as long as the set of validators does")
    require(find_key(book, facts.new_key_id) is None, "2.10", "the new key is known on this channel")
    put_key(book, facts.old_key_id, replace(entry, revoked=True))
    put_key(book, facts.new_key_id, replace(entry, alg=facts.alg, public_key=facts.new_key))
    numbering.hand_over(book, facts.old_key_id, facts.new_key_id, acting=act.source)
    party = find_party(book, entry.party)
    if party is not None and party.officer_key_id == facts.old_key_id:
        book.put(PARTIES, entry.party.encode(), [party.role, facts.new_key_id, party.node_key_id])
    book.emit(["key.rotated", facts.old_key_id, facts.new_key_id])


def revoke(book: Book, act: Act, facts: Revoke) -> None:
    """A key is withdrawn: nothing it signs from here on is admitted."""
    entry = require_found(find_key(book, facts.key_id), "2.11", "the key is not known on this channel")
    mine = act.is_regulator or (act.purpose == "officer" and act.party == entry.party)
    require(mine, "2.12", "a key is revoked by the regulator or by an officer of its party")
    require(
        entry.purpose != "node" or act.is_regulator, "2.13", "a node key is revoked by the regulator only"
    )
    last = act.role == REGULATOR and act.key_id == facts.key_id
    require(not last, "2.14", "an officer of the regulator names a successor and does not revoke his own key")
    require(not entry.revoked, "2.15", "the key is revoked already")
    require(bool(facts.reason), "2.16", "a revocation states its reason")
    put_key(book, facts.key_id, replace(entry, revoked=True))
    book.emit(["key.revoked", facts.key_id, facts.reason])


def _party(value: Value) -> PartyEntry | None:
    fields = fields_of(value, _PARTY)
    return None if fields is None else PartyEntry(*fields)
