"""The course of one calibration check: which gas is wanted, when its readings count, and when the check is over.

    wanted gas flows ──settle──> readings count ──enough──> the next gas ... over: complete
       its flag falls, too few readings, or it does not come within the patience: over: not complete

A gas flows while the instrument says so: its flag zero or span makes a reading bad for that reason, and only such
readings are of a gas. The result of a gas is the mean of the readings of its plateau, exact. Several monitors of one
instrument see the same gas; a gas is done when it is done for all of them. No clock in here: instants are arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from enum import Enum, StrEnum
from typing import Final

from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Reason


class Gas(StrEnum):
    """What flows in a check, in the order in which a check is made. The words are stored."""

    ZERO = "zero"
    UPSCALE = "upscale"


GAS_OF: Final = {Reason.ZERO: Gas.ZERO, Reason.SPAN: Gas.UPSCALE}
"""The reason for which a reading of stack gas is bad, to the gas that flows instead."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When readings count. Raises ValueError for times that are none."""

    settle_ms: int
    """From the first reading with the flag on: the line still holds the gas before."""

    read_ms: int
    """For so long readings count after that."""

    readings_min: int = 3
    """Fewer are no plateau."""

    def __post_init__(self) -> None:
        if self.settle_ms < 0 or self.read_ms <= 0 or self.readings_min < 1:
            raise ValueError("a plateau has a time of 1 ms or more, with at least one reading")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one gas came to."""

    mean: Decimal
    """Exact."""

    readings: int
    from_ms: int
    to_ms: int
    """Of the last reading that counts."""


class Stage(Enum):
    """Where the plateau of one gas stands."""

    WAITING = "waiting for the gas"
    SETTLING = "settling"
    READING = "reading"
    DONE = "done"
    LEFT = "the gas was taken away too early"
    EMPTY = "too few readings had a value"


_ENDED: Final = frozenset({Stage.DONE, Stage.LEFT, Stage.EMPTY})


@dataclass(slots=True)
class Plateau:
    """The readings of one monitor in one gas."""

    timing: Timing
    stage: Stage = Stage.WAITING
    since_ms: int | None = None
    """When the gas was seen first."""

    _values: list[Decimal] = field(default_factory=list)
    _stamps: list[int] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether more readings change nothing."""
        return self.stage in _ENDED

    @property
    def measured(self) -> Measured | None:
        """The result, once it is done."""
        if self.stage is not Stage.DONE:
            return None
        with localcontext(PRECISE):
            mean = sum(self._values, Decimal(0)) / len(self._values)
        return Measured(mean, len(self._values), self._stamps[0], self._stamps[-1])

    def see(self, at_ms: int, value: Decimal | None, *, flows: bool) -> None:
        """One reading; `flows`: the instrument says that it is of this gas."""
        if self.ended or (not flows and self.since_ms is None):
            return
        if not flows:
            self.stage = Stage.LEFT
            return
        if self.since_ms is None:
            self.since_ms = at_ms
        settled_ms = self.since_ms + self.timing.settle_ms
        if at_ms < settled_ms:
            self.stage = Stage.SETTLING
            return
        if at_ms < settled_ms + self.timing.read_ms:
            self.stage = Stage.READING
            if value is not None and value.is_finite():
                self._values.append(value)
                self._stamps.append(at_ms)
            return
        self.stage = Stage.DONE if len(self._values) >= self.timing.readings_min else Stage.EMPTY


@dataclass(frozen=True, slots=True)
class Over:
    """The check has ended. `complete`: every gas was read by every monitor."""

    complete: bool
    began: bool
    """Whether any gas flowed at all."""

    why: str
    late: bool = False
    """A gas that was wanted did not come in time."""


class CheckRun:
    """One check of one instrument, by one or more monitors."""

    def __init__(
        self,
        timings: Mapping[str, Timing],
        gases: Sequence[Gas],
        *,
        begun_ms: int,
        patience_ms: int,
        in_order: bool = True,
    ) -> None:
        """`timings`: by quantity. `in_order`: readings of a gas that is not wanted yet do not count.

        Without it the instrument's own sequence is followed, whichever gas comes first. Raises ValueError for a check
        of nothing.
        """
        if not timings or not gases:
            raise ValueError("a check has a monitor and a gas")
        self.gases = tuple(gases)
        self.begun_ms = begun_ms
        self.over: Over | None = None
        self._patience_ms, self._in_order = patience_ms, in_order
        self._progress_ms = begun_ms
        self._plateaus = {
            (quantity, gas): Plateau(timing) for quantity, timing in timings.items() for gas in self.gases
        }

    @property
    def wanted(self) -> Gas | None:
        """The gas that should flow now; None when the check is over."""
        if self.over is not None:
            return None
        return next((gas for gas in self.gases if not self._is_done(gas)), None)

    @property
    def began(self) -> bool:
        """Whether any gas flowed at all."""
        return any(plateau.since_ms is not None for plateau in self._plateaus.values())

    def stage(self, quantity: str, gas: Gas) -> Stage:
        """Where one plateau stands. KeyError for one that this check has not."""
        return self._plateaus[quantity, gas].stage

    def measured(self, quantity: str, gas: Gas) -> Measured | None:
        """What one gas came to; None when it is not done, or not of this check."""
        plateau = self._plateaus.get((quantity, gas))
        return None if plateau is None else plateau.measured

    def see(self, reading: Reading) -> None:
        """A reading of one of the monitors; others are passed over."""
        flowing = GAS_OF.get(reading.reason)
        for gas in self.gases:
            plateau = self._plateaus.get((reading.quantity, gas))
            if plateau is None or self.over is not None:
                continue
            if flowing is gas and self._in_order and gas is not self.wanted:
                continue
            before = plateau.stage
            plateau.see(reading.at_ms, reading.decoded, flows=flowing is gas)
            if plateau.stage is not before:
                self._moved(reading, gas, plateau)

    def look(self, now_ms: int) -> None:
        """The time is this: whatever should have come by now has come, or the check is over."""
        # A clock that was set back lets the patience count anew.
        self._progress_ms = min(self._progress_ms, now_ms)
        wanted = self.wanted
        if wanted is None or now_ms - self._progress_ms <= self._patience_ms:
            return
        why = f"no {wanted} gas was read within {self._patience_ms // 1_000} s"
        self.over = Over(False, self.began, why, late=True)

    def end(self, why: str) -> None:
        """It ends here, not complete; nothing when it is over already."""
        if self.over is None:
            self.over = Over(False, self.began, why)

    def _moved(self, reading: Reading, gas: Gas, plateau: Plateau) -> None:
        self._progress_ms = reading.at_ms
        if plateau.stage in (Stage.LEFT, Stage.EMPTY):
            self.end(f"{gas} gas, {reading.quantity}: {plateau.stage.value}")
        elif all(self._is_done(each) for each in self.gases):
            self.over = Over(True, True, "every gas was read")

    def _is_done(self, gas: Gas) -> bool:
        return all(p.stage is Stage.DONE for (_, of), p in self._plateaus.items() if of is gas)
