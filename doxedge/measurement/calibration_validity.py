"""Is the monitor in control in this hour: the state machine of daily calibrations (40 CFR 75, Appendix B, 2.1.5).

    no prior test ──passed──> in control ──26 clock hours──> expired
                     failed, aborted: out of control until a test passes
                     event (repair, change): out of control until a test passes
    outage, in control before it ──restart──> grace, 8 operating hours or until the next test, then expired

A pass validates the clock hour it falls into and the 25 after it. A failed check makes its own hour out of control and
those after it; what it says of the hours before it is for the rule set to decide (forward only under Part 75; back to
the last pass under Part 60), so `suspect_from_ms` names the hour of the last pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from doxedge.quantity import HOUR_MS

VALID_CLOCK_HOURS: Final = 26
GRACE_OPERATING_HOURS: Final = 8


class Outcome(Enum):
    """How a daily check ended."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"


class Standing(Enum):
    """Whether the data of an hour count, and why not."""

    IN_CONTROL = "in control"
    GRACE = "in control (grace)"
    EXPIRED = "out of control: expired"
    FAILED = "out of control: failed"
    ABORTED = "out of control: aborted"
    NO_PRIOR_TEST = "out of control: no prior test"
    EVENT = "out of control: event"

    @property
    def in_control(self) -> bool:
        """True when the data count."""
        return self in (Standing.IN_CONTROL, Standing.GRACE)


_AFTER: Final = {Outcome.FAILED: Standing.FAILED, Outcome.ABORTED: Standing.ABORTED}


@dataclass(slots=True)
class CalibrationValidity:
    """The standing of one monitor. Tests, events and hours are told in the order of time.

    A test or an event is told before the hour it falls into. Raises ValueError for what comes out of order.
    """

    _cause: Standing = Standing.NO_PRIOR_TEST
    """Why there is no pass to go by; IN_CONTROL while there is one."""

    _passed_hour_ms: int | None = None
    _last_ms: int | None = None
    _operated: bool = False
    """Whether the unit ran in the hour before."""

    _before_outage: Standing | None = None
    """The standing of the last hour of operation."""

    _grace_hours: int = 0
    """What is left of a grace."""

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Plain values, to be stored."""
        return {
            "cause": self._cause.value,
            "passed_hour_ms": self._passed_hour_ms,
            "last_ms": self._last_ms,
            "operated": self._operated,
            "before_outage": None if self._before_outage is None else self._before_outage.value,
            "grace_hours": self._grace_hours,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> "CalibrationValidity":
        """The other way round. Raises ValueError for what `as_dict` did not make."""
        passed_hour_ms, last_ms = stored.get("passed_hour_ms"), stored.get("last_ms")
        operated, grace_hours, before = (
            stored.get("operated"),
            stored.get("grace_hours"),
            stored.get("before_outage"),
        )
        for name, instant in (("passed_hour_ms", passed_hour_ms), ("last_ms", last_ms)):
            if instant is not None and type(instant) is not int:
                raise ValueError(f"{name}: {instant!r} is not an instant")
        if type(operated) is not bool or type(grace_hours) is not int:
            raise ValueError(f"operated and grace_hours: {operated!r} and {grace_hours!r}")
        return cls(
            Standing(stored.get("cause")),
            passed_hour_ms if type(passed_hour_ms) is int else None,
            last_ms if type(last_ms) is int else None,
            operated,
            None if before is None else Standing(before),
            grace_hours,
        )

    @property
    def told_until_ms(self) -> int | None:
        """The latest instant that was told."""
        return self._last_ms

    @property
    def valid_until_ms(self) -> int | None:
        """The first hour that the last pass does not validate any more; None without a pass to go by."""
        if self._cause is not Standing.IN_CONTROL or self._passed_hour_ms is None:
            return None
        return self._passed_hour_ms + VALID_CLOCK_HOURS * HOUR_MS

    @property
    def suspect_from_ms(self) -> int | None:
        """The hour of the last pass: from there on data are suspect when the next check fails."""
        return self._passed_hour_ms

    def test(self, at_ms: int, outcome: Outcome) -> None:
        """A daily check was judged. Any ends a grace."""
        self._move_to(at_ms)
        self._grace_hours = 0
        if outcome is Outcome.PASSED:
            self._cause = Standing.IN_CONTROL
            self._passed_hour_ms = at_ms - at_ms % HOUR_MS
        else:
            self._cause = _AFTER[outcome]

    def event(self, at_ms: int) -> None:
        """Something was done to the monitor after which a test must pass first."""
        self._move_to(at_ms)
        self._grace_hours = 0
        self._cause = Standing.EVENT

    def hour(self, start_ms: int, *, operating: bool) -> Standing:
        """The standing of the hour that begins at `start_ms`, after its tests and events were told."""
        if start_ms % HOUR_MS:
            raise ValueError(f"{start_ms} ms is not the beginning of an hour")
        self._move_to(start_ms + HOUR_MS - 1)
        if not operating:
            self._operated = False
            return self._standing(start_ms, spend=False)
        if not self._operated:
            self._restart()
        standing = self._standing(start_ms, spend=True)
        self._operated, self._before_outage = True, standing
        return standing

    def _standing(self, start_ms: int, *, spend: bool) -> Standing:
        if self._cause is not Standing.IN_CONTROL or self._passed_hour_ms is None:
            return self._cause
        fresh = start_ms < self._passed_hour_ms + VALID_CLOCK_HOURS * HOUR_MS
        in_grace = self._grace_hours > 0
        if spend and in_grace:
            self._grace_hours -= 1  # the grace runs from the restart, also while the pass still holds
        if fresh:
            return Standing.IN_CONTROL
        return Standing.GRACE if in_grace else Standing.EXPIRED

    def _restart(self) -> None:
        """After an outage a grace begins, if the last hour before it was in control by a test.

        A grace that an outage interrupts goes on with what is left of it.
        """
        if self._before_outage is Standing.IN_CONTROL:
            self._grace_hours = GRACE_OPERATING_HOURS
        elif self._before_outage is not Standing.GRACE:
            self._grace_hours = 0

    def _move_to(self, at_ms: int) -> None:
        if self._last_ms is not None and at_ms < self._last_ms:
            raise ValueError(f"{at_ms} ms is told after {self._last_ms} ms")
        self._last_ms = at_ms
