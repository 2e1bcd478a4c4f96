"""What stands for a missing hour, and the recipe by which anybody can compute it again (40 CFR 75.31 to 75.33).

A gap is a run of operating hours without quality-assured data; hours in which the unit does not run neither end nor
lengthen it. Each hour of a gap is judged by the availability at that hour and by the length of the whole gap, which is
known only when the gap has ended: until then its substitutes are provisional. The look-back ends before the gap and
never begins more than three years (26,280 clock hours) before it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.availability import Availability, AvailabilityCounter
from doxedge.measurement.averaging import EXACT
from doxedge.measurement.conversion import PRECISE, reported
from doxedge.measurement.missing_data_rules import Method, Reading, Rules, Statistic
from doxedge.quantity import HOUR_MS, round_up

WITHOUT_LOAD: Final = 0
"""The load range of all hours where the rules know no ranges, or an hour states no load."""


@dataclass(frozen=True, slots=True)
class OperatingHour:
    """One hour in which the unit ran."""

    line: int
    """Where it stands in its file."""

    start_ms: int
    value: Decimal | None
    """What was reported, measured or not; adjusted for bias where there is an adjustment."""

    quality_assured: bool
    """True when the value was measured by a system in control."""

    load: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of operating hours without quality-assured data."""

    hours: tuple[OperatingHour, ...]
    before: OperatingHour | None
    """The quality-assured hour before it; None at the beginning of a series."""

    after: OperatingHour | None
    """The one that ends it; None while it lasts."""


@dataclass(frozen=True, slots=True)
class LookBack:
    """The hours that a statistic was made of: all quality-assured ones of a range in a stretch of time."""

    load_range: int
    """1 to 10; 0 when load does not matter."""

    wanted: int | None
    """How many hours were looked for; None: all there are."""

    hours: tuple[OperatingHour, ...]
    """In their order."""


@dataclass(frozen=True, slots=True)
class Substitute:
    """What stands for one hour."""

    hour: OperatingHour
    gap: Gap
    value: Decimal | None
    """Rounded as the parameter is reported; None where only the maximum potential would do and nobody states it, or
    where the equation decides whether a low or a high value is the safe one."""

    exact: Decimal | None
    method: Method
    """The line of the table; its code is the method code of the hour."""

    rule: str
    availability: Availability
    load_range: int
    look_back: LookBack | None
    chosen: Statistic
    """What the value is in the end."""

    candidates: Mapping[Statistic, Decimal] = field(default_factory=dict)
    """Every statistic that was computed on the way, exactly."""

    rank: int | None = None
    """The place of a percentile in the look-back, in ascending order from 1: nearest rank, ceil(p n / 100)."""

    rests_on: tuple[str, ...] = ()
    """The files of other systems whose hours were among those that availability and look-back were made of."""

    @property
    def provisional(self) -> bool:
        """True while the gap lasts: a longer gap may ask for a higher value."""
        return self.gap.after is None


def substitutes(
    hours: Sequence[OperatingHour], rules: Rules, *, from_ms: int | None = None, first_ms: int | None = None
) -> Iterator[Substitute]:
    """The substitute of every hour without quality-assured data. `hours` are in the order of time.

    from_ms   only those of hours from here on; the hours before count towards availability and look-backs
    first_ms  when the monitor began, where `hours` do not reach back so far
    """
    if not hours:
        return
    began_ms = hours[0].start_ms if first_ms is None else first_ms
    known = _Known(rules, max_load_of(hours, rules))
    counter = AvailabilityCounter(
        prior_operating_hours=rules.prior_operating_hours, prior_qa_hours=rules.prior_qa_hours
    )
    gaps = _gaps(hours)
    for hour in hours:
        availability = counter.count(quality_assured=hour.quality_assured)
        if hour.quality_assured:
            known.add(hour)
            continue
        if from_ms is not None and hour.start_ms < from_ms:
            continue
        gap = gaps[hour.start_ms]
        initial = known.is_initial(began_ms, hour.start_ms)
        yield _substitute(hour, gap, availability, known, rules, initial=initial)


def max_load_of(hours: Sequence[OperatingHour], rules: Rules) -> Decimal | None:
    """What the load ranges are shares of: the unit's maximum load, or else the greatest in the series."""
    return rules.max_load or max((hour.load for hour in hours if hour.load is not None), default=None)


def load_range(load: Decimal | None, max_load: Decimal | None, ranges: int) -> int:
    """1 to `ranges`, each an equal share of the maximum load with its upper border; 0 without a load.

    40 CFR 75, Appendix C, 2.2.1: range 1 is up to 10 %, range 10 above 90 %. More than the maximum is in the last.
    """
    if load is None or max_load is None or max_load <= 0:
        return WITHOUT_LOAD
    if load <= 0:
        return 1
    (load_n, load_d), (max_n, max_d) = load.as_integer_ratio(), max_load.as_integer_ratio()
    return min(ranges, max(1, round_up(load_n * max_d * ranges, load_d * max_n)))


def percentile_rank(percent: int, count: int) -> int:
    """Nearest rank: ceil(p n / 100), at least 1."""
    return max(1, round_up(percent * count, 100))


class _Known:
    """The quality-assured hours so far, at large and by load range."""

    def __init__(self, rules: Rules, max_load: Decimal | None) -> None:
        self._rules = rules
        self._max_load = max_load
        self._all: list[OperatingHour] = []
        self._by_range: dict[int, list[OperatingHour]] = {}
        # What was found since the last quality-assured hour: the hours of a gap ask for the same again and again.
        self._look_backs: dict[tuple[int, bool], LookBack | None] = {}
        self._statistics: dict[tuple[int, Statistic, int | None], Decimal] = {}

    def range_of(self, hour: OperatingHour) -> int:
        if not self._rules.by_load:
            return WITHOUT_LOAD
        return load_range(hour.load, self._max_load, self._rules.load_ranges)

    def add(self, hour: OperatingHour) -> None:
        self._look_backs.clear()
        self._statistics.clear()
        self._all.append(hour)
        place = self.range_of(hour)
        self._by_range.setdefault(place, []).append(hour)
        if self._rules.any_load and place != WITHOUT_LOAD:
            self._by_range.setdefault(WITHOUT_LOAD, []).append(hour)

    def is_initial(self, first_ms: int, start_ms: int) -> bool:
        """Whether the monitor is young: too few hours, and not three years yet."""
        if start_ms - first_ms >= self._rules.oldest_clock_hours * HOUR_MS:
            return False
        return len(self._all) + self._rules.prior_qa_hours < self._rules.initial_hours

    def earlier(self, wanted_range: int) -> LookBack | None:
        """All earlier hours of a range or, where it has none, of the next higher one that has."""
        key = (wanted_range, True)
        if key not in self._look_backs:
            self._look_backs[key] = self._fresh_earlier(wanted_range)
        return self._look_backs[key]

    def look_back(self, wanted_range: int, gap_ms: int) -> LookBack | None:
        """The look-back of a gap, which begins at `gap_ms`."""
        key = (wanted_range, False)
        if key not in self._look_backs:
            self._look_backs[key] = self._fresh_look_back(wanted_range, gap_ms)
        return self._look_backs[key]

    def statistic(self, statistic: Statistic, look_back: LookBack, rank: int | None) -> Decimal:
        """A statistic of one of the two."""
        key = (look_back.load_range, statistic, rank)
        if key not in self._statistics:
            self._statistics[key] = _statistic(statistic, _values(look_back.hours), rank)
        return self._statistics[key]

    def _fresh_earlier(self, wanted_range: int) -> LookBack | None:
        for place in range(wanted_range, self._rules.load_ranges + 1):
            if hours := self._by_range.get(place):
                return LookBack(place, None, tuple(hours))
            if wanted_range == WITHOUT_LOAD:
                break
        return None

    def _fresh_look_back(self, wanted_range: int, gap_ms: int) -> LookBack | None:
        wanted = self._rules.look_back_hours
        oldest_ms = gap_ms - self._rules.oldest_clock_hours * HOUR_MS
        if self._rules.reading is Reading.IN_RANGE:
            hours = self._by_range.get(wanted_range, [])[-wanted:]
        else:
            of_all = self._rules.any_load and wanted_range == WITHOUT_LOAD
            hours = [hour for hour in self._all[-wanted:] if of_all or self.range_of(hour) == wanted_range]
        hours = hours[bisect_left(hours, oldest_ms, key=lambda hour: hour.start_ms) :]
        return LookBack(wanted_range, wanted, tuple(hours)) if hours else None


def _gaps(hours: Sequence[OperatingHour]) -> dict[int, Gap]:
    """For every hour without quality-assured data, its gap."""
    gaps: dict[int, Gap] = {}
    run: list[OperatingHour] = []
    before: OperatingHour | None = None
    for hour in (*hours, None):
        if hour is not None and not hour.quality_assured:
            run.append(hour)
            continue
        if run:
            gap = Gap(tuple(run), before, hour)
            gaps |= {missing.start_ms: gap for missing in run}
            run = []
        before = hour
    return gaps


def _substitute(
    hour: OperatingHour,
    gap: Gap,
    availability: Availability,
    known: _Known,
    rules: Rules,
    *,
    initial: bool,
) -> Substitute:
    wanted_range = known.range_of(hour)
    if initial:
        method = rules.initial
        rule = f"fewer than {rules.initial_hours} quality-assured hours since certification"
        look_back = known.earlier(wanted_range) if method.statistic is Statistic.MEAN else None
    else:
        tier = rules.tier(availability.percent)
        method = tier.method(len(gap.hours))
        rule = tier.in_words(len(gap.hours))
        needs = method.statistic not in (Statistic.NEIGHBOURS, Statistic.POTENTIAL, Statistic.EITHER_SIDE)
        look_back = known.look_back(wanted_range, gap.hours[0].start_ms) if needs else None
    candidates: dict[Statistic, Decimal] = {}
    rank = None
    if look_back is not None:
        rank = percentile_rank(method.percent, len(look_back.hours)) if method.percent else None
        candidates[method.statistic] = known.statistic(method.statistic, look_back, rank)
    if method.statistic is Statistic.NEIGHBOURS or (method.or_neighbours and look_back is not None):
        beside = [one for one in (gap.before, gap.after) if one is not None]
        if gap.before is not None:  # without an hour before, nothing was ever measured
            candidates[Statistic.NEIGHBOURS] = _statistic(Statistic.MEAN, _values(beside), None)
    open_side = method.statistic is Statistic.EITHER_SIDE
    if not candidates and not open_side:
        if method.code != "07" and method.statistic is not Statistic.POTENTIAL:
            method = Method("12", Statistic.POTENTIAL)
            rule += "; no hour to look back to"
        if rules.maximum is not None:
            candidates[Statistic.POTENTIAL] = rules.maximum
    nothing = Statistic.EITHER_SIDE if open_side else Statistic.POTENTIAL
    chosen = max(candidates, key=lambda statistic: candidates[statistic], default=nothing)
    exact = candidates.get(chosen)
    return Substitute(
        hour,
        gap,
        None if exact is None else reported(exact, places=rules.places),
        exact,
        method,
        rule,
        availability,
        wanted_range,
        look_back,
        chosen,
        candidates,
        rank,
    )


def _statistic(statistic: Statistic, values: Sequence[Decimal], rank: int | None) -> Decimal:
    if statistic is Statistic.MAXIMUM:
        return max(values)
    if rank is not None:
        return sorted(values)[rank - 1]
    with localcontext(EXACT):
        total = sum(values, Decimal(0))
    with localcontext(PRECISE):
        return total / len(values)


def _values(hours: Sequence[OperatingHour]) -> list[Decimal]:
    """Quality-assured hours have a value: the readers of files see to it."""
    return [hour.value for hour in hours if hour.value is not None]
