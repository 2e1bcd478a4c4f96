"""Which configuration is in force, which made the hours before it, and which is accepted for the next border.

The operator's files say what is wanted; this file says what was measured by. A restart needs both: hours that were
measured by the configuration before are closed by it, also when the files have changed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from doxedge.gateway.plan import Plan
from doxedge.gateway.settings import GatewaySettings
from doxedge.store import durable_file

FILE_NAME: Final = "configuration.json"


@dataclass(frozen=True, slots=True)
class Approval:
    """Who wanted a change, and why."""

    name: str
    """Empty where nobody said."""
    reason: str
    user: str
    """The account at the operators' door; empty for a signal and for a restart."""

    @property
    def words(self) -> str:
        """For the signed event, after the hashes."""
        if not self.name:
            return f"; nobody gave a name ({self.reason})"
        return f"; approved by {self.name} ({self.user}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration, and what it made of the register maps of its time."""

    settings: GatewaySettings
    hashes: Mapping[str, tuple[str, str]]
    """Unit to profile hash and rules hash, in hex."""
    from_ms: int
    approval: Approval

    def makes(self, plan: Plan) -> bool:
        """Whether this plan makes the same hours."""
        return dict(self.hashes) == hashes_of(plan)


@dataclass(frozen=True, slots=True)
class Kept:
    """The whole file."""

    in_force: Configuration
    before: Configuration | None = None
    """Made the hours before `in_force.from_ms`."""
    accepted: Configuration | None = None
    """To come."""

    def switched(self) -> Kept:
        """The accepted one is in force."""
        if self.accepted is None:
            return self
        return Kept(self.accepted, before=self.in_force)

    def with_accepted(self, accepted: Configuration | None) -> Kept:
        """Another one is to come, or none."""
        return replace(self, accepted=accepted)


def configuration_of(plan: Plan, *, from_ms: int, approval: Approval) -> Configuration:
    """What is kept of a plan."""
    return Configuration(plan.settings, hashes_of(plan), from_ms, approval)


def hashes_of(plan: Plan) -> dict[str, tuple[str, str]]:
    """Unit to profile hash and rules hash, in hex."""
    return {unit.table.name: (unit.profile_hash.hex(), unit.rules_hash.hex()) for unit in plan.units}


def read_kept(path: Path) -> Kept | None:
    """What the last run left; None when there is nothing. A damaged file is set aside, loudly."""

    def decode(stored: Any) -> Kept:
        before, accepted = stored["before"], stored["accepted"]
        return Kept(
            _read(stored["in_force"]),
            None if before is None else _read(before),
            None if accepted is None else _read(accepted),
        )

    return durable_file.read_json(path, decode, loss="the files say what is in force")


def write_kept(path: Path, kept: Kept) -> None:
    """Replace the file atomically and durably. Raises OSError."""
    stored = {
        "in_force": _write(kept.in_force),
        "before": None if kept.before is None else _write(kept.before),
        "accepted": None if kept.accepted is None else _write(kept.accepted),
    }
    durable_file.replace_text(path, json.dumps(stored, sort_keys=True))


def _read(stored: Mapping[str, Any]) -> Configuration:
    hashes = {str(unit): (str(profile), str(rules)) for unit, (profile, rules) in stored["hashes"].items()}
    said, from_ms = stored["approval"], stored["from_ms"]
    if type(from_ms) is not int:
        raise ValueError(f"from_ms: {from_ms!r} is not an instant")
    approval = Approval(str(said["name"]), str(said["reason"]), str(said["user"]))
    return Configuration(GatewaySettings.model_validate(stored["settings"]), hashes, from_ms, approval)


def _write(one: Configuration) -> dict[str, object]:
    said = one.approval
    return {
        "settings": one.settings.model_dump(mode="json", exclude_none=True),
        "hashes": one.hashes,
        "from_ms": one.from_ms,
        "approval": {"name": said.name, "reason": said.reason, "user": said.user},
    }
