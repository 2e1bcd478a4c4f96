"""Quality assurance of one unit: checks begin, are followed, judged, kept and signed; readings out of control are bad.

Order of duties:

    (1) that a check begins is in `qa.db` before the instrument is told anything
    (2) its end is in `qa.db` before the standing moves, the hour is told, or anything is signed
    (3) a restart ends as aborted what was under way, puts such instruments back to stack gas, and tells the open hours
        and the records again what they may have missed: the event's key names the check, so nothing is signed twice

What the disk refuses is tried again at the next look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from doxedge.fieldbus.clock import Clock
from doxedge.gateway import qa_tests, qa_words
from doxedge.gateway.doubted_hours import Doubt
from doxedge.gateway.qa_charts import Step
from doxedge.gateway.qa_check import Check, Origin, begin
from doxedge.gateway.qa_due import TestTerms
from doxedge.gateway.qa_gas import GasLines
from doxedge.gateway.qa_monitor import Monitor
from doxedge.gateway.qa_plan import MonitorPlan
from doxedge.gateway.qa_ports import Command, Hours
from doxedge.gateway.qa_range import RangeWeeks
from doxedge.gateway.qa_record import QaRecord, is_same, move, restore_monitor
from doxedge.gateway.record_desk import Happening
from doxedge.measurement.calibration_check import CheckEnd, CheckResult, expired
from doxedge.measurement.calibration_run import GAS_OF, Gas
from doxedge.measurement.judged_sample import JudgedSample
from doxedge.measurement.qa_entry import BLOCKING
from doxedge.measurement.tests_in_force import KeptTests
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.errors import Kind, StoreError
from doxedge.store.hours import HourStore
from doxedge.store.qa import QaStore
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind

log = logging.getLogger(__name__)

HAND_IN_AGAIN_MS: Final = 7 * DAY_MS
"""How far back a restart looks for events that were not signed; the outbox remembers its keys for 35 days."""
CHANGES_BACK_MS: Final = 3 * DAY_MS
"""How far back a restart knows who was in control: samples of open hours are judged again."""
BOTH: Final = (Gas.ZERO, Gas.UPSCALE)
LATE_START_MS: Final = HOUR_MS
"""A schedule that was missed by more is not made up for: the gateway was away."""


class QaDesk:
    """The monitors of one unit."""

    def __init__(
        self,
        unit: str,
        plans: Sequence[MonitorPlan],
        *,
        needed: frozenset[str],
        store: QaStore,
        clock: Clock,
        command: Command,
        history: HourStore | None = None,
        in_force: KeptTests | None = None,
    ) -> None:
        """`needed`: the quantities without which the unit has no mass, and their backups.

        `history` knows in which hours the unit ran; None: nobody does. `in_force` is told of what tests give.
        """
        self.unit = unit
        self.monitors = {plan.quantity: Monitor(plan) for plan in plans}
        self.checks: dict[str, Check] = {}
        """Under way, by device."""
        self.ended: dict[int, Check] = {}
        """The last ones that are over, by number, for those who wait."""
        self.record = QaRecord(plans, in_force)
        self.terms, self.range = TestTerms(unit, history), RangeWeeks(unit, history)
        self._by_reads = {plan.reads: self.monitors[plan.quantity] for plan in plans}
        self._needed, self._store, self._clock = needed, store, clock
        self._gas = GasLines(command)
        self._hours: Hours | None = None
        self._busy = asyncio.Lock()
        """A look, and what an operator asks for meanwhile, come one after the other."""
        self._looked_ms: int | None = None
        self._is_in_trouble = False

    # What the pipeline asks

    def standing(self, judged: JudgedSample) -> JudgedSample:
        """The sample, readings out of control made bad. Nothing else is learnt from them."""
        found = [
            (reading, self.monitors[reading.quantity].stands(reading)) for reading in judged.of(self.monitors)
        ]
        changed = {reading.quantity: stood for reading, stood in found if stood is not reading}
        return judged.judged_anew(changed) if changed else judged

    def see(self, judged: JudgedSample) -> None:
        """A new sample: a check that is under way follows it, and an instrument's own begins one."""
        for reading in judged.of(self._by_reads):
            monitor = self._by_reads[reading.quantity]
            check = self.checks.get(monitor.plan.device)
            if check is None and reading.reason in GAS_OF and reading.device not in self._gas.left_on:
                check = self._begin_own(monitor.plan.device, reading.at_ms)
            if check is not None:
                check.run.see(reading)
            elif reading.reason not in GAS_OF:
                self._gas.left_on.discard(reading.device)

    # What the daemon calls

    async def load(self) -> None:
        """Before the unit measures: where every monitor stood. Raises StoreError."""
        since_ms = self._clock.now_ms() - CHANGES_BACK_MS
        changes = await self._store.since(QaKind.STANDING, self.unit, since_ms)
        checks = await self._store.since(QaKind.CHECK, self.unit, since_ms)
        tests = await self._store.since(QaKind.TEST, self.unit, 0)
        charts = await self._store.since(QaKind.CHART, self.unit, 0)
        for test in tests:
            if test.quantity not in self.monitors:  # It has no table any more, and its hours may be open.
                self.record.put_in_force(test)
        for quantity, monitor in self.monitors.items():
            found = [
                entry
                for kind in (QaKind.HOUR, QaKind.STANDING)
                if (entry := await self._store.last(kind, self.unit, quantity)) is not None
            ]
            newest = max(found, key=lambda entry: entry.number, default=None)
            restore_monitor(monitor, newest, changes, [*checks, *tests])
            self.record.restore(quantity, tests, charts)

    async def begin(self, hours: Hours, *, open_from_ms: int) -> None:
        """Duty (3), once the unit's hours are there. Raises StoreError."""
        self._hours = hours
        now_ms = self._clock.now_ms()
        for monitor in self.monitors.values():
            monitor.advance(now_ms, running=hours.is_running)
        for entry in await self._store.unfinished(self.unit):
            await self._abort(entry, now_ms)
        passed_ms: dict[str, int] = {}
        for entry in await self._store.since(QaKind.CHECK, self.unit, now_ms - HAND_IN_AGAIN_MS):
            end = CheckEnd(entry.body["end"])
            if entry.at_ms >= open_from_ms:
                self._tell_hours(entry.quantity, end, entry.at_ms)
            self._have_signed(entry)
            self._doubt_again(entry, end, passed_ms)
        for entry in await self._store.since(QaKind.TEST, self.unit, now_ms - HAND_IN_AGAIN_MS):
            self._sign(qa_tests.test_events(entry))
        await self._write_standings()
        self._looked_ms = now_ms

    async def look(self) -> None:
        """One look: time passes, schedules fall due, checks go on or end. Raises StoreError, but not of a full disk."""
        async with self._busy:
            if self._hours is not None:  # else it has not begun yet, or another desk took its place
                await self._look()

    async def _look(self) -> None:
        now_ms = self._clock.now_ms()
        running = self._hours is not None and self._hours.is_running
        for monitor in self.monitors.values():
            monitor.advance(now_ms, running=running)
        await self.terms.follow(now_ms)
        self._hold_to_terms(now_ms)
        await self.range.follow(self.record.passed, now_ms)
        try:
            await self._write_standings()
            await self._gas.put_back_left(self.checks)
            await self._begin_due(now_ms)
            for check in [*self.checks.values()]:
                await self._go_on(check, now_ms)
        except StoreError as error:
            if error.kind not in (Kind.FULL, Kind.BUDGET):
                raise
            if not self._is_in_trouble:
                log.error("unit %s: quality assurance waits for the disk: %s", self.unit, error)
            self._is_in_trouble = True
            return
        self._is_in_trouble = False

    def _hold_to_terms(self, now_ms: int) -> None:
        """A test that was made must be made again in time; whether one that never was must be is not known here."""
        for quantity, monitor in self.monitors.items():
            if monitor.plan.tests_expire:
                over = self.terms.over(self.record.passed[quantity], now_ms=now_ms)
                monitor.hold_to_terms(over, at_ms=now_ms, may_begin=self.terms.is_settled)

    async def begin_check(
        self, device: str, quantities: Sequence[str], gases: tuple[Gas, ...], *, origin: Origin, by: str
    ) -> Check:
        """A check of these monitors, all of one device. Raises ValueError with what is in the way, StoreError."""
        async with self._busy:
            return await self._begin_check(device, quantities, gases, origin=origin, by=by)

    async def _begin_check(
        self, device: str, quantities: Sequence[str], gases: tuple[Gas, ...], *, origin: Origin, by: str
    ) -> Check:
        """Duty (1)."""
        now_ms = self._clock.now_ms()
        monitors = [self.monitors[quantity] for quantity in quantities]
        under_way = self.checks.get(device)
        if under_way is not None and under_way.origin is not Origin.INSTRUMENT:
            raise ValueError(f"a check of {device} is under way")
        for monitor in monitors:
            wrong = expired(monitor.plan.checks.cylinders, gases, now_ms)
            if wrong:
                raise ValueError(
                    f"{monitor.plan.quantity}: {wrong}; connect another and enter it in gateway.toml"
                )
        if under_way is not None:
            under_way.run.end("a check was asked for")
            await self._go_on(under_way, now_ms)
        check = begin(device, monitors, gases, origin=origin, by=by, now_ms=now_ms)
        # In its place before the disk is waited for, so that no other begins meanwhile.
        self.checks[device] = check
        try:
            await self._keep_begun(check)
        except StoreError:
            del self.checks[device]
            raise
        log.info("check %d of %s: %s, begun by the %s", check.number, device, ", ".join(gases), origin)
        return check

    async def keep_test(self, quantity: str, body: Mapping[str, Any], steps: Sequence[Step] = ()) -> QaEntry:
        """A test or an event that was entered: on the disk with its readings, then it moves the standing.

        The same file for the same day is one test: the second time changes nothing. Raises StoreError.
        """
        async with self._busy:
            return await self._keep_test(quantity, body, steps)

    async def _keep_test(self, quantity: str, body: Mapping[str, Any], steps: Sequence[Step]) -> QaEntry:
        now_ms, charts = self._clock.now_ms(), self.record.charts[quantity]
        stored = await self._store.since(QaKind.TEST, self.unit, 0)
        entry = next((one for one in stored if one.quantity == quantity and is_same(one.body, body)), None)
        if entry is None:
            draft = QaDraft(kind=QaKind.TEST, unit=self.unit, quantity=quantity, at_ms=now_ms, body=body)
            entry, *_ = await self._store.append([draft, *charts.drafts(steps)])
        if entry.number in self.record.known:
            return entry
        # Here too when somebody gave up waiting while it was written, and asks again.
        charts.take(steps)
        monitor = self.monitors[quantity]
        monitor.advance(now_ms, running=self._hours is not None and self._hours.is_running)
        move(monitor, entry)
        self.record.note(entry)
        self._hold_to_terms(now_ms)
        self._sign([*qa_tests.test_events(entry), *charts.events(steps)])
        if body["kind"] in BLOCKING and not body["passed"]:
            self._sign([qa_words.suspect_since(entry)])
        await self._write_standings()
        return entry

    async def close(self) -> None:
        """Another desk takes over: what is under way is left to it, its instrument put back to stack gas."""
        async with self._busy:
            await self.put_back()
            self.checks.clear()
            self._hours = None

    async def put_back(self) -> None:
        """The gateway stops: instruments that were told to take gas are put back to stack gas, as well as it goes."""
        await self._gas.put_back(self.checks.values())

    # Inside

    def _begin_own(self, device: str, at_ms: int) -> Check:
        monitors = [monitor for monitor in self.monitors.values() if monitor.plan.device == device]
        check = begin(device, monitors, BOTH, origin=Origin.INSTRUMENT, by="", now_ms=at_ms)
        self.checks[device] = check
        log.info("check %d of %s: the instrument shows gas by itself", check.number, device)
        return check

    async def _begin_due(self, now_ms: int) -> None:
        """Schedules that fell between the last look and this one; those of one device together."""
        before_ms, self._looked_ms = self._looked_ms, now_ms
        if before_ms is None or not 0 < now_ms - before_ms <= LATE_START_MS:
            return
        due: dict[str, list[str]] = {}
        for quantity, monitor in self.monitors.items():
            at_ms = monitor.plan.daily_at_ms
            if at_ms is not None and (before_ms - at_ms) // DAY_MS != (now_ms - at_ms) // DAY_MS:
                due.setdefault(monitor.plan.device, []).append(quantity)
        for device, quantities in due.items():
            try:
                await self._begin_check(device, quantities, BOTH, origin=Origin.SCHEDULE, by="")
            except ValueError as error:
                log.error("unit %s: the scheduled check does not begin: %s", self.unit, error)
                text = f"{', '.join(quantities)}: {error}"
                self._sign([Happening("calibration.missed", now_ms, text)])

    async def _go_on(self, check: Check, now_ms: int) -> None:
        if not check.begun:
            await self._keep_begun(check)
        check.run.look(now_ms)
        wanted = check.run.wanted
        if check.driven and wanted is not None and wanted is not check.asked:
            await self._gas.ask_for(check, wanted)
        if check.over is not None:
            await self._end(check, now_ms)

    async def _end(self, check: Check, now_ms: int) -> None:
        """Duty (2)."""
        await self._gas.end(check)
        found = check.conclude(now_ms)
        steps = {result.quantity: self.record.steps(result) for _, result in found}
        drafts = [
            self._ended(result, check.origin, check.by, check.begun[result.quantity]) for _, result in found
        ]
        lines = [
            line for quantity, some in steps.items() for line in self.record.charts[quantity].drafts(some)
        ]
        entries = await self._store.append([*drafts, *lines])
        for (monitor, result), entry in zip(found, entries, strict=False):
            self._apply(monitor, result)
            self._have_signed(entry)
            charts = self.record.charts[result.quantity]
            charts.take(steps[result.quantity])
            self._sign(charts.events(steps[result.quantity]))
            check.results.append({"quantity": result.quantity, "at_ms": entry.at_ms, **entry.body})
        del self.checks[check.device]
        self._gas.left_on.add(check.device)  # Its last flags are of this check, and begin no other.
        self.ended[check.number] = check
        while len(self.ended) > 16:
            del self.ended[min(self.ended)]
        await self._write_standings()

    async def _abort(self, begun: QaEntry, now_ms: int) -> None:
        """A check that was under way when the gateway ended."""
        monitor = self.monitors.get(begun.quantity)
        own = begun.body["origin"] == Origin.INSTRUMENT
        end = CheckEnd.INCOMPLETE if own else CheckEnd.ABORTED
        result = CheckResult(
            begun.quantity, end, now_ms, (), "the gateway ended while the check was under way"
        )
        draft = self._ended(result, begun.body["origin"], begun.body["by"], begun.number)
        await self._store.append([draft])
        if monitor is not None:
            monitor.checked(result)
            if begun.body["driven"] and monitor.plan.driven:
                self._gas.was_left(monitor.plan.device)

    def _ended(self, result: CheckResult, origin: str, by: str, begun: int) -> QaDraft:
        """The end of the check that began with the entry `begun`."""
        body = qa_words.check_body(result, origin=origin, by=by)
        return QaDraft(
            kind=QaKind.CHECK,
            unit=self.unit,
            quantity=result.quantity,
            at_ms=result.at_ms,
            body=body,
            begun=begun,
        )

    def _apply(self, monitor: Monitor, result: CheckResult) -> None:
        before_ms = monitor.passed_hour_ms
        monitor.checked(result)
        self._tell_hours(result.quantity, result.end, result.at_ms)
        if result.end is CheckEnd.FAILED and monitor.plan.back_to_last_pass and before_ms is not None:
            self._put_in_doubt(monitor, before_ms, result.at_ms)

    def _doubt_again(self, entry: QaEntry, end: CheckEnd, passed_ms: dict[str, int]) -> None:
        """Power may have failed between a check and what it takes away. `passed_ms`: the hour of the last pass."""
        monitor, since_ms = self.monitors.get(entry.quantity), passed_ms.get(entry.quantity)
        if end is CheckEnd.PASSED:
            passed_ms[entry.quantity] = entry.at_ms - entry.at_ms % HOUR_MS
        if end is not CheckEnd.FAILED or monitor is None or since_ms is None:
            return
        if monitor.plan.back_to_last_pass:
            self._put_in_doubt(monitor, since_ms, entry.at_ms)

    def _put_in_doubt(self, monitor: Monitor, from_ms: int, to_ms: int) -> None:
        """Part 60: what was measured since the last pass is invalid, also in hours that are over."""
        quantity = monitor.plan.quantity
        first_ms, last_ms = from_ms + HOUR_MS, to_ms - to_ms % HOUR_MS
        for start_ms in range(first_ms, last_ms, HOUR_MS):
            self._tell_hours(quantity, CheckEnd.FAILED, start_ms)
        self._sign([qa_words.suspect_back_to(quantity, first_ms, last_ms, to_ms)])
        if self._hours is not None and quantity in self._needed and first_ms < last_ms:
            self._hours.doubt(Doubt(quantity, first_ms, last_ms, to_ms))

    def _tell_hours(self, quantity: str, end: CheckEnd, at_ms: int) -> None:
        if self._hours is not None and quantity in self._needed and end in (CheckEnd.PASSED, CheckEnd.FAILED):
            self._hours.calibration(at_ms, passed=end is CheckEnd.PASSED, quantity=quantity)

    def _have_signed(self, entry: QaEntry) -> None:
        event = qa_words.check_event(entry)
        if event is not None:
            self._sign([event])

    def _sign(self, happenings: list[Happening]) -> None:
        if self._hours is not None:
            self._hours.hand_in(happenings)

    async def _keep_begun(self, check: Check) -> None:
        gases = [gas.value for gas in check.run.gases]
        body = {"origin": check.origin.value, "by": check.by, "driven": check.driven, "gases": gases}
        entries = await self._store.append(
            QaDraft(
                kind=QaKind.BEGUN,
                unit=self.unit,
                quantity=monitor.plan.quantity,
                at_ms=check.run.begun_ms,
                body=body,
            )
            for monitor in check.monitors
        )
        check.begun = {entry.quantity: entry.number for entry in entries}

    async def _write_standings(self) -> None:
        for monitor in self.monitors.values():
            drafts = monitor.drafts()
            try:
                if drafts:
                    await self._store.append(drafts)
            except BaseException:
                monitor.unwritten(drafts)
                raise
