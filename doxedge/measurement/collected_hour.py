"""The readings of one hour as they come in, and what is made of them when it closes."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from functools import partial
from typing import Final

from doxedge.measurement.apportioning import UnitHour, apportioning
from doxedge.measurement.averaging import MinuteMean
from doxedge.measurement.bias_in_force import bias_in_force
from doxedge.measurement.calibrated import calibrated_words
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.emission import (
    CALIBRATION_FAILED,
    EXTRAPOLATED,
    NO_DATA,
    START_STOP,
    TOO_FEW_POINTS,
    VALID,
    HourGap,
    HourRecord,
    MinuteRate,
    minute_rate,
)
from doxedge.measurement.energy import HourEnergy
from doxedge.measurement.hour_minutes import MINUTES, HourMinutes
from doxedge.measurement.hour_settings import HourSettings, Stack, backup_name
from doxedge.measurement.monitor_checks import EVERYTHING, MonitorChecks
from doxedge.measurement.operating import Operation
from doxedge.measurement.quality import QA_REASONS
from doxedge.measurement.reading import Reading
from doxedge.measurement.rule_sets import HourFacts
from doxedge.measurement.shared_stack import StackUnit, hour_of_unit
from doxedge.measurement.stack_mass import (
    JudgedStack,
    deciding,
    furthest_method,
    judged_stack,
    remarks_of,
)
from doxedge.measurement.tests_in_force import KnownTests
from doxedge.measurement.validity import QUADRANT_MS, CalibrationCheck
from doxedge.measurement.validity_eu import minutes_wanted
from doxedge.quantity import HOUR_MS, MINUTE_MS, Grams, round_half_away, whole

ASSUMED: Final = "assumed"
"""Remark on an operating signal that was lost: the unit counted as running."""
SCALED: Final = f"nox_g:{EXTRAPOLATED}"
"""Remark on an hour whose quality has another thing to say."""
CAPPED: Final = "diluent_cap_minutes"
"""Remark: in so many minutes the diluent cap took the place of a reading."""
BACKED: Final = "backup_minutes"
"""Remark: in so many minutes a backup instrument stood in."""


@dataclass(frozen=True, slots=True)
class RunningHour:
    """How an hour that is not over yet stands."""

    start_ms: int
    minutes_elapsed: int
    minutes_operating: int
    minutes_valid: int
    nox_g: Grams
    """Of the minutes measured so far, not scaled."""

    quadrants_empty: tuple[int, ...]
    """Quadrants (0 to 3) in which the unit ran and no valid point lies yet."""

    minutes_wanted: int | None = None
    """Valid minutes that make a whole hour of operation valid; None where quadrants decide."""


@dataclass(frozen=True, slots=True)
class MinuteStep:
    """One minute of an hour's mass, as whoever recomputes it by hand needs it."""

    minute: int
    operating_ms: int
    means: Mapping[str, Decimal | None]
    """Of each quantity that the mass needs, and of those beside: the mean of the minute, None without a valid one."""
    g_per_h: Mapping[str, Decimal | None]
    """The mass rate of each stack by its name; None for a minute that is filled by scaling."""

    units: Mapping[str, tuple[int, Decimal | None]] = field(default_factory=dict)
    """Of each unit that shares the stack: how many ms it ran, and its mean load in W."""


class CollectedHour:
    """One hour of one unit. The same sample twice counts once: the first stands."""

    __slots__ = (
        "_averaged",
        "_checks",
        "_fresh_minutes",
        "_minutes",
        "_rates",
        "_settings",
        "_stamps",
        "_tests",
        "start_ms",
    )

    def __init__(
        self,
        start_ms: int,
        settings: HourSettings,
        *,
        tests: KnownTests,
        before: "CollectedHour | None" = None,
    ) -> None:
        """`before` is the hour before, if it is known: a slow quantity may still stand from there."""
        self.start_ms = start_ms
        self._settings, self._tests = settings, tests
        self._averaged = settings.averaged
        self._stamps: dict[tuple[str, str], array[int]] = {}
        self._checks = MonitorChecks(start_ms)
        self._minutes: HourMinutes = HourMinutes(
            start_ms, settings, self._checks, tests=tests, before=None if before is None else before._minutes
        )
        self._rates: dict[str, list[MinuteRate | None]] = {
            stack.name: [None] * MINUTES for stack in settings.stacks
        }
        self._fresh_minutes = 0  # rates of the minutes before this one are up to date

    @property
    def samples(self) -> int:
        """Distinct samples of the hour."""
        return sum(len(stamps) for stamps in self._stamps.values())

    def add(self, readings: Sequence[Reading]) -> bool:
        """Take the readings of one sample in; False when the same sample was here before."""
        first = readings[0]
        offset_ms = first.at_ms - self.start_ms
        stamps = self._stamps.setdefault((first.device, first.quantity), array("L"))
        place = bisect_left(stamps, offset_ms)
        if place < len(stamps) and stamps[place] == offset_ms:
            return False
        stamps.insert(place, offset_ms)
        minute = offset_ms // MINUTE_MS
        for reading in readings:
            if reading.quantity in self._averaged:
                self._minutes.bucket(reading.quantity, minute).add(reading)
                self._fresh_minutes = min(self._fresh_minutes, minute)
        return True

    def add_check(self, check: CalibrationCheck, quantity: str = EVERYTHING) -> None:
        """A calibration of this quantity, as it is called in the unit, was judged in this hour."""
        self._checks.add(check, quantity)
        self._fresh_minutes = 0

    def forget_before(self) -> None:
        """Let the hour before go: this one will not be judged again."""
        self._minutes.forget_before()

    def means(self, quantity: str) -> list[MinuteMean]:
        """The minute means of a quantity, for the minutes that have readings."""
        return self._minutes.means(quantity)

    def judge(self, operation: Operation, energy: HourEnergy, *, revision: int = 0) -> HourRecord | HourGap:
        """The hour as it is known now. An hour that is not valid gives a gap, and no mass."""
        judged = self._judge(operation, energy, revision)
        shared = self._settings.shared
        if shared is None:
            return judged
        hours, rule_set = self._unit_hours(operation), self._settings.rules.stamp
        return hour_of_unit(judged, shared, operation, energy, hours, rule_set=rule_set)

    def _judge(self, operation: Operation, energy: HourEnergy, revision: int) -> HourRecord | HourGap:
        """All that came through the stacks."""
        settings = self._settings
        operating_ms = self._operating_ms(operation)
        percent = round_half_away(operation.operating_ms * 100, HOUR_MS)
        percent = max(1, percent) if operation.operating_ms else 0
        stacks = [self._judge_stack(stack, operation, operating_ms) for stack in settings.stacks]
        verdict = deciding(stacks).verdict
        remarks = self._remarks(operation, [stack.rates for stack in stacks]) | remarks_of(stacks)
        minutes_valid = min(len(stack.rates) for stack in stacks)
        if verdict.valid is False:
            told = tuple(sorted(remarks))
            return self._gap(deciding(stacks), percent, minutes_valid, energy, told, revision)
        extrapolated = any(stack.mass is not None and stack.mass.extrapolated for stack in stacks)
        if verdict.start_stop and extrapolated:
            remarks.add(SCALED)
        remarks |= self._calibrated(stacks)
        bias = stacks[0].bias if len(stacks) == 1 else None  # of several each is among the remarks
        return HourRecord(
            settings.unit,
            self.start_ms,
            settings.rules.stamp,
            percent,
            Grams(sum(stack.nox_g for stack in stacks)),
            energy.energy_wh,
            START_STOP if verdict.start_stop else EXTRAPOLATED if extrapolated else VALID,
            verdict.clause,
            furthest_method(stacks),
            minutes_valid,
            self.samples,
            energy.quality.value,
            tuple(sorted(remarks)),
            revision,
            None if bias is None else bias.factor,
            None if bias is None else stacks[0].unadjusted_g,
            () if bias is None else bias.by,
        )

    def steps(self, operation: Operation) -> list[MinuteStep]:
        """The mass of the hour, minute by minute."""
        steps, told = [], self._settings.needed | self._settings.beside
        for minute, operating_ms in enumerate(self._operating_ms(operation)):
            means = {quantity: self._minutes.mean_at(quantity, minute) for quantity in told}
            rates = {stack.name: self._rate(stack, minute) for stack in self._settings.stacks}
            g_per_h = {name: None if rate is None else rate.g_per_h for name, rate in rates.items()}
            units = {
                one.unit: (operation_ms[minute], self._minutes.mean_at(one.power_quantity, minute))
                for one, operation_ms in self._unit_minutes(operation)
            }
            steps.append(MinuteStep(minute, operating_ms, means, g_per_h, units))
        return steps

    def preview(self, operation: Operation, *, until_ms: int) -> RunningHour:
        """The hour as far as it has come."""
        settings = self._settings
        elapsed = min(MINUTES, max(0, -(-(until_ms - self.start_ms) // MINUTE_MS)))
        operating_ms = self._operating_ms(operation)
        stacks = [self._operating_rates(stack, operating_ms, elapsed) for stack in settings.stacks]
        with localcontext(PRECISE):
            gram_ms = sum(
                (rates[m].g_per_h * operating_ms[m] for rates in stacks for m in sorted(rates)), Decimal(0)
            )
            nox_g = Grams(max(0, whole(gram_ms / HOUR_MS)))
        if settings.shared is not None:
            how = apportioning(self._unit_hours(operation))
            nox_g = Grams(how.divide(nox_g)[settings.unit])
        minutes_per_quadrant = QUADRANT_MS // MINUTE_MS
        running = {m // minutes_per_quadrant for m in range(elapsed) if operating_ms[m]}
        covered = running.intersection(*({m // minutes_per_quadrant for m in rates} for rates in stacks))
        return RunningHour(
            self.start_ms,
            elapsed,
            sum(1 for m in range(elapsed) if operating_ms[m]),
            min(len(rates) for rates in stacks),
            nox_g,
            tuple(sorted(running - covered)),
            minutes_wanted(settings.averaging_minutes) if not settings.rules.by_quadrants else None,
        )

    def _gap(
        self,
        stack: JudgedStack,
        percent: int,
        minutes_valid: int,
        energy: HourEnergy,
        remarks: tuple[str, ...],
        revision: int,
    ) -> HourGap:
        cause = TOO_FEW_POINTS if self._stamps else NO_DATA
        names = self._names_of(next(one for one in self._settings.stacks if one.name == stack.name))
        if any(not self._checks.counts(name, self.start_ms) for name in (EVERYTHING, *names)):
            cause = CALIBRATION_FAILED
        return HourGap(
            self._settings.unit,
            self.start_ms,
            self.start_ms + HOUR_MS,
            cause,
            stack.verdict.clause,
            percent,
            minutes_valid,
            self.samples,
            energy.energy_wh,
            energy.quality.value,
            remarks,
            revision,
        )

    def _judge_stack(self, stack: Stack, operation: Operation, operating_ms: Sequence[int]) -> JudgedStack:
        """The hour of one stack by its own minutes and its own checks."""
        settings, names = self._settings, self._names_of(stack)
        rates = self._operating_rates(stack, operating_ms, MINUTES)
        replaced = frozenset(self._checks.replaced(names & settings.backups, rates.keys()))
        facts = HourFacts(
            start_ms=self.start_ms,
            operating=operation.spans,
            operating_ms=operating_ms,
            valid_minutes=rates.keys(),
            qa=self._is_qa(stack, operating_ms),
            checks=self._checks.deciding(sorted(names - replaced)),
        )
        return judged_stack(
            stack.name,
            settings.rules.judge(facts, averaging_minutes=settings.averaging_minutes),
            rates,
            start_ms=self.start_ms,
            operating_ms=operating_ms,
            replaced=replaced,
            names=names,
            bias=partial(bias_in_force, settings.emission, self._tests, self.start_ms, stack.name),
        )

    def _calibrated(self, stacks: Sequence[JudgedStack]) -> set[str]:
        """What the hour says of calibration functions: those of the monitors that made its mass."""
        settings = self._settings
        if not settings.emission.calibrated:
            return set()
        values: dict[str, list[Decimal]] = {}
        for judged, stack in zip(stacks, settings.stacks, strict=True):
            for name in self._names_of(stack):
                for minute, rate in judged.rates.items():
                    monitor = backup_name(name) if name in rate.backups else name
                    if (mean := self._minutes.mean_at(name, minute)) is not None:
                        values.setdefault(monitor, []).append(mean)
        of_gas = {stack.name_of(settings.emission.concentration) for stack in settings.stacks}
        of_gas |= {backup_name(name) for name in of_gas}
        return set(calibrated_words(values, of_gas, self._tests, self.start_ms))

    def _names_of(self, stack: Stack) -> frozenset[str]:
        """What is measured of a stack, by the names in the unit."""
        return frozenset(stack.name_of(quantity) for quantity in self._settings.emission.measured)

    def _rate(self, stack: Stack, minute: int) -> MinuteRate | None:
        """The mass rate of one stack; None when something that it needs was not measured."""
        means: dict[str, MinuteMean] = {}
        backups = set[str]()
        for quantity in self._settings.emission.measured:
            name = stack.name_of(quantity)
            mean, of_backup = self._minutes.counting(name, minute)
            if mean is None:
                return None
            means[quantity] = mean
            if of_backup:
                backups.add(name)
        rate = minute_rate(means, self._settings.emission)
        if rate is None or not (backups or stack.names):
            return rate
        remarks = frozenset((stack.name_of(quantity), reason) for quantity, reason in rate.remarks)
        return replace(rate, remarks=remarks, backups=frozenset(backups))

    def _operating_rates(self, stack: Stack, operating_ms: Sequence[int], upto: int) -> dict[int, MinuteRate]:
        """The mass rates of a stack in the minutes before `upto` in which the unit ran."""
        for minute in range(self._fresh_minutes, upto):
            for one in self._settings.stacks:
                self._rates[one.name][minute] = self._rate(one, minute)
        self._fresh_minutes = max(self._fresh_minutes, upto)
        found = self._rates[stack.name]
        return {m: rate for m in range(upto) if operating_ms[m] and (rate := found[m]) is not None}

    def _operating_ms(self, operation: Operation) -> list[int]:
        starts = range(self.start_ms, self.start_ms + HOUR_MS, MINUTE_MS)
        return [operation.within(start, start + MINUTE_MS) for start in starts]

    def _unit_minutes(self, operation: Operation) -> list[tuple[StackUnit, list[int]]]:
        """For each unit that shares the stack, how long it ran in each minute."""
        shared, ran = self._settings.shared, dict(operation.units)
        return [] if shared is None else [(one, self._operating_ms(ran[one.unit])) for one in shared.units]

    def _unit_hours(self, operation: Operation) -> list[UnitHour]:
        """What each unit did that shares the stack."""
        return [
            UnitHour(
                one.unit,
                sum(operating_ms),
                one.load_wh(
                    [self._minutes.mean_at(one.power_quantity, minute) for minute in range(MINUTES)],
                    operating_ms,
                ),
            )
            for one, operating_ms in self._unit_minutes(operation)
        ]

    def _is_qa(self, stack: Stack, operating_ms: Sequence[int]) -> bool:
        """True when a check, or maintenance in the unit's operation, was of this stack.

        60.13(h)(2)(iii) speaks of the monitoring system, which for a mass is all that it is made of: a flow monitor
        that is checked leaves its quarter of the hour as empty as an analyser does.
        """
        names = self._names_of(stack)
        if self._checks.of({*names, *map(backup_name, names)}):
            return True
        return any(
            operating_ms[minute] > 0
            for name in names
            for minute in self._minutes.with_reason(name, QA_REASONS)
        )

    def _remarks(self, operation: Operation, stacks: Sequence[Mapping[int, MinuteRate]]) -> set[str]:
        remarks = {
            f"{quantity}:{reason}"
            for rates in stacks
            for rate in rates.values()
            for quantity, reason in rate.remarks
        }
        signals = self._settings.signals
        for unit, ran in operation.units or ((self._settings.unit, operation),):
            if unit in signals and ran.assumed_ms:
                remarks.add(f"{signals[unit].quantity}:{ASSUMED}")
        for word, minutes in (
            (CAPPED, {m for rates in stacks for m, rate in rates.items() if rate.at_diluent_cap}),
            (BACKED, {m for rates in stacks for m, rate in rates.items() if rate.backups}),
        ):
            if minutes:
                remarks.add(f"{word}:{len(minutes)}")
        return remarks
