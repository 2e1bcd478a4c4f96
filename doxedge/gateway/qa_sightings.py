"""What one look at a monitor says about each of its conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.gateway.qa_due import TestTerm
from doxedge.measurement.alarms import Sighting
from doxedge.measurement.calibration_validity import Standing
from doxedge.quantity import DAY_MS, HOUR_MS

DUE_MS: Final = 4 * HOUR_MS
"""Before a pass ends to be good (measurement design, 7): time for a check, and for a second one."""
GAS_DUE_MS: Final = 14 * DAY_MS
"""Before the last day of a certificate: a new bottle takes about so long to come."""
_WITHOUT_RESULT: Final = frozenset({Standing.FAILED.value, Standing.ABORTED.value})


@dataclass(frozen=True, slots=True)
class MonitorFacts:
    """One monitor, as its desk knows it now."""

    subject: str
    """`<unit>.<quantity>`."""
    in_control: bool
    standing: str
    why: str
    valid_until_ms: int | None
    """When the last pass ends to be good; None without one."""
    gas_until_ms: int | None
    """When the first of its certificates ends; None where no gas has one."""
    test: TestTerm | None = None
    """The first of its tests that ends to be good; None where none was entered."""
    bias: tuple[Decimal, Decimal] | None = None
    """The bias factor that the last RATAs of the unit ask for, and the one that its mass is adjusted by.

    None where this monitor has no RATA."""
    drifts: str = ""
    """What the last readings on its QAL3 charts found."""
    calibrated_to: Decimal | None = None
    """The greatest reading that it was calibrated for: its span, or where its last QAL2 ends; None: not known."""
    outside: str = ""
    """Why the hours outside the range of its QAL2 ask for a new one; empty when they do not."""


def monitor_sightings(facts: MonitorFacts, *, now_ms: int) -> Iterator[Sighting]:
    """A check that is due, a pass that is over, a check without a pass, data that do not count, a bottle that ends."""
    left_ms = None if facts.valid_until_ms is None else facts.valid_until_ms - now_ms
    is_due = facts.in_control and left_ms is not None and left_ms < DUE_MS
    minutes = 0 if left_ms is None else max(0, left_ms // 60_000)
    yield Sighting(
        "calibration.due", facts.subject, is_due, f"the last pass is good for {minutes} minutes more"
    )
    because = f"{facts.standing}{f': {facts.why}' if facts.why else ''}"
    is_expired = facts.standing == Standing.EXPIRED.value
    yield Sighting("calibration.expired", facts.subject, is_expired, because)
    yield Sighting("calibration.failed", facts.subject, facts.standing in _WITHOUT_RESULT, because)
    yield Sighting("monitor.out_of_control", facts.subject, not facts.in_control, because)
    wanted, applied = facts.bias or (Decimal(1), Decimal(1))
    yield Sighting(
        "bias.low",
        facts.subject,
        applied < wanted,
        f"the last RATAs give a bias factor of {wanted}, and the mass is adjusted by {applied}",
    )
    yield Sighting("qal3.drift", facts.subject, bool(facts.drifts), facts.drifts or "the charts are quiet")
    outside = facts.outside or "the hours lie within the range of the last QAL2"
    yield Sighting("qal2.range", facts.subject, bool(facts.outside), outside)
    test = facts.test
    yield Sighting(
        "test.due",
        facts.subject,
        test is not None and test.until_ms - now_ms < GAS_DUE_MS,
        "" if test is None else f"the last {test.kind} that passed {test.words}",
    )
    gas_left_ms = None if facts.gas_until_ms is None else facts.gas_until_ms - now_ms
    days = 0 if gas_left_ms is None else max(0, gas_left_ms // DAY_MS)
    yield Sighting(
        "gas.expiring",
        facts.subject,
        gas_left_ms is not None and gas_left_ms < GAS_DUE_MS,
        f"the first of its certificates ends in {days} days",
    )
