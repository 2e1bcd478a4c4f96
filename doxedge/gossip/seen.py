"""Notes of what was seen: a member tells the author of a transaction that it waits in his pool and on his disk.

A note is a courtesy (wire.md 5): it says that a submission outlives the machine it was handed in at. Nothing that must
hold rests on it, so notes are gathered, bounded, and dropped where there are too many: the author says his transaction
again, and is told again. Pure: the node brings the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from doxedge.gossip.message import InvalidMessage
from doxedge.gossip.rate import TokenBucket
from doxedge.signing.canonical import Value
from doxedge.signing.tags import HASH_BYTES

NOTE_IDS_MAX: Final = 2_048
"""Transactions that one note names: 64 KiB of names, what a message of the smallest transactions does not hold."""
PENDING_IDS_MAX: Final = 4 * NOTE_IDS_MAX
"""Names kept for one author until they may be sent; the oldest are dropped beyond it."""
NOTES_PER_S: Final = 10
NOTES_BURST: Final = 20
"""To one author. A backlog of 50,000 transactions is noted in five seconds."""


def note(tx_ids: Sequence[bytes]) -> list[Value]:
    """The body of a note."""
    return [b"".join(tx_ids)]


def read_note(body: Sequence[Value]) -> list[bytes]:
    """The names in a note. Raises InvalidMessage for what is none."""
    match list(body):
        case [bytes(names)] if names and len(names) % HASH_BYTES == 0:
            pass
        case _:
            raise InvalidMessage("a note of what was seen is one string of transaction ids")
    if len(names) > NOTE_IDS_MAX * HASH_BYTES:
        raise InvalidMessage(f"a note of {len(names) // HASH_BYTES} ids; at most {NOTE_IDS_MAX} are read")
    return [names[at : at + HASH_BYTES] for at in range(0, len(names), HASH_BYTES)]


class Notes:
    """What is still to be told, by author."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.dropped = 0
        """Names that no note had room for, since start."""
        self._pending: dict[bytes, dict[bytes, None]] = {}
        self._buckets: dict[bytes, TokenBucket] = {}
        """Of members only, so there are not many."""

    def add(self, author: bytes, tx_ids: Iterable[bytes]) -> None:
        """These transactions of this node key are in the pool; a name that waits already is not doubled."""
        waiting = self._pending.setdefault(author, {})
        waiting.update(dict.fromkeys(tx_ids))
        while len(waiting) > PENDING_IDS_MAX:
            del waiting[next(iter(waiting))]
            self.dropped += 1

    def due(self, now_s: float) -> Iterator[tuple[bytes, list[Value]]]:
        """Author and body of each note that may go now, at most one for an author and a call."""
        for author, waiting in list(self._pending.items()):
            if not waiting:
                del self._pending[author]
                continue
            bucket = self._buckets.get(author)
            if bucket is None:
                bucket = TokenBucket(per_s=NOTES_PER_S, burst=NOTES_BURST, now_s=now_s)
                self._buckets[author] = bucket
            if not bucket.take(1, now_s=now_s):
                continue
            names = list(waiting)[:NOTE_IDS_MAX]
            for name in names:
                del waiting[name]
            yield author, note(names)


@dataclass(slots=True)
class Sightings:
    """Who has seen what waits here. Only what is followed is counted, so that a note of others takes no memory."""

    members_wanted: int
    """From so many distinct other members on a transaction is called seen."""
    _by: dict[bytes, set[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many transactions are followed."""
        return len(self._by)

    def follow(self, tx_id: bytes) -> None:
        """A transaction waits here from now on."""
        self._by.setdefault(tx_id, set())

    def keep_only(self, tx_ids: Iterable[bytes]) -> None:
        """Everything else waits no more."""
        self._by = {tx_id: self._by.get(tx_id, set()) for tx_id in tx_ids}

    def saw(self, party: str, tx_ids: Iterable[bytes]) -> bool:
        """A member says that he holds these. True when that is news for any of them."""
        news = False
        for tx_id in tx_ids:
            parties = self._by.get(tx_id)
            if parties is not None and party not in parties:
                parties.add(party)
                news = True
        return news

    def seen_by(self, tx_id: bytes) -> tuple[str, ...]:
        """The members who hold it, by name; as far as they said so."""
        return tuple(sorted(self._by.get(tx_id, ())))

    def is_seen(self, tx_id: bytes) -> bool:
        """Whether enough members hold it."""
        return len(self._by.get(tx_id, ())) >= self.members_wanted
