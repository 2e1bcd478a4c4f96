"""The regulator's reception desk: for each device what arrived, what is missing, and what looks wrong. Pure.

An hour of a period is *due* when it began at or after the device's hours count (or, before commissioning, after its
registration) and ended `GRACE_MS` ago. A due hour is accepted, stated as a gap, or silent: nothing has come at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from doxedge.contracts import day_book, numbering, parties, reception, signs, units
from doxedge.contracts.rule import Book
from doxedge.contracts.signs import Signs
from doxedge.ledger import inquiry_desk
from doxedge.ledger.inquiry_desk import Unfit
from doxedge.quantity import DAY_MS, HOUR_MS, MINUTE_MS, round_down, round_up

GRACE_MS: Final = 15 * MINUTE_MS
"""An hour is closed, signed, posted and made final in a few minutes; nobody is reminded before that."""
PERIOD_MS_MAX: Final = 366 * DAY_MS
TRIAL: Final = "trial"
COMMISSIONED: Final = "commissioned"
REOPENED: Final = "reopened"
REPLACED: Final = "replaced"
MISSING_SHOWN_MAX: Final = 100
"""Stretches without hours that one row lists, newest kept."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours in a row without an accepted mass."""

    from_ms: int
    to_ms: int
    stated: bool
    """Whether the device said so itself (a `gap` record), or nothing came."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device of the desk."""

    device: str
    unit: str
    party: str
    is_present: bool
    """Whether it is the unit's device now; for another one no hour is due."""
    counts_from_ms: int | None
    from_ms: int
    """First due hour of the period."""
    to_ms: int
    """End of the last due hour."""
    hours_due: int
    hours_accepted: int
    hours_substituted: int
    """Of the accepted ones, those whose mass was computed by rules for missing data and not measured."""
    hours_gap: int
    hours_silent: int
    revisions: int
    """Hours of the period that were revised, counted by their latest revision number."""
    missing: tuple[Stretch, ...]
    last_hour_ms: int | None
    """Start of the unit's newest hour, accepted or gap, in or out of the period."""
    records: int
    """What its numbering has consumed."""
    conflicts: tuple[int, ...]
    """Numbers that it gave twice."""
    is_suspended: bool
    is_key_revoked: bool
    clock_state: str
    clock_offset_ms: int
    is_profile_registered: bool | None
    """Whether the last hour names the registered register map; None before the first hour."""
    is_firmware_registered: bool | None
    rules_since_ms: int | None
    """Since which hour its hours are made by the settings of the last one; None before the first hour."""
    commissioning: str
    """`trial`, `commissioned`, `reopened` or `replaced`."""
    signs: Signs
    """What it says of itself: alarms that stand, and events by their code."""
    requests_open: int
    """Requests for raw samples of its unit that wait for it, overdue ones among them."""
    requests_overdue: int
    answers: Unfit
    """Of requests for raw samples that it answered, those with samples lost, and those late."""

    @property
    def completeness_percent(self) -> str | None:
        """Accepted of due hours, in per cent with one decimal, rounded down; None when nothing was due."""
        if not self.hours_due:
            return None
        tenths = round_down(self.hours_accepted * 1000, self.hours_due)
        return f"{tenths // 10}.{tenths % 10}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a desk officer should look at, in words."""
        found = []
        if self.conflicts:
            found.append(f"gave {len(self.conflicts)} numbers twice: its proof stands on the ledger")
        if self.is_suspended:
            found.append("suspended until the regulator reinstates its numbering")
        if self.is_key_revoked:
            found.append("its key is withdrawn")
        if self.hours_silent:
            found.append(f"{self.hours_silent} hours are missing without a word")
        if self.hours_substituted:
            found.append(f"{self.hours_substituted} hours are substitutes, not measurements")
        if self.requests_open:
            overdue = f", {self.requests_overdue} of them overdue" if self.requests_overdue else ""
            found.append(f"{self.requests_open} requests for raw samples wait for it{overdue}")
        if self.answers.lost:
            found.append(f"answered {self.answers.lost} requests for raw samples with a loss")
        if self.answers.late:
            found.append(f"answered {self.answers.late} requests for raw samples after the deadline")
        if self.is_profile_registered is False:
            found.append("measures with a register map that is not the registered one")
        if self.is_firmware_registered is False:
            found.append("runs firmware that is not the registered one")
        if self.clock_state not in ("", "synchronised"):
            found.append(f"its clock is {self.clock_state}")
        return (*found, *self._standing_remarks)

    @property
    def _standing_remarks(self) -> tuple[str, ...]:
        said = ", ".join(one.name for one in self.signs.standing)
        found = (f"says of itself: {said}",) if said else ()
        if not self.is_present:
            return ("replaced: the unit has another device now",)
        if self.commissioning == TRIAL:
            return (*found, "not commissioned: its hours are trial")
        if self.commissioning == REOPENED:
            return (*found, "its commissioning is reopened: hours of this register map are trial")
        changed_ms, counts_ms = self.rules_since_ms, self.counts_from_ms
        if changed_ms is not None and counts_ms is not None and changed_ms >= counts_ms:
            return (*found, "its hours are made by other settings than those that were witnessed")
        return found


def device_names(book: Book) -> list[str]:
    """All devices of the channel."""
    return [key.decode() for key, _ in book.items(units.DEVICES)]


def look_at(
    book: Book,
    device: str,
    *,
    now_ms: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    answers: Mapping[str, Unfit] | None = None,
) -> DeviceRow | None:
    """The row of one device, or None when it is not registered.

    The period is cut to the hours that are due, and to its last 366 days. `answers` is what `unfit_answers` finds in
    the book; who looks at many devices looks it up once.
    """
    entry = units.find_device(book, device)
    unit = None if entry is None else units.find_unit(book, entry.unit)
    if entry is None or unit is None:
        return None
    is_present = unit.device == device
    first_ms, end_ms = _period(entry, now_ms=now_ms, from_ms=from_ms, to_ms=to_ms)
    if not is_present:
        end_ms = first_ms  # the unit's hours are another device's now
    count = _count(book, entry.unit, first_ms, end_ms)
    sheet = reception.find(book, entry.unit)
    source = numbering.find_source(book, entry.source)
    key = parties.find_key(book, entry.key_id if source is None else source.holder_key_id)
    newest = day_book.find_hour(book, entry.unit, sheet.last_end_ms - HOUR_MS)
    asked = inquiry_desk.open_rows(book, entry.unit, now_ms=now_ms) if is_present else []
    # Before a device's own first hour the unit's sheet still shows its predecessor's clock, map and firmware.
    spoke_last = is_present and newest is not None and newest.device == device
    known = spoke_last and bool(sheet.firmware or sheet.profile_hash)
    own_map = sheet.profile_hash == entry.profile_hash if known else None
    return DeviceRow(
        device=device,
        unit=entry.unit,
        party=unit.party,
        is_present=is_present,
        counts_from_ms=entry.counts_from_ms,
        from_ms=first_ms,
        to_ms=end_ms,
        hours_due=(end_ms - first_ms) // HOUR_MS,
        hours_accepted=count.accepted,
        hours_substituted=count.substituted,
        hours_gap=count.gap,
        hours_silent=(end_ms - first_ms) // HOUR_MS - count.accepted - count.gap,
        revisions=count.revisions,
        missing=tuple(count.missing[-MISSING_SHOWN_MAX:]),
        last_hour_ms=sheet.last_end_ms - HOUR_MS if sheet.last_end_ms else None,
        records=0 if source is None else source.seq,
        conflicts=tuple(_conflicts(book, entry.source)),
        is_suspended=source is not None and source.suspended,
        is_key_revoked=key is not None and key.revoked,
        clock_state=sheet.clock_state if known else "",
        clock_offset_ms=sheet.clock_offset_ms if known else 0,
        is_profile_registered=own_map,
        is_firmware_registered=sheet.firmware == entry.firmware if known else None,
        rules_since_ms=sheet.rules_since_ms if known else None,
        signs=signs.find(book, entry.unit) if is_present else signs.Signs((), ()),
        commissioning=_commissioning(entry, is_present=is_present, own_map=own_map),
        requests_open=len(asked),
        requests_overdue=sum(one.status == "overdue" for one in asked),
        answers=(inquiry_desk.unfit_answers(book) if answers is None else answers).get(device, Unfit()),
    )


def _commissioning(entry: units.DeviceEntry, *, is_present: bool, own_map: bool | None) -> str:
    """Whether the hours that it states now count: not before the commissioning, nor with another register map."""
    if not is_present:
        return REPLACED
    if entry.counts_from_ms is None:
        return TRIAL
    return REOPENED if own_map is False else COMMISSIONED


@dataclass(slots=True)
class _Count:
    """What was found in a period."""

    accepted: int
    substituted: int
    gap: int
    revisions: int
    missing: list[Stretch]


def _period(
    entry: units.DeviceEntry, *, now_ms: int, from_ms: int | None, to_ms: int | None
) -> tuple[int, int]:
    """Begin and end of the due hours, on whole hours; equal when none is due."""
    begins_ms = entry.registered_ms if entry.counts_from_ms is None else entry.counts_from_ms
    ends_ms = now_ms - GRACE_MS if to_ms is None else min(to_ms, now_ms - GRACE_MS)
    end_ms = round_down(ends_ms, HOUR_MS) * HOUR_MS
    first_ms = begins_ms if from_ms is None else max(begins_ms, from_ms)
    first_ms = round_up(max(first_ms, end_ms - PERIOD_MS_MAX), HOUR_MS) * HOUR_MS
    return first_ms, max(first_ms, end_ms)


def _count(book: Book, unit: str, first_ms: int, end_ms: int) -> _Count:
    """Walk over the days of the period; silent hours are those between the entries."""
    count = _Count(0, 0, 0, 0, [])
    expected_ms = first_ms
    for entry in _entries(book, unit, first_ms, end_ms):
        if entry.start_ms > expected_ms:
            _add_missing(count.missing, Stretch(expected_ms, entry.start_ms, False))
        expected_ms = entry.start_ms + HOUR_MS
        count.revisions += entry.revision
        if entry.standing == day_book.GAP:
            count.gap += 1
            _add_missing(count.missing, Stretch(entry.start_ms, expected_ms, True))
        else:
            count.accepted += 1
            count.substituted += entry.is_substituted
    if expected_ms < end_ms:
        _add_missing(count.missing, Stretch(expected_ms, end_ms, False))
    return count


def _entries(book: Book, unit: str, first_ms: int, end_ms: int) -> Iterator[day_book.HourEntry]:
    midnight_ms = first_ms - first_ms % DAY_MS
    for day_ms in range(midnight_ms, end_ms, DAY_MS):
        for entry in day_book.day(book, unit, day_ms):
            if first_ms <= entry.start_ms < end_ms:
                yield entry


def _add_missing(missing: list[Stretch], stretch: Stretch) -> None:
    """Append, joined to the one before it where they touch and are of one sort."""
    if missing and missing[-1].to_ms == stretch.from_ms and missing[-1].stated == stretch.stated:
        missing[-1] = Stretch(missing[-1].from_ms, stretch.to_ms, stretch.stated)
    else:
        missing.append(stretch)


def _conflicts(book: Book, source: bytes) -> Iterator[int]:
    """Numbers of this source that stand as proved forks: `source ‖ seq` holds [first, second, party]."""
    for key, value in book.items(numbering.FORKS):
        if key[:16] == source and isinstance(value, list) and len(value) == 3:
            yield int.from_bytes(key[16:], "big")
