"""Where one monitor stands: in control or not, since when and why, hour by hour, over restarts.

The daily checks move it by `measurement.calibration_validity`. A test that was entered (a linearity check, a RATA) and
failed, or is no longer good, blocks it beside that, until one of its kind passes. What has to be on the disk is handed
out as drafts.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from doxedge.gateway.qa_plan import MonitorPlan
from doxedge.measurement.calibration_check import CheckEnd, CheckResult
from doxedge.measurement.calibration_validity import CalibrationValidity, Outcome, Standing
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind

CHANGES_MAX: Final = 64
"""Changes that late samples are judged by; samples are late by hours, not by weeks."""
HOURS_TOLD_MAX: Final = 24 * 31
"""Hours of an absence that are told one by one; after them every pass and every grace is over."""
SET_BACK_MS: Final = HOUR_MS
"""A clock that is this far behind what was told of was set back; less is waited for."""
_EXPIRED: Final = " expired"
OUTCOMES: Final = {
    CheckEnd.PASSED: Outcome.PASSED,
    CheckEnd.FAILED: Outcome.FAILED,
    CheckEnd.ABORTED: Outcome.ABORTED,
}
"""What the standing depends on; a check that ended otherwise changes nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """Since when a monitor stands as it does."""

    at_ms: int
    in_control: bool
    standing: str
    why: str


class Monitor:
    """One monitor. Instants may come out of order, as a clock that is set makes them; the standing never goes back."""

    def __init__(self, plan: MonitorPlan) -> None:
        """Without a test, so out of control from the beginning of time."""
        self.plan = plan
        self.last_check: CheckResult | None = None
        self._validity = CalibrationValidity()
        self._blocks: dict[str, str] = {}
        self._hour_ms: int | None = None
        self._ran = False
        self._changes: deque[Change] = deque(maxlen=CHANGES_MAX)
        self._drafts: list[QaDraft] = []
        self._note(0)
        self._drafts.clear()

    def restore(self, newest: QaEntry | None, changes: Sequence[QaEntry]) -> None:
        """Go on from the newest `hour` or `standing`, and know the changes of the last days. Raises ValueError."""
        if newest is None:
            return
        self._validity = CalibrationValidity.from_dict(newest.body["state"])
        self._blocks = {str(kind): str(text) for kind, text in newest.body["blocks"].items()}
        told_ms = self._validity.told_until_ms
        self._hour_ms = None if told_ms is None else (told_ms + 1) // HOUR_MS * HOUR_MS
        # Nobody knows of the time between: as in the last hour that was seen.
        self._ran = newest.body["state"]["operated"] is True
        self._changes.extend(_change(entry.at_ms, entry.body) for entry in changes)
        self._note(newest.at_ms)

    @property
    def current(self) -> Change:
        """As it stands now."""
        return self._changes[-1]

    @property
    def valid_until_ms(self) -> int | None:
        """When the last pass ends to be good; None without one."""
        return self._validity.valid_until_ms

    @property
    def passed_hour_ms(self) -> int | None:
        """The hour of the last pass."""
        return self._validity.suspect_from_ms

    def in_control_at(self, at_ms: int) -> bool:
        """Whether what was read at an instant counts."""
        for change in reversed(self._changes):
            if change.at_ms <= at_ms:
                return change.in_control
        return self._changes[0].in_control

    def stands(self, reading: Reading) -> Reading:
        """The reading; bad where it was taken out of control."""
        if reading.quality is Quality.BAD or self.in_control_at(reading.at_ms):
            return reading
        return replace(reading, quality=Quality.BAD, reason=Reason.OUT_OF_CONTROL)

    def advance(self, now_ms: int, *, running: bool) -> None:
        """Time has come so far; hours that are over are told."""
        hour_ms = now_ms - now_ms % HOUR_MS
        if self._hour_ms is None:
            self._hour_ms = hour_ms
        if now_ms < self._hour_ms - SET_BACK_MS:
            self._set_back(hour_ms)
        first_ms = max(self._hour_ms, hour_ms - HOURS_TOLD_MAX * HOUR_MS)
        for start_ms in range(first_ms, hour_ms, HOUR_MS):
            standing = self._validity.hour(start_ms, operating=self._ran)
            body = {"operating": self._ran, "standing": standing.value}
            self._draft(QaKind.HOUR, start_ms, body)
            self._ran = running
        self._hour_ms = max(self._hour_ms, hour_ms)
        self._ran = self._ran or running
        self._note(self._hour_ms)

    def checked(self, result: CheckResult) -> None:
        """A check ended; `advance` came before."""
        self.last_check = result
        outcome = OUTCOMES.get(result.end)
        if outcome is None:
            return
        self._validity.test(self._not_before(result.at_ms), outcome)
        self._note(result.at_ms)

    def event(self, at_ms: int) -> None:
        """Something was done to the monitor after which a check must pass."""
        self._validity.event(self._not_before(at_ms))
        self._note(at_ms)

    def test(self, kind: str, *, passed: bool, text: str, at_ms: int) -> None:
        """A test was entered: a failed one blocks until one of its kind passes."""
        if passed:
            self._blocks.pop(kind, None)
        else:
            self._blocks[kind] = text
        self._note(at_ms)

    def hold_to_terms(self, over: Mapping[str, str], *, at_ms: int, may_begin: bool) -> None:
        """The kinds of test whose last is no longer good block until that changes (Appendix B, 2.2.4 and 2.3.3).

        may_begin  whether what is known of the hours suffices to begin it
        """
        expired = {f"{kind}{_EXPIRED}": text for kind, text in over.items()}
        before = {kind: text for kind, text in self._blocks.items() if kind.endswith(_EXPIRED)}
        if not may_begin:
            expired = {kind: text for kind, text in expired.items() if kind in before}
        if expired.keys() == before.keys():
            return
        others = {kind: text for kind, text in self._blocks.items() if kind not in before}
        self._blocks = others | expired
        self._note(at_ms)

    def drafts(self) -> list[QaDraft]:
        """What is to be written, once; the caller gives back what could not be (`unwritten`)."""
        drafts, self._drafts = self._drafts, []
        return drafts

    def unwritten(self, drafts: list[QaDraft]) -> None:
        """These could not be written now."""
        self._drafts = drafts + self._drafts

    def _set_back(self, hour_ms: int) -> None:
        """The clock was set back: what was told of hours that are to come is not believed.

        A pass of the past stays good from its own hour on; one of the future is none.
        """
        state = self._validity.as_dict()
        passed_ms = self._validity.suspect_from_ms
        if passed_ms is not None and passed_ms > hour_ms:
            state |= {"cause": Standing.NO_PRIOR_TEST.value, "passed_hour_ms": None}
        state |= {"last_ms": hour_ms - 1, "operated": True, "before_outage": None, "grace_hours": 0}
        self._validity = CalibrationValidity.from_dict(state)
        self._hour_ms = hour_ms

    def _not_before(self, at_ms: int) -> int:
        told_ms = self._validity.told_until_ms
        return at_ms if told_ms is None else max(at_ms, told_ms)

    def _note(self, at_ms: int) -> None:
        """The standing as it would be if the unit ran; a change is written."""
        start_ms = self._hour_ms if self._hour_ms is not None else 0
        standing = copy.copy(self._validity).hour(start_ms, operating=True)
        if standing.in_control and self._blocks:
            kind, why = next(iter(self._blocks.items()))
            what = kind if kind.endswith(_EXPIRED) else f"{kind} failed"
            change = Change(at_ms, False, f"out of control: {what}", why)
        else:
            change = Change(at_ms, standing.in_control, standing.value, self._why())
        if self._changes and self.current.standing == change.standing and self.current.why == change.why:
            return
        self._changes.append(change)
        body = {"in_control": change.in_control, "standing": change.standing, "why": change.why}
        self._draft(QaKind.STANDING, at_ms, body)

    def _why(self) -> str:
        check = self.last_check
        return check.why if check is not None and check.end is CheckEnd.ABORTED else ""

    def _draft(self, kind: QaKind, at_ms: int, body: Mapping[str, Any]) -> None:
        state = {"state": self._validity.as_dict(), "blocks": dict(self._blocks)}
        self._drafts.append(
            QaDraft(
                kind=kind,
                unit=self.plan.unit,
                quantity=self.plan.quantity,
                at_ms=at_ms,
                body={**body, **state},
            )
        )


def _change(at_ms: int, body: Mapping[str, Any]) -> Change:
    return Change(at_ms, bool(body["in_control"]), str(body["standing"]), str(body["why"]))
