"""Records that were measured and signed here and are not yet proved final: durable before any network.

A source's records are numbered in the order of their commits, each naming the one before it, so a record that was
removed or altered on the disk shows. An entry leaves only after the proof that it is final was stored and its retention
has passed. What is not final is never dropped to make room; what is may go early when the budget is used up, and that
is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from doxedge.quantity import DAY_MS
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record
from doxedge.signing.tags import ZERO_HASH
from doxedge.store import entry_check, entry_rows, quarantine, salvage
from doxedge.store.connection import Database
from doxedge.store.entry_check import SignatureHolds
from doxedge.store.rows import Appended, Break, Closing, Counts, Draft, Entry, Queue, Room, SourceHead

Seal = Callable[[Record], Envelope]


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """What the operator allows."""

    bytes_max: int = 256 * 1024 * 1024
    """Room for the file: some 300,000 hours with their proofs, or a year without a ledger for 60 units."""
    closed_keep_ms: int = 35 * DAY_MS
    """How long a proved record stays: a month's report, with some days to answer questions about it."""


class Outbox:
    """One `outbox.db`. Get one from `open`, close it, or use it with `async with`."""

    def __init__(self, database: Database, *, now_ms: Callable[[], int], settings: OutboxSettings) -> None:
        """For `open` only."""
        self._database = database
        self._now_ms = now_ms
        self._settings = settings
        self._dropped_early = 0
        self.quarantined: Path | None = None
        """Where the damaged file is, when there was one."""
        self.salvaged = 0
        """How many of its entries were sound and are here."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        now_ms: Callable[[], int],
        settings: OutboxSettings | None = None,
        linger_ms: int = 0,
    ) -> Self:
        """Open the file, making it when it is missing. A damaged one is set aside, its sound entries brought over.

        Raises StoreError: LOCKED, FOREIGN, NEWER, PERMISSION, FULL, IO.
        """
        database, aside = await quarantine.open_or_set_aside(
            path, schema="outbox", linger_ms=linger_ms, now_ms=now_ms()
        )
        outbox = cls(database, now_ms=now_ms, settings=settings or OutboxSettings())
        try:
            if aside is not None:
                outbox.quarantined = aside
                found = await asyncio.to_thread(salvage.read_entries, aside)
                outbox.salvaged = await database.write(
                    partial(salvage.write_entries, found=found, now_ms=now_ms())
                )
        except BaseException:
            await database.close()
            raise
        return outbox

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Sources

    async def begin(
        self, channel: bytes, source: bytes, *, seq: int = 0, prev: bytes = ZERO_HASH
    ) -> SourceHead:
        """Agree on where the numbers of a source go on: once per start, before the first `append`.

        `seq` and `prev` are the ledger's last record of the source, 0 and zeros when it has none. When the ledger is
        ahead of this file, its head is adopted: the file is fresh or was restored from an old copy, and a number must
        not be given twice. Raises StoreError(CONFLICT) when ledger and file know different records of one number.
        """
        return await self._database.write(
            partial(
                entry_rows.begin,
                path=self._database.path,
                head=SourceHead(channel, source, seq, prev),
                now_ms=self._now_ms(),
            )
        )

    async def head(self, channel: bytes, source: bytes) -> SourceHead | None:
        """The last record of a source, or None before `begin`."""
        return await self._database.read(partial(entry_rows.head, channel=channel, source=source))

    async def sources(self) -> list[SourceHead]:
        """The last record of every source."""
        return await self._database.read(entry_rows.heads)

    # Entries in

    async def append(
        self, channel: bytes, source: bytes, drafts: Sequence[Draft], *, seal: Seal
    ) -> list[Appended]:
        """Number, seal and keep the drafts, all or none; when this returns they are on the disk.

        A draft whose key was used is not kept again: the earlier record stands and is returned. `seal` is called in the
        thread of the writer, so that the order of numbers is the order of commits; it must not touch the event loop.

        Raises StoreError: BROKEN_CHAIN before `begin`, BUDGET, FULL; NonCanonical and InvalidRecord for a draft that
        cannot be a record; and what `seal` raises.
        """
        appended, early = await self._database.write(
            partial(
                entry_rows.append,
                path=self._database.path,
                channel=channel,
                source=source,
                drafts=tuple(drafts),
                seal=seal,
                now_ms=self._now_ms(),
                closed_keep_ms=self._settings.closed_keep_ms,
                bytes_max=self._settings.bytes_max,
            )
        )
        self._dropped_early += early
        return appended

    # Entries on their way

    async def pending(
        self, channel: bytes, source: bytes, *, after_seq: int = 0, limit: int = 64
    ) -> list[Entry]:
        """Entries of a source that are not final, in the order of their numbers."""
        return await self._database.read(
            partial(entry_rows.pending, channel=channel, source=source, after_seq=after_seq, limit=limit)
        )

    async def pending_sources(self) -> list[tuple[bytes, bytes]]:
        """(channel, source) of those that have such entries."""
        return await self._database.read(entry_rows.pending_sources)

    async def entry(self, record_id: bytes) -> Entry | None:
        """One record and what became of it."""
        return await self._database.read(partial(entry_rows.by_record_id, record_id=record_id))

    async def find_key(self, channel: bytes, source: bytes, key: str) -> Entry | None:
        """The record that stands for a key."""
        return await self._database.read(partial(entry_rows.by_key, channel=channel, source=source, key=key))

    async def counts(self) -> Counts:
        """How much is here."""
        return await self._database.read(entry_rows.counts)

    async def room(self) -> Room:
        """How full the file is, and what would have to go."""
        used_bytes, next_closed_ms = await self._database.read(entry_rows.room)
        return Room(used_bytes, self._settings.bytes_max, self._dropped_early, next_closed_ms)

    async def queue(self, channel: bytes, source: bytes) -> Queue:
        """How far the records of a source have come."""
        return await self._database.read(partial(entry_rows.queue, channel=channel, source=source))

    async def refused(self, channel: bytes, source: bytes) -> int:
        """How many records of a source wait for the operator. Slow with many entries: once per start."""
        return await self._database.read(partial(entry_rows.refused, channel=channel, source=source))

    # Entries out

    async def close_entries(self, closings: Sequence[Closing]) -> int:
        """Keep the proofs that records are final; how many were not closed yet. Unknown records are passed over."""
        return await self._database.write(
            partial(entry_rows.close_entries, closings=tuple(closings), now_ms=self._now_ms())
        )

    async def mark_refused(self, record_id: bytes, *, clause: str | None, reason: str) -> None:
        """The node will not take this record into a block: it stays for the operator and is not sent again."""
        await self._database.write(
            partial(entry_rows.mark_refused, record_id=record_id, clause=clause, reason=reason)
        )

    async def reopen(self, record_id: bytes) -> None:
        """Send a refused record again, after what stood against it was put right."""
        await self._database.write(partial(entry_rows.reopen, record_id=record_id))

    async def prune(self) -> int:
        """Delete proved records past their retention, oldest first; how many. Each source keeps an unbroken rest."""
        return await self._database.write(
            partial(entry_rows.prune, closed_before_ms=self._now_ms() - self._settings.closed_keep_ms)
        )

    # Looking after it

    async def gaps(self) -> list[Break]:
        """Numbers that were given and are known not to be here: lost with a damaged file, or adopted from the ledger.

        `verify_chain` passes over them; they stay on record until the entries around them are pruned.
        """
        return await self._database.read(entry_check.known_gaps)

    async def verify_chain(
        self,
        channel: bytes | None = None,
        source: bytes | None = None,
        *,
        signature_holds: SignatureHolds | None = None,
    ) -> list[Break]:
        """Where the records of a source, or of all, do not follow each other; [] when each follows the one before."""
        breaks: list[Break] = []
        for known in await self._database.read(entry_check.chain_starts):
            if channel in (None, known.channel) and source in (None, known.source):
                breaks += await entry_check.verify_source(self._database, known, signature_holds)
        return breaks
