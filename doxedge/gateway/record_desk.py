"""Where closed hours, gaps, events and answers of a unit become signed records in the outbox, in their order.

What cannot be kept now (a full disk, a numbering that is not agreed yet) waits here and is tried again; it is never
dropped. A power cut takes nothing that matters from the waiting: the unit's memory is written only when nothing waits,
and a restart makes the same hours again from the stored samples. The idempotency key of a record is what it is about,
so an hour that is made twice is stored once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from doxedge.gateway.bodies import answer_body, event_body, gap_body, hour_body, revision_body
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.substitute_desk import BACKFILLED, Substituted, body_of, first_key, is_substitute
from doxedge.gateway.unit_setup import UnitSetup
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.quantity import HOUR_MS
from doxedge.signing.canonical import Value
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record
from doxedge.store.errors import Kind, StoreError
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Draft, Entry
from doxedge.store.samples import SampleStore

log = logging.getLogger(__name__)

ROOM_BYTES: Final = 4 * 1024 * 1024
"""Freed of raw samples when the disk is too full for a signed record."""
NOT_ENDED: Final = "8.4"
"""With it the ledger refuses an hour that a clock which was ahead has closed: it states nothing, and its time comes."""
WAITING_MAX: Final = 10_000
"""Items that wait for the disk: a year of hours. Beyond it events are not taken any more; hours always are."""


@dataclass(frozen=True, slots=True)
class UnitIdentity:
    """Where the unit's records belong."""

    unit: str
    channel: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a regulator wants to know and that is no hour."""

    code: str
    at_ms: int
    text: str
    key: str = ""
    """What makes it the same happening when it is told again, also after a restart; empty: its time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is stated of a request for raw samples; its file is durable."""

    request: bytes
    content_hash: bytes
    samples: int
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Restated:
    """A signed hour with another mass, of which nothing was measured again (`restatement`)."""

    key: str
    revised: bytes
    """The record that it revises."""
    reason: str
    body: list[Any]


Item = HourRecord | HourGap | Substituted | Restated | Happening | Answer


def answer_key(unit: str, request: bytes) -> str:
    """What an answer is about: it is stored once."""
    return f"answer/{unit}/{request.hex()}"


class RecordDesk:
    """Signs for one unit. One task at a time signs; others wait for it."""

    def __init__(
        self,
        identity: UnitIdentity,
        *,
        setup_at: Callable[[int], UnitSetup],
        outbox: Outbox,
        samples: SampleStore,
        seal: Callable[[Record], Envelope],
        now_ms: Callable[[], int],
        read_clock: Callable[[], ClockReading],
        gap_cause: Callable[[HourGap], str],
        on_stored: Callable[[], None],
    ) -> None:
        """`seal` signs; `on_stored` is called when a new record is durable; `gap_cause` words a gap.

        `setup_at` says by what an hour is made that begins at an instant.
        """
        self.identity = identity
        self.numbered = False
        """Whether outbox and ledger agree on the next number. Nothing is signed before."""
        self.records_stored = 0
        self._setup_at, self._outbox, self._samples, self._seal = setup_at, outbox, samples, seal
        self._now_ms, self._read_clock = now_ms, read_clock
        self._gap_cause, self._on_stored = gap_cause, on_stored
        self._waiting: deque[Item] = deque()
        self._signing = asyncio.Lock()
        self._was_full = False

    @property
    def waiting(self) -> int:
        """Items that are not in the outbox yet."""
        return len(self._waiting)

    async def has_spoken(self) -> bool:
        """Whether anything of this unit was ever numbered here."""
        return await self._outbox.head(self.identity.channel, self.identity.source) is not None

    def hand_in(self, items: Iterable[Item]) -> None:
        """Take these up, after those that wait."""
        for item in items:
            if isinstance(item, Happening) and len(self._waiting) >= WAITING_MAX:
                log.error(
                    "unit %s: %s is not signed, too much waits: %s", self.identity.unit, item.code, item.text
                )
                continue
            self._waiting.append(item)

    async def sign(self) -> int:
        """Sign and keep what waits. Returns how many records are new and durable; on a full disk the rest stays."""
        new = 0
        async with self._signing:
            while self.numbered and self._waiting:
                try:
                    new += await self._keep_first()
                except StoreError as error:
                    if error.kind not in (Kind.FULL, Kind.BUDGET):
                        raise
                    self._tell_full(error)
                    break
                self._was_full = False
        if new:
            self.records_stored += new
            self._on_stored()
        return new

    async def make_room(self) -> bool:
        """Drop the oldest raw samples, of whichever unit. False when there are none left."""
        dropped = await self._samples.make_room(ROOM_BYTES)
        if dropped is None:
            return False
        log.error(
            "unit %s: the disk is full; %d raw samples from %d to %d were dropped",
            self.identity.unit,
            dropped.samples,
            dropped.from_ms,
            dropped.to_ms,
        )
        return True

    async def _keep_first(self) -> int:
        """Write the first of what waits, making room if need be; only then does it leave the queue."""
        item = self._waiting[0]
        try:
            new = await self._keep(item)
        except StoreError as error:
            if error.kind is not Kind.FULL or not await self.make_room():
                raise
            new = await self._keep(item)
        self._waiting.popleft()
        return new

    async def _keep(self, item: Item) -> int:
        draft = await self._draft(item)
        if draft is None:
            return 0
        done = await self._outbox.append(
            self.identity.channel, self.identity.source, [draft], seal=self._seal
        )
        return sum(record.new for record in done)

    async def _draft(self, item: Item) -> Draft | None:
        unit = self.identity.unit
        if isinstance(item, Happening):
            body = event_body(unit, item.code, item.at_ms, item.text)
            return Draft("event", body, f"event/{unit}/{item.code}/{item.key or item.at_ms}")
        if isinstance(item, Answer):
            said = answer_body(item.request, item.content_hash, item.samples, item.outcome, item.text)
            return Draft("samples.answer", said, answer_key(unit, item.request))
        if isinstance(item, Restated):
            return Draft("hour.revise", revision_body(item.revised, item.reason, item.body), item.key)
        if isinstance(item, HourGap):
            return await self._draft_gap(item)
        if isinstance(item, Substituted):
            return item.draft(await self._hour_body(item.hour, recipe=item.recipe))
        return await self._draft_hour(item)

    async def _draft_hour(self, hour: HourRecord) -> Draft:
        """The hour; its revision where it was stated before, be it measured or substituted."""
        unit, first = self.identity.unit, first_key(self.identity.unit, hour.start_ms)
        original = await self._entry_of(first)
        if original is not None and original.clause == NOT_ENDED:
            first += "/anew"
            original = await self._entry_of(first)
        if original is not None and is_substitute(body_of(original)):
            # After a restart late samples are no news to the hour, and yet they are to the ledger.
            revision = max(1, hour.revision)
            body = await self._hour_body(replace(_backfilled(hour), revision=revision))
            revised = revision_body(original.record_id, "late samples", body)
            return Draft("hour.revise", revised, f"hour/{unit}/{hour.start_ms}/{revision}")
        if original is None or not hour.revision:
            # Also when late samples fill what was stated as a gap: an hour may stand in a gap's place (clause 8.7).
            was_gap = bool(hour.revision)
            return Draft("hour", await self._hour_body(_backfilled(hour) if was_gap else hour), first)
        revised = revision_body(original.record_id, "late samples", await self._hour_body(hour))
        return Draft("hour.revise", revised, f"hour/{unit}/{hour.start_ms}/{hour.revision}")

    async def _hour_body(self, hour: HourRecord, *, recipe: list[Value] | None = None) -> list[Value]:
        setup = self._setup_at(hour.start_ms)
        root = await self._samples.hour_root(
            self.identity.unit, setup.devices, hour.start_ms, revision=hour.revision
        )
        return hour_body(
            hour,
            samples=root.samples,
            samples_root=root.root,
            provenance=setup.provenance,
            clock=self._read_clock(),
            recipe=recipe,
        )

    async def _draft_gap(self, gap: HourGap) -> Draft | None:
        unit = self.identity.unit
        if not gap.revision:
            rest = await self._unstated(gap)
            return Draft(
                "gap", gap_body(rest, cause=self._gap_cause(rest)), _gap_key(unit, rest.from_ms, rest.to_ms)
            )
        if await self._entry_of(first_key(unit, gap.from_ms)) is None:
            return None  # It is stated as a gap already, and still is one.
        # A stated mass cannot be taken back by a gap (clause 8.14); that it is in doubt is said all the same.
        text = f"late samples leave the hour at {gap.from_ms} without a mass: {self._gap_cause(gap)}"
        body = event_body(unit, "hour.doubtful", self._now_ms(), text)
        return Draft("event", body, f"event/{unit}/hour.doubtful/{gap.from_ms}/{gap.revision}")

    async def _unstated(self, gap: HourGap) -> HourGap:
        """Without the hours at its beginning that were stated before power failed: the gap was shorter then."""
        from_ms = gap.from_ms
        for to_ms in range(gap.from_ms + HOUR_MS, gap.to_ms, HOUR_MS):
            if await self._entry_of(_gap_key(self.identity.unit, from_ms, to_ms)) is not None:
                from_ms = to_ms
        return replace(gap, from_ms=from_ms)

    async def _entry_of(self, key: str) -> Entry | None:
        return await self._outbox.find_key(self.identity.channel, self.identity.source, key)

    def _tell_full(self, error: StoreError) -> None:
        if not self._was_full:
            log.error(
                "unit %s: %d records wait for the disk: %s", self.identity.unit, len(self._waiting), error
            )
        self._was_full = True


def _backfilled(hour: HourRecord) -> HourRecord:
    """A measured hour that was stated as a gap before."""
    return replace(hour, remarks=tuple(sorted({*hour.remarks, BACKFILLED})))


def _gap_key(unit: str, from_ms: int, to_ms: int) -> str:
    return f"gap/{unit}/{from_ms}/{to_ms}"
