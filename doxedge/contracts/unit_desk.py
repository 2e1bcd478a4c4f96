"""Where a device states hours of its unit: what they share is read before the first and written after the last."""

from __future__ import annotations

from doxedge.contracts import day_book, emissions, figures, headroom, reception
from doxedge.contracts.day_book import Page
from doxedge.contracts.emissions import OpenTotal
from doxedge.contracts.headroom import Allowance
from doxedge.contracts.reception import OpenSheet
from doxedge.contracts.rule import Act, Book
from doxedge.contracts.units import DeviceEntry, UnitEntry
from doxedge.quantity import DAY_MS


class UnitDesk:
    """The open books of one unit. It keeps them and decides nothing; what is not closed was never written."""

    __slots__ = (
        "_allowances", "_book", "_figures", "_page", "_page_day", "_pages", "_total", "_total_day", "_totals",
        "_utc_offset_ms", "act", "device", "device_name", "name", "sheet", "unit",
    )  # fmt: skip

    def __init__(
        self, book: Book, act: Act, name: str, unit: UnitEntry, device: tuple[str, DeviceEntry]
    ) -> None:
        """For the device that acts. Of `act` everything but the record id holds for all that is stated here."""
        self.act, self.name, self.unit = act, name, unit
        self.device_name, self.device = device
        self.sheet = OpenSheet(reception.find(book, name))
        """What the reception desk sees of the unit."""
        self._book, self._utc_offset_ms = book, emissions.utc_offset_ms(book)
        self._pages: dict[int, Page] = {}
        self._page_day, self._page = -1, Page(b"", [])
        self._totals: dict[int, OpenTotal] = {}
        self._total_day: int | None = None
        self._total = OpenTotal(0, emissions.NOTHING)
        self._allowances: dict[int, Allowance] = {}
        self._figures: dict[str, int] = {}

    def page_of(self, start_ms: int) -> Page:
        """The page of the day of a whole hour from 1970 on, which then lies open: hours come in order."""
        day = start_ms // DAY_MS
        if day != self._page_day:
            if day not in self._pages:
                self._pages[day] = day_book.open_page(self._book, self.name, start_ms)
            self._page_day, self._page = day, self._pages[day]
        return self._page

    def total_of(self, start_ms: int) -> OpenTotal:
        """What the unit has emitted in the year of an hour, in the geofence's standard time."""
        local_ms = start_ms + self._utc_offset_ms
        day = local_ms // DAY_MS
        if day != self._total_day:
            year = emissions.calendar_year(local_ms)
            if year not in self._totals:
                self._totals[year] = OpenTotal(year, emissions.find(self._book, self.name, year))
            self._total_day, self._total = day, self._totals[year]
        return self._total

    def allowance_of(self, account: str, year: int) -> Allowance:
        """What the emission of a year is compared with: no credits move while hours are stated."""
        allowed = self._allowances.get(year)
        if allowed is None:
            allowed = self._allowances[year] = headroom.allowance(self._book, account, year)
        return allowed

    def figure(self, name: str) -> int:
        """The value in force: no figure changes while hours are stated."""
        value = self._figures.get(name)
        if value is None:
            value = self._figures[name] = figures.figure(self._book, name)
        return value

    def close(self) -> None:
        """Put back what was written."""
        for page in self._pages.values():
            day_book.put_page(self._book, page)
        for year, total in self._totals.items():
            emissions.put(self._book, self.name, year, total.read())
        self.sheet.close(self._book, self.name)
