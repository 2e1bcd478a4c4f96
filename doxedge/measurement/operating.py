"""When the unit runs: a signal with hysteresis, as half-open stretches of time.

A reading holds until the next one. Where the signal is lost for longer than `hold_ms` the unit counts as running:
whoever cuts the wire of the signal must not be able to hide an emission.
"""

from dataclasses import dataclass
from decimal import Decimal

from doxedge.measurement.reading import Reading
from doxedge.measurement.validity import Span
from doxedge.quantity import HOUR_MS, MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingSettings:
    """What shows that the unit runs: power, fuel flow, or a breaker read as 0 and 1."""

    quantity: str = "power_w"
    on_above: Decimal
    off_below: Decimal
    hold_ms: int = 5 * MINUTE_MS

    def __post_init__(self) -> None:
        if self.off_below > self.on_above:
            raise ValueError(f"off_below {self.off_below} must not lie above on_above {self.on_above}")

    def runs_now(self, value: Decimal | None, *, before: bool) -> bool:
        """Whether the unit counts as running while the next value is judged; between the thresholds as before."""
        if value is None or value > self.on_above:
            return True
        return before and value >= self.off_below


@dataclass(frozen=True, slots=True)
class Operation:
    """When the unit ran within a stretch of time, and for how much of that it is only assumed."""

    spans: tuple[Span, ...]
    assumed_ms: int
    units: tuple[tuple[str, "Operation"], ...] = ()
    """Of each unit, where several share the stack: then the spans are those in which any of them ran."""

    @property
    def operating_ms(self) -> int:
        """Time in operation."""
        return sum(end - start for start, end in self.spans)

    def within(self, start_ms: int, end_ms: int) -> int:
        """Time in operation between two instants."""
        return sum(
            min(end, end_ms) - max(start, start_ms)
            for start, end in self.spans
            if start < end_ms and end > start_ms
        )


class OperatingSignal:
    """Follows the signal. Readings must come in the order of their stamps; a late one is ignored."""

    __slots__ = ("_changes", "_heard_ms", "_last_ms", "_settings")

    def __init__(
        self, settings: OperatingSettings, *, on: bool | None = None, at_ms: int | None = None
    ) -> None:
        """`on` is what its last reading said, at `at_ms`: as long as it holds from there, a restart is no reading."""
        self._settings = settings
        self._heard_ms: list[int] = []  # the last reading of each hour
        self._changes: list[tuple[int, bool | None]] = []
        self._last_ms: int | None = None
        if on is not None and at_ms is not None:
            self._changes.append((at_ms, on))
            self._last_ms = at_ms
            self._heard_ms.append(at_ms)

    @property
    def quantity(self) -> str:
        """What is followed."""
        return self._settings.quantity

    @property
    def on(self) -> bool | None:
        """The state after the last reading; None before the first."""
        return self._changes[-1][1] if self._changes else None

    def add(self, reading: Reading) -> None:
        """Take a reading of the configured quantity in. Bad ones say nothing: the signal holds, then lapses."""
        value = reading.value
        if value is None or (self._last_ms is not None and reading.at_ms <= self._last_ms):
            return
        if self._last_ms is not None and reading.at_ms - self._last_ms > self._settings.hold_ms:
            self._changes.append((self._last_ms + self._settings.hold_ms, None))
        if value > self._settings.on_above:
            on = True
        elif value < self._settings.off_below:
            on = False
        else:
            # Between the thresholds a known state stays; an unknown one is settled by the side that cannot hide mass.
            on = self.on is not False
        if on is not self.on:
            self._changes.append((reading.at_ms, on))
        self._last_ms = reading.at_ms
        if self._heard_ms and self._heard_ms[-1] // HOUR_MS == reading.at_ms // HOUR_MS:
            self._heard_ms[-1] = reading.at_ms
        else:
            self._heard_ms.append(reading.at_ms)

    def heard_ms(self, border_ms: int) -> int | None:
        """The last reading before a border of hours; None where none is known."""
        return next((at_ms for at_ms in reversed(self._heard_ms) if at_ms < border_ms), None)

    def operation(self, start_ms: int, end_ms: int) -> Operation:
        """The running time between two instants, as far as is known now."""
        changes = list(self._changes)
        if self._last_ms is not None:
            changes.append((self._last_ms + self._settings.hold_ms, None))
        state: bool | None = None
        reached = start_ms
        spans: list[Span] = []
        assumed_ms = 0
        for at_ms, following in [*changes, (end_ms, None)]:
            until = min(max(at_ms, start_ms), end_ms)
            if until > reached:
                assumed_ms += until - reached if state is None else 0
                if state is not False:
                    _append(spans, (reached, until))
                reached = until
            state = following
        return Operation(tuple(spans), assumed_ms)

    def state_at(self, at_ms: int) -> bool | None:
        """Whether the unit ran at an instant; None when nobody knows."""
        operation = self.operation(at_ms, at_ms + 1)
        return None if operation.assumed_ms else bool(operation.spans)

    def forget_before(self, at_ms: int) -> None:
        """Drop what only matters to earlier times."""
        while len(self._changes) > 1 and self._changes[1][0] <= at_ms:
            del self._changes[0]
        while len(self._heard_ms) > 1 and self._heard_ms[1] <= at_ms:
            del self._heard_ms[0]


def _append(spans: list[Span], span: Span) -> None:
    if spans and spans[-1][1] == span[0]:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)
