"""§ 8 Hours, gaps, revisions

A device states the hours of its unit: the mass emitted, or that it is not known and why. A statement is never edited:
a revision is a new statement that names the old one, and the latest counts. An hour that was read with another register
map than the registered one is trial; it is said on the receipt and shown at the regulator's desk, and the figure
`unregistered_maps` decides whether it is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts import day_book, figures, headroom, reception, signs, units
from doxedge.contracts.day_book import COUNTED, GAP, SUBSTITUTED, TRIAL, HourEntry
from doxedge.contracts.rule import Act, Book, require, require_found
from doxedge.contracts.statements import Event, Gap, Hour, Revision
from doxedge.contracts.unit_desk import UnitDesk
from doxedge.contracts.units import DeviceEntry
from doxedge.quantity import HOUR_MS, MAX_AMOUNT_G, MINUTE_MS

AHEAD_MS_MAX: Final = 5 * MINUTE_MS
"""An hour may end so much after the execution clock: the clocks of a plant and of a leader are never equal."""
GAP_HOURS_MAX: Final = 744
"""A longer gap is stated in parts of at most a month, so that one statement stays small."""
ENERGY_WH_MAX: Final = 10**13
"""Ten terawatt-hours in one hour: more than all plants of the world."""


def state_hour(book: Book, act: Act, facts: Hour) -> None:
    """Accept an hour, as trial or counted."""
    desk, _ = _present(book, act, facts.unit)
    _state_at(book, desk, act.record_id, facts)
    desk.close()


class HoursInTurn:
    """Hours that one device states one after the other, with nothing else in between: `state_hour` for each of them."""

    __slots__ = ("_act", "_book", "_desk")

    def __init__(self, book: Book, act: Act) -> None:
        """Of `act` everything but the record id holds for all of them."""
        self._book, self._act = book, act
        self._desk: UnitDesk | None = None

    def state(self, record_id: bytes, facts: Hour) -> None:
        """The next one. Raises Refused, and the hour has changed nothing."""
        if self._desk is None or self._desk.name != facts.unit:
            self.close()
            self._desk, _ = _present(self._book, self._act, facts.unit)
        _state_at(self._book, self._desk, record_id, facts)

    def close(self) -> None:
        """Write what was accepted."""
        if self._desk is not None:
            self._desk.close()
            self._desk = None


def revise_hour(book: Book, act: Act, facts: Revision) -> None:
    """Accept a later statement of an hour."""
    hour = facts.hour
    desk, device = _present(book, act, hour.unit)
    _require_plausible(act, hour)
    _require_of_device(desk, hour)
    page = desk.page_of(hour.start_ms)
    stated = day_book.find_on(page, hour.start_ms)
    known = require_found(stated, "8.10", "there is no statement of this hour to revise")
    require(known.standing != GAP, "8.11", "the hour is a gap; state it, and the gap is filled")
    named = facts.revised in {known.original, known.latest}
    require(named, "8.12", "the revision does not name the hour's first or latest statement")
    fit = known.standing == TRIAL or device.counts_from_ms is not None
    require(fit, "8.13", "an hour that counts is revised by a commissioned device only")
    require(bool(facts.reason), "8.14", "a revision states its reason")
    own_map = hour.profile_hash == device.profile_hash
    latest = replace(
        known,
        nox_g=hour.nox_g,
        energy_wh=hour.energy_wh,
        latest=act.record_id,
        revision=known.revision + 1,
        device=_acting_device(act),
        with_own_map=own_map,
        is_substituted=hour.quality == SUBSTITUTED,
    )
    day_book.write_on(page, latest)
    book.emit(["hour.revised", hour.unit, hour.start_ms, known.nox_g, hour.nox_g])
    if not own_map:
        book.emit(["device.unregistered_map", act.device, hour.unit, hour.profile_hash])
        if known.standing == TRIAL:
            _note_other_map(book, desk, hour)
    if known.standing == COUNTED:
        _count(book, desk, hour, grams=hour.nox_g - known.nox_g, hours=0)
    desk.sheet.revisions += 1
    desk.close()


def state_gap(book: Book, act: Act, facts: Gap) -> None:
    """Accept that the mass of some hours is not known."""
    _, device = _present(book, act, facts.unit)
    whole = facts.from_ms % HOUR_MS == 0 and facts.to_ms % HOUR_MS == 0 and 0 <= facts.from_ms < facts.to_ms
    require(whole, "8.15", "a gap begins and ends on a whole hour")
    hours = (facts.to_ms - facts.from_ms) // HOUR_MS
    require(hours <= GAP_HOURS_MAX, "8.16", "a gap longer than 744 hours is stated in parts")
    require(facts.to_ms <= act.clock_ms + AHEAD_MS_MAX, "8.17", "the gap has not ended")
    known = facts.from_ms + HOUR_MS > device.registered_ms
    within = known or figures.figure(book, "hours_before_registration") == 1
    require(within, "8.18", "the first hour of the gap had ended before the device was registered")
    starts = range(facts.from_ms, facts.to_ms, HOUR_MS)
    free = all(day_book.find_hour(book, facts.unit, start_ms) is None for start_ms in starts)
    require(free, "8.19", "an hour of the gap is stated already")
    require(bool(facts.cause), "8.20", "a gap states its cause")
    for start_ms in starts:
        entry = HourEntry(start_ms, 0, 0, act.record_id, act.record_id, 0, GAP, _acting_device(act), False)
        day_book.put_hour(book, facts.unit, entry)
    reception.note_gap(book, facts.unit, hours=hours, to_ms=facts.to_ms)
    book.emit(["unit.gap", facts.unit, facts.from_ms, facts.to_ms, facts.cause])


def state_event(book: Book, act: Act, facts: Event) -> None:
    """Accept that something happened; it stands on the receipt and in the unit's count."""
    if facts.unit is None:
        _acting_device(act)
    else:
        _present(book, act, facts.unit)
        reception.note_event(book, facts.unit)
    require(bool(facts.code), "8.21", "an event has a code")
    if facts.unit is not None:
        signs.note(book, facts.unit, facts)
    book.emit(["device.event", act.device, facts.code, facts.at_ms, facts.text])


def _state_at(book: Book, desk: UnitDesk, record_id: bytes, facts: Hour) -> None:
    """Judge one hour. Nothing is written before the last clause has held."""
    act, device, start_ms = desk.act, desk.device, facts.start_ms
    _require_plausible(act, facts)
    page = desk.page_of(start_ms)
    known = day_book.find_on(page, start_ms)
    require(known is None or known.standing == GAP, "8.7", "the hour is stated already; revise it")
    _require_of_device(desk, facts)
    own_map = facts.profile_hash == device.profile_hash
    counts = own_map and device.counts_from_ms is not None and start_ms >= device.counts_from_ms
    day_book.state_on(
        page,
        start_ms,
        nox_g=facts.nox_g,
        energy_wh=facts.energy_wh,
        record_id=record_id,
        standing=COUNTED if counts else TRIAL,
        device=desk.device_name,
        with_own_map=own_map,
        is_substituted=facts.quality == SUBSTITUTED,
    )
    if not own_map:
        _note_other_map(book, desk, facts)
    sheet = desk.sheet
    map_before = sheet.profile_hash
    sheet.add_hour(facts, trial=not counts, filled_gap=known is not None)
    book.emit(["hour.accepted", facts.unit, start_ms, facts.nox_g, "counted" if counts else "trial"])
    if not own_map and facts.profile_hash != map_before:
        book.emit(["device.unregistered_map", act.device, facts.unit, facts.profile_hash])
    if counts:
        _count(book, desk, facts, grams=facts.nox_g, hours=1)


def _acting_device(act: Act) -> str:
    """Who states."""
    return require_found(act.device, "8.1", "only a device states hours, gaps and events")


def _present(book: Book, act: Act, unit: str) -> tuple[UnitDesk, DeviceEntry]:
    """The books of the unit, and the device that states its hours now, which must be the one that acts."""
    name = _acting_device(act)
    entry, device = units.find_unit(book, unit), units.find_device(book, name)
    present = entry if entry is not None and entry.device == name else None
    reason = "the device is not the present device of this unit"
    found, stating = require_found(present, "8.2", reason), require_found(device, "8.2", reason)
    return UnitDesk(book, act, unit, found, (name, stating)), stating


def _require_plausible(act: Act, facts: Hour) -> None:
    """What every statement of an hour must satisfy."""
    aligned = facts.start_ms % HOUR_MS == 0 and facts.start_ms >= 0
    ended = facts.start_ms + HOUR_MS <= act.clock_ms + AHEAD_MS_MAX
    mass = 0 <= facts.nox_g <= MAX_AMOUNT_G and 0 <= facts.energy_wh <= ENERGY_WH_MAX
    shares = 0 <= facts.operating_percent <= 100 and 0 <= facts.minutes_valid <= 60 and facts.samples >= 0
    if aligned and ended and mass and shares:
        return  # as for nearly every hour
    require(aligned, "8.3", "an hour begins on a whole hour UTC, from 1970 on")
    require(ended, "8.4", "the hour has not ended")
    require(mass, "8.5", "mass or energy is outside its bounds")
    require(shares, "8.6", "operating share, valid minutes or sample count is outside its bounds")


def _require_of_device(desk: UnitDesk, facts: Hour) -> None:
    """What ties an hour to the device as it was registered."""
    device = desk.device
    known = facts.start_ms + HOUR_MS > device.registered_ms
    within = known or desk.figure("hours_before_registration") == 1
    require(within, "8.8", "the hour had ended before the device was registered")
    registered = facts.profile_hash == device.profile_hash or desk.figure("unregistered_maps") == 1
    require(registered, "8.9", "the hour was read with another register map than the registered one")


def _note_other_map(book: Book, desk: UnitDesk, facts: Hour) -> None:
    """Reopen the commissioning of the device, if it was commissioned."""
    if desk.device.counts_from_ms is None:
        return
    known_to_ms, name = desk.sheet.last_end_ms, desk.device_name
    units.note_other_map(book, name, facts.profile_hash, start_ms=facts.start_ms, known_to_ms=known_to_ms)


def _count(book: Book, desk: UnitDesk, facts: Hour, *, grams: int, hours: int) -> None:
    """Add to the year's emission, and look at the account."""
    total, account = desk.total_of(facts.start_ms), desk.unit.account
    total.add(facts.start_ms, grams=grams, hours=hours)
    if account is None:
        return
    allowed = desk.allowance_of(account, total.year)
    standing = headroom.standing(allowed, total.emitted_g)
    if standing != total.standing:
        headroom.say(book, allowed, total.read(), standing)
        total.standing = standing
