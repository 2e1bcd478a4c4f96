"""Transactions that are admitted and not yet final: bounded, without doubles, each source in its order."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from doxedge.contracts import numbering
from doxedge.ledger import admission, bodies
from doxedge.ledger.admission import Inadmissible, SequenceConflict
from doxedge.ledger.block import TRANSACTIONS_MAX
from doxedge.ledger.state import State
from doxedge.ledger.transaction import TICK, Transaction
from doxedge.signing import limits


class Pool:
    """Holds what was admitted against the present state, and plans blocks from it."""

    def __init__(
        self,
        channel: bytes,
        *,
        transactions_max: int = limits.POOL_TRANSACTIONS,
        bytes_max: int = limits.POOL_BYTES,
    ) -> None:
        """An empty pool with its bounds."""
        self._channel = channel
        self._transactions_max, self._bytes_max = transactions_max, bytes_max
        self._waiting: OrderedDict[bytes, Transaction] = OrderedDict()
        self._by_record: dict[bytes, bytes] = {}
        self._of_source: dict[bytes, list[Transaction]] = {}
        """In the order of their numbers, which have no holes."""
        self.verified: set[bytes] = set()
        """Wire ids whose signature was checked here."""
        self.size_bytes = 0

    def __len__(self) -> int:
        """Transactions waiting."""
        return len(self._waiting)

    def __contains__(self, wire_id: bytes) -> bool:
        """Whether this envelope waits here."""
        return wire_id in self._waiting

    def get(self, wire_id: bytes) -> Transaction | None:
        """A waiting transaction."""
        return self._waiting.get(wire_id)

    def all(self) -> list[Transaction]:
        """Everything that waits, in the order of arrival."""
        return list(self._waiting.values())

    def find_record(self, record_id: bytes) -> Transaction | None:
        """The waiting transaction that carries a record."""
        wire_id = self._by_record.get(record_id)
        return None if wire_id is None else self._waiting.get(wire_id)

    def find_envelopes(self, transaction: Transaction) -> list[tuple[Transaction, Sequence[bytes]]]:
        """In which waiting transactions the records of one that was admitted stand: mostly in itself.

        The same record may wait in another envelope than the one that was handed in, alone or in a batch.
        """
        if transaction.wire_id in self._waiting:
            return [(transaction, transaction.record_ids)]
        found: dict[bytes, tuple[Transaction, list[bytes]]] = {}
        for record_id in transaction.record_ids:
            waiting = self.find_record(record_id) or transaction
            found.setdefault(waiting.wire_id, (waiting, []))[1].append(record_id)
        return list(found.values())

    def find_number(self, source: bytes, seq: int) -> Transaction | None:
        """The waiting transaction that claims a number."""
        waiting = self._of_source.get(source, [])
        place = _place(waiting, seq)
        return waiting[place] if place >= 0 and waiting[place].last_seq >= seq else None

    def next_number(self, state: State, source: bytes) -> int:
        """The number that would be admitted next."""
        tail = self._tail(state, source)
        return 1 if tail is None else tail[0] + 1

    def admit(self, state: State, transaction: Transaction) -> bool:
        """Take a transaction in. True when it is new, False when the same records wait here already.

        Raises Inadmissible (SequenceConflict when another record claims the number) with what to do.
        """
        if transaction.wire_id in self._waiting or self._covers(transaction):
            return False
        if transaction.record.kind == TICK:
            raise Inadmissible("unknown_kind", "a tick is made by the leader for his block")
        self._check_room(transaction)
        _, key = admission.find_signer(state, transaction)
        admission.check_signature(transaction, key, channel=self._channel, verified=self.verified)
        self._check_number(state, transaction)
        admission.check_kinds(transaction)
        self._check_bodies(state, transaction)
        self._enter(transaction)
        return True

    def take(
        self, *, bytes_max: int = limits.BODY_BYTES, count_max: int = TRANSACTIONS_MAX
    ) -> list[Transaction]:
        """What the next block should hold, in the order of arrival; it stays here until it is final."""
        chosen: list[Transaction] = []
        size = 0
        for transaction in self._waiting.values():
            if len(chosen) >= count_max or size + len(transaction.raw) > bytes_max:
                break
            chosen.append(transaction)
            size += len(transaction.raw)
        return chosen

    def settle(self, state: State, final: Iterable[Transaction]) -> list[Transaction]:
        """A block is final: forget what it holds, and what can never follow any more. Returns the latter.

        A batch of which only some records are final, in another envelope, is among the latter: its author must send the
        others anew.
        """
        sources: set[bytes] = set()
        settled: set[bytes] = set()
        touched: dict[bytes, Transaction] = {}
        for transaction in final:
            sources.add(transaction.source)
            settled.update(transaction.record_ids)
            if transaction.wire_id in self._waiting:
                touched[transaction.wire_id] = self._waiting[transaction.wire_id]
            else:
                found = map(self.find_record, transaction.record_ids)
                touched.update((waiting.wire_id, waiting) for waiting in found if waiting is not None)
            self.verified.discard(transaction.wire_id)
        for wire_id in touched:
            self._remove(wire_id)
        overtaken = [waiting for waiting in touched.values() if not settled.issuperset(waiting.record_ids)]
        return overtaken + self._prune(state, sources)

    def _prune(self, state: State, sources: AbstractSet[bytes]) -> list[Transaction]:
        """Rebuild the numbering of sources that moved; what does not follow is dropped."""
        if self._of_source.keys().isdisjoint(sources):
            return []
        dropped: list[Transaction] = []
        moved = [t for t in self._waiting.values() if t.source in sources]
        for transaction in reversed(moved):
            self._remove(transaction.wire_id)
        for transaction in moved:
            try:
                self._check_number(state, transaction)
            except Inadmissible:
                dropped.append(transaction)
            else:
                self._enter(transaction)
        return dropped

    def _check_room(self, transaction: Transaction) -> None:
        full = len(self._waiting) >= self._transactions_max
        if full or self.size_bytes + len(transaction.raw) > self._bytes_max:
            raise Inadmissible("pool_full", "this node holds as much as it can; submit again in a while")

    def _check_number(self, state: State, transaction: Transaction) -> None:
        """The number must follow what the ledger and the pool have of this source."""
        tail = self._tail(state, transaction.source)
        if tail is None or (transaction.first_seq, transaction.record.prev) == (tail[0] + 1, tail[1]):
            return  # nobody claims a number behind the last that waits
        for record, record_id in zip(transaction.records, transaction.record_ids, strict=True):
            rival = self.find_number(transaction.source, record.seq)
            if rival is not None and record_id not in rival.record_ids:
                raise SequenceConflict(record.seq, None)
        entry = numbering.SourceEntry(b"", *tail, False, "", None, None)
        try:
            admission.check_number(entry, transaction)
        except Inadmissible as error:
            standing = numbering.find_source(state, transaction.source)
            if (
                error.code == "wrong_sequence"
                and standing is not None
                and transaction.first_seq <= standing.seq
            ):
                raise self._consumed(standing, transaction, error) from error
            raise

    def _consumed(
        self, standing: numbering.SourceEntry, transaction: Transaction, error: Inadmissible
    ) -> Inadmissible:
        """A number that is final already: a proof of conflict where the record that stands is another one."""
        for record, record_id in zip(transaction.records, transaction.record_ids, strict=True):
            if record.seq == standing.seq and record_id != standing.prev:
                return SequenceConflict(record.seq, standing.prev)
        return error

    def _check_bodies(self, state: State, transaction: Transaction) -> None:
        """Every body means something; what it means is kept where that cannot change until it is executed."""
        found: list[object | None] = []
        for record, record_id in zip(transaction.records, transaction.record_ids, strict=True):
            plain = bodies.is_plain(record.kind)
            context = None if plain else bodies.BodyContext(self._channel, record_id, state)
            try:
                facts = bodies.facts_of(record.kind, record.body, context)
            except bodies.InvalidBody as error:
                raise Inadmissible("bad_body", f"record {record.seq} ({record.kind}): {error}") from error
            found.append(facts if plain else None)
        transaction.facts[:] = found

    def _covers(self, transaction: Transaction) -> bool:
        """Whether every record of it waits here, alone or in a batch."""
        return all(record_id in self._by_record for record_id in transaction.record_ids)

    def _tail(self, state: State, source: bytes) -> tuple[int, bytes] | None:
        """Number and record id of the last record, when the pool is counted in; None for a source nobody knows."""
        waiting = self._of_source.get(source)
        if waiting:
            return waiting[-1].last_seq, waiting[-1].record_ids[-1]
        entry = numbering.find_source(state, source)
        return None if entry is None else (entry.seq, entry.prev)

    def _enter(self, transaction: Transaction) -> None:
        self._waiting[transaction.wire_id] = transaction
        self.verified.add(transaction.wire_id)
        self.size_bytes += len(transaction.raw)
        self._by_record.update(dict.fromkeys(transaction.record_ids, transaction.wire_id))
        self._of_source.setdefault(transaction.source, []).append(transaction)

    def _remove(self, wire_id: bytes) -> None:
        transaction = self._waiting.pop(wire_id, None)
        if transaction is None:
            return
        self.size_bytes -= len(transaction.raw)
        self.verified.discard(wire_id)
        for record_id in transaction.record_ids:
            self._by_record.pop(record_id, None)
        waiting = self._of_source.get(transaction.source, [])
        place = _place(waiting, transaction.first_seq)
        if place >= 0 and waiting[place] is transaction:
            del waiting[place]
            if not waiting:
                del self._of_source[transaction.source]


def _place(waiting: Sequence[Transaction], seq: int) -> int:
    """Where the last stands that begins with this number or one before; -1 when none does."""
    return bisect_right(waiting, seq, key=lambda transaction: transaction.first_seq) - 1
