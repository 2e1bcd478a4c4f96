"""§ 4 Units and devices

A unit is the generating unit that emits. It has one compliance account and one device that states its hours. Hours
that the device states before its commissioning are *trial*: kept, and not counted, also when they are revised later.
Once the hours of a unit count, only the regulator puts another device in place of the commissioned one, so that nobody
leaves the count by himself. A commissioning is of one register map: hours that are read with another are trial again
until the device is commissioned with that one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.contracts import day_book, figures, keys, numbering, parties, signs
from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import COMPANY, VERIFIER, Act, Book, Value, is_name, require, require_found
from doxedge.fact import fact
from doxedge.quantity import HOUR_MS

UNITS: Final = "units"
DEVICES: Final = "devices"
REOPENED: Final = "reopened"
_UNIT: Final = shape(str, str, int, str, (str, None), (str, None))
_DEVICE: Final = shape(str, bytes, bytes, str, bytes, int, (int, None))
_REOPENED: Final = shape(bytes, int)


@fact
class UnitEntry:
    """A unit as registered."""

    party: str
    kind: str
    capacity_kw: int
    zone: str
    account: str | None
    device: str | None
    """The device that states its hours now."""


@fact
class DeviceEntry:
    """A device as registered."""

    unit: str
    key_id: bytes
    """At registration. The key of today is the holder of the device's numbering."""
    profile_hash: bytes
    """Of the register maps of its analysers."""
    firmware: str
    source: bytes
    registered_ms: int
    """The execution clock at registration."""
    counts_from_ms: int | None
    """Hours that start here or later and are stated after the commissioning count; None before it."""


@fact
class Reopened:
    """A commissioned device measures with a register map that it was not commissioned with."""

    profile_hash: bytes
    from_ms: int
    """Every trial hour of the device that starts here or later was read with this map."""


@fact
class RegisterUnit:
    """Facts of `unit.register`."""

    unit: str
    party: str
    kind: str
    capacity_kw: int
    zone: str


@fact
class RegisterDevice:
    """Facts of `device.register`; the key was checked."""

    device: str
    unit: str
    alg: int
    public_key: bytes
    key_id: bytes
    profile_hash: bytes
    firmware: str
    new_source: bytes


@fact
class Commission:
    """Facts of `device.commission`."""

    device: str
    profile_hash: bytes
    witnessed: tuple[tuple[int, int], ...]
    """(start_ms, nox_g) of hours that the verifier checked by hand."""
    statement_hash: bytes


def find_unit(book: Book, unit: str) -> UnitEntry | None:
    """The entry of a unit, or None."""
    return book.read(UNITS, unit.encode(), _unit)


def put_unit(book: Book, unit: str, entry: UnitEntry) -> None:
    """Write the entry of a unit."""
    value: list[Value] = [
        entry.party,
        entry.kind,
        entry.capacity_kw,
        entry.zone,
        entry.account,
        entry.device,
    ]
    book.put(UNITS, unit.encode(), value)


def find_device(book: Book, device: str) -> DeviceEntry | None:
    """The entry of a device, or None."""
    return book.read(DEVICES, device.encode(), _device)


def put_device(book: Book, device: str, entry: DeviceEntry) -> None:
    """Write the entry of a device."""
    value: list[Value] = [
        entry.unit,
        entry.key_id,
        entry.profile_hash,
        entry.firmware,
        entry.source,
        entry.registered_ms,
        entry.counts_from_ms,
    ]
    book.put(DEVICES, device.encode(), value)


def find_reopened(book: Book, device: str) -> Reopened | None:
    """The map with which a commissioned device measures instead of its own, or None."""
    return book.read(REOPENED, device.encode(), _reopened)


def note_other_map(book: Book, device: str, profile_hash: bytes, *, start_ms: int, known_to_ms: int) -> None:
    """A commissioned device has stated an hour with another map. `known_to_ms` is the end of what was stated before.

    The map counts as in use from there on only: among earlier hours there may be some of a third map.
    """
    known = find_reopened(book, device)
    if known is not None and known.profile_hash == profile_hash:
        return
    from_ms = max(start_ms, known_to_ms)
    book.put(REOPENED, device.encode(), [profile_hash, from_ms])
    book.emit(["device.reopened", device, profile_hash, from_ms])


def register_unit(book: Book, act: Act, facts: RegisterUnit) -> None:
    """The regulator enters a unit of a party."""
    require(act.is_regulator, "4.1", "only the regulator registers a unit")
    require(is_name(facts.unit), "4.2", "a unit's name has 1 to 64 characters that can be seen")
    owner = parties.role_of(book, facts.party) == COMPANY
    require(owner, "4.3", "a unit is of an enrolled company: who regulates or verifies does not emit")
    require(find_unit(book, facts.unit) is None, "4.4", "a unit of that name is registered")
    require(facts.capacity_kw > 0, "4.5", "a unit has a capacity")
    put_unit(book, facts.unit, UnitEntry(facts.party, facts.kind, facts.capacity_kw, facts.zone, None, None))
    book.emit(["unit.registered", facts.unit, facts.party])


def register_device(book: Book, act: Act, facts: RegisterDevice) -> None:
    """The operator of a unit, or the regulator, enters the device that will state its hours."""
    unit = require_found(find_unit(book, facts.unit), "4.6", "the unit is not registered")
    entitled = act.is_regulator or (act.purpose == "officer" and act.party == unit.party)
    require(entitled, "4.7", "a device is registered by the unit's operator or by the regulator")
    require(is_name(facts.device), "4.8", "a device's name has 1 to 64 characters that can be seen")
    require(find_device(book, facts.device) is None, "4.9", "a device of that name is registered")
    known = keys.find_key(book, facts.key_id)
    own = known is None or (known.purpose == "device" and known.party == unit.party)
    require(own, "4.10", "a device key measures, and only for its own party")
    require(known is None or not known.revoked, "4.11", "the device key was revoked or has a successor")
    present = None if unit.device is None else find_device(book, unit.device)
    counting = present is not None and present.counts_from_ms is not None
    require(
        not counting or act.is_regulator, "4.12", "a commissioned device is replaced by the regulator only"
    )
    if known is None:
        key = keys.KeyEntry(facts.alg, facts.public_key, unit.party, COMPANY, "device", False)
        keys.put_key(book, facts.key_id, key)
    entry = DeviceEntry(
        facts.unit, facts.key_id, facts.profile_hash, facts.firmware, facts.new_source, act.clock_ms, None
    )
    put_device(book, facts.device, entry)
    put_unit(book, facts.unit, replace(unit, device=facts.device))
    signs.forget(book, facts.unit)
    numbering.create_source(
        book, facts.new_source, holder_key_id=facts.key_id, party=unit.party, device=facts.device
    )
    book.emit(["device.registered", facts.device, facts.unit, facts.new_source])


def commission(book: Book, act: Act, facts: Commission) -> None:
    """A verifier has witnessed hours of the device and found them right: its hours after the last of them count."""
    entitled = act.is_regulator or (act.role == VERIFIER and act.purpose == "officer")
    require(entitled, "4.13", "a device is commissioned by the regulator or by a verifier")
    device = require_found(find_device(book, facts.device), "4.14", "the device is not registered")
    unit = find_unit(book, device.unit)
    present = unit is not None and unit.device == facts.device
    require(present, "4.15", "the device is not the present device of its unit")
    own_map = facts.profile_hash == device.profile_hash
    reopened = None if device.counts_from_ms is None else find_reopened(book, facts.device)
    anew = device.counts_from_ms is None or not own_map
    require(anew, "4.16", "the device is commissioned already with this register map")
    in_use = own_map or (reopened is not None and reopened.profile_hash == facts.profile_hash)
    other = "the register map is not the registered one, nor what the commissioned device now measures with"
    require(in_use, "4.17", other)
    hours = len({start_ms for start_ms, _ in facts.witnessed})
    enough = hours >= figures.figure(book, "commission_hours_min")
    require(enough, "4.18", "fewer hours were witnessed than the channel demands")
    from_ms = 0 if reopened is None else reopened.from_ms
    agree = all(
        start_ms >= from_ms
        and day_book.trial_g(book, device.unit, facts.device, start_ms, own_map=own_map) == nox_g
        for start_ms, nox_g in facts.witnessed
    )
    own = "a witnessed hour is not a trial hour that this device stated so, with this register map"
    require(agree, "4.19", own)
    counts_from_ms = max(start_ms for start_ms, _ in facts.witnessed) + HOUR_MS
    entry = replace(device, profile_hash=facts.profile_hash, counts_from_ms=counts_from_ms)
    put_device(book, facts.device, entry)
    if reopened is not None:
        book.put(REOPENED, facts.device.encode(), None)
    book.emit(["device.commissioned", facts.device, device.unit, counts_from_ms])


def _unit(value: Value) -> UnitEntry | None:
    fields = fields_of(value, _UNIT)
    return None if fields is None else UnitEntry(*fields)


def _device(value: Value) -> DeviceEntry | None:
    fields = fields_of(value, _DEVICE)
    return None if fields is None else DeviceEntry(*fields)


def _reopened(value: Value) -> Reopened | None:
    fields = fields_of(value, _REOPENED)
    return None if fields is None else Reopened(*fields)
