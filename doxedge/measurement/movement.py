"""What is plausible for a value, how fast it may move, and for how long it may stand still.

A value that is polled more often than its instrument measures comes again and again. What a judgement of it rests on is
then the time alone, and a whole group of such values costs as much as one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.measurement.judged_sample import JudgedValues
from doxedge.measurement.sample import Reason, Sample
from doxedge.quantity import SECOND_MS

MAX_EXPONENT: Final = 15
"""No instrument of a plant reports 10^16 of anything; beyond it a value is a decoding error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLimits:
    """What is plausible for one quantity of one device, in its canonical unit. None switches a check off."""

    hard_low: Decimal | None = None
    hard_high: Decimal | None = None
    soft_low: Decimal | None = None
    soft_high: Decimal | None = None
    max_rate_per_s: Decimal | None = None
    stuck_ms: int | None = None
    """A value that stands still for so long while the unit runs is stuck."""

    stuck_tolerance: Decimal = Decimal(0)
    """A value that moves by no more than this stands still; half of what the device resolves is a good choice."""

    span: Decimal | None = None

    @property
    def watches_movement(self) -> bool:
        """Whether the last value is remembered."""
        return self.max_rate_per_s is not None or self.stuck_ms is not None


NO_LIMITS: Final = ValueLimits()


@dataclass(slots=True)
class ValueMemory:
    """The last value, good or bad, and since when it stands still."""

    value: Decimal
    at_ms: int
    anchor: Decimal
    anchor_since_ms: int


@dataclass(slots=True)
class StandingStill:
    """A group of values that the instrument has said twice, as it was judged: good until the next of them is stuck."""

    by: object
    """Whoever judged: a device may be judged by the settings of two setups while a change takes over."""
    values: Mapping[str, Decimal | None]
    failures: Mapping[str, Reason]
    judged: JudgedValues
    memories: list[ValueMemory]
    """Of the values whose movement is watched; they are behind by the polls that were not looked at."""
    at_ms: int
    stuck_at_ms: int | None
    """When a value that is not stuck will be; None where none can."""
    unseen_ms: int | None
    """The shortest time for which a value may stand still: not seen for longer, it is no longer stuck."""

    @classmethod
    def begin(
        cls,
        by: object,
        sample: Sample,
        judged: JudgedValues,
        watched: Sequence[ValueMemory | None],
        limits: Sequence[ValueLimits],
    ) -> "StandingStill":
        """`watched` are the memories of the values, None where a movement does not count."""
        timed = [
            (memory.anchor_since_ms, limit.stuck_ms)
            for memory, limit in zip(watched, limits, strict=True)
            if memory is not None and limit.stuck_ms is not None
        ]
        ends_ms = [since_ms + stuck_ms for since_ms, stuck_ms in timed]
        return cls(
            by,
            sample.values,
            sample.failures,
            judged,
            [memory for memory in watched if memory is not None],
            sample.at_ms,
            min((end_ms for end_ms in ends_ms if end_ms > sample.at_ms), default=None),
            min((stuck_ms for _, stuck_ms in timed), default=None),
        )

    def holds_for(self, sample: Sample, *, running: bool) -> bool:
        """Whether a sample of the group is judged as the last one was.

        It is when it has the same mappings, as a driver gives them out while an instrument answers the same bytes.
        """
        return (
            sample.values is self.values
            and sample.failures is self.failures
            and running
            and self.at_ms <= sample.at_ms
            and (self.stuck_at_ms is None or sample.at_ms < self.stuck_at_ms)
            and (self.unseen_ms is None or sample.at_ms - self.at_ms <= self.unseen_ms)
        )

    def catch_up(self) -> None:
        """The values were seen until now."""
        for memory in self.memories:
            memory.at_ms = self.at_ms


def judge_movement(
    memories: dict[str, ValueMemory],
    quantity: str,
    decoded: Decimal,
    at_ms: int,
    limits: ValueLimits,
    running: bool,
) -> Reason | None:
    """How a value moved since the last poll: too fast, or not for too long; None where that is fine.

    A jump is measured from the value before, good or bad: a true step of the process costs one sample, not all
    that follow. A stamp that does not advance says nothing about a rate. A value that was not seen for longer than it
    may stand still did not stand still: an analyser that comes back after hours may well say what it said last.
    """
    fastest, stuck_ms = limits.max_rate_per_s, limits.stuck_ms
    if fastest is None and stuck_ms is None:
        return None
    memory = memories.get(quantity)
    if memory is None:
        memories[quantity] = ValueMemory(decoded, at_ms, decoded, at_ms)
        return None
    before, elapsed_ms = memory.value, at_ms - memory.at_ms
    memory.value, memory.at_ms = decoded, at_ms
    # Most values have not moved since the last poll, and then nothing need be worked out.
    has_moved = decoded != before
    too_fast = (
        fastest is not None
        and has_moved
        and elapsed_ms > 0
        and abs(decoded - before) * SECOND_MS > fastest * elapsed_ms
    )
    stuck = False
    stands_still = not has_moved or abs(decoded - memory.anchor) <= limits.stuck_tolerance
    unseen = stuck_ms is not None and elapsed_ms > stuck_ms
    if not running or not stands_still or unseen or at_ms < memory.anchor_since_ms:
        memory.anchor, memory.anchor_since_ms = decoded, at_ms
    elif stuck_ms is not None:
        stuck = at_ms - memory.anchor_since_ms >= stuck_ms
    if too_fast:
        return Reason.RATE
    return Reason.STUCK if stuck else None
