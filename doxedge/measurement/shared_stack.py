"""Several units on one stack: from the hour of the stack to the hour of one unit.

The stack's hour is judged over the time in which any of the units ran, and its mass is divided by `apportioning`. The
load of a unit is the mean of its power over its minutes of operation, times its operating time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from doxedge.measurement.apportioning import Apportioning, StackHour, UnitHour, apportioning
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.emission import PRIMARY_METHOD, VALID, HourGap, HourRecord
from doxedge.measurement.energy import HourEnergy
from doxedge.measurement.operating import OperatingSettings, Operation
from doxedge.measurement.reading import Reading
from doxedge.measurement.validity import NOT_OPERATING, Span
from doxedge.quantity import HOUR_MS, Grams, round_half_away, whole


@dataclass(frozen=True, slots=True)
class StackUnit:
    """One unit on a shared stack."""

    unit: str
    operating: OperatingSettings
    power_quantity: str
    """Its gross load."""

    def load_wh(self, means_w: Sequence[Decimal | None], operating_ms: Sequence[int]) -> int | None:
        """Of an hour, from 60 minute means; minutes without one are filled. None: it ran, and no minute has one."""
        covered_ms = sum(ran for mean, ran in zip(means_w, operating_ms, strict=True) if mean is not None)
        if not covered_ms:
            return None if any(operating_ms) else 0
        with localcontext(PRECISE):
            watt_ms = sum(
                (mean * ran for mean, ran in zip(means_w, operating_ms, strict=True) if mean is not None),
                Decimal(0),
            )
            return max(0, whole(watt_ms * sum(operating_ms) / covered_ms / HOUR_MS))


@dataclass(frozen=True, slots=True)
class SharedStack:
    """The units on the stack, by name, of which one is this hour's."""

    unit: str
    units: tuple[StackUnit, ...]

    @property
    def loads(self) -> frozenset[str]:
        """The quantities by which the mass is divided."""
        return frozenset(one.power_quantity for one in self.units)

    @property
    def nobody_knows(self) -> Apportioning:
        """Of an hour without a sample: who is not known to stand still ran."""
        return apportioning(UnitHour(one.unit, HOUR_MS, None) for one in self.units)

    def operation(self, of_unit: Callable[[str], Operation]) -> Operation:
        """When any of the units ran, with what each did."""
        units = tuple((one.unit, of_unit(one.unit)) for one in self.units)
        return Operation(
            _united(span for _, operation in units for span in operation.spans),
            sum(operation.assumed_ms for _, operation in units),
            units,
        )


class RunningUnits:
    """Which units run now, by the last value of each operating signal; one of which nothing was read runs."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._runs: dict[str, bool] = {}

    def note(self, readings: Iterable[Reading], signals: Mapping[str, OperatingSettings]) -> None:
        """New readings. `signals` is unit to its operating signal."""
        for reading in readings:
            for unit, signal in signals.items():
                if reading.quantity == signal.quantity:
                    self._runs[unit] = signal.runs_now(reading.value, before=self.runs(unit))

    def runs(self, unit: str) -> bool:
        """Whether a unit runs."""
        return self._runs.get(unit, True)

    def any_of(self, units: Iterable[str]) -> bool:
        """Whether any of them runs."""
        return any(self.runs(unit) for unit in units)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._runs.clear()


def hour_of_unit(
    stack: HourRecord | HourGap,
    shared: SharedStack,
    operation: Operation,
    energy: HourEnergy,
    hours: Iterable[UnitHour],
    *,
    rule_set: str,
) -> HourRecord | HourGap:
    """The unit's part of the stack's hour. A unit that stood still has an hour of 0 g also where the stack has none."""
    how = apportioning(hours)
    own = dict(operation.units)[shared.unit]
    percent = round_half_away(own.operating_ms * 100, HOUR_MS)
    percent = max(1, percent) if own.operating_ms else 0
    if isinstance(stack, HourGap):
        told = StackHour(stack.operating_percent, None, None, how)
        if own.operating_ms:
            return replace(stack, operating_percent=percent, stack=told)
        return HourRecord(
            shared.unit,
            stack.from_ms,
            rule_set,
            0,
            Grams(0),
            energy.energy_wh,
            VALID,
            NOT_OPERATING,
            PRIMARY_METHOD,
            0,
            stack.samples,
            energy.quality.value,
            stack.remarks,
            stack.revision,
            stack=told,
        )
    told = StackHour(stack.operating_percent, stack.nox_g, stack.unadjusted_g, how)
    part = replace(
        stack,
        operating_percent=percent,
        nox_g=Grams(how.divide(stack.nox_g)[shared.unit]),
        unadjusted_g=None,
        stack=told,
    )
    if own.operating_ms:
        return part
    return replace(part, quality=VALID, clause=NOT_OPERATING, minutes_valid=0)


def _united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Half-open stretches of time, in order and without overlap."""
    united: list[Span] = []
    for start_ms, end_ms in sorted(spans):
        if united and start_ms <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end_ms))
        else:
            united.append((start_ms, end_ms))
    return tuple(united)
