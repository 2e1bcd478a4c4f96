"""What a gateway knows of the hours of a unit, as the rules for missing data see them.

An hour on a ledger carries grams, so what is substituted is a mass rate: whole grams an hour of operation. An hour with
`nox_g` in `operating_percent` of its time has the rate 100 nox_g / operating_percent, and a substitute goes back the
same way. The load is the mean power while the unit ran, 100 energy_wh / operating_percent in watts. All four numbers
stand in the signed hours, so that whoever has them has the history; ties are rounded away from zero.

Where several units share a stack the history of each is that of the stack: its grams, the time in which any unit ran,
and the load of all. What of an hour is the unit's stands beside it. Hours of other units on the stack are no look-back.

Before the gateway's own hours there may be those of another system (`imported_hours`). They count like its own, and
what rests on them says so.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from doxedge.measurement.apportioning import UnitShare
from doxedge.measurement.availability import Availability, AvailabilityCounter
from doxedge.measurement.calibrated import range_words
from doxedge.measurement.emission import START_STOP
from doxedge.measurement.missing_data_rules import Rules
from doxedge.measurement.substitution import OperatingHour, Substitute, substitutes
from doxedge.quantity import HOUR_MS, Grams, round_half_away

STARTED_OR_STOPPED: Final = "hour:start_stop"
"""Remark on a measured hour with too little operation for a validated average."""
WHOLE_HOUR: Final = 100
"""Per cent of an hour."""


@dataclass(frozen=True, slots=True)
class KnownHour:
    """One closed hour."""

    start_ms: int
    operating_percent: int
    """0 to 100; 100 where nobody knows."""

    nox_g: int | None
    """As measured; None where there is no valid measurement."""

    energy_wh: int
    is_load_known: bool
    """Whether the energy is this hour's alone, and all of it: metered from border to border."""

    method_code: str
    """Of the measurement; empty without one."""

    quality_assured: bool
    minutes_valid: int = 0
    remarks: tuple[str, ...] = ()
    """Of a missing hour: what a reader should know, as `quantity:reason`."""

    share: UnitShare | None = None
    """Where the unit shares its stack, all before is the stack's, with the load of all units; and this the unit's."""

    source: str = ""
    """Of an hour that another system measured: the file that it comes from (`imported_hours.source_name`)."""

    @property
    def is_missing(self) -> bool:
        """Whether the unit ran and the rules ask for a substitute."""
        return self.operating_percent > 0 and not self.quality_assured

    @property
    def units(self) -> tuple[str, ...]:
        """Who shares the stack. Hours of other units say nothing of these."""
        return () if self.share is None else self.share.apportioning.units

    def own_g(self, stack_g: int) -> int:
        """What is the unit's of a mass of the hour."""
        return stack_g if self.share is None else self.share.part(stack_g)

    @property
    def load_w(self) -> int | None:
        """Mean power while the unit ran; None where the energy is not known."""
        if not self.is_load_known or not self.operating_percent:
            return None
        return round_half_away(self.energy_wh * WHOLE_HOUR, self.operating_percent)


@dataclass(frozen=True, slots=True)
class Outlook:
    """How available the monitor is, and what the next hour without a measurement would cost."""

    availability: Availability
    next_gap_hour: Substitute | None
    """For a whole hour at the last known load; None before the first hour of operation."""

    is_initial: bool
    """Whether the monitor is too young for the thresholds of availability to count."""


def kept_remarks(quality: object, remarks: Iterable[object]) -> tuple[str, ...]:
    """What the history keeps of what a measured hour says, beside its numbers."""
    started = (STARTED_OR_STOPPED,) if quality == START_STOP else ()
    return (*range_words(remarks), *started)


def rate_g_per_h(nox_g: int, operating_percent: int) -> int:
    """The mass rate while the unit ran. Raises ZeroDivisionError for an hour without operation."""
    return round_half_away(nox_g * WHOLE_HOUR, operating_percent)


def grams(g_per_h: Decimal, operating_percent: int) -> Grams:
    """The mass of an hour at a rate."""
    numerator, denominator = g_per_h.as_integer_ratio()
    return Grams(round_half_away(numerator * operating_percent, denominator * WHOLE_HOUR))


def operating_hours(history: Sequence[KnownHour]) -> list[OperatingHour]:
    """The hours in which the unit ran; `line` counts them."""
    ran = (hour for hour in history if hour.operating_percent)
    return [_operating(hour, place) for place, hour in enumerate(ran, 1)]


def history_begins_ms(gap_ms: int, rules: Rules) -> int:
    """What is older than this is not looked at for a gap that begins at `gap_ms`."""
    return gap_ms - rules.oldest_clock_hours * HOUR_MS


def substitutes_of(
    history: Sequence[KnownHour], rules: Rules, wanted: Collection[int], *, began_ms: int
) -> Iterator[Substitute]:
    """The substitutes of the wanted hours, in the order of time.

    history   all that is known, in the order of time; three years before the first wanted gap suffice
    wanted    beginnings of missing hours; others are passed over
    began_ms  when the gateway's own hours began, also where the oldest of them were let go
    """
    for known_since_ms, of_stack in _by_stack(history, began_ms):
        hours = operating_hours(of_stack)
        for first, end in _gaps(hours):
            if not any(hour.start_ms in wanted for hour in hours[first:end]):
                continue
            gap_ms = hours[first].start_ms
            oldest_ms = history_begins_ms(gap_ms, rules)
            known = [hour for hour in hours[: end + 1] if hour.start_ms >= oldest_ms]
            since_ms = _since_ms(of_stack, known_since_ms, oldest_ms)
            aged = _aged(rules, since_ms, gap_ms)
            rests_on = _sources(of_stack, from_ms=oldest_ms)
            for one in substitutes(known, aged, from_ms=gap_ms, first_ms=since_ms):
                if one.hour.start_ms in wanted:
                    yield replace(one, rests_on=rests_on)


def outlook(history: Sequence[KnownHour], rules: Rules, *, began_ms: int) -> Outlook:
    """After the last hour of `history`."""
    began_ms, history = [*_by_stack(history, began_ms)][-1] if history else (began_ms, history)
    hours = operating_hours(history)
    if not hours:
        return Outlook(Availability(0, 0), None, is_initial=True)
    next_ms = history[-1].start_ms + HOUR_MS
    began_ms = _since_ms(history, began_ms, history_begins_ms(next_ms, rules))
    aged = _aged(rules, began_ms, next_ms)
    counter = AvailabilityCounter(
        prior_operating_hours=aged.prior_operating_hours, prior_qa_hours=aged.prior_qa_hours
    )
    now = Availability(0, 0)
    for hour in hours:
        if hour.start_ms >= history_begins_ms(next_ms, rules):
            now = counter.count(quality_assured=hour.quality_assured)
    load = next((hour.load for hour in reversed(hours) if hour.load is not None), None)
    missing = OperatingHour(len(hours) + 1, next_ms, None, quality_assured=False, load=load)
    cost = next(
        substitutes(
            [hour for hour in [*hours, missing] if hour.start_ms >= history_begins_ms(next_ms, rules)],
            aged,
            from_ms=next_ms,
            first_ms=began_ms,
        )
    )
    return Outlook(now, cost, is_initial=cost.method == rules.initial)


def _by_stack(history: Sequence[KnownHour], began_ms: int) -> Iterator[tuple[int, Sequence[KnownHour]]]:
    """(when it began, the hours) of each stretch of time with the same units on the stack, in order."""
    first = 0
    for place in range(1, len(history) + 1):
        if place == len(history) or history[place].units != history[first].units:
            yield (history[first].start_ms if first else began_ms), history[first:place]
            first = place


def _since_ms(history: Sequence[KnownHour], own_ms: int, oldest_ms: int) -> int:
    """When the monitor began: with the gateway's own hours, or with those of files that are not too old to count."""
    told = (hour.start_ms for hour in history if hour.source and hour.start_ms >= oldest_ms)
    return min(own_ms, next(told, own_ms))


def _sources(history: Sequence[KnownHour], *, from_ms: int) -> tuple[str, ...]:
    """The files from which hours since `from_ms` come, the newest first. All lie before the gateway's own, and so
    before every gap that is filled."""
    return tuple(
        dict.fromkeys(hour.source for hour in reversed(history) if hour.source and hour.start_ms >= from_ms)
    )


def _operating(hour: KnownHour, place: int) -> OperatingHour:
    value = None if hour.nox_g is None else Decimal(rate_g_per_h(hour.nox_g, hour.operating_percent))
    load = None if hour.load_w is None else Decimal(hour.load_w)
    return OperatingHour(place, hour.start_ms, value, hour.quality_assured, load)


def _gaps(hours: Sequence[OperatingHour]) -> Iterator[tuple[int, int]]:
    """(place of the first hour, place behind the last) of every gap."""
    first: int | None = None
    for place, hour in enumerate(hours):
        if not hour.quality_assured:
            first = place if first is None else first
        elif first is not None:
            yield first, place
            first = None
    if first is not None:
        yield first, len(hours)


def _aged(rules: Rules, began_ms: int, at_ms: int) -> Rules:
    """Hours before the history count no longer when it is three years old."""
    if began_ms > history_begins_ms(at_ms, rules):
        return rules
    return replace(rules, prior_operating_hours=0, prior_qa_hours=0)
