"""Where a device states hours of its unit: what they share is read before the first and written after the last."""

from __future__ import annotations

from doxedge.contracts import day_book, emissions, headroom, reception
from doxedge.contracts.day_book import HourEntry, Page
from doxedge.contracts.emissions import YearTotal
from doxedge.contracts.headroom import Allowance
from doxedge.contracts.rule import Act, Book
from doxedge.contracts.units import DeviceEntry, UnitEntry
from doxedge.quantity import DAY_MS


class UnitDesk:
    """The open books of one unit. It keeps them and decides nothing; what is not closed was never written."""

    __slots__ = (
        "_allowances", "_book", "_day", "_page", "_pages", "_sheet_as_read", "_totals", "_utc_offset_ms",
        "act", "device", "device_name", "name", "sheet", "unit",
    )  # fmt: skip

    def __init__(
        self, book: Book, act: Act, name: str, unit: UnitEntry, device: tuple[str, DeviceEntry]
    ) -> None:
        """For the device that acts. Of `act` everything but the record id holds for all that is stated here."""
        self.act, self.name, self.unit = act, name, unit
        self.device_name, self.device = device
        self.sheet = self._sheet_as_read = reception.find(book, name)
        """What the reception desk sees of the unit; another one is written when the books are closed."""
        self._book, self._utc_offset_ms = book, emissions.utc_offset_ms(book)
        self._pages: dict[int, Page] = {}
        self._day, self._page = -1, Page(b"", [])
        self._totals: dict[int, YearTotal] = {}
        self._allowances: dict[int, Allowance] = {}

    def find_hour(self, start_ms: int) -> HourEntry | None:
        """The entry of a whole hour from 1970 on, or None."""
        page = self._page if start_ms // DAY_MS == self._day else self._turn_to(start_ms)
        return day_book.find_on(page, start_ms)

    def put_hour(self, entry: HourEntry) -> None:
        """Write one hour, replacing the entry of the same start."""
        page = self._page if entry.start_ms // DAY_MS == self._day else self._turn_to(entry.start_ms)
        day_book.write_on(page, entry)

    def year_of(self, at_ms: int) -> int:
        """The calendar year in the geofence's standard time."""
        return emissions.calendar_year(at_ms + self._utc_offset_ms)

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
        if self.sheet is not self._sheet_as_read:
            reception.put(self._book, self.name, self.sheet)

    def _turn_to(self, start_ms: int) -> Page:
        """The page of a day, which then lies open: hours come in order."""
        day = start_ms // DAY_MS
        page = self._pages.get(day)
        if page is None:
            page = self._pages[day] = day_book.open_page(self._book, self.name, start_ms)
        self._day, self._page = day, page
        return page
