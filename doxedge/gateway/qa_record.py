"""What is on record for the monitors of a unit beside their checks: tests that were entered, and the QAL3 charts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from math import prod
from typing import Any

from doxedge.gateway import qa_tests
from doxedge.gateway.qa_charts import Charts, Step
from doxedge.gateway.qa_in_force import qal_function, rata_factor
from doxedge.gateway.qa_monitor import Monitor
from doxedge.gateway.qa_plan import MonitorPlan
from doxedge.measurement.bias_factor import PLACES
from doxedge.measurement.calibration_check import CheckEnd, CheckResult
from doxedge.measurement.conversion import PRECISE, reported
from doxedge.measurement.qa_entry import BLOCKING
from doxedge.measurement.tests_in_force import KeptTests, QalFunction
from doxedge.store.qa_rows import QaEntry, QaKind

log = logging.getLogger(__name__)


class QaRecord:
    """Of one unit, by quantity."""

    def __init__(self, plans: Sequence[MonitorPlan], in_force: KeptTests | None = None) -> None:
        """Nothing is on record yet. `in_force` is told of what tests give."""
        self._in_force = KeptTests() if in_force is None else in_force
        self.charts = {plan.quantity: Charts(plan) for plan in plans}
        self.tests: dict[str, dict[str, QaEntry]] = {plan.quantity: {} for plan in plans}
        """The last test of each kind that passed."""
        self.passed: dict[str, dict[str, list[QaEntry]]] = {plan.quantity: {} for plan in plans}
        """All that passed, by kind, in the order in which they were entered."""
        self.known: set[int] = set()
        """The entries that have been noted."""

    def restore(self, quantity: str, tests: Sequence[QaEntry], charts: Sequence[QaEntry]) -> None:
        """Go on from what is stored; a chart begins after the last event."""
        adjusted = 0
        for entry in tests:
            if entry.quantity == quantity:
                self.note(entry)
                adjusted = entry.number if entry.body["kind"] == qa_tests.EVENT else adjusted
        since = [one for one in charts if one.quantity == quantity and one.number > adjusted]
        self.charts[quantity].restore(since)

    def note(self, entry: QaEntry) -> None:
        """A test or an event that is on the disk."""
        self.known.add(entry.number)
        self.put_in_force(entry)
        if entry.body["kind"] == qa_tests.EVENT:
            self.charts[entry.quantity].adjusted()
        elif entry.body["passed"]:
            self.tests[entry.quantity][entry.body["kind"]] = entry
            self.passed[entry.quantity].setdefault(entry.body["kind"], []).append(entry)

    def put_in_force(self, entry: QaEntry) -> None:
        """What an entry on the disk gives holds from its hour on."""
        try:
            given = rata_factor(entry) or qal_function(entry)
        except (ValueError, KeyError) as error:
            log.error("entry %d of qa.db puts nothing in force: %s", entry.number, error)
            return
        if given is not None:
            self._in_force.put(given)

    def bias_factor(self, needed: frozenset[str]) -> Decimal | None:
        """What the last RATAs of these quantities ask for together; None without one.

        Of several load levels the largest factor counts.
        """
        factors = [
            max(Decimal(str(row["bias_adj_factor"])) for row in entry.body["figures"])
            for quantity, tests in self.tests.items()
            if quantity in needed and (entry := tests.get("rata")) is not None
        ]
        if not factors:
            return None
        with localcontext(PRECISE):
            return reported(prod(factors, start=Decimal(1)), places=PLACES)

    def function(self, quantity: str, at_ms: int) -> QalFunction | None:
        """Of the last QAL2 of a monitor that holds at an instant; None without one."""
        return self._in_force.function(quantity, at_ms)

    def steps(self, result: CheckResult) -> list[Step]:
        """The gases of a check as readings of the charts."""
        readings = [(g.measured.to_ms, g.gas, g.measured.mean, g.cylinder.reference) for g in result.gases]
        return self.charts[result.quantity].steps(readings, set_back=True)


def move(monitor: Monitor, entry: QaEntry) -> None:
    """A stored check, test or event moves the standing; `Monitor.advance` came before."""
    body = entry.body
    if entry.kind is QaKind.CHECK:
        # As much of a stored check as a standing needs.
        end, why = CheckEnd(body["end"]), str(body["why"])
        monitor.checked(CheckResult(entry.quantity, end, entry.at_ms, (), why))
    elif body["kind"] == qa_tests.EVENT:
        monitor.event(entry.at_ms)
    elif body["kind"] in BLOCKING:
        monitor.test(body["kind"], passed=body["passed"], text=body["told"], at_ms=entry.at_ms)


def restore_monitor(
    monitor: Monitor, newest: QaEntry | None, changes: Iterable[QaEntry], since: Iterable[QaEntry]
) -> None:
    """Where a monitor stood, by what is stored of it and of others.

    newest   its last `hour` or `standing`
    changes  standings of the last days
    since    checks and tests, of which those may have come after `newest`
    """
    own = monitor.plan.quantity
    try:
        monitor.restore(newest, [entry for entry in changes if entry.quantity == own])
    except (ValueError, KeyError) as error:
        log.error("%s.%s: what is stored of its standing is none: %s", monitor.plan.unit, own, error)
    told = 0 if newest is None else newest.number
    for entry in sorted(since, key=lambda one: one.number):
        # A power cut may have come between a check's end, or a test, and the standing that it makes.
        if entry.quantity == own and entry.number > told:
            monitor.advance(entry.at_ms, running=True)
            move(monitor, entry)


def is_same(stored: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether it is the same file about the same day."""
    return "sha256" in body and all(
        stored.get(key) == body[key] for key in ("kind", "day", "sha256", "figures")
    )
