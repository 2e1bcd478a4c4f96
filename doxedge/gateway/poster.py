"""Records on their way from the outbox to the ledger: at least once, in order, closed only by a proof.

One poster for each source. It hands in what is pending (a backlog in signed batches of 64), runs a bounded distance
ahead of finality, and asks for proofs. A proof is checked here, with the same pure code that a regulator's laptop runs,
before it closes an entry: the node is not taken at its word.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.backends.port import Ledger, LedgerError, RecordStatus, TransactionStatus, Unreachable
from doxedge.evidence import check as evidence
from doxedge.fieldbus.clock import Clock
from doxedge.gateway.batches import batch_envelope, count_sound
from doxedge.gateway.reach import Reach
from doxedge.signing import limits
from doxedge.signing.signer import Signer
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Closing, Entry

log = logging.getLogger(__name__)

AHEAD_RECORDS: Final = 16 * limits.BATCH_RECORDS
"""How far a backlog runs ahead of finality: 16 batches fill a block of 2 MiB about half."""
BATCH_HEAD_BYTES: Final = 256
"""Header, signature and numbering of the batch itself, generously."""
ASKED_AT_ONCE: Final = 16
"""Proofs in one question: each may carry a whole batch."""
RESUBMIT_S: Final = 30.0
"""Without progress for so long, everything pending is handed in again, in case the node lost it."""
RETRY_S_MAX: Final = 30.0
IDLE_S: Final = 10.0
"""With nothing to do the poster sleeps until it is woken, and looks by itself so often."""


class NotTaken(Exception):
    """The node is there and does not take the records now. They stay pending; the cause is for the operator."""


@dataclass(frozen=True, slots=True)
class _Posted:
    """One transaction that the node has stored and that is not proved yet."""

    first_id: bytes
    last_seq: int
    records: int


@dataclass(slots=True)
class PosterState:
    """What the status page and the log tell of one source."""

    posted_seq: int = 0
    final_seq: int = 0
    last_error: str | None = None
    conflicts: int = 0
    """Records of ours that another record has the number of. They are kept for the operator."""
    suspended: bool = False
    """At the start the ledger had another record with a number of ours, or said that the source is suspended."""
    foreign_key: str = ""
    """What is wrong with the key that signs here: nothing is signed. Empty when nothing is."""
    proofs_refused: int = 0
    """Proofs of the node that did not hold."""


class Poster:
    """Posts the records of one source of one channel."""

    def __init__(
        self,
        *,
        channel: bytes,
        source: bytes,
        outbox: Outbox,
        ledger: Ledger,
        signer: Signer,
        clock: Clock,
        chance: Callable[[], float],
        poll_s: float = 0.25,
        reach: Reach | None = None,
    ) -> None:
        """`chance` gives numbers in [0, 1) for the jitter of retries; `poll_s` is real seconds.

        `reach` is shared with the posters of other sources at the same node.
        """
        self.channel, self.source = channel, source
        self.state = PosterState()
        self.wake = asyncio.Event()
        self._outbox, self._ledger, self._signer = outbox, ledger, signer
        self._clock, self._chance, self._poll_s = clock, chance, poll_s
        self._reach = reach or Reach()
        self.failures = 0
        """Rounds in a row that ended in an error."""
        self.resting = False
        """Whether it waits for something to do."""
        self._progress_s = 0.0
        self._posted: deque[_Posted] = deque()
        self._is_sure = False
        """Whether the node is known to have nothing beyond what we posted: only then may a batch be put together."""

    async def run(self) -> None:
        """Post until cancelled."""
        self._progress_s = self._clock.monotonic_s()
        while True:
            self.wake.clear()
            try:
                moved = await self.round()
            except (LedgerError, NotTaken) as error:
                self._is_sure = False
                # Also when the request as a whole was refused (token, channel): the operator must act, nothing is lost.
                await self._pause(error)
                continue
            if self.failures:
                log.info("source %s: the node takes records again", self.source.hex())
                self._reach.found()
            self.failures, self.state.last_error = 0, None
            if not moved:
                await self._rest(self._poll_s if self._in_flight else IDLE_S)

    def note_suspended(self) -> None:
        """The ledger said so when the numbers were agreed upon."""
        self.state.suspended = True

    def note_key(self, text: str) -> None:
        """What is wrong with the key, as the ledger sees it; empty when nothing is."""
        if text and text != self.state.foreign_key:
            log.error("%s", text)
        self.state.foreign_key = text

    async def round(self) -> bool:
        """Hand in what is new, collect proofs of what is old. Returns whether anything moved."""
        posted = await self._post()
        closed = await self._collect()
        now_s = self._clock.monotonic_s()
        if posted or closed:
            self._progress_s = now_s
        elif self._in_flight and now_s - self._progress_s > RESUBMIT_S:
            log.warning("source %s: no proof for %.0f s, handing in again", self.source.hex(), RESUBMIT_S)
            self._hand_in_again()
            self._progress_s = now_s
        return bool(posted or closed)

    @property
    def _in_flight(self) -> bool:
        return self.state.posted_seq > self.state.final_seq

    async def _post(self) -> int:
        room = AHEAD_RECORDS - sum(posted.records for posted in self._posted)
        if room < limits.BATCH_RECORDS:
            return 0
        entries = await self._outbox.pending(
            self.channel, self.source, after_seq=self.state.posted_seq, limit=limits.BATCH_RECORDS
        )
        if not entries:
            return 0
        envelopes = await self._envelopes(_fitting(entries))
        entries = entries[: sum(len(group) for _, group in envelopes)]
        statuses = await self._ledger.submit(self.channel, [envelope for envelope, _ in envelopes])
        if len(statuses) != len(envelopes):
            text = f"the node answered {len(statuses)} statuses to {len(envelopes)} envelopes"
            raise Unreachable(text, outcome_unknown=True)
        for (_, group), status in zip(envelopes, statuses, strict=True):
            await self._judge(group, status)
            self.state.posted_seq = group[-1].seq
            self._posted.append(_Posted(group[0].record_id, group[-1].seq, len(group)))
        return len(entries)

    async def _envelopes(self, entries: Sequence[Entry]) -> list[tuple[bytes, Sequence[Entry]]]:
        """What to hand in, with the records in each: one batch, or each record in its own envelope.

        Records that the node may have already (we were restarted, or an answer was lost) go in one by one: to each of
        them it gives the same answer again, while a batch that overlaps with what it has would not follow.
        """
        if len(entries) > 1 and not self._is_sure:
            self._is_sure = await self._ledger.record_status(self.channel, entries[0].record_id) is None
        if len(entries) == 1 or not self._is_sure:
            return [(entry.envelope, [entry]) for entry in entries]
        together = entries[: count_sound(entries, channel=self.channel, signer=self._signer)]
        if len(together) < 2:
            return [(entries[0].envelope, entries[:1])]
        sealed = [entry.envelope for entry in together]
        return [(batch_envelope(sealed, channel=self.channel, signer=self._signer), together)]

    async def _judge(self, entries: Sequence[Entry], status: TransactionStatus) -> None:
        """Return when the node has taken all of them. A record that it will not take stays here, never dropped."""
        if status.tx_id is None or not status.records:
            raise NotTaken(f"the node cannot read our envelope: {status.code}: {status.reason}")
        by_id = {record.record_id: record for record in status.records}
        for entry in entries:
            record = by_id.get(entry.record_id)
            if record is None:
                raise NotTaken(f"the node says nothing of record {entry.seq}")
            if record.state == "conflict":
                await self._keep_for_the_operator(entry, record)
            if record.state == "refused_at_admission":
                self._refused_at_the_door(entry, record)

    async def _keep_for_the_operator(self, entry: Entry, record: RecordStatus) -> None:
        """Another record has this number: a cloned device or a lost outbox. Never sent again, never deleted."""
        reason = record.reason or "another record has this number"
        await self._outbox.mark_refused(entry.record_id, clause=record.clause, reason=reason)
        self.state.conflicts += 1
        raise NotTaken(f"seq {entry.seq} is kept for the operator (clause {record.clause}): {reason}")

    def _refused_at_the_door(self, entry: Entry, record: RecordStatus) -> None:
        """The entry stays pending: after the cause is mended it goes in unchanged."""
        if record.code in {"wrong_sequence", "wrong_previous"}:
            self._hand_in_again()  # The node has lost what came before; it gets everything that is not proved.
        raise NotTaken(f"seq {entry.seq} is not admitted: {record.code}: {record.reason}")

    def _hand_in_again(self) -> None:
        self.state.posted_seq = self.state.final_seq
        self._posted.clear()
        self._is_sure = False

    async def _collect(self) -> int:
        """Ask for the proofs of what was posted, check them, close what is proved."""
        if not self._in_flight:
            return 0
        asked = [posted.first_id for posted in self._posted][:ASKED_AT_ONCE]
        proofs = await self._ledger.proofs(self.channel, asked)
        closings: list[Closing] = []
        for data in dict.fromkeys(proof for proof in proofs if proof is not None):
            closings += self._closings(data)
        if not closings:
            return 0
        await self._outbox.close_entries(closings)
        await self._note_final({closing.record_id for closing in closings})
        return len(closings)

    async def _note_final(self, closed: set[bytes]) -> None:
        """Forget what is proved. The outbox decides: what it does not hold as pending any more is final."""
        while self._posted and self._posted[0].first_id in closed:
            posted = self._posted.popleft()
            oldest = await self._outbox.pending(self.channel, self.source, after_seq=0, limit=1)
            if oldest and oldest[0].seq <= posted.last_seq:
                # A part of what was posted as one went in under another envelope: ask for the rest by its own name.
                self._posted.appendleft(_Posted(oldest[0].record_id, posted.last_seq, posted.records))
                return
            self.state.final_seq = max(self.state.final_seq, posted.last_seq)

    def _closings(self, data: bytes) -> list[Closing]:
        try:
            proved = evidence.check(data, channel=self.channel)
        except evidence.NotProved as error:
            self.state.proofs_refused += 1
            log.error("source %s: the node sent a proof that does not hold: %s", self.source.hex(), error)
            return []
        return [
            Closing(record.record_id, data, record.outcome, record.clause)
            for record in proved.records
            if record.source == self.source
        ]

    async def _pause(self, error: Exception) -> None:
        """Before the next try: shorter when another source finds that a node that was away is back."""
        pause_s = self._retry_pause_s(error)
        if isinstance(error, Unreachable):
            await self._reach.wait(pause_s)
        else:
            await asyncio.sleep(pause_s)

    def _retry_pause_s(self, error: Exception) -> float:
        text = str(error)
        if text != self.state.last_error:
            log.warning("source %s: %s", self.source.hex(), text)
        self.state.last_error = text
        self.failures += 1
        ceiling_s = min(RETRY_S_MAX, self._poll_s * 2.0 ** min(self.failures, 10))
        return max(self._poll_s, ceiling_s * self._chance())

    async def _rest(self, pause_s: float) -> None:
        """Sleep, but wake at once when a new record is stored."""
        self.resting = True
        try:
            async with asyncio.timeout(pause_s):
                await self.wake.wait()
        except TimeoutError:
            pass
        finally:
            self.resting = False


def _fitting(entries: Sequence[Entry]) -> Sequence[Entry]:
    """As many of the first entries as one envelope can carry; always at least one."""
    size = BATCH_HEAD_BYTES
    for count, entry in enumerate(entries):
        size += len(entry.envelope)
        if count and size > limits.ENVELOPE_BYTES:
            return entries[:count]
    return entries
