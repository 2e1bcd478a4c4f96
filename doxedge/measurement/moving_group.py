"""A group of values that are all fine, and the question whether they still are, asked of all of them at once.

A gateway judges tens of thousands of values a second, and hardly ever is anything wrong with one. What is said here of
a poll is that every value is fine, or nothing: then the values are judged one by one (`quality`, steps (5) to (8)), by
memories that are as if they had seen every poll.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from operator import add, ge, gt, le, sub
from typing import Final, cast

from doxedge.measurement.judged_sample import JudgedValues
from doxedge.measurement.movement import MAX_EXPONENT, ValueLimits, ValueMemory
from doxedge.measurement.reading import FINE
from doxedge.quantity import SECOND_MS

LARGEST: Final = Decimal(10) ** MAX_EXPONENT
ZERO: Final = Decimal(0)
NO_LIMIT: Final = Decimal("Infinity")
NEVER_MS: Final = 2**63
"""Later than any instant."""
STEPS_KEPT_MAX: Final = 16
"""Polls are some milliseconds early or late, so that a few distances in time come again and again."""


@dataclass(slots=True)
class GroupLimits:
    """The limits of a group in columns, one place for each value."""

    lows: tuple[Decimal, ...]
    highs: tuple[Decimal, ...]
    """From low to high neither the hard nor the soft range is left, and nothing is below zero that has a span."""
    rates_per_s: tuple[Decimal, ...]
    tolerances: tuple[Decimal, ...]
    stuck_ms: tuple[int, ...]
    _steps: dict[int, tuple[Decimal, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, limits: Sequence[ValueLimits]) -> "GroupLimits":
        """The columns."""
        return cls(
            tuple(
                _highest(-LARGEST, one.hard_low, one.soft_low, None if one.span is None else ZERO)
                for one in limits
            ),
            tuple(-_highest(-LARGEST, _minus(one.hard_high), _minus(one.soft_high)) for one in limits),
            tuple(NO_LIMIT if one.max_rate_per_s is None else one.max_rate_per_s for one in limits),
            tuple(one.stuck_tolerance for one in limits),
            tuple(NEVER_MS if one.stuck_ms is None else one.stuck_ms for one in limits),
        )

    def steps(self, elapsed_ms: int) -> tuple[Decimal, ...]:
        """How far each value may move in so long."""
        steps = self._steps.get(elapsed_ms)
        if steps is None:
            if len(self._steps) >= STEPS_KEPT_MAX:
                self._steps.clear()
            # Few rates are different ones: a step for each rate, not for each value, is kept.
            by_rate = {rate: rate * elapsed_ms / SECOND_MS for rate in set(self.rates_per_s)}
            steps = self._steps[elapsed_ms] = tuple([by_rate[rate] for rate in self.rates_per_s])
        return steps


class MovingGroup:
    """The values of a group that were fine at the last poll, each with its anchor: where it was when it last moved."""

    __slots__ = (
        "_anchors",
        "_at_ms",
        "_limits",
        "_memories",
        "_names",
        "_since_ms",
        "_stuck_at_ms",
        "_values",
        "by",
        "decoded",
        "fine",
        "judged",
        "layout",
    )

    def __init__(
        self,
        by: object,
        limits: GroupLimits,
        values: Mapping[str, Decimal | None],
        memories: Sequence[ValueMemory | None],
        judged: JudgedValues,
        at_ms: int,
    ) -> None:
        """Begin with values of which each was fine. `by` is who judged, `judged` what was said of them in the end.

        `memories` has one for each value, None where its movement does not count.
        """
        self.by, self.judged, self.layout = by, judged, judged.layout
        self.fine = (FINE,) * len(values)
        self.decoded = tuple(value for value in values.values() if value is not None)
        self._limits, self._values, self._at_ms = limits, values, at_ms
        self._names = tuple(values)
        self._memories = memories
        known = zip(self._memories, self.decoded, strict=True)
        pairs = [(at, at_ms) if m is None else (m.anchor, m.anchor_since_ms) for m, at in known]
        self._anchors = tuple(anchor for anchor, _ in pairs)
        self._since_ms = [since_ms for _, since_ms in pairs]
        self._stuck_at_ms: int | None = None
        """When the first of the values is stuck if none of them moves; None: not worked out."""

    def stands(self, values: Mapping[str, Decimal | None], at_ms: int) -> bool:
        """Whether this poll brings the same mapping, and none of its values is stuck by now."""
        if values is not self._values or at_ms < self._at_ms:
            return False
        if self._stuck_at_ms is None:
            self._stuck_at_ms = min(map(add, self._since_ms, self._limits.stuck_ms))
        if at_ms >= self._stuck_at_ms:
            return False
        self._at_ms = at_ms
        return True

    def moves(self, values: Mapping[str, Decimal | None], at_ms: int) -> bool:
        """Whether all values of this poll are fine; then they are remembered."""
        elapsed_ms = at_ms - self._at_ms
        known, limits = cast("tuple[Decimal, ...]", tuple(values.values())), self._limits
        if elapsed_ms <= 0 or tuple(values) != self._names:
            return False
        try:
            if not (all(map(le, limits.lows, known)) and all(map(ge, limits.highs, known))):
                return False
        except (TypeError, InvalidOperation):
            return False  # A value that is missing, or not a number, is not fine.
        if any(map(gt, map(abs, map(sub, known, self.decoded)), limits.steps(elapsed_ms))):
            return False
        still = [*map(le, map(abs, map(sub, known, self._anchors)), limits.tolerances)]
        if True not in still:
            self._anchors, self._since_ms = known, [at_ms] * len(known)
        else:
            since_ms = [
                since_ms if stands else at_ms for stands, since_ms in zip(still, self._since_ms, strict=True)
            ]
            stuck_at_ms = min(map(add, since_ms, limits.stuck_ms))
            if at_ms >= stuck_at_ms:
                return False
            moved = zip(still, self._anchors, known, strict=True)
            self._anchors = tuple([anchor if stands else value for stands, anchor, value in moved])
            self._since_ms = since_ms
        self._values, self.decoded, self._at_ms, self._stuck_at_ms = values, known, at_ms, None
        return True

    def catch_up(self) -> None:
        """The memories of the single values are brought to the last poll."""
        columns = zip(self._memories, self.decoded, self._anchors, self._since_ms, strict=True)
        for memory, value, anchor, since_ms in columns:
            if memory is not None:
                memory.value, memory.at_ms = value, self._at_ms
                memory.anchor, memory.anchor_since_ms = anchor, since_ms


def _highest(*numbers: Decimal | None) -> Decimal:
    return max(number for number in numbers if number is not None)


def _minus(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number
