"""One unit's missing hours: the history grows with each hour that closes, and substitutes follow their gaps.

Order of duties, so that a power cut at any instant leaves nothing out and says nothing twice:

    (1) the gap, or the measured hour, is in the outbox (record_desk)
    (2) the hour is in the history, with whether a substitute is owed
    (3) the substitute is in the outbox, under a key that counts the hour's substitutes
    (4) the history says what that record says
    (5) the unit's memory says that the hour is closed (pipeline)

A restart closes what (5) does not know once more, and goes on with whatever the history says is owed. While a gap lasts
its substitutes are provisional; when it has ended, those that would be another mass or method now are revised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from doxedge.gateway.availability import MonitorOutlook
from doxedge.gateway.history_rebuild import rebuild
from doxedge.gateway.missing_data_settings import MissingDataPlan
from doxedge.gateway.record_desk import Happening, RecordDesk, UnitIdentity
from doxedge.gateway.substitute_desk import (
    Substituted,
    body_of,
    first_key,
    is_substitute,
    known_hours,
    statement_in,
    substituted,
)
from doxedge.gateway.unit_setup import UnitSetup
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.hour_history import KnownHour, history_begins_ms, outlook, substitutes_of
from doxedge.measurement.missing_data_rules import MASS_RATE, Rules
from doxedge.measurement.substitute_recipe import gap_in, sources_in
from doxedge.measurement.substitution import Substitute
from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from doxedge.store.errors import Kind, StoreError
from doxedge.store.hour_rows import HourStatement, StoredHour
from doxedge.store.hours import HourStore
from doxedge.store.import_rows import ImportedFile
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Entry

log = logging.getLogger(__name__)

ROUNDS_MAX: Final = 4
"""A record that a power cut left is met in the first round, revised in the second, and found settled in the third."""
PRUNE_EVERY_HOURS: Final = 24
IMPORTED: Final = "history.imported"
"""Code of the event that tells of an import."""


class MissingData:
    """The history of one unit and what follows from it. One task at a time follows."""

    def __init__(
        self,
        identity: UnitIdentity,
        *,
        setup_at: Callable[[int], UnitSetup],
        hours: HourStore,
        outbox: Outbox,
        clock_is_sure: Callable[[], bool],
    ) -> None:
        """`setup_at` gives what is in force in an hour; hours are forgotten for their age while `clock_is_sure`."""
        self.outlook: MonitorOutlook | None = None
        """As of the last closed hour; None before the first look."""
        self._unit, self._identity, self._setup_at = identity.unit, identity, setup_at
        self._hours, self._outbox, self._clock_is_sure = hours, outbox, clock_is_sure
        self._noted: list[KnownHour] = []
        self._untold: list[ImportedFile] = []
        self._is_stale = True
        self._was_full = False
        self._pruned_ms = 0
        self._newest_ms = 0

    async def restore(self, outbox: Path) -> str | None:
        """Make a history that is not there again from the file of the outbox; what to tell the regulator of it."""
        setup = self._setup_at(self._newest_ms)
        owed, shared = setup.missing_data.substitutes, setup.hour.shared
        return await rebuild(self._hours, self._identity, outbox, owed=owed, shared=shared)

    async def untold(self) -> list[Happening]:
        """What the regulator is to be told of files of another system, whose hours were imported between two runs.

        Until these are signed and durable nothing is substituted, so no recipe rests on what he does not know.
        """
        self._untold = [file for file in await self._hours.imported(self._unit) if not file.is_told]
        return [
            Happening(IMPORTED, file.imported_ms, file.said, key=f"{file.imported_ms}/{file.source}")
            for file in self._untold
        ]

    @property
    def is_behind(self) -> bool:
        """Whether closed hours are not in the history yet, or substitutes not in the outbox."""
        return bool(self._noted) or self._is_stale

    def note(self, closed: Iterable[HourRecord | HourGap]) -> None:
        """Take closed hours up; they are on the disk after the next `follow`."""
        for item in closed:
            self._noted += known_hours(item)
            self._is_stale = True

    async def correct(self, hours: Iterable[KnownHour], desk: RecordDesk) -> bool:
        """The mass of these, which are signed, is another one now; of those that the history has. Raises StoreError.

        False when the disk is full and there is nothing to give up.
        """
        changed = []
        for hour in hours:
            for stored in await self._hours.between(
                self._unit, from_ms=hour.start_ms, to_ms=hour.start_ms + 1
            ):
                if stored.known.nox_g not in (None, hour.nox_g):
                    changed += [replace(stored.known, nox_g=hour.nox_g)]
        if not changed:
            return True
        self._is_stale = True
        return await self._with_room(desk, partial(self._hours.put, self._unit, changed, owed=False))

    async def doubt(self, starts_ms: Iterable[int], remark: str, desk: RecordDesk) -> bool:
        """These measured hours have no valid measurement any more; where rules say by what, a substitute is owed.

        Raises StoreError. False when the disk is full and there is nothing to give up.
        """
        changed = []
        for start_ms in starts_ms:
            for stored in await self._hours.between(self._unit, from_ms=start_ms, to_ms=start_ms + 1):
                known = stored.known
                if known.quality_assured:
                    remarks = tuple(sorted({*known.remarks, remark}))
                    gone = replace(known, nox_g=None, method_code="", quality_assured=False, remarks=remarks)
                    changed.append(gone)
        if not changed:
            return True
        self._is_stale = True
        return await self._with_room(desk, partial(self._put_changed, changed))

    async def follow(self, desk: RecordDesk) -> int:
        """Write what was noted and have signed what is owed; how many records are new. Raises StoreError.

        To be called when nothing waits at the desk. A full disk leaves the rest for the next call.
        """
        await self._note_told()
        if self._noted and not await self._write(desk):
            return 0
        if not self._is_stale:
            return 0
        new = 0
        for _ in range(ROUNDS_MAX):
            owed = await self._owed()
            if not owed:
                break
            desk.hand_in(owed)
            new += await desk.sign()
            if desk.waiting:
                return new
            await self._adopt(owed)
        else:
            log.error("unit %s: its substitutes do not settle; the next closed hour tries again", self._unit)
        await self._look_ahead()
        self._is_stale = False
        return new

    async def _write(self, desk: RecordDesk) -> bool:
        """Duty (2). False when the disk is full and there is nothing to give up."""
        noted = tuple(self._noted)
        if not await self._with_room(desk, partial(self._put, noted)):
            return False
        del self._noted[: len(noted)]
        newest_ms = self._newest_ms = noted[-1].start_ms
        if newest_ms - self._pruned_ms >= PRUNE_EVERY_HOURS * HOUR_MS and self._clock_is_sure():
            await self._hours.prune(self._unit, now_ms=newest_ms)
            self._pruned_ms = newest_ms
        return True

    async def _with_room(self, desk: RecordDesk, write: Callable[[], Awaitable[object]]) -> bool:
        """Write, making room once if need be. False when the disk is full and there is nothing to give up."""
        try:
            await write()
        except StoreError as error:
            if error.kind is not Kind.FULL:
                raise
            if not await desk.make_room():
                if not self._was_full:
                    log.error("unit %s: its history waits for the disk: %s", self._unit, error)
                self._was_full = True
                return False
            await write()
        self._was_full = False
        return True

    async def _note_told(self) -> None:
        """Nothing waits at the desk: what was to be told is in the outbox."""
        if not self._untold:
            return
        try:
            await self._hours.note_told(self._untold)
        except StoreError as error:
            if error.kind is not Kind.FULL:
                raise
            return  # The event has a key: it is not signed twice.
        self._untold = []

    async def _put(self, noted: tuple[KnownHour, ...]) -> None:
        await self._hours.begin(self._unit, began_ms=noted[0].start_ms)
        await self._put_changed(noted)

    async def _put_changed(self, noted: Sequence[KnownHour]) -> None:
        for substitutes in (False, True):
            rows = [hour for hour in noted if self._plan_at(hour.start_ms).substitutes is substitutes]
            if rows:
                await self._hours.put(self._unit, rows, owed=substitutes)

    async def _owed(self) -> list[Substituted]:
        """Duty (3): the statements that the open hours want now. What needs none is settled on the way."""
        opened = await self._hours.open_hours(self._unit)
        if not opened:
            return []
        await self._meet_signed(opened)
        opened = await self._hours.open_hours(self._unit)
        found = await self._substitutes(opened)
        wanted: list[Substituted] = []
        settled: list[int] = []
        for stored in opened:
            one = found.get(stored.known.start_ms)
            if one is None or _stood_still(stored.known):
                settled.append(
                    stored.known.start_ms
                )  # It is not missing any more, or nothing of it is the unit's.
                continue
            if one.provisional and stored.stated is not None:
                continue
            first = await self._first(stored)
            setup = self._setup_at(stored.known.start_ms)
            rules = setup.missing_data.rules
            item = substituted(self._unit, setup.hour.rules.stamp, stored, one, rules, first=first)
            if stored.stated is None or _differs(stored.stated, item):
                wanted.append(item)
            else:
                settled.append(stored.known.start_ms)
        await self._hours.settle(self._unit, settled)
        return wanted

    async def _substitutes(self, opened: list[StoredHour]) -> dict[int, Substitute]:
        """By hour. The arithmetic over three years takes a moment, so a thread does it.

        What is stated already rests on the same files as before: an import while its gap lasts does not lower it.
        """
        wanted: dict[tuple[Rules, frozenset[str] | None], set[int]] = {}
        for stored in opened:
            plan = self._plan_at(stored.known.start_ms)
            if plan.substitutes:
                wanted.setdefault((plan.rules, _stated_on(stored)), set()).add(stored.known.start_ms)
        first_ms = await self._hours.gap_begins_ms(self._unit, opened[0].known.start_ms)
        from_ms = history_begins_ms(first_ms, MASS_RATE)
        histories = {
            sources: await self._hours.history(self._unit, from_ms=from_ms, sources=sources)
            for sources in {sources for _, sources in wanted}
        }
        began_ms = await self._hours.began_ms(self._unit) or first_ms

        def compute() -> dict[int, Substitute]:
            return {
                one.hour.start_ms: one
                for (rules, sources), starts in wanted.items()
                for one in substitutes_of(histories[sources], rules, starts, began_ms=began_ms)
            }

        return await asyncio.to_thread(compute)

    async def _first(self, stored: StoredHour) -> Entry | None:
        if stored.first_record is not None:
            return None
        return await self._find(first_key(self._unit, stored.known.start_ms))

    async def _meet_signed(self, opened: list[StoredHour]) -> None:
        """First statements that were signed before a power cut and are not in the history yet."""
        for stored in opened:
            if stored.statements or stored.first_record is not None:
                continue
            first = await self._find(first_key(self._unit, stored.known.start_ms))
            if first is not None and is_substitute(body_of(first)):
                await self._hours.note_statement(
                    self._unit,
                    stored.known.start_ms,
                    statement_in(body_of(first)),
                    statements=1,
                    first_record=first.record_id,
                    is_open=True,
                )

    async def _adopt(self, signed: list[Substituted]) -> None:
        """Duty (4)."""
        for item in signed:
            entry = await self._find(item.key)
            first = await self._find(first_key(self._unit, item.hour.start_ms))
            if entry is None:
                continue
            said = statement_in(body_of(entry))
            (stored,) = await self._hours.between(
                self._unit, from_ms=item.hour.start_ms, to_ms=item.hour.start_ms + 1
            )
            await self._hours.note_statement(
                self._unit,
                item.hour.start_ms,
                said,
                statements=stored.statements + 1,
                first_record=item.revised or (entry if first is None else first).record_id,
                is_open=item.is_provisional or said != item.statement,
            )

    async def _look_ahead(self) -> None:
        """Availability, and the price of the next missing hour."""
        history = await self._hours.history(self._unit, from_ms=0)
        if not history:
            return
        began_ms = await self._hours.began_ms(self._unit)
        began_ms = history[-1].start_ms if began_ms is None else began_ms
        plan = self._plan_at(self._newest_ms)
        ahead = await asyncio.to_thread(outlook, history, plan.rules, began_ms=began_ms)
        self.outlook = MonitorOutlook(ahead, plan.rules, plan.substitutes)

    def _plan_at(self, at_ms: int) -> MissingDataPlan:
        return self._setup_at(at_ms).missing_data

    async def _find(self, key: str) -> Entry | None:
        return await self._outbox.find_key(self._identity.channel, self._identity.source, key)


def _stated_on(stored: StoredHour) -> frozenset[str] | None:
    """The files that what is stated rests on; None: nothing is stated, and those count that are in force."""
    if stored.stated is None:
        return None
    recipe = canonical.decode(stored.stated.recipe)
    return sources_in(recipe if isinstance(recipe, list) else [])


def _stood_still(known: KnownHour) -> bool:
    """Whether the others on the stack made the whole mass; the unit has an hour of 0 g."""
    return known.share is not None and not known.share.operating_percent


def _differs(stated: HourStatement, item: Substituted) -> bool:
    """Whether another mass, another method or another gap is to be stated."""
    now = item.statement
    if (stated.nox_g, stated.method_code) != (now.nox_g, now.method_code):
        return True
    recipe = canonical.decode(stated.recipe)
    before, gap = gap_in(recipe if isinstance(recipe, list) else []), gap_in(item.recipe)
    return before is None or gap is None or before.first_ms != gap.first_ms
