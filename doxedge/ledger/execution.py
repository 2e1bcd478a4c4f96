"""From an agreed order to a state: pure, and the same on every node.

Each transaction is executed once and gets its final receipt. Accepted and refused consume the number of the source;
inadmissible changes nothing. The first transaction of a block is the leader's tick, which sets the execution clock:
the only clock that rules see.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

from doxedge.consensus import equivocation
from doxedge.consensus.header import InvalidBlock
from doxedge.consensus.validators import ValidatorSet
from doxedge.contracts import day_book, in_force, numbering, parties
from doxedge.contracts.rule import Act, Refused, Value, require
from doxedge.ledger import admission, bodies
from doxedge.ledger.admission import Inadmissible
from doxedge.ledger.receipt import Outcome, Receipt
from doxedge.ledger.state import Draft, SealedWrites, State
from doxedge.ledger.transaction import BATCH, TICK, TX, Transaction, open_transaction
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.record import InvalidRecord, Record

CLOCK: Final = "clock"
CONFLICT: Final = "conflict"
CLOCK_KEY: Final = b"execution"
CLOCK_MS_MAX: Final = day_book.START_MS_MAX
"""No hour that ends by then has a key that does not fit; a leader cannot drive the rules beyond it."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What a list of transactions leaves behind."""

    receipts: tuple[Receipt, ...]
    encoded_receipts: tuple[bytes, ...]
    """The leaves of the receipt tree: encoded one by one, while what they say is at hand."""
    sealed: SealedWrites
    clock_ms: int
    """The execution clock after the block's tick."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What execution needs beside state and transactions."""

    channel: bytes
    validators: ValidatorSet
    rules_version: int
    leader_key_id: bytes | None = None
    """Whose tick it must be; None where the order comes without views and any validator may give it."""


_ACCEPTED: Final = int(Outcome.ACCEPTED)

_Judged: TypeAlias = tuple[Outcome, str | None, list[list[Value]]]
"""Of one record: what became of it, the clause, and its events."""


def execution_clock_ms(state: State | Draft) -> int:
    """The largest accepted tick so far; 0 before the first."""
    match state.get(CLOCK, CLOCK_KEY):
        case [int(clock_ms)]:
            return clock_ms
        case _:
            return 0


def execute(
    state: State,
    transactions: Sequence[Transaction],
    *,
    setting: Setting,
    verified: Container[bytes] = frozenset(),
) -> Execution:
    """Run the transactions in order over `state`, which is not changed.

    `verified` holds wire ids whose signature was checked before. Raises InvalidBlock unless the first transaction is a
    valid tick of a validator and no other is one.
    """
    if not transactions or transactions[0].record.kind != TICK:
        raise InvalidBlock("the first transaction of a block is a tick")
    draft = state.draft()
    run = _Run(draft, setting, verified)
    receipts = [run.tick(transactions[0])]
    encoded = [receipts[0].encode()]
    for transaction in transactions[1:]:
        if transaction.record.kind == TICK:
            raise InvalidBlock("a tick stands only at the beginning of a block")
        receipt = run.transaction(transaction)
        receipts.append(receipt)
        encoded.append(receipt.encode())
    return Execution(tuple(receipts), tuple(encoded), draft.seal(), run.clock_ms)


class _Run:
    """One pass over a block."""

    __slots__ = ("_draft", "_in_turn", "_rules", "_setting", "_verified", "clock_ms")

    def __init__(self, draft: Draft, setting: Setting, verified: Container[bytes]) -> None:
        self._draft, self._setting, self._verified = draft, setting, verified
        rules = in_force.RULES[setting.rules_version]
        self._rules, self._in_turn = rules.table, rules.in_turn
        self.clock_ms = execution_clock_ms(draft)

    def tick(self, transaction: Transaction) -> Receipt:
        """The leader's clock: it never goes back, and only the validator whose turn it is sets it."""
        try:
            source, key = admission.find_signer(self._draft, transaction)
            admission.check_number(source, transaction)
            admission.check_signature(
                transaction, key, channel=self._setting.channel, verified=self._verified
            )
        except Inadmissible as error:
            raise InvalidBlock(f"tick: {error}") from error
        signed_by = transaction.envelope.key_id
        if self._setting.validators.index_of(signed_by) is None:
            raise InvalidBlock("the tick is not signed by a validator")
        if self._setting.leader_key_id not in {None, signed_by}:
            raise InvalidBlock("the tick is not signed by the leader of the block's view")
        match transaction.record.body:
            case [int(time_ms)] if type(time_ms) is int and self.clock_ms <= time_ms <= CLOCK_MS_MAX:
                self.clock_ms = time_ms
            case _:
                raise InvalidBlock(f"the tick is not a time from {self.clock_ms} to {CLOCK_MS_MAX}")
        self._draft.put(CLOCK, CLOCK_KEY, [time_ms])
        numbering.advance(
            self._draft,
            transaction.source,
            source,
            seq=transaction.first_seq,
            record_id=transaction.record_ids[0],
        )
        return Receipt(transaction.tx_id, Outcome.ACCEPTED, None, ())

    def transaction(self, transaction: Transaction) -> Receipt:
        """One transaction and its final receipt."""
        try:
            source, key = admission.find_signer(self._draft, transaction)
            admission.check_number(source, transaction)
            admission.check_kinds(transaction)
            admission.check_signature(
                transaction, key, channel=self._setting.channel, verified=self._verified
            )
        except Inadmissible as error:
            return Receipt(transaction.tx_id, Outcome.INADMISSIBLE, error.code, ())
        if transaction.record.kind == BATCH:
            return self._batch(transaction, source, key)
        (outcome, clause, events), _ = self._record(0, source, transaction, key)
        return Receipt(transaction.tx_id, outcome, clause, tuple(events))

    def _batch(
        self, transaction: Transaction, source: numbering.SourceEntry, key: parties.KeyEntry
    ) -> Receipt:
        """Each record of a batch stands for itself; the batch counts as accepted when all of them do."""
        judged: list[_Judged] = []
        for kind, run in groupby(transaction.records, key=lambda record: record.kind):
            places = range(len(judged), len(judged) + sum(1 for _ in run))
            if kind in self._in_turn:
                found, source = self._in_one_go(places, source, transaction, key)
                judged += found
                continue
            for place in places:
                one, source = self._record(place, source, transaction, key)
                judged.append(one)
        events: list[list[Value]] = []
        refused: list[str | None] = []
        for seq, (outcome, clause, own) in enumerate(judged, transaction.first_seq):
            if outcome is Outcome.ACCEPTED:
                events.append(["record", seq, _ACCEPTED, None])
            else:
                events.append(["record", seq, int(outcome), clause])
                refused.append(clause)
            events += own
        worst = Outcome.REFUSED if refused else Outcome.ACCEPTED
        return Receipt(transaction.tx_id, worst, refused[0] if refused else None, tuple(events))

    def _in_one_go(
        self, places: range, source: numbering.SourceEntry, transaction: Transaction, key: parties.KeyEntry
    ) -> tuple[list[_Judged], numbering.SourceEntry]:
        """As `_record` for each of the places, whose records are of one kind: what they share is read and written once.

        Rules that take records in turn write no keys and no numberings, so that the source stays in force.
        """
        draft, last = self._draft, places[-1]
        try:
            self._require_in_force(source, transaction)
        except Refused as refusal:
            return [_refused(refusal) for _ in places], self._advance(last, source, transaction)
        judged: list[_Judged] = []
        turn = self._in_turn[transaction.records[last].kind](draft, self._act(last, source, transaction, key))
        for place in places:
            try:
                turn.state(transaction.record_ids[place], self._facts_at(place, transaction))
            except Refused as refusal:
                judged.append(_refused(refusal))
            else:
                judged.append((Outcome.ACCEPTED, None, draft.take_events()))
        turn.close()
        return judged, self._advance(last, source, transaction)

    def _record(
        self, place: int, source: numbering.SourceEntry, transaction: Transaction, key: parties.KeyEntry
    ) -> tuple[_Judged, numbering.SourceEntry]:
        """The record at a place: its number is consumed whatever the rule says. Also how its source stands after it."""
        draft = self._draft
        draft.open_layer()
        try:
            self._require_in_force(source, transaction)
            facts = self._facts_at(place, transaction)
            _, rule = self._rules[transaction.records[place].kind]
            rule(draft, self._act(place, source, transaction, key), facts)
        except Refused as refusal:
            draft.drop_layer()
            return _refused(refusal), self._advance(place, source, transaction)
        if draft.has_changed(numbering.ROOM, transaction.source):
            # The rule has changed the entry itself: a rotated key holds the numbering from here on.
            source = numbering.find_source(draft, transaction.source) or source
        judged = Outcome.ACCEPTED, None, draft.keep_layer()
        return judged, self._advance(place, source, transaction)

    def _advance(
        self, place: int, source: numbering.SourceEntry, transaction: Transaction
    ) -> numbering.SourceEntry:
        """The source has consumed the number at a place, and those before it."""
        seq, record_id = transaction.records[place].seq, transaction.record_ids[place]
        return numbering.advance(self._draft, transaction.source, source, seq=seq, record_id=record_id)

    def _require_in_force(self, source: numbering.SourceEntry, transaction: Transaction) -> None:
        """An earlier record of the same batch may have withdrawn the key, or handed the source to another."""
        key_id = transaction.envelope.key_id
        key = parties.find_key(self._draft, key_id)
        require(
            not source.suspended and source.holder_key_id == key_id and key is not None and not key.revoked,
            "0.1",
            "the source was suspended, or its key withdrawn, by an earlier record",
        )

    def _act(
        self, place: int, source: numbering.SourceEntry, transaction: Transaction, key: parties.KeyEntry
    ) -> Act:
        """Who states the record at a place."""
        return Act(
            self._setting.channel,
            self.clock_ms,
            key.party,
            key.role,
            key.purpose,
            transaction.envelope.key_id,
            transaction.source,
            transaction.record_ids[place],
            source.device,
            source.account,
        )

    def _facts_at(self, place: int, transaction: Transaction) -> object:
        """What the record at a place says. Raises Refused when it says nothing."""
        facts = transaction.facts[place] if transaction.facts else None
        if facts is not None:
            return facts
        try:
            return self._facts(transaction.records[place], transaction.record_ids[place])
        except bodies.InvalidBody as error:
            # Such a record is turned away at the door; where it was ordered all the same, its number is consumed.
            raise Refused("0.2", f"the body has no meaning: {error}") from error

    def _facts(self, record: Record, record_id: bytes) -> object:
        context = bodies.BodyContext(self._setting.channel, record_id, self._draft)
        facts = bodies.facts_of(record.kind, record.body, context)
        if isinstance(facts, bodies.Accusation):
            return self._conflict(facts) if record.kind == CONFLICT else self._equivocation(facts)
        return facts

    def _conflict(self, accusation: bodies.Accusation) -> numbering.Conflict:
        """Open both envelopes and check both signatures: only then is it a fact."""
        first, second = self._open_signed(accusation.first), self._open_signed(accusation.second)
        return _compare(first, second, self._draft)

    def _open_signed(self, raw: bytes) -> Transaction:
        """An envelope whose signature holds; whether it was for this key to give the number is for the rule to say."""
        try:
            opened = open_transaction(raw, self._setting.channel)
        except (InvalidEnvelope, NonCanonical, InvalidRecord) as error:
            raise bodies.InvalidBody("an envelope of the conflict cannot be read") from error
        key = parties.find_key(self._draft, opened.envelope.key_id)
        if key is None:
            raise bodies.InvalidBody("an envelope of the conflict is of an unknown key")
        if key.alg != opened.envelope.alg:
            raise bodies.InvalidBody("an envelope of the conflict names another algorithm than its key")
        try:
            opened.envelope.verify(key.public_key, object_name=TX, channel=self._setting.channel)
        except InvalidEnvelope as error:
            raise bodies.InvalidBody("an envelope of the conflict is wrongly signed") from error
        return opened

    def _equivocation(self, accusation: bodies.Accusation) -> numbering.Equivocation:
        try:
            key, view = equivocation.judge(
                accusation.first,
                accusation.second,
                channel=self._setting.channel,
                validators=self._setting.validators,
            )
        except equivocation.NoEquivocation as error:
            raise bodies.InvalidBody(str(error)) from error
        return numbering.Equivocation(key, view)


def _refused(refusal: Refused) -> _Judged:
    """A rule said no: clause and reason are all that the record leaves behind."""
    return Outcome.REFUSED, refusal.clause, [["refused", refusal.clause, refusal.reason]]


def _compare(first: Transaction, second: Transaction, draft: Draft) -> numbering.Conflict:
    """The lowest number that both transactions claim with different records, and which of them stands."""
    if first.source != second.source:
        raise bodies.InvalidBody("the envelopes of a conflict are of one source")
    of_second = dict(zip((r.seq for r in second.records), second.record_ids, strict=True))
    for record, record_id in zip(first.records, first.record_ids, strict=True):
        other = of_second.get(record.seq)
        if other is not None and other != record_id:
            source = numbering.find_source(draft, first.source)
            consumed = source is not None and source.seq >= record.seq
            signers = (first.envelope.key_id, second.envelope.key_id)
            return numbering.Conflict(first.source, record.seq, record_id, other, consumed, signers)
    raise bodies.InvalidBody("the envelopes do not claim one number with different records")
