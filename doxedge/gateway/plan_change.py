"""What differs between the plan that is measured by and another: units, lines, and what cannot change while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.line_plan import PlannedLine
from doxedge.gateway.plan import Plan
from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.unit_setup import setup_of

RESTART = "that cannot change while the gateway runs; restart it"


@dataclass(frozen=True, slots=True)
class UnitChange:
    """One unit that is added (`before` is None), taken away (`after` is None), or measured otherwise."""

    before: PlannedUnit | None
    after: PlannedUnit | None

    @property
    def unit(self) -> str:
        """Its name."""
        planned = self.after or self.before
        assert planned is not None  # noqa: S101 - nobody makes a change of nothing
        return planned.table.name

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        if self.before is None:
            return "added"
        return "changed" if self.after is not None else "removed"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "unit": self.unit,
            "change": self.kind,
            "profile_hash": [_hex(self.before, "profile_hash"), _hex(self.after, "profile_hash")],
            "rules_hash": [_hex(self.before, "rules_hash"), _hex(self.after, "rules_hash")],
        }


@dataclass(frozen=True, slots=True)
class PlanChange:
    """From one plan to another."""

    before: Plan
    after: Plan
    units: tuple[UnitChange, ...]
    kept: frozenset[str]
    """Devices that stay as they are."""
    ended: tuple[PlannedLine, ...]
    begun: tuple[PlannedLine, ...]

    @property
    def touches_hours(self) -> bool:
        """Whether an hour would be made otherwise: then it takes the border of one."""
        return bool(self.units)

    @property
    def is_nothing(self) -> bool:
        """Whether both plans are one."""
        return not (self.units or self.ended or self.begun) and self.before.settings == self.after.settings


def compare(before: Plan, after: Plan) -> PlanChange:
    """What differs."""
    units = []
    for name in dict.fromkeys(unit.table.name for unit in (*before.units, *after.units)):
        old, new = before.unit(name), after.unit(name)
        if old is None or new is None or not _makes_same_hours(old, new):
            units.append(UnitChange(old, new))
    old_devices = {one.device: one for unit in before.units for one in unit.instruments}
    kept = {
        one.device
        for unit in after.units
        for one in unit.instruments
        if one.device in old_devices and one.is_same(old_devices[one.device])
    }
    ended = [line for line in before.lines if not any(line.is_same(other) for other in after.lines)]
    begun = [line for line in after.lines if not any(line.is_same(other) for other in before.lines)]
    return PlanChange(before, after, tuple(units), frozenset(kept), tuple(ended), tuple(begun))


def require_changeable(before: Plan, after: Plan, *, source: str) -> None:
    """ConfigError for what the life of a process hangs on, and for a unit that is another one on the ledger."""
    old, new = before.settings, after.settings
    for key in ("state_dir", "key", "node", "outbox"):
        if getattr(old, key) != getattr(new, key):
            raise ConfigError(source=source, path=key, reason=RESTART)
    for unit in after.units:
        known = before.unit(unit.table.name)
        at = f"unit[{after.units.index(unit)}]"
        _require_same_stack(known, unit, source=source, at=at)
        if known is None:
            continue
        for key in ("channel", "source"):
            if getattr(known.table, key) != getattr(unit.table, key):
                raise ConfigError(
                    source=source, path=f"{at}.{key}", reason=f"of unit {unit.table.name}: {RESTART}"
                )


def _require_same_stack(known: PlannedUnit | None, unit: PlannedUnit, *, source: str, at: str) -> None:
    """Who shares a stack is settled for a whole hour, by all units on it: a restart begins with a border."""
    before = () if known is None or known.hour.shared is None else known.hour.shared.units
    after = () if unit.hour.shared is None else unit.hour.shared.units
    if {one.unit for one in before} != {one.unit for one in after}:
        reason = f"which units share the stack of {unit.table.name}: {RESTART}"
        raise ConfigError(source=source, path=f"{at}.shares_stack_of", reason=reason)


def _makes_same_hours(old: PlannedUnit, new: PlannedUnit) -> bool:
    """By what stands in the records, and by everything that makes them."""
    return setup_of(old) == setup_of(new) and old.monitors == new.monitors


def _hex(unit: PlannedUnit | None, name: str) -> str | None:
    found: bytes | None = None if unit is None else getattr(unit, name)
    return None if found is None else found.hex()
