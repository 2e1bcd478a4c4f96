"""What tests of a unit's monitors gave, and from when on: the bias factor of a RATA.

A test holds for whole hours, from a stated border on, until a later test of its monitor holds. Monitors are named as
the unit names their quantities: `nox_ppb`, `west.nox_ppb`, `backup.nox_ppb`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from doxedge.quantity import HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class RataFactor:
    """The bias factor of one monitor by one RATA that passed."""

    monitor: str
    factor: Decimal
    """Three decimals, at least 1.000."""
    capped: Decimal
    """The same where a low emitter takes 1.111 instead of more."""
    ended_ms: int
    """When its last run ended: of two tests the later one counts."""
    since_ms: int
    """The beginning of the first hour it holds for."""
    test: str
    """SHA-256 of the file of the test, in hex digits."""

    def __post_init__(self) -> None:
        if self.since_ms % HOUR_MS:
            raise ValueError("a factor holds from the beginning of an hour on")


class KnownTests(Protocol):
    """Who knows what tests gave."""

    def rata(self, monitor: str, start_ms: int) -> RataFactor | None:
        """The factor of a monitor that holds in the hour at `start_ms`; None before its first test."""
        ...


class KeptTests:
    """The tests of one unit; told of each as it comes."""

    def __init__(self, tests: Iterable[RataFactor] = ()) -> None:
        """Those that are known already."""
        self._ratas: dict[str, list[RataFactor]] = {}
        for test in tests:
            self.put(test)

    def put(self, test: RataFactor) -> None:
        """One more; the same one twice counts once."""
        known = self._ratas.setdefault(test.monitor, [])
        if test not in known:
            known.append(test)

    def clear(self) -> None:
        """Nothing is known."""
        self._ratas.clear()

    def rata(self, monitor: str, start_ms: int) -> RataFactor | None:
        """As in `KnownTests`."""
        holding = [test for test in self._ratas.get(monitor, ()) if test.since_ms <= start_ms]
        return max(holding, key=lambda test: (test.ended_ms, test.since_ms), default=None)
