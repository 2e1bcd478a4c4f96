"""Which reads fetch a set of registers: as few as possible, never through a hole that the device refuses.

A span (one value, one status bit) is always fetched by a single read, so that the two halves of a float come from one
instant (finding: two reads of one float can straddle an update).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from doxedge.analysers.question import (
    MAX_BITS,
    MAX_REGISTERS,
    Function,
    Read,
    ReadBits,
    ReadRegisters,
)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Neighbouring addresses of one function's table that belong together."""

    function: Function
    first: int
    count: int = 1

    @property
    def last(self) -> int:
        """The last address of the span."""
        return self.first + self.count - 1

    def touches(self, other: Span) -> bool:
        """Whether the two share an address."""
        return self.function == other.function and self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one read of this device may fetch."""

    max_gap: int = 0
    """Addresses that nobody asked for and that may be read along, to save a question."""
    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    forbidden: tuple[Span, ...] = ()
    """Holes of the map: touching one makes some devices refuse the whole read with exception 2."""

    def most(self, function: Function) -> int:
        """The longest read of this function."""
        return self.max_bits if function in (Function.COILS, Function.DISCRETE_INPUTS) else self.max_registers

    def allows(self, span: Span) -> bool:
        """Whether one read may fetch this span."""
        return span.count <= self.most(span.function) and not any(
            span.touches(hole) for hole in self.forbidden
        )


def plan_reads(spans: Iterable[Span], *, unit_id: int, limits: BatchLimits) -> list[Read]:
    """The reads for these spans, by function and address; each span lies wholly within one of them.

    ValueError when a span alone breaks the limits: the profile should not have been accepted.
    """
    reads: list[Span] = []
    for span in sorted(set(spans)):
        if not limits.allows(span):
            raise ValueError(f"{span} cannot be fetched by one read within {limits}")
        if reads and (joined := _join(reads[-1], span, limits)):
            reads[-1] = joined
        else:
            reads.append(span)
    return [_question(read, unit_id) for read in reads]


def _join(read: Span, span: Span, limits: BatchLimits) -> Span | None:
    """One read for both, or None when a limit forbids it. `span` does not start before `read`."""
    if span.function != read.function or span.first - read.last - 1 > limits.max_gap:
        return None
    joined = Span(read.function, read.first, max(read.last, span.last) - read.first + 1)
    return joined if limits.allows(joined) else None


def _question(read: Span, unit_id: int) -> Read:
    if read.function in (Function.COILS, Function.DISCRETE_INPUTS):
        return ReadBits(unit_id, read.function, read.first, read.count)
    return ReadRegisters(unit_id, read.function, read.first, read.count)
