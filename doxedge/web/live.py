"""The live board: what gateways show of the running hour. Not signed, not stored, gone with the process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from doxedge.web.problem import Problem

UNITS_MAX: Final = 256
LIVE_BYTES_MAX: Final = 8 * 1024
STALE_MS: Final = 5 * 60_000
"""After five minutes of silence a value is shown as old."""

_Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class LiveMessage(BaseModel):
    """What a gateway PUTs for one unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    at_ms: int = Field(ge=0, lt=2**53)
    """UTC, of the values."""
    hour_start_ms: int = Field(ge=0, lt=2**53)
    minutes_valid: int = Field(ge=0, le=60)
    nox_g_running: int | None = Field(None, ge=0, lt=2**53)
    """Grams in the running hour so far; None when that cannot be said yet."""
    values: dict[_Name, Annotated[str, StringConstraints(max_length=64)] | int | None] = Field(
        default_factory=dict, max_length=64
    )
    """Canonical quantities with their unit in the name, as decimal text; None for bad or missing, never zero."""
    quality: Literal["good", "uncertain", "bad"]
    flags: list[_Name] = Field(default_factory=list, max_length=32)


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """One unit on the board."""

    unit: str
    received_ms: int
    message: LiveMessage


class LiveBoard:
    """The newest message of each unit, at most 256 units; the one that was silent longest makes room."""

    def __init__(self) -> None:
        """Empty."""
        self._entries: OrderedDict[str, LiveEntry] = OrderedDict()

    def put(self, unit: str, content: object, *, now_ms: int) -> None:
        """Take a message. Raises Problem 400 naming the field that is wrong."""
        if not 0 < len(unit) <= 64 or not unit.isprintable():
            raise Problem(400, "bad_unit", "a unit's name has 1 to 64 printable characters")
        try:
            message = LiveMessage.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise Problem(400, "bad_live", f"{where}: {first['msg']}") from error
        self._entries[unit] = LiveEntry(unit, now_ms, message)
        self._entries.move_to_end(unit)
        if len(self._entries) > UNITS_MAX:
            self._entries.popitem(last=False)

    def get(self, unit: str) -> LiveEntry | None:
        """The newest message of a unit."""
        return self._entries.get(unit)

    def all(self) -> Mapping[str, LiveEntry]:
        """Every unit, by name."""
        return dict(sorted(self._entries.items()))
