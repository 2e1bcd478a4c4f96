"""Where the readings of a sample go among the hours, and what is refused."""

from dataclasses import dataclass
from enum import StrEnum

from doxedge.quantity import HOUR_MS


class Placed(StrEnum):
    """Where the readings of a sample went."""

    OPEN = "open"
    REVISING = "revising"  # into a closed hour, of which a revision follows
    LATE = "late"  # refused: the hour is closed for too long
    EARLY = "early"  # refused: before the first hour wanted
    DUPLICATE = "duplicate"  # refused: it was here before
    AHEAD = "ahead"  # refused: its clock is not to be believed
    IGNORED = "ignored"  # nothing in it comes from a device of this unit


class ClockJump(ValueError):
    """The clock passed more hours at once than is believable. Carries both instants."""

    def __init__(self, *, from_ms: int, now_ms: int, max_gap_hours: int) -> None:
        hours = (now_ms - from_ms) // HOUR_MS
        super().__init__(
            f"the clock says {now_ms} ms, {hours} hours after the last closed hour at {from_ms} ms; more than"
            f" {max_gap_hours} hours are not taken for a gap unless an operator starts anew from there"
        )
        self.from_ms = from_ms
        self.now_ms = now_ms


@dataclass(slots=True)
class Counters:
    """Samples that did not go into an open hour, by cause, and readings from a device that is not the owner."""

    revising: int = 0
    late: int = 0
    early: int = 0
    duplicate: int = 0
    ahead: int = 0
    foreign: int = 0
