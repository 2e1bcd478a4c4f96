"""§ 1 Figures of a channel

The numbers that a channel may choose. The genesis gives them; the regulator changes them by `config`, from the next
transaction on. A figure that decides to which year an hour belongs stands for the life of the channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Act, Book, Value, require

ROOM: Final = "figures"
_FIGURE: Final = shape(int)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its bounds."""

    default: int
    low: int
    high: int
    about: str
    since: str
    """Date from which the default stands."""
    source: str
    """Where the default comes from."""
    is_fixed: bool = False
    """Whether only the genesis gives it."""


FIGURES: Final = {
    "credit_unit_g": Figure(
        default=1_000,
        low=1,
        high=1_000_000,
        about="grams of one credit, for lots and screens",
        since="2026-11-24",
        source="set by us: one kilogram",
    ),
    "warning_percent": Figure(
        default=20,
        low=0,
        high=100,
        about="a warning is due when the headroom falls below this share of the holding",
        since="2026-11-24",
        source="set by us",
    ),
    "commission_hours_min": Figure(
        default=9,
        low=1,
        high=64,
        about="hourly averages that are witnessed at a commissioning",
        since="2026-11-24",
        source="practice of Pennsylvania: nine hourly averages checked by hand at approval",
    ),
    "bilateral_transfers": Figure(
        default=0,
        low=0,
        high=1,
        about="1 lets named owners transfer to each other, 0 leaves that to the market",
        since="2026-11-24",
        source="set by us: the parties of a trade stay unknown to each other",
    ),
    "utc_offset_min": Figure(
        default=0,
        low=-840,
        high=840,
        about="local standard time of the geofence, for the year of an hour",
        since="2026-11-24",
        source="set by us: UTC",
        is_fixed=True,
    ),
    "pending_max": Figure(
        default=256,
        low=1,
        high=256,
        about="pending credits of one holding before its account must fold them",
        since="2026-11-24",
        source="set by us: bounds what a stranger can add to an account",
    ),
    "hours_before_registration": Figure(
        default=0,
        low=0,
        high=1,
        about="1 accepts hours that ended before their device was registered, as when old files are replayed",
        since="2026-11-24",
        source="set by us",
    ),
    "unregistered_maps": Figure(
        default=1,
        low=0,
        high=1,
        about="1 accepts hours that were read with another register map than the registered one and shows them, "
        "0 refuses them",
        since="2026-11-24",
        source="set by us: an emission that happened is a fact",
    ),
}


@dataclass(frozen=True, slots=True)
class Config:
    """Facts of `config`: one figure gets a new value."""

    name: str
    value: int
    reason: str


def figure(book: Book, name: str) -> int:
    """The value in force. KeyError for a name that is not a figure."""
    known = book.read(ROOM, name.encode(), _number)
    return FIGURES[name].default if known is None else known


def configure(book: Book, act: Act, facts: Config) -> None:
    """The regulator changes a figure."""
    require(act.is_regulator, "1.1", "only the regulator changes a figure")
    require(facts.name in FIGURES, "1.2", "there is no figure of that name")
    bounds = FIGURES[facts.name]
    require(not bounds.is_fixed, "1.3", "the figure stands for the life of the channel")
    require(bounds.low <= facts.value <= bounds.high, "1.4", "the value is outside the bounds of the figure")
    require(bool(facts.reason), "1.5", "a change of a figure states its reason")
    book.put(ROOM, facts.name.encode(), [facts.value])
    book.emit(["figure.changed", facts.name, facts.value, facts.reason])


def _number(value: Value) -> int | None:
    fields = fields_of(value, _FIGURE)
    return None if fields is None else int(fields[0])
