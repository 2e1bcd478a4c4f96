"""The last digits of what an instrument says: measured ones come about equally often, made up ones do not.

The test is that of terminal digits, a chi-square of ten counts (Preece, Distributions of final digits in data, The
Statistician 30, 1981; Mosimann, Wiseman and Edelman, Data fabrication: can people generate random digits?,
Accountability in Research 4, 1995). A plant is no laboratory, so three things come before it:

    (1) The instrument's own grid is learned first (`digit_grid`); what is tested is the last digit of the number of the
        step, so that an instrument of multiples of five is as even as any other.
    (2) Each step counts once in a window. A plant at its set point, or an instrument that is asked more often than it
        measures, says the same again; and a set of different steps is spread at least as evenly as independent ones
        would be, so that the bound errs towards no sign.
    (3) A value is judged when enough different steps are there, and at few instants (`BOUND`).

What is coarse in a narrow range has too few steps, and is never judged. What was made up from the first day on looks
like the instrument's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from doxedge.measurement.digit_grid import Grid, figure_of, learn_grid
from doxedge.quantity import DAY_MS, MINUTE_MS

TEN: Final = 10
WINDOW_MS: Final = 30 * DAY_MS
EVERY_MS: Final = 15 * MINUTE_MS
"""One value is taken in each quarter of an hour, 2,880 in a window, however fast the instrument is asked."""
JUDGE_FIRST: Final = 50
"""Different steps at the first look at a window: five to a digit, the least that chi-square is used for."""
JUDGE_EVERY: Final = 100
"""The further looks are at each full hundred; a window has 29 at the most."""
BOUND: Final = 60
"""A chi-square of nine degrees of freedom is larger with a chance of 1.3 in 10^9; of 50 steps ten counts are so uneven
with 4.4 in 10^8, of 100 with 1.5. Thirty years of 24 values on two scales are 17,520 windows with 29 looks each: two
plants in a thousand see a sign that means nothing."""
LEARNED_BOUND: Final = 28
"""One chance in a thousand. On a grid that is none, the very figures it was learned from are more uneven."""
SCALES_MAX: Final = 6
"""Of one value. One near zero passes through many powers of ten; the largest tell something."""
UNTESTED: Final = ("_w", "_wh", "_hz")
"""Endings of quantities whose digits are no chance: people set a load, and a counter goes on in even strides."""


@dataclass(slots=True)
class Scale:
    """One power of ten of one value: its grid, and the steps of the running window."""

    learning: set[int] = field(default_factory=set)
    """Different figures, until the grid is known."""
    grid: Grid | None = None
    steps: set[int] = field(default_factory=set)
    was_uneven: bool | None = None
    """The window before; None: it was not judged."""
    uneven: bool | None = None
    """This window, as far as it has come; None: not judged yet."""
    counts: tuple[int, ...] = ()
    """Of each digit, at the last look."""
    told: tuple[int, ...] = ()
    """The same at the last look that said uneven."""

    def take(self, figure: int) -> None:
        """One more value."""
        if self.grid is None:
            self._learn(figure)
            return
        step = self.grid.step_of(figure)
        if step not in self.steps:
            self.steps.add(step)
            if len(self.steps) == JUDGE_FIRST or len(self.steps) % JUDGE_EVERY == 0:
                self._judge()

    def roll(self) -> None:
        """The window is over."""
        self.was_uneven, self.uneven = self.uneven, None
        self.steps = set()

    @property
    def verdict(self) -> bool | None:
        """Uneven as soon as a look says so, even after a whole window only; None: nothing can be said."""
        return True if self.uneven else self.was_uneven

    def _learn(self, figure: int) -> None:
        self.learning.add(figure)
        grid = learn_grid(self.learning)
        if grid is None:
            return
        steps = {grid.step_of(one) for one in self.learning}
        if not chi_square_exceeds(counts_of(steps), LEARNED_BOUND):
            self.grid = grid
        self.learning = set()

    def _judge(self) -> None:
        if self.uneven:
            return
        self.counts = tuple(counts_of(self.steps))
        self.uneven = chi_square_exceeds(self.counts, BOUND)
        if self.uneven:
            self.told = self.counts

    def as_dict(self) -> dict[str, Any]:
        """For `from_dict`; of simple types only."""
        grid = self.grid
        return {
            "learning": sorted(self.learning),
            "grid": None if grid is None else [grid.origin, grid.step_thousandths],
            "steps": sorted(self.steps),
            "was_uneven": self.was_uneven,
            "uneven": self.uneven,
            "counts": list(self.counts),
            "told": list(self.told),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Scale:
        """What `as_dict` gave. Raises ValueError, KeyError, TypeError for anything else."""
        grid = None
        if stored["grid"] is not None:
            origin, step = map(int, stored["grid"])
            if step <= 0:
                raise ValueError(f"a grid has no step of {step}")
            grid = Grid(origin, step)
        return cls(
            learning=set(map(int, stored["learning"])),
            grid=grid,
            steps=set(map(int, stored["steps"])),
            was_uneven=_known(stored["was_uneven"]),
            uneven=_known(stored["uneven"]),
            counts=tuple(map(int, stored["counts"])),
            told=tuple(map(int, stored["told"])),
        )


@dataclass(slots=True)
class LastDigits:
    """Of one value of one instrument, over windows that follow each other."""

    scales: dict[int, Scale] = field(default_factory=dict)
    window: int | None = None
    quarter: int | None = None

    def take(self, value: Decimal, at_ms: int) -> bool:
        """A value of the running plant; whether it is the first of its quarter of an hour, and so was taken."""
        quarter, window = at_ms // EVERY_MS, at_ms // WINDOW_MS
        if quarter == self.quarter or (self.window is not None and window == self.window - 1):
            return False  # The window before is over, whatever comes late or from a clock that was set back.
        self.quarter = quarter
        if window != self.window:
            self.window = window
            for scale in self.scales.values():
                scale.roll()
        figure = figure_of(value)
        if figure is not None and (its := self._scale(figure[0])) is not None:
            its.take(figure[1])
        return True

    @property
    def uneven(self) -> bool | None:
        """Whether the digits of any scale are; None: nothing can be said."""
        verdicts = {scale.verdict for scale in self.scales.values()}
        if True in verdicts:
            return True
        return False if False in verdicts else None

    @property
    def words(self) -> str:
        """What was counted, of the scale that is uneven if one is."""
        uneven = [scale.told for scale in self.scales.values() if scale.verdict]
        looks = uneven or [scale.counts for scale in self.scales.values() if scale.counts]
        if not looks:
            return "not enough different values yet"
        counts = max(looks, key=sum)
        times = ", ".join(map(str, counts))
        return f"of {sum(counts)} different values the last digits 0 to 9 come {times} times"

    def as_dict(self) -> dict[str, Any]:
        """For `from_dict`; of simple types only."""
        scales = {str(power): scale.as_dict() for power, scale in self.scales.items()}
        return {"scales": scales, "window": self.window, "quarter": self.quarter}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> LastDigits:
        """What `as_dict` gave. Raises ValueError, KeyError, TypeError, AttributeError for anything else."""
        scales = {int(power): Scale.from_dict(one) for power, one in stored["scales"].items()}
        window, quarter = stored["window"], stored["quarter"]
        return cls(scales, None if window is None else int(window), None if quarter is None else int(quarter))

    def _scale(self, power: int) -> Scale | None:
        """None where there are enough scales, and all are of larger values."""
        if power not in self.scales:
            if len(self.scales) >= SCALES_MAX:
                smallest = min(self.scales)
                if power < smallest:
                    return None
                del self.scales[smallest]
            self.scales[power] = Scale()
        return self.scales[power]


def is_tested(quantity: str) -> bool:
    """Whether the last digits of a quantity are chance."""
    return not quantity.endswith(UNTESTED)


def chi_square_exceeds(counts: Sequence[int], bound: int) -> bool:
    """Whether ten counts are further from equal ones than a chi-square of `bound`: 10 Σc² / n − n > bound."""
    total = sum(counts)
    return TEN * sum(count * count for count in counts) - total * total > bound * total


def counts_of(steps: Collection[int]) -> list[int]:
    """How often each last digit is there."""
    counts = [0] * TEN
    for step in steps:
        counts[step % TEN] += 1
    return counts


def _known(stored: Any) -> bool | None:
    if stored is None or isinstance(stored, bool):
        return stored
    raise ValueError(f"{stored!r} is no verdict")
