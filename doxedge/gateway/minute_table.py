"""Minute means of a unit out of the raw samples on the disk, judged once more as the gateway judged them.

By the configuration that is given, the limits of its register maps and its site, and the standing of its monitors at
that time. The hour before is read as well, so that settling and standing still are what they were. What a sample was
worth by the clock stands on its hour, and is not judged here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from doxedge.gateway import meter_exchange, sample_rows
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.minute_rows import MinuteRow, minute_rows
from doxedge.measurement.quality import Assessor, ClockState
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.measurement.shared_stack import RunningUnits
from doxedge.quantity import HOUR_MS
from doxedge.store import look

AT_ONCE: Final = 5_000


def minute_table(
    folder: Path, planned: PlannedUnit, *, from_ms: int, to_ms: int, quantity: str | None = None
) -> list[MinuteRow]:
    """The minutes that begin in [from_ms, to_ms), of one quantity or of all. Raises StoreError.

    `folder` is where the stores lie.
    """
    standings = _standings(folder / "qa.db", planned.table.name)
    readings = (
        _stands(reading, standings)
        for reading in _readings(folder / "samples.db", planned, from_ms=from_ms, to_ms=to_ms)
        if quantity in (None, reading.quantity)
    )
    return minute_rows(readings, planned.hour)


def _readings(path: Path, planned: PlannedUnit, *, from_ms: int, to_ms: int) -> Iterator[Reading]:
    assessor, running, after = Assessor(planned.assessment), RunningUnits(), 0
    signals = planned.hour.signals
    while rows := look.samples(
        path, from_ms=from_ms - HOUR_MS, to_ms=to_ms, devices=planned.sampled, after=after, limit=AT_ONCE
    ):
        for row in rows:
            after = row.row_id
            if meter_exchange.is_exchange(row.device):
                continue
            sample = sample_rows.unpack(row.device, row.at_ms, row.raw)
            runs = running.any_of(planned.hour.runs_with(sample.device))
            judged = assessor.assess(sample, clock=ClockState.SYNCHRONISED, running=runs)
            running.note(judged, signals)
            if row.at_ms >= from_ms:
                yield from judged


def _standings(path: Path, unit: str) -> Mapping[str, Sequence[tuple[int, bool]]]:
    """By quantity since when its monitor was in control, or not."""
    found: dict[str, list[tuple[int, bool]]] = {}
    for entry in look.standings(path, unit) if path.exists() else ():
        found.setdefault(entry.quantity, []).append((entry.at_ms, bool(entry.body["in_control"])))
    return found


def _stands(reading: Reading, standings: Mapping[str, Sequence[tuple[int, bool]]]) -> Reading:
    known = standings.get(reading.quantity)
    if known is None or reading.quality is Quality.BAD:
        return reading
    place = bisect_right(known, (reading.at_ms, True))
    if place and known[place - 1][1]:
        return reading
    return replace(reading, quality=Quality.BAD, reason=Reason.OUT_OF_CONTROL)
