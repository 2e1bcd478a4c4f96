"""Quality assurance of all units of a gateway: one record, one look at everything, and who answers an operator."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Final, Literal

from pydantic import Field

from doxedge.fieldbus.clock import Clock
from doxedge.gateway.operator_door import Caller, Question, Refusal
from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.qa_charts import Charts, Step
from doxedge.gateway.qa_check import Check, Origin
from doxedge.gateway.qa_desk import BOTH, QaDesk
from doxedge.gateway.qa_in_force import end_of_day_ms
from doxedge.gateway.qa_monitor import Monitor
from doxedge.gateway.qa_ports import Command, Hours
from doxedge.gateway.qa_sightings import MonitorFacts
from doxedge.gateway.qa_tests import (
    AskEnter,
    AskEvent,
    day_of,
    event_body,
    judge,
    test_body,
)
from doxedge.measurement.bias_factor import factor_at
from doxedge.measurement.calibration_run import Gas
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.hour_settings import HourSettings, backup_name
from doxedge.measurement.judged_sample import JudgedSample
from doxedge.measurement.qa_entry import Judged, TestKind, read_qal3
from doxedge.measurement.tests_in_force import KeptTests
from doxedge.measurement.verdict import FAILED, PASSED
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.hours import HourStore
from doxedge.store.qa import QaStore
from doxedge.store.qa_rows import QaEntry

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


class AskStop(Question):
    """End what is under way."""

    ask: Literal["stop_check"]
    unit: str = Field(max_length=64)


class AskCheck(Question):
    """How is this check?"""

    ask: Literal["check"]
    unit: str = Field(max_length=64)
    check: int = Field(ge=1, lt=2**63)


class StandingOf:
    """Which monitors of another unit are in control, for a unit that shares its stack."""

    def __init__(self, office: QaOffice, unit: str) -> None:
        """`unit` has the monitors."""
        self._office, self._unit = office, unit
        self._desk: QaDesk | None = None

    def standing(self, judged: JudgedSample) -> JudgedSample:
        """The sample, readings out of control made bad."""
        # A desk that was closed still knows how it stood: the last samples of a unit come after it.
        self._desk = self._office.desks.get(self._unit, self._desk)
        return judged if self._desk is None else self._desk.standing(judged)

    def see(self, judged: JudgedSample) -> None:
        """The unit that has the monitors sees them itself."""


class QaOffice:
    """The desks of all units that have anything to check."""

    def __init__(self, *, clock: Clock, command: Command) -> None:
        """`command` tells an instrument what to do."""
        self.desks: dict[str, QaDesk] = {}
        self._hours: dict[str, HourSettings] = {}
        self._in_force: defaultdict[str, KeptTests] = defaultdict(KeptTests)
        self._clock, self._command = clock, command

    async def open_desk(
        self, unit: PlannedUnit, store: QaStore, history: HourStore | None = None
    ) -> QaDesk | None:
        """The desk of a unit, knowing how it stood; None for one without checks. Raises StoreError.

        `history` knows in which hours units ran, for the terms of tests.
        """
        if not unit.monitors:
            return None
        desk = QaDesk(
            unit.table.name,
            unit.monitors,
            needed=unit.hour.needed | {backup_name(quantity) for quantity in unit.hour.backups},
            store=store,
            clock=self._clock,
            command=self._command,
            history=history,
            in_force=self.in_force(unit.table.name),
        )
        await desk.load()
        self._hours[unit.table.name] = unit.hour
        self.desks[unit.table.name] = desk
        return desk

    def in_force(self, unit: str) -> KeptTests:
        """What the tests of a unit's monitors gave; the same object for as long as the gateway runs."""
        return self._in_force[unit]

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(max(LOOK_EVERY_S, LOOK_REAL_S_MIN * self._clock.speed))
            for desk in list(self.desks.values()):
                await desk.look()

    async def put_back(self) -> None:
        """At the end: instruments that were told to take gas are put back to stack gas, as well as it goes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PUT_BACK_S_MAX):
                for desk in self.desks.values():
                    await desk.put_back()

    async def reopen_desk(
        self, unit: PlannedUnit, store: QaStore, hours: Hours, history: HourStore | None = None
    ) -> QaDesk | None:
        """Another plan of what is checked: it begins as after a restart. Raises StoreError."""
        await self.close_desk(unit.table.name)
        desk = await self.open_desk(unit, store, history)
        if desk is not None:
            await desk.begin(hours, open_from_ms=hours.open_from_ms)
        return desk

    async def close_desk(self, unit: str) -> None:
        """Nothing of the unit is checked any more; its instruments are put back to stack gas."""
        desk = self.desks.pop(unit, None)
        if desk is not None:
            await desk.close()

    def standings(self, unit: str) -> list[dict[str, object]]:
        """Each monitor of a unit, for the status."""
        desk = self.desks.get(unit)
        now_ms = self._clock.now_ms()
        return [] if desk is None else [monitor_as_dict(m, desk, now_ms) for m in desk.monitors.values()]

    def facts(self, unit: str) -> list[MonitorFacts]:
        """Each monitor of a unit, for the alarms."""
        desk = self.desks.get(unit)
        if desk is None:
            return []
        now_ms = self._clock.now_ms()
        return [
            _facts(monitor, desk, self._bias_of(desk, quantity, now_ms), now_ms)
            for quantity, monitor in desk.monitors.items()
        ]

    def _bias_of(self, desk: QaDesk, quantity: str, now_ms: int) -> tuple[Decimal, Decimal] | None:
        """(what the RATAs of its stack ask for, by what the mass of the stack is adjusted); None without a RATA.

        None too where the RATAs themselves say by what it is adjusted.
        """
        hour = self._hours[desk.unit]
        if hour.emission.bias_by_rata:
            return None
        for stack in hour.stacks:
            names = frozenset(stack.name_of(measured) for measured in hour.emission.measured)
            wanted = desk.record.bias_factor(names) if quantity in names else None
            if wanted is not None:
                held = factor_at(hour.emission.bias, now_ms - now_ms % HOUR_MS, stack.name)
                return wanted, held or Decimal(1)
        return None

    async def calibrate(self, asked: AskCalibrate, caller: Caller) -> Mapping[str, object]:
        """Begins a check of each instrument concerned: {"checks": [...]}. Raises Refusal, StoreError."""
        desk = self._desk(asked.unit)
        if asked.quantity is not None:
            self._monitor(asked.unit, asked.quantity)
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

    async def stop(self, asked: AskStop, caller: Caller) -> Mapping[str, object]:
        """Ends the checks of a unit that are under way: {"checks": [...]}. Raises Refusal."""
        desk = self._desk(asked.unit)
        checks = [*desk.checks.values()]
        if not checks:
            raise Refusal("not_begun", f"no check of {asked.unit} is under way")
        for check in checks:
            # The next look judges what there is and puts the instrument back.
            check.run.end(f"stopped by {caller.user}")
        return {"checks": [check.as_dict() for check in checks], "not_begun": []}

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

    async def enter(self, asked: AskEnter, caller: Caller) -> Mapping[str, object]:
        """Judges a test, keeps it and lets it count: {"entry": {...}}. Raises Refusal, StoreError."""
        desk, monitor = self._monitor(asked.unit, asked.quantity)
        if end_of_day_ms(day_of(asked.day).isoformat()) - DAY_MS > caller.at_ms:
            raise Refusal("bad_question", f"day: {asked.day} is not over yet")
        if asked.good_until is not None and day_of(asked.good_until) < day_of(asked.day):
            raise Refusal("bad_question", f"good_until: {asked.good_until} is before the test")
        if asked.ended_ms is not None:
            _require_ended(asked, asked.ended_ms, caller.at_ms)
        steps: list[Step] = []
        if asked.kind == "qal3":
            judged, steps = _judge_qal3(asked, desk.record.charts[asked.quantity])
        else:
            last = desk.record.tests[asked.quantity].get("qal2")
            judged = judge(
                asked,
                monitor.plan,
                qal2=None if last is None else last.body["figures"][0],
                mg_per_m3_per_ppm=self._hours[asked.unit].emission.mg_per_m3_per_ppm,
            )
        until = None
        if judged.term is not None:
            await desk.terms.follow(caller.at_ms)
            before = desk.record.passed[asked.quantity].get(judged.kind, [])
            until = desk.terms.good_until(before, day_of(asked.day), judged.term, now_ms=caller.at_ms)
        emission = self._hours[asked.unit].emission
        applied = emission.bias_by_rata if asked.kind == "rata" else emission.calibrated
        body = test_body(asked, caller, judged, by_quarters=until, applied=applied)
        entry = await desk.keep_test(asked.quantity, body, steps)
        return {"entry": entry_as_dict(entry), "standing": monitor.current.standing}

    async def event(self, asked: AskEvent, caller: Caller) -> Mapping[str, object]:
        """Something was done to a monitor: a check must pass. Raises Refusal, StoreError."""
        desk, monitor = self._monitor(asked.unit, asked.quantity)
        entry = await desk.keep_test(asked.quantity, event_body(asked, caller))
        return {"entry": entry_as_dict(entry), "standing": monitor.current.standing}

    def _monitor(self, unit: str, quantity: str) -> tuple[QaDesk, Monitor]:
        desk = self._desk(unit)
        if quantity not in desk.monitors:
            known = ", ".join(desk.monitors)
            raise Refusal("unknown", f"{unit} has no [[unit.calibration]] of {quantity}; it has {known}")
        return desk, desk.monitors[quantity]

    def _desk(self, unit: str) -> QaDesk:
        desk = self.desks.get(unit)
        if desk is None:
            checked = ", ".join(self.desks) or "none"
            raise Refusal(
                "unknown", f"unit {unit} has no [[unit.calibration]] here; units that have: {checked}"
            )
        return desk


def _require_ended(asked: AskEnter, ended_ms: int, now_ms: int) -> None:
    """Raises Refusal."""
    end_ms = end_of_day_ms(asked.day)
    if asked.kind != "rata":
        raise Refusal("bad_question", f"ended: of a RATA it is asked when it ended, not of a {asked.kind}")
    if not end_ms - DAY_MS < ended_ms <= end_ms:
        raise Refusal("bad_question", f"ended: that is not on {asked.day}, UTC")
    if ended_ms > now_ms:
        raise Refusal("bad_question", "ended: that is still to come")


def monitor_as_dict(monitor: Monitor, desk: QaDesk, now_ms: int) -> dict[str, object]:
    """Where it stands, what is under way, and until when the last pass and each kind of test are good."""
    terms = desk.terms.of(desk.record.passed[monitor.plan.quantity], now_ms=now_ms)
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
        "tests": [term.as_dict() for term in terms],
    }


def _judge_qal3(asked: AskEnter, charts: Charts) -> tuple[Judged, list[Step]]:
    """Readings that somebody took by hand, on the charts. Raises Refusal."""
    if not charts.kept:
        text = f"{asked.quantity} has no s_ams in its [[unit.calibration]], so there is no chart"
        raise Refusal("no_chart", text)
    try:
        readings = read_qal3(asked.text.splitlines())
        steps = charts.steps([(one.at_ms, one.gas, one.reading, one.reference) for one in readings])
    except ValueError as error:
        raise Refusal("bad_file", f"{asked.file}: {error}") from error
    found = sorted({finding.value for step in steps for finding in step.record.findings})
    text = f"{len(steps)} readings, {', '.join(found) or 'nothing found'}"
    return Judged(TestKind.QAL3, FAILED if found else PASSED, None, (), text), steps


def entry_as_dict(entry: QaEntry) -> dict[str, object]:
    """For whoever entered it; without the file, which he has."""
    body = {key: value for key, value in entry.body.items() if key != "text"}
    about = {"entry": entry.number, "unit": entry.unit, "quantity": entry.quantity, "at_ms": entry.at_ms}
    return {**about, **body}


def _facts(monitor: Monitor, desk: QaDesk, bias: tuple[Decimal, Decimal] | None, now_ms: int) -> MonitorFacts:
    change, plan = monitor.current, monitor.plan
    terms = desk.terms.of(desk.record.passed[plan.quantity], now_ms=now_ms)
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
        min(terms, key=lambda term: term.until_ms, default=None),
        bias if "rata" in desk.record.tests[plan.quantity] else None,
        desk.record.charts[plan.quantity].findings,
        calibrated_to=_calibrated_to(desk, plan.quantity, now_ms),
        outside=desk.range.words(plan.quantity),
    )


def _calibrated_to(desk: QaDesk, quantity: str, now_ms: int) -> Decimal:
    """As the analyser reads it: a QAL2 ends at a calibrated value (EN 14181, 6.5)."""
    span = desk.monitors[quantity].plan.checks.span
    function = desk.record.function(quantity, now_ms)
    if function is None:
        return span
    with localcontext(PRECISE):
        return min(span, (function.highest - function.a) / function.b)


def _all_checks(desk: QaDesk) -> Sequence[Check]:
    return [*desk.checks.values(), *desk.ended.values()]
