"""What a text dialect brings so that anybody can ask in it: the port, and how values are counted in an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from doxedge.analysers.dialects.framing import Cutter, FrameError
from doxedge.analysers.question import Phrase

PLACE_DIGITS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """A number in an answer, with the unit if the answer says one."""

    value: Decimal | None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Codec:
    """One dialect."""

    places: str
    """What a place may be, for the message to whoever writes a map."""
    encode: Callable[[Phrase], bytes]
    cut: Cutter[Any]
    max_bytes: int
    judge: Callable[[Phrase, Any], str | None]
    """`` for an answer, a text for a refusal, None for a frame that does not answer this phrase."""
    value: Callable[[Phrase, Any, str], Reading]
    bits: Callable[[Phrase, Any, str], int]
    words: Callable[[Phrase, Any], tuple[str, ...]]
    """What the answer says between blanks or commas."""
    is_place: Callable[[str], bool]
    """Whether a value can lie there."""
    is_bits: Callable[[str], bool]
    """Whether a word of bits, or a whole number, can lie there."""


def index(values: tuple[Decimal | None, ...], place: str) -> Reading:
    """The value that is counted to. FrameError where there are fewer."""
    number = number_in(place)
    if number >= len(values):
        raise FrameError(f"the answer has {len(values)} values, and none at {number}")
    return Reading(values[number])


def is_number(place: str) -> bool:
    """Whether a place counts values."""
    return place.isascii() and place.isdecimal() and len(place) <= PLACE_DIGITS_MAX


def number_in(place: str) -> int:
    """Which value a place counts to. FrameError where it counts none."""
    if not is_number(place):
        raise FrameError(f"{place} is not where a value is counted to")
    return int(place)


def no_bits(phrase: Phrase, _: Any, place: str) -> int:
    """Of a dialect that has no words of bits. FrameError."""
    raise FrameError(f"{phrase.dialect} has no word of bits at {place}")
