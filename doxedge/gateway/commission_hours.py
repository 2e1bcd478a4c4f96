"""Hours made once more from their raw samples, by the code that made them, and written out for a person to follow.

Hours that follow each other are computed in one run, as the gateway did: what stood at the end of one is known to the
next. The first hour of a run stands on its own samples alone. Nothing here reads a disk or a clock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from doxedge.gateway import meter_exchange, sample_rows
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.collected_hour import MinuteStep
from doxedge.measurement.emission import HourRecord
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.quality import Assessor, ClockState, clock_state
from doxedge.measurement.sample import Sample
from doxedge.measurement.shared_stack import RunningUnits
from doxedge.measurement.stated_tests import StatedTests
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.signing import canonical

SHOWN: Final = Context(prec=12, rounding=ROUND_HALF_EVEN)
"""A mean in a sheet has 12 digits: sixty of them add up to the same gram."""


class BadLeaf(ValueError):
    """A leaf that is no sample of the unit's instruments."""


@dataclass(frozen=True, slots=True)
class RawHour:
    """One hour as it was stated, with its samples."""

    start_ms: int
    leaves: Sequence[bytes]
    """In the order of the tree: canonical `[device, at_ms, raw]`."""
    clock_state: str
    """As the hour states it."""
    clock_offset_ms: int
    recipe: Sequence[object] = ()
    """What the hour says it rests on: among it, what tests gave."""


@dataclass(frozen=True, slots=True)
class MadeHour:
    """The same hour, computed now."""

    start_ms: int
    hour: HourRecord | None
    """None where the samples give no mass."""
    sheet: bytes
    """Minute by minute, CSV."""


def make_again(planned: PlannedUnit, hours: Iterable[RawHour]) -> list[MadeHour]:
    """Compute the hours, which are in the order of time. Raises BadLeaf."""
    made: list[MadeHour] = []
    for run in _runs(hours):
        made += _make_run(planned, run)
    return made


def _runs(hours: Iterable[RawHour]) -> Iterator[list[RawHour]]:
    run: list[RawHour] = []
    for hour in hours:
        if run and hour.start_ms != run[-1].start_ms + HOUR_MS:
            yield run
            run = []
        run.append(hour)
    if run:
        yield run


def _make_run(planned: PlannedUnit, run: Sequence[RawHour]) -> list[MadeHour]:
    settings = planned.hour
    tests = StatedTests((hour.start_ms, hour.recipe) for hour in run)
    assembler = HourAssembler(settings, start_ms=run[0].start_ms, tests=tests)
    assessor, running = Assessor(planned.assessment), RunningUnits()
    made: list[MadeHour] = []

    def close_until(at_ms: int) -> None:
        while len(made) < len(run):
            due_ms = run[len(made)].start_ms + HOUR_MS + settings.grace_ms
            if due_ms > at_ms:
                return
            made.append(_closed(planned, assembler, run[len(made)].start_ms, due_ms))

    for hour in run:
        clock = clock_of(hour)
        for leaf in hour.leaves:
            device, at_ms, raw = parts_of(leaf, planned)
            close_until(at_ms)
            if meter_exchange.is_exchange(device):
                if device == meter_exchange.device_of(planned.table.name):
                    _exchange(assembler, device, at_ms, raw)
                continue
            sample = _sample(device, at_ms, raw)
            runs = running.any_of(settings.runs_with(device))
            readings = assessor.assess(sample, clock=clock, running=runs)
            running.note(readings, settings.signals)
            assembler.add(readings)
    close_until(run[-1].start_ms + HOUR_MS + settings.grace_ms)
    return made


def _closed(planned: PlannedUnit, assembler: HourAssembler, start_ms: int, due_ms: int) -> MadeHour:
    closed = assembler.close(due_ms)
    found = next((one for one in closed if isinstance(one, HourRecord) and one.start_ms == start_ms), None)
    steps = assembler.steps(start_ms)
    return MadeHour(start_ms, found, sheet_of(planned.hour.needed, start_ms, steps))


def clock_of(hour: RawHour) -> ClockState:
    """How its samples are judged: by the clock that the hour states."""
    return ClockState.UNKNOWN if hour.clock_state == "unknown" else clock_state(hour.clock_offset_ms)


def parts_of(leaf: bytes, planned: PlannedUnit) -> tuple[str, int, bytes]:
    """(device, at_ms, raw) of a leaf. Raises BadLeaf."""
    try:
        value = canonical.decode(leaf, limit=sample_rows.ROW_BYTES_MAX + 1_024)
    except canonical.NonCanonical as error:
        raise BadLeaf(f"a leaf is not canonical: {error}") from error
    match value:
        case [str(device), int(at_ms), bytes(raw)] if type(at_ms) is int and device in planned.sampled:
            return device, at_ms, raw
    raise BadLeaf("a leaf is no sample of an instrument of the unit")


def _sample(device: str, at_ms: int, raw: bytes) -> Sample:
    try:
        return sample_rows.unpack(device, at_ms, raw)
    except ValueError as error:
        raise BadLeaf(str(error)) from error


def _exchange(assembler: HourAssembler, device: str, at_ms: int, raw: bytes) -> None:
    """It moves energy only. One that does not fit is left out, as the gateway does."""
    try:
        said = meter_exchange.from_row(device, at_ms, raw)
    except ValueError as error:
        raise BadLeaf(str(error)) from error
    with contextlib.suppress(meter_exchange.NotExchanged):
        said.tell(assembler)


def sheet_of(needed: frozenset[str], start_ms: int, steps: Sequence[MinuteStep]) -> bytes:
    """The hour minute by minute: what was measured, how long the unit ran, mass rate and grams of each stack.

    Of a shared stack the grams are the stack's, and behind them stands how long each unit ran, and its load.
    """
    quantities = sorted(needed)
    stacks = [*steps[0].g_per_h] if steps else [""]
    columns = [f"{stack}.{name}" if stack else name for stack in stacks for name in ("g_per_h", "g")]
    units = sorted({unit for step in steps for unit in step.units})
    shared = [f"{name}:{unit}" for unit in units for name in ("operating_s", "load_w")]
    lines = [",".join(["minute_utc_ms", *quantities, "operating_s", *columns, *shared])]
    for step in steps:
        means = [_shown(step.means.get(quantity)) for quantity in quantities]
        row = [str(start_ms + step.minute * MINUTE_MS), *means, _shown(Decimal(step.operating_ms) / 1_000)]
        for rate in step.g_per_h.values():
            row += [_shown(rate), _shown(None if rate is None else rate * step.operating_ms / HOUR_MS)]
        for unit in units:
            ran_ms, load_w = step.units[unit]
            row += [_shown(Decimal(ran_ms) / 1_000), _shown(load_w)]
        lines.append(",".join(row))
    return ("\n".join(lines) + "\n").encode("ascii")


def _shown(number: Decimal | None) -> str:
    if number is None:
        return ""
    return f"{SHOWN.plus(number).normalize(SHOWN):f}"
