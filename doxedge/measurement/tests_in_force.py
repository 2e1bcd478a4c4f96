"""What tests of a unit's monitors gave, and from when on: the bias factor of a RATA, the function of a QAL2.

A test holds for whole hours, from a stated border on, until a later test of its monitor holds. Monitors are named as
the unit names their quantities: `nox_ppb`, `west.nox_ppb`, `backup.nox_ppb`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Protocol, TypeVar

from doxedge.measurement.conversion import PRECISE
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


@dataclass(frozen=True, slots=True, kw_only=True)
class QalFunction:
    """The calibration function of one monitor by one QAL2 that passed: y = a + b x (EN 14181, 6), in its own unit."""

    monitor: str
    a: Decimal
    b: Decimal
    """Greater than 0."""
    highest: Decimal
    """Upper end of the valid range of y; the lower end is zero."""
    ended_ms: int
    since_ms: int
    """The beginning of the first hour it holds for."""
    test: str
    """SHA-256 of the file of the test, in hex digits."""

    def __post_init__(self) -> None:
        if self.since_ms % HOUR_MS:
            raise ValueError("a function holds from the beginning of an hour on")
        if self.b <= 0:
            raise ValueError(f"a slope of {self.b} is none of a calibration function")

    def apply(self, x: Decimal) -> Decimal:
        """The calibrated value."""
        with localcontext(PRECISE):
            return self.a + self.b * x

    def in_range(self, y: Decimal) -> bool:
        """Whether a calibrated value lies where the samples of the test were."""
        return 0 <= y <= self.highest


class KnownTests(Protocol):
    """Who knows what tests gave."""

    def rata(self, monitor: str, start_ms: int) -> RataFactor | None:
        """The factor of a monitor that holds in the hour at `start_ms`; None before its first test."""
        ...

    def function(self, monitor: str, start_ms: int) -> QalFunction | None:
        """The function of a monitor that holds in the hour at `start_ms`; None before its first test."""
        ...


class KeptTests:
    """The tests of one unit; told of each as it comes."""

    def __init__(self, tests: Iterable[RataFactor | QalFunction] = ()) -> None:
        """Those that are known already."""
        self._ratas: dict[str, list[RataFactor]] = {}
        self._functions: dict[str, list[QalFunction]] = {}
        self.version = 0
        """Another one whenever a test has come."""
        for test in tests:
            self.put(test)

    def put(self, test: RataFactor | QalFunction) -> None:
        """One more; the same one twice counts once."""
        if isinstance(test, RataFactor):
            self.version += _add(self._ratas, test)
        else:
            self.version += _add(self._functions, test)

    def knows(self, test: str) -> bool:
        """Whether the file of a RATA with this hash is among them."""
        return any(one.test == test for tests in self._ratas.values() for one in tests)

    def rata(self, monitor: str, start_ms: int) -> RataFactor | None:
        """As in `KnownTests`."""
        return _last(self._ratas.get(monitor, ()), start_ms)

    def function(self, monitor: str, start_ms: int) -> QalFunction | None:
        """As in `KnownTests`."""
        return _last(self._functions.get(monitor, ()), start_ms)


_Test = TypeVar("_Test", RataFactor, QalFunction)


def _add(tests: dict[str, list[_Test]], test: _Test) -> bool:
    """Whether it is a new one."""
    known = tests.setdefault(test.monitor, [])
    if test in known:
        return False
    known.append(test)
    return True


def _last(tests: Sequence[_Test], start_ms: int) -> _Test | None:
    """Of those that hold, the test that was made last; of two of one instant the one that was told last."""
    holding = [test for test in reversed(tests) if test.since_ms <= start_ms]
    return max(holding, key=lambda test: (test.ended_ms, test.since_ms), default=None)
