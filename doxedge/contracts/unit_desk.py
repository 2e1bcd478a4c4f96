"""Where a device states hours of its unit: what they share is read before the first and written after the last."""

from __future__ import annotations

from doxedge.contracts import day_book, emissions, headroom, reception
from doxedge.contracts.day_book import HourEntry, Page
from doxedge.contracts.emissions import YearTotal
from doxedge.contracts.headroom import Allowance
from doxedge.contracts.reception import UnitReception
from doxedge.contracts.rule import Act, Book
from doxedge.contracts.units import DeviceEntry, UnitEntry
from doxedge.quantity import DAY_MS


class UnitDesk:
    """The open books of one unit. It keeps them and decides nothing; what is not closed was never written."""

    __slots__ = (
        "_allowances",
        "_book",
        "_pages",
        "_sheet",
        "_sheet_as_read",
        "_totals",
        "act",
        "device",
        "name",
        "unit",
    )

    def __init__(self, book: Book, act: Act, name: str, unit: UnitEntry, device: DeviceEntry) -> None:
        """For the device that acts. Of `act` everything but the record id holds for all that is stated here."""
        self.act, self.name, self.unit, self.device = act, name, unit, device
        self._book = book
        self._sheet = self._sheet_as_read = reception.find(book, name)
        self._pages: dict[int, Page] = {}
        self._totals: dict[int, YearTotal] = {}
        self._allowances: dict[int, Allowance] = {}

    @property
    def sheet(self) -> UnitReception:
        """What the reception desk sees of the unit."""
        return self._sheet

    def find_hour(self, start_ms: int) -> HourEntry | None:
        """The entry of a whole hour from 1970 on, or None."""
        return day_book.find_on(self._page(start_ms), start_ms)

    def put_hour(self, entry: HourEntry) -> None:
        """Write one hour, replacing the entry of the same start."""
        day_book.write_on(self._page(entry.start_ms), entry)

    def put_sheet(self, sheet: UnitReception) -> None:
        """Write what the reception desk sees."""
        self._sheet = sheet

    def find_total(self, year: int) -> YearTotal:
        """What the unit has emitted in a year."""
        return self._totals.get(year) or emissions.find(self._book, self.name, year)

    def put_total(self, year: int, total: YearTotal) -> None:
        """Write what the unit has emitted in a year."""
        self._totals[year] = total

    def find_allowance(self, account: str, year: int) -> Allowance:
        """What the emission of a year is compared with: no credits move while hours are stated."""
        allowed = self._allowances.get(year)
        if allowed is None:
            allowed = self._allowances[year] = headroom.allowance(self._book, account, year)
        return allowed

    def close(self) -> None:
        """Put back what was written."""
        for page in self._pages.values():
            day_book.put_page(self._book, page)
        for year, total in self._totals.items():
            emissions.put(self._book, self.name, year, total)
        if self._sheet is not self._sheet_as_read:
            reception.put(self._book, self.name, self._sheet)

    def _page(self, start_ms: int) -> Page:
        day = start_ms // DAY_MS
        page = self._pages.get(day)
        if page is None:
            page = self._pages[day] = day_book.open_page(self._book, self.name, start_ms)
        return page
