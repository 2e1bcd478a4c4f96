"""The facts that a device states: an hour, its revision, a gap, an event (wire.md 3)."""

from __future__ import annotations

from doxedge.contracts.rule import Value
from doxedge.fact import fact


@fact
class Hour:
    """Facts of `hour` (wire.md 3)."""

    unit: str
    start_ms: int
    rule_set: str
    operating_percent: int
    nox_g: int
    energy_wh: int
    quality: str
    clause: str
    method_code: str
    minutes_valid: int
    samples: int
    samples_root: bytes
    profile_hash: bytes
    rules_hash: bytes
    clock_state: str
    clock_offset_ms: int
    boot_id: bytes
    firmware: str
    recipe: list[Value] | None


@fact
class Revision:
    """Facts of `hour.revise`."""

    revised: bytes
    """Record id of the hour, or of its latest revision."""
    reason: str
    hour: Hour


@fact
class Gap:
    """Facts of `gap`: no mass is known from `from_ms` to `to_ms`."""

    unit: str
    from_ms: int
    to_ms: int
    cause: str


@fact
class Event:
    """Facts of `event`."""

    unit: str | None
    code: str
    at_ms: int
    text: str
