"""An emission limit, and how the running average of a stack stands to it. Alarms rest on it, and never a mass.

A concentration limit is in mg of NOx as NO2 per normal cubic metre of dry gas, at a reference oxygen where it has one
(`standardisation`); a mass limit is in grams an hour. Each minute is brought to the limit's own terms (MCERTS: the
first-level data may be), the average is over the valid time in operation alone (EN 17255-1), and what is held against
the limit is `max(0, average - confidence interval)`, the interval being a share of the limit (2010/75/EU, Annex V,
part 3, 9, and Annex VI, part 6, 1.3: 20 % for NOx). The comparison is exact; nothing is rounded.

    projected         the average at the end of the interval if it goes on as in the last minutes
    most_from_now     what the rest of the interval may be at most, so that the limit is just kept
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, Basis, is_plausible
from doxedge.measurement.emission import PPB_PER_PPM, EmissionSettings
from doxedge.measurement.standardisation import (
    NoStandardValue,
    Standard,
    at_reference_oxygen,
    dry_mg_per_m3,
    dry_share,
)
from doxedge.quantity import HOUR_MS, MINUTE_MS

PLAIN: Final = Standard()
MOISTURE: Final = "moisture_percent"
PRESENT_MINUTES: Final = 5
"""The last valid minutes that a projection goes on with: one alone would be noise."""
THIRDS_WANTED: Final = 2
"""Of an interval, in operation and valid, before its average is held against a limit (EN 17255-1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionLimit:
    """One limit of a unit; it holds for each of its stacks. Raises ValueError for what does not fit together."""

    name: str
    mg_per_m3: Decimal | None = None
    g_per_h: Decimal | None = None
    o2_reference_percent: Decimal | None = None
    """Of a concentration; None: at the oxygen that is there."""
    o2: str = "o2_percent"
    o2_basis: Basis = Basis.DRY
    standard: Standard = PLAIN
    confidence_percent: Decimal = Decimal(0)
    """Of the limit, taken off the average."""

    def __post_init__(self) -> None:
        if (self.mg_per_m3 is None) == (self.g_per_h is None):
            raise ValueError("either mg_per_m3 or kg_per_h: a limit is of a concentration or of a mass")
        if self.g_per_h is not None and self.o2_reference_percent is not None:
            raise ValueError("o2_reference_percent: a mass has no reference oxygen")
        reference = self.o2_reference_percent
        if reference is not None and not 0 <= reference < self.standard.o2_air:
            raise ValueError(f"o2_reference_percent: {reference} is not 0 to {self.standard.o2_air}")

    @property
    def value(self) -> Decimal:
        """In its own unit."""
        return next(one for one in (self.mg_per_m3, self.g_per_h, Decimal(0)) if one is not None)

    @property
    def unit(self) -> str:
        """Of the value."""
        return "mg/m3" if self.g_per_h is None else "g/h"

    @property
    def allowance(self) -> Decimal:
        """What is taken off an average."""
        with localcontext(PRECISE):
            return self.value * self.confidence_percent / 100

    def validated(self, average: Decimal) -> Decimal:
        """What is held against the limit."""
        return max(Decimal(0), average - self.allowance)

    def quantities(self, emission: EmissionSettings) -> frozenset[str]:
        """What a minute must have measured beside its mass rate; of one stack, by plain names."""
        if self.g_per_h is not None:
            return frozenset()
        oxygen = {self.o2} if self.o2_reference_percent is not None else set[str]()
        is_wet = emission.concentration_basis is Basis.WET or (oxygen and self.o2_basis is Basis.WET)
        moisture = {MOISTURE} - emission.constants.keys() if is_wet else set[str]()
        return frozenset({emission.concentration, *oxygen, *moisture})

    def minute(
        self, means: Mapping[str, Decimal | None], g_per_h: Decimal | None, emission: EmissionSettings
    ) -> Decimal | None:
        """A minute in the limit's terms; None without a valid mean of all it takes, and where the gas is nearly air."""
        if self.g_per_h is not None:
            return g_per_h
        ppb = means.get(emission.concentration)
        moisture = emission.constants.get(MOISTURE, means.get(MOISTURE))
        needed = [means.get(name) for name in self.quantities(emission)]
        if ppb is None or any(one is None for one in needed):
            return None
        water = Decimal(0) if moisture is None else moisture
        if not is_plausible(MOISTURE, water):
            return None
        try:
            with localcontext(PRECISE):
                ppm = ppb / PPB_PER_PPM
            mg = dry_mg_per_m3(ppm, emission.concentration_basis, water, self.standard)
            o2 = means.get(self.o2)
            if self.o2_reference_percent is None or o2 is None:
                return mg
            with localcontext(PRECISE):
                o2_dry = o2 / dry_share(water) if self.o2_basis is Basis.WET else o2
            return at_reference_oxygen(
                mg, o2_dry=o2_dry, o2_reference=self.o2_reference_percent, standard=self.standard
            )
        except NoStandardValue:
            return None


@dataclass(frozen=True, slots=True)
class LimitMinute:
    """One minute of a stack."""

    operating_ms: int
    value: Decimal | None
    """In the limit's terms; None where it is not known."""


@dataclass(frozen=True, slots=True)
class LimitCourse:
    """How one stack stands to one limit."""

    limit: EmissionLimit
    stack: str
    """Empty where there is one."""
    start_ms: int
    """Of the interval that runs."""
    end_ms: int
    minutes_valid: int
    average: Decimal | None
    """Of the interval so far, validated; None before the first valid minute."""
    projected: Decimal | None
    """At its end, validated; None while too little is known."""
    most_from_now: Decimal | None
    """None at the end, and while nothing is known; below 0: it cannot be kept any more."""
    last_start_ms: int
    """Of the last interval that is over."""
    last: Decimal | None
    """Its average, validated; None where too little of it was in operation and valid, or is remembered."""


def course_of(
    limit: EmissionLimit,
    stack: str,
    *,
    start_ms: int,
    minutes: int,
    so_far: Sequence[LimitMinute],
    last_start_ms: int,
    last: Sequence[LimitMinute],
) -> LimitCourse:
    """The course of an interval of so many minutes.

    so_far  its minutes that are over
    last    all minutes of the last interval that is over; none where nobody remembers it
    """
    valid = [one for one in so_far if one.value is not None and one.operating_ms]
    average, known_ms = _mean(valid)
    left_ms = (minutes - len(so_far)) * MINUTE_MS
    present, _ = _mean(valid[-PRESENT_MINUTES:])
    projected = most = None
    if average is not None and present is not None and len(valid) >= PRESENT_MINUTES:
        with localcontext(PRECISE):
            whole_ms = known_ms + left_ms
            projected = (average * known_ms + present * left_ms) / whole_ms
            if left_ms:
                most = ((limit.value + limit.allowance) * whole_ms - average * known_ms) / left_ms
    return LimitCourse(
        limit,
        stack,
        start_ms,
        start_ms + minutes * MINUTE_MS,
        len(valid),
        None if average is None else limit.validated(average),
        None if projected is None else limit.validated(projected),
        most,
        last_start_ms,
        _closed(limit, last, minutes),
    )


def interval_of(at_ms: int, minutes: int) -> int:
    """The beginning of the interval of an instant: on the grid of full hours."""
    return at_ms - at_ms % HOUR_MS % (minutes * MINUTE_MS)


def _closed(limit: EmissionLimit, interval: Sequence[LimitMinute], minutes: int) -> Decimal | None:
    average, known_ms = _mean([one for one in interval if one.value is not None])
    if average is None or 3 * known_ms < THIRDS_WANTED * minutes * MINUTE_MS:
        return None
    return limit.validated(average)


def _mean(minutes: Sequence[LimitMinute]) -> tuple[Decimal | None, int]:
    """(the mean weighted by the time in operation, that time in ms)."""
    known_ms = sum(one.operating_ms for one in minutes)
    if not known_ms:
        return None, 0
    with localcontext(PRECISE):
        total = sum((one.value * one.operating_ms for one in minutes if one.value is not None), Decimal(0))
        return total / known_ms, known_ms
