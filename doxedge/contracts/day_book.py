"""The hours of a unit, kept by day: one small list that a batch of hours touches once.

An entry is `[slot, nox_g, energy_wh, original, latest, revision, standing, device, with_own_map]`: the slot counts
hours from the day's midnight UTC, `original` and `latest` are record ids, the standing is trial, counted or gap (then
without mass), and the last two say who stated the latest and whether with the register map registered for it. Where the
mass was not measured, but computed by rules for missing data, a `true` follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from doxedge.contracts.rule import Book, Value
from doxedge.fact import fact
from doxedge.quantity import DAY_MS, HOUR_MS

ROOM: Final = "hours"
TRIAL: Final = 0
COUNTED: Final = 1
GAP: Final = 2
SUBSTITUTED: Final = "substituted"
"""The quality of an hour that was not measured."""
START_MS_MAX: Final = 2**31 * DAY_MS - HOUR_MS
"""The last hour of the last day that a key can name. Witnessed hours come from outside and are not yet judged."""


@fact
class HourEntry:
    """What the ledger knows of one hour of one unit."""

    start_ms: int
    nox_g: int
    energy_wh: int
    original: bytes
    latest: bytes
    revision: int
    standing: int
    device: str
    with_own_map: bool
    is_substituted: bool = False


class Page:
    """One UTC day of one unit: rows that are read and written in any order, and put back once."""

    __slots__ = ("is_written", "key", "rows")

    def __init__(self, key: bytes, rows: list[Any]) -> None:
        """`rows` are the page's own."""
        self.key, self.rows, self.is_written = key, rows, False


def open_page(book: Book, unit: str, at_ms: int) -> Page:
    """The page of the day that holds `at_ms`."""
    key = _key(unit, at_ms)
    return Page(key, list(_rows(book, key)))


def find_on(page: Page, start_ms: int) -> HourEntry | None:
    """The entry of the hour that starts at `start_ms`, a whole hour of the page's day, or None."""
    slot = start_ms % DAY_MS // HOUR_MS
    rows = page.rows
    if not rows or rows[-1][0] < slot:
        return None
    for row in rows:
        if row[0] == slot:
            return HourEntry(start_ms, *row[1:])
    return None


def state_on(
    page: Page,
    start_ms: int,
    *,
    nox_g: int,
    energy_wh: int,
    record_id: bytes,
    standing: int,
    device: str,
    with_own_map: bool,
    is_substituted: bool,
) -> None:
    """Write the first statement of an hour of the page's day."""
    slot = start_ms % DAY_MS // HOUR_MS
    row: list[Value] = [slot, nox_g, energy_wh, record_id, record_id, 0, standing, device, with_own_map]
    if is_substituted:
        row.append(True)
    _put_row(page, slot, row)


def write_on(page: Page, entry: HourEntry) -> None:
    """Write one hour of the page's day, replacing the entry of the same start."""
    slot = entry.start_ms % DAY_MS // HOUR_MS
    row: list[Value] = [
        slot,
        entry.nox_g,
        entry.energy_wh,
        entry.original,
        entry.latest,
        entry.revision,
        entry.standing,
        entry.device,
        entry.with_own_map,
    ]
    if entry.is_substituted:
        row.append(True)
    _put_row(page, slot, row)


def put_page(book: Book, page: Page) -> None:
    """Put back what was written. The page is not used afterwards: its rows are the ledger's now."""
    if page.is_written:
        book.put(ROOM, page.key, page.rows)


def find_hour(book: Book, unit: str, start_ms: int) -> HourEntry | None:
    """The entry of the hour that starts at `start_ms`, or None."""
    if not 0 <= start_ms <= START_MS_MAX or start_ms % HOUR_MS:
        return None
    return find_on(open_page(book, unit, start_ms), start_ms)


def trial_g(book: Book, unit: str, device: str, start_ms: int, *, own_map: bool) -> int | None:
    """The mass that this device stated for a trial hour, or None.

    `own_map` says whether the hour must have been read with the register map that was registered, or with another.
    A substitute is no reading: nobody could witness it.
    """
    entry = find_hour(book, unit, start_ms)
    if (
        entry is None
        or entry.is_substituted
        or entry.standing != TRIAL
        or entry.device != device
        or entry.with_own_map != own_map
    ):
        return None
    return entry.nox_g


def put_hour(book: Book, unit: str, entry: HourEntry) -> None:
    """Write one hour, replacing the entry of the same start."""
    page = open_page(book, unit, entry.start_ms)
    write_on(page, entry)
    put_page(book, page)


def day(book: Book, unit: str, at_ms: int) -> Iterator[HourEntry]:
    """The hours of the UTC day that holds `at_ms`, in order."""
    midnight_ms = at_ms - at_ms % DAY_MS
    for row in _rows(book, _key(unit, at_ms)):
        yield HourEntry(midnight_ms + row[0] * HOUR_MS, *row[1:])


def _put_row(page: Page, slot: int, row: list[Value]) -> None:
    """Hours come in order, nearly always."""
    rows = page.rows
    if rows and rows[-1][0] >= slot:
        others = [other for other in rows if other[0] != slot]
        rows[:] = sorted([*others, row], key=lambda other: other[0])
    else:
        rows.append(row)
    page.is_written = True


def _rows(book: Book, key: bytes) -> list[Any]:
    """The day's rows in the order of their slots, as this module wrote them."""
    stored = book.get(ROOM, key)
    return stored if isinstance(stored, list) else []


def _key(unit: str, at_ms: int) -> bytes:
    return unit.encode() + b"\0" + (at_ms // DAY_MS).to_bytes(4, "big", signed=True)
