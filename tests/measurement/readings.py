"""Makers of samples and readings for the tests of this room."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import HOUR_MS, SECOND_MS

HOUR = 480_000 * HOUR_MS
"""The hour that the tests measure: 2024-10-04T00:00:00Z."""

POLL_MS = 5 * SECOND_MS


def reading(
    quantity: str,
    value: Decimal | int | str | None,
    at_ms: int,
    *,
    device: str = "analyser",
    quality: Quality | None = None,
    reason: Reason = Reason.NONE,
) -> Reading:
    """A good reading, or a bad one where no value is given."""
    decoded = None if value is None else Decimal(value)
    if quality is None:
        quality = Quality.BAD if decoded is None else Quality.GOOD
    if decoded is None and reason is Reason.NONE:
        reason = Reason.COMMS
    return Reading(device, quantity, at_ms, decoded, quality, reason)


def sample(
    at_ms: int,
    *,
    flags: Sequence[str] = (),
    monotonic_ns: int | None = None,
    **values: Decimal | int | str | None,
) -> Sample:
    """A sample of the device `analyser` whose two clocks agree unless told otherwise."""
    return Sample(
        "analyser",
        at_ms,
        at_ms * 1_000_000 if monotonic_ns is None else monotonic_ns,
        {name: None if value is None else Decimal(value) for name, value in values.items()},
        frozenset(flags),
    )


def settings(
    *, operating: OperatingSettings | None = None, coverage_percent: int = 75, max_gap_hours: int = 31 * 24
) -> HourSettings:
    """A unit whose mass needs two readings: dry NOx and dry flow at normal conditions."""
    return HourSettings(
        unit="unit-1",
        emission=EmissionSettings(concentration_basis=Basis.DRY, flow_basis=FlowBasis.NORMAL_DRY),
        operating=operating,
        coverage_percent=coverage_percent,
        max_gap_hours=max_gap_hours,
    )


PPB = Decimal(100_000)
FLOW_M3_PER_H = Decimal(100_000)
G_PER_H = 20_525
"""100 ppm x 2.0525 mg/m3 per ppm x 100,000 m3/h."""


def polls(start_ms: int, end_ms: int, period_ms: int = POLL_MS) -> Iterator[int]:
    """The instants at which a device is read."""
    yield from range(start_ms, end_ms, period_ms)


def stack(at_ms: int, *, ppb: Decimal | int | None = PPB, reason: Reason = Reason.NONE) -> list[Reading]:
    """One sample of the stack: NOx and flow together."""
    return [
        reading("nox_ppb", ppb, at_ms, device="stack", reason=reason),
        reading("flow_m3_per_h", FLOW_M3_PER_H, at_ms, device="stack"),
    ]
