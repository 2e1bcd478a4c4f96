"""What the node's status page shows of a unit while its hour runs; not signed, not stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from doxedge.measurement.hour import RunningHour
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason


def live_values(
    latest: Mapping[str, Reading], flags: Iterable[frozenset[str]], running: RunningHour | None
) -> Mapping[str, object]:
    """The last reading of every quantity, the worst quality among them, all flags, and the hour so far."""
    values = {name: None if r.value is None else str(r.value) for name, r in sorted(latest.items())}
    qualities = {reading.quality for reading in latest.values()}
    said = frozenset[str]().union(*flags)
    if any(reading.reason is Reason.OUT_OF_CONTROL for reading in latest.values()):
        said |= {Reason.OUT_OF_CONTROL.value}
    worst = next((q for q in (Quality.BAD, Quality.UNCERTAIN) if q in qualities), Quality.GOOD)
    return {
        "at_ms": max((r.at_ms for r in latest.values()), default=0),
        "hour_start_ms": running.start_ms if running else 0,
        "minutes_valid": running.minutes_valid if running else 0,
        "nox_g_running": running.nox_g if running else None,
        "values": values,
        "quality": worst.value if qualities else Quality.BAD.value,
        "flags": sorted(said),
    }
