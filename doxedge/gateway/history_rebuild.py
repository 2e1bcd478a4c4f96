"""A history of hours that is not there is made again from the signed records that the outbox still has.

What is older than the outbox is on the ledger and not here. Its loss is said loudly: until enough hours are known again
availability counts from the first that is, and look-backs are shorter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.substitute_desk import ASSUMED, is_substitute, statement_in
from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.hour_series import QUALITY_ASSURED_METHODS
from doxedge.measurement.substitute_recipe import is_recipe
from doxedge.quantity import HOUR_MS
from doxedge.signing import envelope
from doxedge.signing.record import Record, decode_payload
from doxedge.store import look
from doxedge.store.hour_rows import StoredHour
from doxedge.store.hours import HourStore

log = logging.getLogger(__name__)


async def rebuild(hours: HourStore, identity: UnitIdentity, outbox: Path, *, owed: bool) -> str | None:
    """Fill the history of a unit that has none; what to tell the regulator, None when there was nothing to do.

    `owed`: missing hours of a gap that still lasts get a substitute. Raises StoreError.
    """
    if await hours.began_ms(identity.unit) is not None:
        return None
    found = await asyncio.to_thread(signed_hours, outbox, identity)
    if not found:
        return None
    rows = _opened(found, owed=owed)
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
    for kept in _records(path, identity):
        body: list[Any] = list(kept.record.body)
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
        statements = before.statements if before is not None else 0
        if is_substitute(hour):
            hours[hour[1]] = StoredHour(_missing(hour), False, statements + 1, statement_in(hour), first)
        else:
            hours[hour[1]] = StoredHour(_measured(hour), False, statements, None, first)
    return hours


def _records(path: Path, identity: UnitIdentity) -> Iterator[_Kept]:
    after = 0
    while found := look.records(path, ("hour", "hour.revise", "gap"), after=after):
        after = found[-1].row_id
        for kept in found:
            if kept.source == identity.source:
                record = decode_payload(envelope.decode(kept.envelope).payload)
                yield _Kept(record, record.record_id(identity.channel))


def _measured(body: list[Any]) -> KnownHour:
    said: list[Any] = body[18] or []
    is_load_known = not any(
        f"energy_wh:{quality}" in said for quality in ("carried", "incomplete", "unmetered")
    )
    assured = bool(body[3]) and body[8] in QUALITY_ASSURED_METHODS
    return KnownHour(body[1], body[3], body[4], body[5], is_load_known, body[8], assured, body[9])


def _missing(body: list[Any]) -> KnownHour:
    recipe: list[Any] = body[18] if is_recipe(body[18]) else []
    load, remarks = (recipe[6], tuple(recipe[10])) if recipe else (None, ())
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
    if (ours.nox_g, ours.operating_percent, ours.method_code) != (
        theirs.nox_g,
        theirs.operating_percent,
        theirs.method_code,
    ):
        return f"the signed record says {theirs.nox_g} g in {theirs.operating_percent} % by method {theirs.method_code}"
    return None
