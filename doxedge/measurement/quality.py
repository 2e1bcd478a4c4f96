"""Sample to readings: every value gets a quality and a reason.

The steps, in this order; the first that says bad decides, else the first that says uncertain:

    (1) clock              offset over 5 s is bad; over 1 s, unknown or just stepped is uncertain
    (2) failures           not read, not decoded: bad; a configured constant: uncertain
    (3) status flags       zero, span, maintenance, fault, held ...: bad; warning: uncertain
    (4) settling           too soon after zero, span or maintenance: bad
    (5) hard range         bad, of a stack value also what no stack has; negative beyond 2 % of span: bad
    (6) rate of change     bad
    (7) stuck              bad while the unit runs
    (8) soft range         uncertain
    (9) pair               NOx that is not NO + NO2: uncertain

Limits come from the profile of the device. Figures without a source are design defaults, and all are settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from doxedge.measurement.conversion import PLAUSIBLE_STACK
from doxedge.measurement.judged_sample import JudgedSample, JudgedValues, Layout, layout_of
from doxedge.measurement.movement import (
    MAX_EXPONENT,
    NO_LIMITS,
    StandingStill,
    ValueLimits,
    ValueMemory,
    judge_movement,
)
from doxedge.measurement.moving_group import GroupLimits, MovingGroup
from doxedge.measurement.reading import FINE, Judgement, Reading
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import MINUTE_MS, round_half_away

NANOSECONDS_PER_MS: Final = 1_000_000

QA_REASONS: Final = frozenset({Reason.ZERO, Reason.SPAN, Reason.MAINTENANCE})
"""What makes an hour one of required maintenance or quality assurance (40 CFR 60.13(h)(2)(iii))."""

FLAG_JUDGEMENTS: Final = (
    # Gas bottles before faults: an analyser on zero gas often reports a fault as well, and the hour must know
    # that a check was made.
    ("zero", Quality.BAD, Reason.ZERO),
    ("span", Quality.BAD, Reason.SPAN),
    ("maintenance", Quality.BAD, Reason.MAINTENANCE),
    ("out_of_service", Quality.BAD, Reason.OUT_OF_SERVICE),
    ("fault", Quality.BAD, Reason.DEVICE_FAULT),
    ("invalid", Quality.BAD, Reason.DEVICE_FAULT),
    ("held", Quality.BAD, Reason.HELD),
    ("out_of_range", Quality.BAD, Reason.RANGE),
    ("warning", Quality.UNCERTAIN, Reason.WARNING),
)
DOOR: Final = "door"
"""The contact of a cabinet is open: it says nothing of a value, and the regulator is told."""
BATTERY: Final = "battery"
"""The cabinet runs on its battery: values go on, and somebody should come."""
KNOWN_FLAGS: Final = frozenset({DOOR, BATTERY, *(flag for flag, _, _ in FLAG_JUDGEMENTS)})

NOX: Final = "nox_ppb"
PAIR: Final = (NOX, "no_ppb", "no2_ppb")
"""One sample often holds all three, and then they must agree."""
PAIRED: Final = frozenset(PAIR)

SOFT: Final[Judgement] = (Quality.UNCERTAIN, Reason.RANGE)
JUMPED: Final[Judgement] = (Quality.BAD, Reason.RATE)
UNPAIRED: Final[Judgement] = (Quality.UNCERTAIN, Reason.PAIR)


class ClockState(StrEnum):
    """How good the plant's clock was when the sample was stamped."""

    SYNCHRONISED = "synchronised"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"


def clock_state(offset_ms: int | None, *, warning_ms: int = 1_000, bad_ms: int = 5_000) -> ClockState:
    """The state of a clock with this estimated offset to UTC; None when no time server was heard.

    The two tolerances follow MCERTS and German practice (measurement design, 7) and are settings.
    """
    if offset_ms is None:
        return ClockState.UNKNOWN
    if abs(offset_ms) > bad_ms:
        return ClockState.BAD
    return ClockState.WARNING if abs(offset_ms) > warning_ms else ClockState.SYNCHRONISED


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentSettings:
    """The thresholds of the assessment for the devices of one unit."""

    limits: Mapping[str, ValueLimits] = field(default_factory=dict)
    """Quantity to what is plausible there; each quantity of a unit comes from one device."""

    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(device, quantity) to the name that its readings have in the unit, where two devices deliver the same one."""

    settling_ms: int = 3 * MINUTE_MS
    """Recovery time of a device after zero, span or maintenance."""

    negative_percent_of_span: int = 2
    """Drift below zero is averaged as measured down to this share of span; never clipped before averaging."""

    pair_percent: int = 5
    pair_floor_ppb: Decimal = Decimal(2_000)
    """NOx may differ from NO + NO2 by the larger of the two."""

    step_ms: int = 1_000
    """The stamps of two samples may disagree with the clock that is never set by so much (per unit of speed)."""

    clock_speed: Decimal | int = 1
    """Plant seconds per real second: 1 but for a compressed plant clock."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What stands in the samples of a group, and the limits of its values, worked out once."""

    layout: Layout
    limits: tuple[ValueLimits, ...]
    columns: GroupLimits


@dataclass(slots=True)
class _DeviceMemory:
    at_ms: int
    monotonic_ns: int
    step_ms: int = 0
    standing_flags: frozenset[str] = frozenset()
    settled_at_ms: int | None = None
    values: dict[str, ValueMemory] = field(default_factory=dict)
    moving: dict[str, MovingGroup] = field(default_factory=dict)
    """Groups that are all fine, by their first value: groups are polled apart."""
    still: dict[str, StandingStill] = field(default_factory=dict)
    """Groups that are not, likewise."""
    seen: dict[str, Mapping[str, Decimal | None]] = field(default_factory=dict)
    """The values of the last sample, likewise."""


class Assessor:
    """Judges the samples of a unit's devices. It remembers per value the last one and since when it stands still."""

    __slots__ = ("_before", "_devices", "_groups", "_kept", "_settings")

    def __init__(
        self,
        settings: AssessmentSettings,
        *,
        before: "Assessor | None" = None,
        kept: frozenset[str] = frozenset(),
    ) -> None:
        """`before` judged until now by other settings: what it remembers of the devices in `kept` goes on."""
        self._settings, self._before, self._kept = settings, before, kept
        self._devices: dict[str, _DeviceMemory] = {}
        self._groups: dict[tuple[str, ...], _Group] = {}
        """By device and quantities."""

    def forget_before(self) -> None:
        """Take over what is still to be taken over, and let go of whoever judged before."""
        if self._before is not None:
            known = {
                device: self._before._devices[device] for device in self._kept & self._before._devices.keys()
            }
            self._devices = {**known, **self._devices}
            self._before = None

    def assess(
        self, sample: Sample, *, clock: ClockState = ClockState.SYNCHRONISED, running: bool = True
    ) -> tuple[Reading, ...]:
        """One reading per value of the sample, in the sample's order.

        `running` says whether the unit runs: a value that stands still in a cold stack is not stuck.
        """
        return tuple(self.judge(sample, clock=clock, running=running))

    def judge(self, sample: Sample, *, clock: ClockState, running: bool) -> JudgedSample:
        """The same readings, none of which is made yet."""
        memory = self._remember_device(sample)
        if not sample.values:
            memory.standing_flags = sample.flags
        flags = sample.flags | memory.standing_flags
        for_all = _worst(self._judge_device(sample, memory, flags, clock))
        judged = self._judge_values(sample, memory, running)
        if for_all[0] is not Quality.GOOD:
            # The sample's own judgement comes first in the order of steps, so it decides between two of a kind.
            judgements = [
                for_all if of_value is FINE else _worst([for_all, of_value]) for of_value in judged.judgements
            ]
            judged = replace(judged, judgements=judgements)
        return JudgedSample(sample.at_ms, judged)

    def last_step_ms(self, device: str) -> int:
        """By how much the wall clock was set between the device's last two samples; 0 when it was not."""
        memory = self._devices.get(device)
        return memory.step_ms if memory else 0

    def _remember_device(self, sample: Sample) -> _DeviceMemory:
        """The device's memory, brought to this sample's instant; a step of the clock makes it forget its values."""
        memory = self._devices.get(sample.device)
        if memory is None and self._before is not None and sample.device in self._kept:
            memory = self._before._devices.get(sample.device)
            if memory is not None:
                self._devices[sample.device] = memory
        if memory is None:
            memory = self._devices[sample.device] = _DeviceMemory(sample.at_ms, sample.monotonic_ns)
            return memory
        elapsed_ns = sample.monotonic_ns - memory.monotonic_ns
        memory.step_ms = 0
        # A monotonic clock that goes back belongs to another boot: nothing can be said about the step.
        if elapsed_ns >= 0:
            drift_ms = sample.at_ms - memory.at_ms - self._plant_ms(elapsed_ns)
            if abs(drift_ms) > self._settings.step_ms * max(1, self._settings.clock_speed):
                memory.step_ms = drift_ms
                memory.values.clear()
                memory.moving.clear()
                memory.still.clear()
                if memory.settled_at_ms is not None:
                    memory.settled_at_ms += drift_ms
        memory.at_ms, memory.monotonic_ns = sample.at_ms, sample.monotonic_ns
        return memory

    def _plant_ms(self, elapsed_ns: int) -> int:
        numerator, denominator = self._settings.clock_speed.as_integer_ratio()
        return round_half_away(elapsed_ns * numerator, NANOSECONDS_PER_MS * denominator)

    def _judge_device(
        self, sample: Sample, memory: _DeviceMemory, flags: frozenset[str], clock: ClockState
    ) -> list[Judgement]:
        """Steps (1), (3) and (4): what holds for all values of the sample."""
        judgements: list[Judgement] = []
        if clock is ClockState.BAD:
            judgements.append((Quality.BAD, Reason.CLOCK))
        elif clock is not ClockState.SYNCHRONISED or memory.step_ms:
            judgements.append((Quality.UNCERTAIN, Reason.CLOCK))
        judgements += [(quality, reason) for flag, quality, reason in FLAG_JUDGEMENTS if flag in flags]
        if flags - KNOWN_FLAGS:
            judgements.append((Quality.UNCERTAIN, Reason.WARNING))
        if any(reason in QA_REASONS for _, reason in judgements):
            memory.settled_at_ms = sample.at_ms + self._settings.settling_ms
        elif memory.settled_at_ms is not None:
            if sample.at_ms < memory.settled_at_ms:
                judgements.append((Quality.BAD, Reason.SETTLING))
            else:
                memory.settled_at_ms = None
        return judgements

    def _judge_values(self, sample: Sample, memory: _DeviceMemory, running: bool) -> JudgedValues:
        """Steps (2) and (5) to (9) for every value: all at once where all are fine, or none has changed."""
        values, at_ms = sample.values, sample.at_ms
        first = next(iter(values), "")
        moving = memory.moving.get(first)
        if moving is not None:
            if moving.by is self and running and not sample.failures:
                if moving.stands(values, at_ms):
                    return moving.judged
                if moving.moves(values, at_ms):
                    moving.judged = self._paired(JudgedValues(moving.layout, moving.decoded, moving.fine))
                    return moving.judged
            moving.catch_up()
            del memory.moving[first]
        last = memory.still.get(first)
        if last is not None:
            if last.by is self and last.holds_for(sample, running=running):
                last.at_ms = at_ms
                return last.judged
            last.catch_up()
            del memory.still[first]
        return self._judge_one_by_one(sample, memory, first, running)

    def _judge_one_by_one(
        self, sample: Sample, memory: _DeviceMemory, first: str, running: bool
    ) -> JudgedValues:
        values, group = sample.values, self._group_of(sample)
        judgements = [
            self._judge_value(sample, memory, quantity, decoded, limits, running)
            for (quantity, decoded), limits in zip(values.items(), group.limits, strict=True)
        ]
        judged = self._paired(JudgedValues(group.layout, tuple(values.values()), judgements))
        if running:
            watched = _watched(sample, memory, group.limits)
            if judgements.count(FINE) == len(judgements):
                memory.moving[first] = MovingGroup(self, group.columns, values, watched, judged, sample.at_ms)
            # Worked out at the second sight: a group whose values change with every poll does not pay for it.
            elif memory.seen.get(first) is values and JUMPED not in judgements:
                memory.still[first] = StandingStill.begin(self, sample, judged, watched, group.limits)
        memory.seen[first] = values
        return judged

    def _group_of(self, sample: Sample) -> _Group:
        key = (sample.device, *sample.values)
        group = self._groups.get(key)
        if group is None:
            names = [
                self._settings.names.get((sample.device, quantity), quantity) for quantity in sample.values
            ]
            limits = tuple(
                _of_stack(self._settings.limits.get(name, NO_LIMITS), quantity)
                for name, quantity in zip(names, sample.values, strict=True)
            )
            layout = layout_of(sample.device, names, pair=_pair_in([*sample.values]))
            group = self._groups[key] = _Group(layout, limits, GroupLimits.of(limits))
        return group

    def _judge_value(
        self,
        sample: Sample,
        memory: _DeviceMemory,
        quantity: str,
        decoded: Decimal | None,
        limits: ValueLimits,
        running: bool,
    ) -> Judgement:
        """Steps (2) and (5) to (8) for one value: the first that is bad, else the first uncertain one, else fine."""
        failure = sample.failures.get(quantity)
        if decoded is None:
            return Quality.BAD, failure or Reason.COMMS
        if not decoded.is_finite():
            return Quality.BAD, Reason.NAN
        if failure is not None:
            return (Quality.UNCERTAIN if failure is Reason.DEFAULT else Quality.BAD), failure
        out_of_range = self._judge_range(decoded, limits)
        # Asked in any case, for it remembers the value.
        moved = judge_movement(memory.values, quantity, decoded, sample.at_ms, limits, running)
        if out_of_range is not None:
            return Quality.BAD, out_of_range
        if moved is not None:
            return Quality.BAD, moved
        return SOFT if _outside(decoded, limits.soft_low, limits.soft_high) else FINE

    def _judge_range(self, decoded: Decimal, limits: ValueLimits) -> Reason | None:
        """Step (5). Below zero the span decides, so that drift is averaged and not clipped."""
        if decoded.adjusted() > MAX_EXPONENT and decoded:
            return Reason.RANGE
        if limits.span is not None and decoded < 0:
            allowed = limits.span * self._settings.negative_percent_of_span
            return Reason.BELOW_RANGE if -decoded * 100 > allowed else None
        return Reason.RANGE if _outside(decoded, limits.hard_low, limits.hard_high) else None

    def _paired(self, judged: JudgedValues) -> JudgedValues:
        """Step (9): NOx against NO + NO2 where one sample holds all three, and all three are good."""
        places = judged.layout.pair
        if not places or any(judged.judgements[place][0] is not Quality.GOOD for place in places):
            return judged
        nox, no, no2 = (judged.decoded[place] for place in places)
        if nox is None or no is None or no2 is None:
            return judged
        allowed = max(abs(nox) * self._settings.pair_percent, self._settings.pair_floor_ppb * 100)
        if abs(nox - no - no2) * 100 <= allowed:
            return judged
        judgements = list(judged.judgements)
        for place in places:
            judgements[place] = UNPAIRED
        return replace(judged, judgements=judgements)


def _watched(
    sample: Sample, memory: _DeviceMemory, limits: Sequence[ValueLimits]
) -> list[ValueMemory | None]:
    """Of each value the memory that has just seen it; None where its movement does not count."""
    return [
        known
        if limit.watches_movement
        and (known := memory.values.get(quantity)) is not None
        and known.value is decoded
        and quantity not in sample.failures
        else None
        for (quantity, decoded), limit in zip(sample.values.items(), limits, strict=True)
    ]


def _pair_in(quantities: Sequence[str]) -> tuple[int, ...]:
    """The places of the three of step (9); none where one is missing."""
    return tuple(map(quantities.index, PAIR)) if PAIRED.issubset(quantities) else ()


def _of_stack(limits: ValueLimits, quantity: str) -> ValueLimits:
    """Step (5) for what no stack has, whatever map and site allow (measurement design, rule 17).

    Moisture below zero is drift of a zero and no other thing: the span decides, and the mean of the minute.
    """
    bounds = PLAUSIBLE_STACK.get(quantity)
    if bounds is None:
        return limits
    low, high = bounds
    lows = [one for one in (limits.hard_low, low or None) if one is not None]
    highs = [one for one in (limits.hard_high, high) if one is not None]
    return replace(limits, hard_low=max(lows, default=None), hard_high=min(highs))


def _outside(value: Decimal, low: Decimal | None, high: Decimal | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def _worst(judgements: list[Judgement]) -> Judgement:
    """The first bad one, else the first uncertain one, else fine."""
    for quality in (Quality.BAD, Quality.UNCERTAIN):
        for judgement in judgements:
            if judgement[0] is quality:
                return judgement
    return FINE
