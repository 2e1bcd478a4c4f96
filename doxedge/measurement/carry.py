"""What goes over from one hour of a unit to the next, as it is kept for a restart."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from doxedge.measurement.energy import EnergyMark
from doxedge.quantity import HOUR_MS


@dataclass(frozen=True, slots=True)
class Carry:
    """What goes over from one hour to the next, for a restart."""

    next_start_ms: int
    """The first hour that is not closed."""

    running: bool | None = None
    """Whether the unit ran at that instant; None when nobody knows."""

    energy: EnergyMark | None = None
    others: tuple[tuple[str, bool | None], ...] = ()
    """Whether each other unit on a shared stack ran, by name."""
    heard: tuple[tuple[str, int], ...] = ()
    """When the operating signal of each unit was read last before that instant; its own has no name."""

    def as_dict(self) -> dict[str, object]:
        """Plain values, to be stored."""
        mark = self.energy
        stored: dict[str, object] = {
            "next_start_ms": self.next_start_ms,
            "running": self.running,
            "counter_at_ms": mark.at_ms if mark else None,
            "counter_wh": str(mark.counter_wh) if mark else None,
            "before_border_wh": str(mark.before_border_wh) if mark else None,
        }
        stored |= {"others": dict(self.others)} if self.others else {}
        return stored | ({"heard": dict(self.heard)} if self.heard else {})

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> "Carry":
        """The other way round. Raises ValueError for what `as_dict` did not make."""
        next_start_ms, running, at_ms = (stored.get(k) for k in ("next_start_ms", "running", "counter_at_ms"))
        if type(next_start_ms) is not int or next_start_ms % HOUR_MS:
            raise ValueError(f"next_start_ms: {next_start_ms!r} is not the start of an hour")
        if running is not None and type(running) is not bool:
            raise ValueError(f"running: {running!r} is neither true nor false nor null")
        others, heard = _stored_others(stored), _stored_heard(stored)
        if at_ms is None:
            return cls(next_start_ms, running, None, others, heard)
        if type(at_ms) is not int:
            raise ValueError(f"counter_at_ms: {at_ms!r} is not an instant")
        mark = EnergyMark(
            at_ms, _stored_number(stored, "counter_wh"), _stored_number(stored, "before_border_wh")
        )
        return cls(next_start_ms, running, mark, others, heard)


def _stored_others(stored: Mapping[str, object]) -> tuple[tuple[str, bool | None], ...]:
    others = stored.get("others", {})
    if not isinstance(others, dict) or any(
        type(ran) is not bool and ran is not None for ran in others.values()
    ):
        raise ValueError(f"others: {others!r} does not say of each unit whether it ran")
    return tuple(sorted((str(unit), ran) for unit, ran in others.items()))


def _stored_heard(stored: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    heard = stored.get("heard", {})
    if not isinstance(heard, dict) or any(type(at_ms) is not int for at_ms in heard.values()):
        raise ValueError(f"heard: {heard!r} is not an instant for each unit")
    return tuple(sorted((str(unit), at_ms) for unit, at_ms in heard.items()))


def _stored_number(stored: Mapping[str, object], key: str) -> Decimal:
    value = stored.get(key)
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise ValueError(f"{key}: {value!r} is not a number")
    return number
