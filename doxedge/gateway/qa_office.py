"""Quality assurance of all units of a gateway: one record, one look at everything, and who answers an operator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from pydantic import Field

from doxedge.fieldbus.clock import Clock
from doxedge.gateway.operator_door import Caller, Question, Refusal
from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.qa_check import Check, Origin
from doxedge.gateway.qa_desk import BOTH, Command, QaDesk
from doxedge.gateway.qa_monitor import Monitor
from doxedge.gateway.qa_sightings import MonitorFacts
from doxedge.measurement.calibration_run import Gas
from doxedge.store.qa import QaStore

LOOK_EVERY_S: Final = 2.0
"""Plant seconds between two looks."""
LOOK_REAL_S_MIN: Final = 0.02
"""Real seconds between two looks, where plant time is compressed."""
PUT_BACK_S_MAX: Final = 5.0
"""A gateway that stops waits so long for instruments to be put back; the next start tries again."""
LEVELS: Final = {"zero": (Gas.ZERO,), "upscale": (Gas.UPSCALE,), "both": BOTH}


class AskCalibrate(Question):
    """Begin a check."""

    ask: Literal["calibrate"]
    unit: str = Field(max_length=64)
    quantity: str | None = Field(None, max_length=64)
    """None: everything of the unit that is checked."""
    level: Literal["zero", "upscale", "both"] = "both"


class AskCheck(Question):
    """How is this check?"""

    ask: Literal["check"]
    unit: str = Field(max_length=64)
    check: int = Field(ge=1, lt=2**63)


class QaOffice:
    """The desks of all units that have anything to check."""

    def __init__(self, *, clock: Clock, command: Command) -> None:
        """`command` tells an instrument what to do."""
        self.desks: dict[str, QaDesk] = {}
        self._clock, self._command = clock, command

    async def open_desk(self, unit: PlannedUnit, store: QaStore) -> QaDesk | None:
        """The desk of a unit, knowing how it stood; None for one without checks. Raises StoreError."""
        if not unit.monitors:
            return None
        desk = QaDesk(
            unit.table.name,
            unit.monitors,
            needed=unit.hour.emission.measured,
            store=store,
            clock=self._clock,
            command=self._command,
        )
        await desk.load()
        self.desks[unit.table.name] = desk
        return desk

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(max(LOOK_EVERY_S, LOOK_REAL_S_MIN * self._clock.speed))
            for desk in self.desks.values():
                await desk.look()

    async def put_back(self) -> None:
        """At the end: instruments that were told to take gas are put back to stack gas, as well as it goes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PUT_BACK_S_MAX):
                for desk in self.desks.values():
                    await desk.put_back()

    def standings(self, unit: str) -> list[dict[str, object]]:
        """Each monitor of a unit, for the status."""
        desk = self.desks.get(unit)
        return [] if desk is None else [monitor_as_dict(m, desk) for m in desk.monitors.values()]

    def facts(self, unit: str) -> list[MonitorFacts]:
        """Each monitor of a unit, for the alarms."""
        desk = self.desks.get(unit)
        return [] if desk is None else [_facts(monitor) for monitor in desk.monitors.values()]

    async def calibrate(self, asked: AskCalibrate, caller: Caller) -> Mapping[str, object]:
        """Begins a check of each instrument concerned: {"checks": [...]}. Raises Refusal, StoreError."""
        desk = self._desk(asked.unit)
        if asked.quantity is not None and asked.quantity not in desk.monitors:
            known = ", ".join(desk.monitors)
            raise Refusal(
                "unknown", f"{asked.unit} has no [[unit.calibration]] of {asked.quantity}; it has {known}"
            )
        by_device: dict[str, list[str]] = {}
        for quantity, monitor in desk.monitors.items():
            if asked.quantity in (None, quantity):
                by_device.setdefault(monitor.plan.device, []).append(quantity)
        begun, wrong = [], []
        for device, quantities in by_device.items():
            try:
                check = await desk.begin_check(
                    device, quantities, LEVELS[asked.level], origin=Origin.OPERATOR, by=caller.user
                )
            except ValueError as error:
                wrong.append(str(error))
            else:
                begun.append(check.as_dict())
        if not begun:
            raise Refusal("not_begun", "; ".join(wrong))
        return {"checks": begun, "not_begun": wrong}

    async def check(self, asked: AskCheck, _: Caller) -> Mapping[str, object]:
        """{"check": {...}}. Raises Refusal."""
        desk = self._desk(asked.unit)
        check = next(
            (one for one in _all_checks(desk) if one.number == asked.check),
            None,
        )
        if check is None:
            raise Refusal("unknown", f"there is no check {asked.check}; look with `doxedge gateway qa list`")
        return {"check": check.as_dict()}

    def _desk(self, unit: str) -> QaDesk:
        desk = self.desks.get(unit)
        if desk is None:
            checked = ", ".join(self.desks) or "none"
            raise Refusal(
                "unknown", f"unit {unit} has no [[unit.calibration]] here; units that have: {checked}"
            )
        return desk


def monitor_as_dict(monitor: Monitor, desk: QaDesk) -> dict[str, object]:
    """Where it stands, what is under way, and until when the last pass is good."""
    change = monitor.current
    under_way = desk.checks.get(monitor.plan.device)
    return {
        "quantity": monitor.plan.quantity,
        "device": monitor.plan.device,
        "in_control": change.in_control,
        "standing": change.standing,
        "why": change.why,
        "since_ms": change.at_ms,
        "valid_until_ms": monitor.valid_until_ms,
        "check": None if under_way is None else under_way.as_dict(),
    }


def _facts(monitor: Monitor) -> MonitorFacts:
    change, plan = monitor.current, monitor.plan
    ends = [
        cylinder.expires_ms for cylinder in plan.checks.cylinders.values() if cylinder.expires_ms is not None
    ]
    return MonitorFacts(
        f"{plan.unit}.{plan.quantity}",
        change.in_control,
        change.standing,
        change.why,
        monitor.valid_until_ms,
        min(ends, default=None),
    )


def _all_checks(desk: QaDesk) -> Sequence[Check]:
    return [*desk.checks.values(), *desk.ended.values()]
