"""What a start of the gateway measures by: the operator's files, and what the last run left to be done.

    nothing is known of a run before     the files
    the files say what was in force      the files; hours that an earlier configuration measured are closed by it
    they say what was accepted           before its border what was in force, and the change is to come; after it
                                         the files
    they say something else              the files at once, from the hour that runs; hours before it are closed by
                                         what was in force

The last is what a restart is for when a change cannot wait; a reload is what loses nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import Clock
from doxedge.gateway.configuration_file import FILE_NAME, Approval, Configuration, Kept, configuration_of
from doxedge.gateway.plan import Plan, make_plan
from doxedge.quantity import HOUR_MS

log = logging.getLogger(__name__)

FOUND: Final = Approval("", "found at a restart", "")


@dataclass(frozen=True, slots=True)
class Coming:
    """A plan that takes over at a border."""

    plan: Plan
    from_ms: int
    approval: Approval


@dataclass(frozen=True, slots=True)
class Start:
    """How to begin."""

    plan: Plan
    kept: Kept
    """To be on the disk before anything is measured."""
    before: Plan | None = None
    """Made the hours before `kept.in_force.from_ms`."""
    coming: Coming | None = None


def begin(kept: Kept | None, wanted: Plan, *, clock: Clock) -> Start:
    """How to begin now, with `wanted` in the operator's files."""
    now_ms = clock.now_ms()
    if kept is None:
        return Start(wanted, Kept(configuration_of(wanted, from_ms=now_ms, approval=FOUND)))
    accepted = kept.accepted
    if kept.in_force.makes(wanted):
        if accepted is not None:
            log.warning("the change that was accepted for %d is not in the files any more", accepted.from_ms)
        in_force = replace(kept.in_force, settings=wanted.settings)
        kept = Kept(in_force, kept.before)
        return Start(wanted, kept, _plan_again(kept.before, clock))
    if accepted is None or not accepted.makes(wanted):
        return _at_once(kept, wanted, clock=clock, approval=FOUND)
    if now_ms >= accepted.from_ms:
        return Start(wanted, kept.switched(), _plan_again(kept.in_force, clock))
    old = _plan_again(kept.in_force, clock)
    if old is None:
        return _at_once(kept, wanted, clock=clock, approval=accepted.approval)
    coming = Coming(wanted, accepted.from_ms, accepted.approval)
    return Start(old, kept, _plan_again(kept.before, clock), coming)


def _at_once(kept: Kept, wanted: Plan, *, clock: Clock, approval: Approval) -> Start:
    border_ms = clock.now_ms() // HOUR_MS * HOUR_MS
    # Of two changes within one hour the first made no whole hour.
    before = kept.before if kept.in_force.from_ms >= border_ms else kept.in_force
    kept = Kept(configuration_of(wanted, from_ms=border_ms, approval=approval), before)
    return Start(wanted, kept, _plan_again(before, clock))


def _plan_again(configuration: Configuration | None, clock: Clock) -> Plan | None:
    """The plan of an earlier configuration, if the register maps are still those of its time."""
    if configuration is None:
        return None
    try:
        plan = make_plan(configuration.settings, source=FILE_NAME, clock=clock)
    except ConfigError as error:
        log.warning("the configuration before cannot be planned any more: %s", error)
        return None
    if not configuration.makes(plan):
        log.warning("register maps or software have changed: open hours are made by what is there now")
        return None
    return plan
