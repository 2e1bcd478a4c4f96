"""§ 3 Numbering

Every record carries the number of its source and the name of the source's previous record. A missing or altered record
shows as a hole; two records with one number are a proof against their source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.keys import find_key
from doxedge.contracts.rule import REGULATOR, Act, Book, Value, require, require_found
from doxedge.fact import fact

ROOM: Final = "numbering"
HELD: Final = "held"
"""Per key, the sources that it numbers, one after the other in one string of bytes."""
FORMER: Final = "former"
"""Per source and former key, the last number that this key gave."""
FORKS: Final = "forks"
_SOURCE: Final = shape(bytes, int, bytes, bool, str, (str, None), (str, None))
_HELD: Final = shape(bytes)
_FORMER: Final = shape(int)
ZERO: Final = bytes(32)
SOURCE_BYTES: Final = 16
ONE_NUMBER_CLAUSE: Final = "3.4"
"""What the submitter of a second record hears at once."""


@fact
class SourceEntry:
    """Where a numbering stands, and whose it is."""

    holder_key_id: bytes
    seq: int
    prev: bytes
    suspended: bool
    party: str
    device: str | None
    account: str | None


@fact
class Conflict:
    """Facts of `conflict`, both signatures checked: two records of one source and number."""

    source: bytes
    seq: int
    first: bytes
    """Record ids in the accuser's order; the one that stands is the one in the chain."""
    second: bytes
    already_final: bool
    """Whether the number is consumed, so that one of the two, or a third, stands."""
    signers: tuple[bytes, bytes]
    """Key ids that signed the two, in the same order."""


@fact
class Reinstate:
    """Facts of `source.reinstate`: the regulator has decided about a suspended source."""

    source: bytes
    reason: str


@fact
class Equivocation:
    """Facts of `equivocation`, judged by the consensus room: one validator voted twice."""

    key_id: bytes
    view: int


def find_source(book: Book, source: bytes) -> SourceEntry | None:
    """The entry of a source, or None when the channel does not know it."""
    return book.read(ROOM, source, _source)


def put_source(book: Book, source: bytes, entry: SourceEntry) -> None:
    """Write the entry of a source."""
    value: list[Value] = [
        entry.holder_key_id,
        entry.seq,
        entry.prev,
        entry.suspended,
        entry.party,
        entry.device,
        entry.account,
    ]
    book.put(ROOM, source, value)


def create_source(
    book: Book,
    source: bytes,
    *,
    holder_key_id: bytes,
    party: str,
    device: str | None = None,
    account: str | None = None,
) -> None:
    """Begin a numbering at 1."""
    put_source(book, source, SourceEntry(holder_key_id, 0, ZERO, False, party, device, account))
    _hold(book, holder_key_id, source)


def advance(book: Book, source: bytes, entry: SourceEntry, *, seq: int, record_id: bytes) -> SourceEntry:
    """A record has consumed its number, whether it was accepted or refused."""
    holder, suspended = entry.holder_key_id, entry.suspended
    book.put(ROOM, source, [holder, seq, record_id, suspended, entry.party, entry.device, entry.account])
    return SourceEntry(holder, seq, record_id, suspended, entry.party, entry.device, entry.account)


def held_sources(book: Book, key_id: bytes) -> list[bytes]:
    """The sources that a key numbers now."""
    fields = fields_of(book.get(HELD, key_id), _HELD)
    joined: bytes = b"" if fields is None else fields[0]
    return [joined[at : at + SOURCE_BYTES] for at in range(0, len(joined), SOURCE_BYTES)]


def hand_over(book: Book, old_key_id: bytes, new_key_id: bytes, *, acting: bytes | None = None) -> None:
    """The new key numbers from here on what the old key numbered.

    `acting` is the source of the record that says so, when the old key signed it: that number is still the old key's.
    """
    sources = held_sources(book, old_key_id)
    for source in sources:
        entry = find_source(book, source)
        if entry is not None:
            put_source(book, source, replace(entry, holder_key_id=new_key_id))
            book.put(FORMER, source + old_key_id, [entry.seq + (source == acting)])
    book.put(HELD, old_key_id, None)
    _hold(book, new_key_id, b"".join(sources))


def gave_number(book: Book, source: bytes, entry: SourceEntry, key_id: bytes, seq: int) -> bool:
    """Whether it was for this key to give the number: it numbers the source now, or did so up to that number."""
    fields = fields_of(book.get(FORMER, source + key_id), _FORMER)
    return entry.holder_key_id == key_id or (fields is not None and seq <= fields[0])


def judge_conflict(book: Book, act: Act, facts: Conflict) -> None:
    """Two validly signed records with one number: the first in final order stands, the source is suspended.

    The regulator's own numbering is not suspended, because nobody could lift that; nor is one whose present key signed
    neither of the two or is withdrawn, because a stolen key would then silence its successor. The proof stands all the
    same.
    """
    require(act.purpose != "device", "3.1", "a device does not accuse")
    entry = require_found(find_source(book, facts.source), "3.2", "the source is not of this channel")
    require(facts.first != facts.second, "3.3", "the two records are one and the same")
    one = "one number, one record: the first in final order stands, and none is final yet"
    require(facts.already_final, "3.4", one)
    holder = find_key(book, entry.holder_key_id)
    ordering = holder is not None and holder.purpose == "node"
    require(not ordering, "3.5", "a node's ticks are proposals; its double votes are judged as equivocation")
    own = all(gave_number(book, facts.source, entry, signer, facts.seq) for signer in facts.signers)
    require(own, "3.6", "one of the two is not signed by the key that gave this number")
    key = facts.source + facts.seq.to_bytes(8, "big")
    require(book.get(FORKS, key) is None, "3.7", "this conflict stands already")
    book.put(FORKS, key, [facts.first, facts.second, act.party])
    supreme = holder is not None and holder.role == REGULATOR and entry.account is None
    withdrawn = holder is None or holder.revoked or entry.holder_key_id not in facts.signers
    if supreme or withdrawn:
        book.emit(["source.forked", facts.source, facts.seq, facts.first, facts.second])
        return
    put_source(book, facts.source, replace(entry, suspended=True))
    book.emit(["source.suspended", facts.source, facts.seq, facts.first, facts.second])


def reinstate(book: Book, act: Act, facts: Reinstate) -> None:
    """The regulator lets a suspended source go on; the proof of what it did stays."""
    require(act.is_regulator, "3.8", "only the regulator reinstates a source")
    entry = require_found(find_source(book, facts.source), "3.9", "the source is not of this channel")
    require(entry.suspended, "3.10", "the source is not suspended")
    require(bool(facts.reason), "3.11", "a reinstatement states its reason")
    put_source(book, facts.source, replace(entry, suspended=False))
    book.emit(["source.reinstated", facts.source, facts.reason])


def judge_equivocation(book: Book, act: Act, facts: Equivocation) -> None:
    """A validator that voted twice in one view is named for ever; what follows is the regulator's decision."""
    require(act.purpose != "device", "3.12", "a device does not accuse")
    key = facts.key_id + facts.view.to_bytes(8, "big")
    require(book.get(FORKS, key) is None, "3.13", "this equivocation stands already")
    book.put(FORKS, key, [facts.view, act.party])
    book.emit(["validator.equivocated", facts.key_id, facts.view])


def _source(value: Value) -> SourceEntry | None:
    fields = fields_of(value, _SOURCE)
    return None if fields is None else SourceEntry(*fields)


def _hold(book: Book, key_id: bytes, sources: bytes) -> None:
    held = b"".join(held_sources(book, key_id)) + sources
    book.put(HELD, key_id, [held] if held else None)
