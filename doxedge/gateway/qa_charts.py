"""The QAL3 charts of one monitor (EN 14181, 7): a CUSUM for zero gas and one for span gas, fed by its checks.

Every reading is a line of `qa.db`; the chart is what the last line says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from doxedge.gateway.qa_plan import MonitorPlan
from doxedge.gateway.record_desk import Happening
from doxedge.measurement.calibration_run import Gas
from doxedge.measurement.qal3 import Cusum, CusumStep
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind


@dataclass(frozen=True, slots=True)
class Step:
    """One more reading, not on the disk yet."""

    gas: Gas
    after: Cusum
    record: CusumStep


class Charts:
    """Empty where the site knows no deviation of its analyser."""

    def __init__(self, plan: MonitorPlan) -> None:
        """Charts without a reading."""
        self.plan = plan
        self._charts = {} if plan.s_ams is None else {gas: Cusum(plan.s_ams) for gas in Gas}
        self._findings: dict[Gas, tuple[str, ...]] = {}

    @property
    def kept(self) -> bool:
        """Whether there are charts at all."""
        return bool(self._charts)

    @property
    def findings(self) -> str:
        """What the last readings found, in words; empty when nothing is wrong."""
        return "; ".join(f"{gas} gas: {', '.join(found)}" for gas, found in self._findings.items() if found)

    def restore(self, entries: Iterable[QaEntry]) -> None:
        """Go on from the last line of each chart; with another deviation a chart begins anew."""
        for entry in entries:
            body, gas = entry.body, Gas(entry.body["gas"])
            if gas in self._charts and Decimal(body["s_ams"]) == self.plan.s_ams:
                self._charts[gas] = _chart(entry.at_ms, body)
                self._findings[gas] = tuple(body["findings"])

    def steps(
        self, readings: Sequence[tuple[int, Gas, Decimal, Decimal]], *, set_back: bool = False
    ) -> list[Step]:
        """What these (instant, gas, reading, reference) make of the charts. Raises ValueError for one out of order.

        `set_back`: they are of now, so a chart that is ahead of them was told by a clock that has been set back.
        """
        charts, found = dict(self._charts), []
        for at_ms, gas, reading, reference in readings:
            if gas in charts:
                last_ms = charts[gas].last_ms
                if set_back and last_ms is not None and last_ms >= at_ms:
                    charts[gas] = replace(charts[gas], last_ms=None)
                charts[gas], record = charts[gas].step(at_ms, reading, reference)
                found.append(Step(gas, charts[gas], record))
        return found

    def take(self, steps: Iterable[Step]) -> None:
        """They are on the disk."""
        for step in steps:
            self._charts[step.gas] = step.after
            self._findings[step.gas] = _words(step.record)

    def adjusted(self) -> None:
        """The analyser was adjusted or repaired: the sums begin anew."""
        self._charts = {gas: chart.adjusted() for gas, chart in self._charts.items()}
        self._findings.clear()

    def drafts(self, steps: Iterable[Step]) -> list[QaDraft]:
        """The lines of these steps."""
        return [self._draft(step) for step in steps]

    def events(self, steps: Iterable[Step]) -> list[Happening]:
        """What is signed: a reading with a finding."""
        quantity = self.plan.quantity
        return [
            Happening(
                "qal3.finding",
                step.record.at_ms,
                f"{quantity}, {step.gas} gas: {', '.join(_words(step.record))}; reading {step.record.reading:.6g}, "
                f"reference {step.record.reference:f}, sums {step.record.sum_positive:.4g} and "
                f"{step.record.sum_negative:.4g}",
                key=f"{quantity}/{step.gas}/{step.record.at_ms}",
            )
            for step in steps
            if step.record.findings
        ]

    def _draft(self, step: Step) -> QaDraft:
        record = step.record
        return QaDraft(
            kind=QaKind.CHART,
            unit=self.plan.unit,
            quantity=self.plan.quantity,
            at_ms=record.at_ms,
            body={
                "gas": step.gas.value,
                "s_ams": str(step.after.s_ams),
                "reading": str(record.reading),
                "reference": str(record.reference),
                "sum_positive": str(record.sum_positive),
                "sum_negative": str(record.sum_negative),
                "sum_precision": str(record.sum_precision),
                "rising": record.rising,
                "falling": record.falling,
                "findings": _words(record),
            },
        )


def _words(record: CusumStep) -> tuple[str, ...]:
    return tuple(sorted(finding.value for finding in record.findings))


def _chart(at_ms: int, body: Mapping[str, Any]) -> Cusum:
    return Cusum(
        Decimal(body["s_ams"]),
        Decimal(body["sum_positive"]),
        Decimal(body["sum_negative"]),
        Decimal(body["sum_precision"]),
        Decimal(body["reading"]) - Decimal(body["reference"]),
        body["rising"],
        body["falling"],
        at_ms,
    )
