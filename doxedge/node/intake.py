"""Submissions: from signed bytes to a durable place in the pool, and from there to the final answer (wire.md 5)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from doxedge.backends.port import UNFINISHED, RecordStatus, State, TransactionStatus, Wait
from doxedge.contracts import numbering
from doxedge.gossip.seen import Sightings
from doxedge.ledger.admission import Inadmissible, SequenceConflict
from doxedge.ledger.receipt import Outcome, decode_receipt, record_outcomes
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.node.channel_node import ChannelNode
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.record import InvalidRecord
from doxedge.store.errors import Kind, StoreError
from doxedge.web.node_port import DiskFull, NotInStep, NotNow, PoolFull

log = logging.getLogger(__name__)

SLICE_S: Final = 0.01
"""How long submissions are judged before the event loop gets its turn."""
RETRY_AFTER_S: Final = 2
DISK_RETRY_AFTER_S: Final = 30
LEFT_POOL: Final = (
    "its number was consumed, its source suspended or its key revoked; submit it again to hear which"
)
MAYBE_KNOWN_CODES: Final = frozenset(
    {"duplicate", "wrong_sequence", "wrong_previous", "suspended", "revoked_key", "unknown_source"}
)
"""A record that was final long ago is refused with one of these, and still has its old answer."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one batch of envelopes."""

    statuses: list[TransactionStatus] = field(default_factory=list)
    new: list[Transaction] = field(default_factory=list)
    """On the disk since just now: to be gossiped. A full disk may have turned them away when they were admitted."""
    waiting: list[Transaction] = field(default_factory=list)
    """What is in the pool of those that were handed in, just now or before."""
    present: list[bytes] = field(default_factory=list)
    """Tx ids of those that wait in the pool or are final: their author need not send them again."""
    rivals: list[Transaction] = field(default_factory=list)
    """Validly signed second records of a number: to be shown to the leader."""


class Intake:
    """The door of one channel."""

    def __init__(self, node: ChannelNode, *, members_wanted: int = 1) -> None:
        """Admit into the node's pool; what `members_wanted` other members hold as well is `seen`."""
        self._node = node
        self.sightings = Sightings(members_wanted)
        self._sighted = asyncio.Event()

    async def take(self, envelopes: Sequence[bytes], *, is_gossip: bool = False) -> Taken:
        """Judge each envelope at the door; what is admitted is durable when this returns.

        Raises NotNow when one of them can be judged only later: the pool or the disk has no room, or this node is
        behind the channel and cannot know. For gossip that is no error: its author sends again.
        """
        taken, later = Taken(), None
        turn_s = self._node.clock.monotonic_s()
        for raw in envelopes:
            try:
                taken.statuses.append(await self._one(raw, taken, is_gossip=is_gossip))
            except NotNow as error:
                later = error
                if not is_gossip:
                    break
            if self._node.clock.monotonic_s() - turn_s > SLICE_S:
                await asyncio.sleep(0)
                turn_s = self._node.clock.monotonic_s()
        try:
            taken.new.extend(await self._hold(taken.waiting))
        except DiskFull:
            if not is_gossip:
                raise
            taken.present.clear()
        if later is not None and not is_gossip:
            raise later
        return taken

    async def wait_until(
        self, wait: Wait, statuses: Sequence[TransactionStatus], *, timeout_s: float
    ) -> list[TransactionStatus]:
        """The same statuses once all of them are so far, or when the time is up."""
        current, unfinished = list(statuses), UNFINISHED[wait]
        try:
            async with asyncio.timeout(timeout_s):
                while any(record.state in unfinished for status in current for record in status.records):
                    committed, sighted = self._node.committed, self._sighted
                    current = [await self._again(status) for status in current]
                    if not any(record.state in unfinished for status in current for record in status.records):
                        break
                    await _first_of(committed, sighted)
        except TimeoutError:
            log.debug("channel %s: not %s within %.1f s", self._node.short, wait, timeout_s)
        return current

    def note_seen(self, party: str, tx_ids: Sequence[bytes]) -> None:
        """Another member says that he holds these; what does not wait here is ignored."""
        if self.sightings.saw(party, tx_ids):
            self._sighted.set()
            self._sighted = asyncio.Event()

    def settled(self) -> None:
        """A block was committed: who saw what has left the pool is forgotten."""
        if len(self.sightings) > len(self._node.pool):
            self.sightings.keep_only(transaction.tx_id for transaction in self._node.pool.all())

    async def status(self, record_id: bytes) -> RecordStatus | None:
        """How far a record is; None when it was never seen here."""
        # The pool first: it costs nothing, and a record leaves it only after its block is on the disk.
        waiting = self._node.pool.find_record(record_id)
        if waiting is not None:
            await self._hold([waiting])
            return self._waiting_statuses(waiting, [record_id])[0]
        place = await self._node.store.find(record_id)
        found = None if place is None else await self._node.store.transaction(place)
        if place is None or found is None:
            return None
        receipt = decode_receipt(found[1])
        if receipt.outcome is Outcome.INADMISSIBLE:
            return RecordStatus(record_id, "final", int(receipt.outcome), None, receipt.clause, place.height)
        outcomes = [(outcome, clause) for _, outcome, clause in record_outcomes(receipt)]
        own = outcomes[place.record_index] if outcomes else (receipt.outcome, receipt.clause)
        return RecordStatus(record_id, "final", int(own[0]), own[1], None, place.height)

    async def _again(self, status: TransactionStatus) -> TransactionStatus:
        records = []
        for record in status.records:
            if record.state in UNFINISHED["final"]:
                record = await self.status(record.record_id) or RecordStatus(
                    record.record_id, "refused_at_admission", None, None, LEFT_POOL, None, "left_pool"
                )
            records.append(record)
        return TransactionStatus(status.tx_id, status.wire_id, tuple(records), status.code, status.reason)

    async def _hold(self, transactions: Sequence[Transaction]) -> Sequence[Transaction]:
        """Nobody is told `stored` before this returns: whoever else handed the same in may still be writing it."""
        try:
            return await self._node.hold(transactions)
        except StoreError as error:
            if error.kind is not Kind.FULL:
                raise
            log.error("channel %s: nothing is taken: %s", self._node.short, error)
            raise DiskFull(str(error), retry_after_s=DISK_RETRY_AFTER_S) from error

    async def _one(self, raw: bytes, taken: Taken, *, is_gossip: bool) -> TransactionStatus:
        node = self._node
        try:
            transaction = open_transaction(raw, node.chain.channel)
        except (InvalidEnvelope, NonCanonical, InvalidRecord) as error:
            return TransactionStatus(None, hashlib.sha256(raw).digest(), (), "bad_encoding", str(error))
        try:
            node.pool.admit(node.chain.state, transaction)
        except SequenceConflict as conflict:
            taken.rivals.append(transaction)
            return self._refused(transaction, conflict)
        except Inadmissible as error:
            return await self._known_or_refused(transaction, error, taken, is_gossip=is_gossip)
        taken.present.append(transaction.tx_id)
        records: list[RecordStatus] = []
        for waiting, record_ids in node.pool.find_envelopes(transaction):
            taken.waiting.append(waiting)
            self.sightings.follow(waiting.tx_id)
            records += self._waiting_statuses(waiting, record_ids)
        return TransactionStatus(transaction.tx_id, transaction.wire_id, tuple(records))

    def _waiting_statuses(self, waiting: Transaction, record_ids: Iterable[bytes]) -> list[RecordStatus]:
        """Of records in the pool: on this disk, or on those of others too."""
        state: State = "seen" if self.sightings.is_seen(waiting.tx_id) else "stored"
        seen_by = self.sightings.seen_by(waiting.tx_id)
        return [RecordStatus(record_id, state, seen_by=seen_by) for record_id in record_ids]

    async def _known_or_refused(
        self, transaction: Transaction, error: Inadmissible, taken: Taken, *, is_gossip: bool
    ) -> TransactionStatus:
        """The same record again gets the same answer, however long ago it was; only then is it a refusal."""
        known: list[RecordStatus | None] = [None] * len(transaction.records)
        if error.code in MAYBE_KNOWN_CODES:
            known = [await self.status(record_id) for record_id in transaction.record_ids]
        statuses = [status for status in known if status is not None]
        if len(statuses) == len(known):
            taken.present.append(transaction.tx_id)
            return TransactionStatus(transaction.tx_id, transaction.wire_id, tuple(statuses))
        if self._is_rival(transaction, error, known):
            taken.rivals.append(transaction)
            return self._refused(
                transaction, SequenceConflict(transaction.first_seq, None), known=known, quiet=is_gossip
            )
        if error.code == "pool_full":
            raise PoolFull(error.reason, retry_after_s=RETRY_AFTER_S)
        if not self._is_certain(transaction, error):
            text = f"this node has not caught up with its channel and cannot judge yet: {error.reason}"
            raise NotInStep(text, retry_after_s=RETRY_AFTER_S)
        # What others gossip and we do not take is their node's business: it answered its submitter.
        return self._refused(transaction, error, known=known, quiet=is_gossip)

    def _is_rival(
        self, transaction: Transaction, error: Inadmissible, known: Sequence[RecordStatus | None]
    ) -> bool:
        """Whether it claims a number that another record has consumed; its signature was checked before its number."""
        source = numbering.find_source(self._node.chain.state, transaction.source)
        if error.code != "wrong_sequence" or source is None:
            return False
        return any(
            status is None and record.seq <= source.seq
            for record, status in zip(transaction.records, known, strict=True)
        )

    def _is_certain(self, transaction: Transaction, error: Inadmissible) -> bool:
        """Whether a node that is behind its channel would refuse it as well, had it caught up."""
        if self._node.is_in_step:
            return True
        source = numbering.find_source(self._node.chain.state, transaction.source)
        is_hole = error.code == "wrong_sequence" and (source is None or transaction.first_seq > source.seq)
        return error.code not in {"unknown_key", "unknown_source"} and not is_hole

    def _refused(
        self,
        transaction: Transaction,
        error: Inadmissible,
        *,
        known: Sequence[RecordStatus | None] = (),
        quiet: bool = False,
    ) -> TransactionStatus:
        node = self._node
        conflict = isinstance(error, SequenceConflict)
        clause = numbering.ONE_NUMBER_CLAUSE if conflict else None
        if not quiet:
            node.refusals.at_the_door(
                node.chain.state,
                transaction,
                code=error.code,
                clause=clause,
                reason=error.reason,
                at_ms=node.clock.now_ms(),
            )
        records = []
        for place, record_id in enumerate(transaction.record_ids):
            status = known[place] if known else None
            records.append(
                status
                or RecordStatus(
                    record_id,
                    "conflict" if conflict else "refused_at_admission",
                    None,
                    clause,
                    error.reason,
                    None,
                    error.code,
                )
            )
        return TransactionStatus(
            transaction.tx_id, transaction.wire_id, tuple(records), error.code, error.reason
        )


async def _first_of(*events: asyncio.Event) -> None:
    """Until one of them is set."""
    waits = [asyncio.create_task(event.wait(), name="wait for progress") for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
