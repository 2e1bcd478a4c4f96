"""A history of hours that is not there is made again from the signed records that the outbox still has.

What is older than the outbox is on the ledger and not here. Its loss is said loudly: until enough hours are known again
availability counts from the first that is, and look-backs are shorter. Hours that were imported from another system's
file are not in signed records: the file is imported once more.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.substitute_desk import ASSUMED, is_substitute, known_of_stack, statement_in
from doxedge.measurement.apportioning import (
    StackHour,
    UnitHour,
    UnitShare,
    apportioning,
    is_of_stack,
    stack_hour_in,
)
from doxedge.measurement.emission import BY_HAND
from doxedge.measurement.hour_history import KnownHour, kept_remarks
from doxedge.measurement.hour_series import QUALITY_ASSURED_METHODS
from doxedge.measurement.shared_stack import SharedStack
from doxedge.measurement.substitute_recipe import IMPORTED, is_recipe
from doxedge.quantity import HOUR_MS
from doxedge.signing import envelope
from doxedge.signing.record import Record, decode_payload
from doxedge.store import look
from doxedge.store.hour_rows import StoredHour
from doxedge.store.hours import HourStore

log = logging.getLogger(__name__)

STATEMENTS: Final = ("hour", "hour.revise", "gap")
DOUBTFUL: Final = "hour.doubtful"
"""Code of the event that takes a measurement away: a stated mass cannot be taken back by a gap (clause 8.14)."""
_DOUBTED: Final = re.compile(r"the hour at (\d{1,16}) without a mass", re.ASCII)
"""As `record_desk` and `doubted_hours` say it."""


async def rebuild(
    hours: HourStore, identity: UnitIdentity, outbox: Path, *, owed: bool, shared: SharedStack | None = None
) -> str | None:
    """Fill the history of a unit that has none; what to tell the regulator, None when there was nothing to do.

    `owed`: missing hours of a gap that still lasts get a substitute. `shared`: who is on its stack now. Raises
    StoreError.
    """
    if await hours.began_ms(identity.unit) is not None:
        return None
    found = await asyncio.to_thread(signed_hours, outbox, identity)
    if not found:
        return None
    rows = _divided(_opened(found, owed=owed), identity.unit, shared)
    await hours.fill(identity.unit, rows)
    text = (
        f"the history of hours begins anew with {len(rows)} hours from {rows[0].known.start_ms} on, which the outbox "
        "still had; availability and look-backs count from there"
    )
    log.warning("unit %s: %s", identity.unit, text)
    return text


@dataclass(frozen=True, slots=True)
class _Kept:
    """One signed record."""

    record: Record
    record_id: bytes


def signed_hours(path: Path, identity: UnitIdentity) -> dict[int, StoredHour]:
    """By its beginning, every hour of a unit as the records in the outbox's file have it. Raises StoreError."""
    hours: dict[int, StoredHour] = {}
    for kept in _records(path, identity, (*STATEMENTS, "event")):
        body: list[Any] = list(kept.record.body)
        if kept.record.kind == "event":
            _take_away(hours, body)
            continue
        if kept.record.kind == "gap":
            for start_ms in range(body[1], body[2], HOUR_MS):
                missing = KnownHour(
                    start_ms, 100, None, 0, False, "", quality_assured=False, remarks=(ASSUMED,)
                )
                hours.setdefault(start_ms, StoredHour(missing, False, 0, None, None))
            continue
        hour: list[Any] = body if kept.record.kind == "hour" else list(body[2])
        before = hours.get(hour[1])
        first = before.first_record if before is not None and before.first_record else kept.record_id
        if hour[6] == BY_HAND:
            # Two persons stated it, and nothing was measured: to the rules the hour is what it was.
            unmeasured = StoredHour(_missing(hour), False, 0, None, None) if before is None else before
            hours[hour[1]] = replace(unmeasured, first_record=first)
            continue
        statements = before.statements if before is not None else 0
        if is_substitute(hour):
            hours[hour[1]] = StoredHour(_missing(hour), False, statements + 1, statement_in(hour), first)
        else:
            hours[hour[1]] = StoredHour(measured(hour), False, statements, None, first)
    return hours


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed last of an hour."""

    body: list[Any]
    to_revise: bytes
    """The record that a revision names (clause 8.12): the first of the hour; the last where that is gone."""
    record: bytes
    """The last one."""
    reason: str
    """Of a revision."""

    @property
    def is_substitute(self) -> bool:
        """Whether it was not measured."""
        return is_substitute(self.body)


def signed_statements(path: Path, identity: UnitIdentity) -> dict[int, Statement]:
    """By its beginning, what the outbox's file has of every hour that is no gap. Raises StoreError."""
    found: dict[int, Statement] = {}
    firsts: set[bytes] = set()
    for kept in _records(path, identity):
        if kept.record.kind == "gap":
            continue
        body: list[Any] = list(kept.record.body)
        reason = ""
        if kept.record.kind == "hour.revise":
            body, reason = list(body[2]), str(body[1])
        before = found.get(body[1])
        if kept.record.kind == "hour" and before is None:
            firsts.add(kept.record_id)
        named = before.to_revise if before is not None and before.to_revise in firsts else kept.record_id
        found[body[1]] = Statement(body, named, kept.record_id, reason)
    return found


def _take_away(hours: dict[int, StoredHour], event: list[Any]) -> None:
    """An hour that was measured and of which an event says that it has no valid measurement any more."""
    said = _DOUBTED.search(str(event[3])) if event[1] == DOUBTFUL else None
    stored = None if said is None else hours.get(int(said[1]))
    if stored is not None and stored.known.quality_assured:
        known = replace(stored.known, nox_g=None, method_code="", quality_assured=False)
        hours[known.start_ms] = replace(stored, known=known)


def _records(path: Path, identity: UnitIdentity, kinds: Sequence[str] = STATEMENTS) -> Iterator[_Kept]:
    after = 0
    while found := look.records(path, kinds, after=after, source=identity.source):
        after = found[-1].row_id
        for kept in found:
            record = decode_payload(envelope.decode(kept.envelope).payload)
            yield _Kept(record, record.record_id(identity.channel))


def measured(body: list[Any]) -> KnownHour:
    """What the body of a measured hour says of it."""
    said: list[Any] = body[18] or []
    if (stack := stack_hour_in(said)) is not None:
        method = body[8] if stack.nox_g is not None else ""
        return _of_stack(body, stack, method=method, remarks=kept_remarks(body[6], said))
    is_load_known = not any(
        f"energy_wh:{quality}" in said for quality in ("carried", "incomplete", "unmetered")
    )
    assured = bool(body[3]) and body[8] in QUALITY_ASSURED_METHODS
    return KnownHour(
        body[1],
        body[3],
        body[4],
        body[5],
        is_load_known,
        body[8],
        assured,
        body[9],
        kept_remarks(body[6], said),
    )


def _missing(body: list[Any]) -> KnownHour:
    recipe: list[Any] = body[18] if is_recipe(body[18]) else []
    load, remarks = (recipe[6], _of_hour(recipe[10])) if recipe else (None, ())
    if (stack := stack_hour_in(remarks)) is not None:
        own = tuple(remark for remark in remarks if not is_of_stack(remark))
        return _of_stack(body, replace(stack, nox_g=None), method="", remarks=own)
    return KnownHour(
        body[1],
        body[3],
        None,
        body[5],
        load is not None,
        "",
        quality_assured=False,
        minutes_valid=body[9],
        remarks=remarks,
    )


def _of_hour(remarks: Iterable[str]) -> tuple[str, ...]:
    """Without those that name the files which a recipe rests on: the next recipe says anew what it rests on."""
    return tuple(remark for remark in remarks if not remark.startswith(IMPORTED))


def _divided(rows: list[StoredHour], unit: str, shared: SharedStack | None) -> list[StoredHour]:
    """A gap does not say who ran: its hours are of the units that the next hour names, or of those that are there."""
    how = None if shared is None else shared.nobody_knows
    for place in range(len(rows) - 1, -1, -1):
        known = rows[place].known
        if known.share is not None:
            how = apportioning(UnitHour(name, HOUR_MS, None) for name in known.units)
        elif known.nox_g is not None or rows[place].stated is not None:
            how = None
        elif how is not None:
            share = UnitShare(unit, known.operating_percent, known.energy_wh, how)
            rows[place] = replace(rows[place], known=replace(known, share=share))
    return rows


def _of_stack(body: list[Any], stack: StackHour, *, method: str, remarks: tuple[str, ...] = ()) -> KnownHour:
    return known_of_stack(
        body[1],
        stack,
        method=method,
        minutes_valid=body[9],
        unit=body[0],
        operating_percent=body[3],
        energy_wh=body[5],
        remarks=remarks,
    )


def _opened(found: dict[int, StoredHour], *, owed: bool) -> list[StoredHour]:
    """In the order of time; the gap that still lasts is open."""
    rows = [found[start_ms] for start_ms in sorted(found)]
    for place in range(len(rows) - 1, -1, -1):
        known = rows[place].known
        if known.quality_assured:
            break
        if known.is_missing:
            rows[place] = replace(rows[place], is_open=owed)
    return rows


def contradiction(stored: StoredHour, signed: StoredHour) -> str | None:
    """What the signed record of an hour says otherwise than the history; None when they agree."""
    if stored.stated != signed.stated:
        said = "no substitute" if signed.stated is None else f"a substitute of {signed.stated.nox_g} g"
        return f"the signed record says {said}"
    ours, theirs = stored.known, signed.known
    if signed.stated is not None or theirs.nox_g is None:
        return None
    if (ours.nox_g, ours.operating_percent, ours.method_code, ours.share) != (
        theirs.nox_g,
        theirs.operating_percent,
        theirs.method_code,
        theirs.share,
    ):
        return f"the signed record says {theirs.nox_g} g in {theirs.operating_percent} % by method {theirs.method_code}"
    return None
