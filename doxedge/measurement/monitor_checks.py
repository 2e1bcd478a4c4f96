"""The calibrations that were judged within one hour, by monitor, and what a failed one takes away.

A failed check says something of the monitor that failed it, and nothing of the others (40 CFR 60.13(h)(2)(iv); 75.24
for a backup): what that monitor measured in the hour counts from the pass on that follows, or not at all. Where a
backup stood in for it the hour rests on the backup, and the failed check does not decide the hour.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from doxedge.measurement.validity import CalibrationCheck, usable_from_ms
from doxedge.quantity import MINUTE_MS

EVERYTHING: Final = ""
"""Stands for the quantity of a check of which nobody says what it was of."""


class MonitorChecks:
    """Of one hour. A quantity is named as in the unit: `nox_ppb`, `backup.nox_ppb`, `west.nox_ppb`."""

    __slots__ = ("_by_quantity", "_start_ms", "_usable_ms")

    def __init__(self, start_ms: int) -> None:
        """None so far."""
        self._start_ms = start_ms
        self._by_quantity: dict[str, list[CalibrationCheck]] = {}
        self._usable_ms: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there was any."""
        return bool(self._by_quantity)

    def add(self, check: CalibrationCheck, quantity: str = EVERYTHING) -> None:
        """One more was judged."""
        checks = self._by_quantity.setdefault(quantity, [])
        checks.append(check)
        self._usable_ms[quantity] = usable_from_ms(self._start_ms, checks)

    def usable_from_ms(self, quantity: str) -> int:
        """From when what was measured of it in this hour counts; the end of the hour: never."""
        return self._usable_ms.get(quantity, self._start_ms)

    def counts(self, quantity: str, at_ms: int) -> bool:
        """Whether what was measured of it at this instant of the hour counts."""
        return at_ms >= self.usable_from_ms(quantity)

    def of(self, quantities: Collection[str]) -> bool:
        """Whether any was of these, or of nobody knows what."""
        return any(quantity in self._by_quantity for quantity in (EVERYTHING, *quantities))

    def replaced(self, backed: Iterable[str], minutes: Collection[int]) -> Iterator[str]:
        """The quantities that failed a check and for which their backup stood in.

        backed   those that have a backup
        minutes  minutes of the hour that have a mass: before the check counts again it can be by the backup alone
        """
        for quantity in backed:
            usable_ms = self.usable_from_ms(quantity)
            if any(self._start_ms + minute * MINUTE_MS < usable_ms for minute in minutes):
                yield quantity

    def deciding(self, quantities: Iterable[str]) -> list[CalibrationCheck]:
        """The checks that the hour is judged by: of the one of these quantities that counts again last."""
        known = [quantity for quantity in (EVERYTHING, *quantities) if quantity in self._by_quantity]
        last = max(known, key=self.usable_from_ms, default=EVERYTHING)
        return self._by_quantity.get(last, [])
