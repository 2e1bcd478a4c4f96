"""How the mass of a stack that several units share is divided among them, hour by hour (40 CFR 75, Appendix F, 5.6).

By gross load: each unit's mean load times its operating time (equation F-21A), as whole watt-hours. Where the load of a
unit that ran is not known, or nobody that ran had any, by operating time. A unit that did not run gets nothing. Grams
are whole: each unit has its share rounded down, and what is left goes, gram by gram, to the largest remainders, the
first by name where two are equal. So the units' grams add up to the stack's, and whoever has the weights has the grams.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNITS_MAX: Final = 8
"""Units on one stack; the weights of all of them stand in each hour, and a recipe has a bound."""

STACK_G: Final = "stack_g"
STACK_UNADJUSTED_G: Final = "stack_unadjusted_g"
STACK_PERCENT: Final = "stack_operating_percent"
APPORTIONED_BY: Final = "apportioned_by"
DIGITS_MAX: Final = 18
"""Of a number in a remark: more is no mass and no load."""


class By(StrEnum):
    """What the weights are."""

    LOAD = "load"
    OPERATING_TIME = "operating_time"

    @property
    def word(self) -> str:
        """What a weight is called in an hour's remarks; its ending is its unit."""
        return "load_wh" if self is By.LOAD else "operating_ms"


@dataclass(frozen=True, slots=True)
class UnitHour:
    """What one of the units did in the hour."""

    unit: str
    operating_ms: int
    load_wh: int | None
    """Gross; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Apportioning:
    """The weights of one hour."""

    by: By
    weights: tuple[tuple[str, int], ...]
    """Unit to Wh or ms, by name; 0 for a unit that did not run."""

    @property
    def units(self) -> tuple[str, ...]:
        """Who is on the stack."""
        return tuple(unit for unit, _ in self.weights)

    @property
    def load_wh(self) -> int | None:
        """Of all units together; None where it is not known."""
        return sum(weight for _, weight in self.weights) if self.by is By.LOAD else None

    def divide(self, total: int) -> dict[str, int]:
        """Whole parts of a whole number, 0 or more, that add up to it.

        Raises ValueError for a mass of a stack on which no unit ran.
        """
        whole = sum(weight for _, weight in self.weights)
        if not whole:
            if total:
                raise ValueError(f"{total} g are nobody's: no unit on the stack ran")
            return dict.fromkeys(self.units, 0)
        parts = {unit: total * weight // whole for unit, weight in self.weights}
        left = total - sum(parts.values())
        by_remainder = sorted(self.weights, key=lambda one: (-(total * one[1] % whole), one[0]))
        for unit, _ in by_remainder[:left]:
            parts[unit] += 1
        return parts


@dataclass(frozen=True, slots=True)
class StackHour:
    """The hour of a shared stack, as each unit on it states it beside its own part."""

    operating_percent: int
    """In which any unit ran."""

    nox_g: int | None
    """Of all units together; None where it is not known."""

    unadjusted_g: int | None
    """Before the bias factor; None without one."""

    apportioning: Apportioning


@dataclass(frozen=True, slots=True)
class UnitShare:
    """What is one unit's of an hour that is known as the stack's."""

    unit: str
    operating_percent: int
    energy_wh: int
    """By its own counter."""

    apportioning: Apportioning

    def part(self, stack_g: int) -> int:
        """Its grams of the stack's."""
        return self.apportioning.divide(stack_g)[self.unit]


def apportioning(hours: Iterable[UnitHour]) -> Apportioning:
    """The weights of an hour from what each unit did."""
    units = sorted(hours, key=lambda one: one.unit)
    ran = [one for one in units if one.operating_ms]
    loads = [one.load_wh for one in ran]
    is_known = all(load is not None for load in loads)
    if not ran or (is_known and any(loads)):
        return Apportioning(
            By.LOAD, tuple((one.unit, (one.load_wh or 0) if one.operating_ms else 0) for one in units)
        )
    return Apportioning(By.OPERATING_TIME, tuple((one.unit, one.operating_ms) for one in units))


def remarks_of(stack: StackHour) -> list[str]:
    """As the hour of a unit carries it: `stack_g:1234`, `apportioned_by:load`, `load_wh:alpha-1:50000000`."""
    said = [f"{STACK_PERCENT}:{stack.operating_percent}", *weights_in_words(stack.apportioning)]
    if stack.nox_g is not None:
        said.append(f"{STACK_G}:{stack.nox_g}")
    if stack.unadjusted_g is not None:
        said.append(f"{STACK_UNADJUSTED_G}:{stack.unadjusted_g}")
    return sorted(said)


def weights_in_words(how: Apportioning) -> list[str]:
    """`apportioned_by:load`, and each unit's weight."""
    return [f"{APPORTIONED_BY}:{how.by}", *(f"{how.by.word}:{unit}:{weight}" for unit, weight in how.weights)]


def weights_in(remarks: Sequence[object]) -> Apportioning | None:
    """The other way round, among other remarks; None where they say nothing of it, or not everything."""
    said = [remark.split(":") for remark in remarks if isinstance(remark, str)]
    by = next((parts[1] for parts in said if parts[0] == APPORTIONED_BY and len(parts) == 2), None)
    if by not in [one.value for one in By]:
        return None
    word = By(by).word
    found = [(parts[1], _number(parts[2])) for parts in said if parts[0] == word and len(parts) == 3]
    weights = tuple((unit, weight) for unit, weight in sorted(found) if weight is not None)
    if not 0 < len(weights) == len(found) <= UNITS_MAX or len({unit for unit, _ in weights}) < len(weights):
        return None
    return Apportioning(By(by), weights)


def stack_hour_in(remarks: Sequence[object]) -> StackHour | None:
    """What the remarks of an hour say of its stack; None where it shares none, or they cannot be read."""
    how, percent = weights_in(remarks), _said(remarks, STACK_PERCENT)
    if how is None or percent is None or percent > 100:
        return None
    return StackHour(percent, _said(remarks, STACK_G), _said(remarks, STACK_UNADJUSTED_G), how)


def is_of_stack(remark: object) -> bool:
    """Whether this is one of the remarks that `remarks_of` makes."""
    words = {STACK_G, STACK_UNADJUSTED_G, STACK_PERCENT, APPORTIONED_BY, *(by.word for by in By)}
    return isinstance(remark, str) and remark.partition(":")[0] in words


def _said(remarks: Sequence[object], word: str) -> int | None:
    texts = (r.removeprefix(f"{word}:") for r in remarks if isinstance(r, str) and r.startswith(f"{word}:"))
    return next((_number(text) for text in texts), None)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None
