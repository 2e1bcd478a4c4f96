"""How often the hours of a unit left the valid calibration range of a monitor, week by week since its last QAL2 or AST.

EN 14181, 6.5: more than 5 % of a week's values outside in five weeks, or more than 40 % in one, ask for a new QAL2. The
values are the measured hours of the history. Weeks begin on Monday, 00:00 UTC; a whole one is judged when it is over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from doxedge.gateway.qa_in_force import end_of_day_ms
from doxedge.measurement.calibrated import OUT_OF_RANGE
from doxedge.measurement.qal2 import RangeState, RangeWatch
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.hours import MONDAY_MS, HourStore
from doxedge.store.qa_rows import QaEntry

WEEK_MS: Final = 7 * DAY_MS
_EPOCH: Final = dt.date(1970, 1, 1)

Weeks = Sequence[tuple[int, int, int]]
"""(number of the week since the first Monday, hours measured, of these outside), in the order of time."""


class RangeWeeks:
    """Of the monitors of one unit, counted again once an hour."""

    def __init__(self, unit: str, history: HourStore | None) -> None:
        """Nothing is counted yet. `history` None: nothing is ever known."""
        self._unit, self._history = unit, history
        self._hour_ms: int | None = None
        self._told: Mapping[str, str] = {}

    async def follow(self, passed: Mapping[str, Mapping[str, Sequence[QaEntry]]], now_ms: int) -> None:
        """`passed`: the tests that passed, by monitor and kind. Raises StoreError."""
        hour_ms = now_ms - now_ms % HOUR_MS
        if self._history is None or hour_ms == self._hour_ms:
            return
        told = {}
        for monitor, tests in passed.items():
            since_ms = counted_since_ms(tests)
            if since_ms is not None:
                weeks = await self._history.weeks(
                    self._unit, f"{OUT_OF_RANGE}:{monitor}", from_ms=since_ms, to_ms=_monday(hour_ms)
                )
                told[monitor] = words(weeks)
        self._told, self._hour_ms = told, hour_ms

    def words(self, monitor: str) -> str:
        """Why a new QAL2 is asked for; empty when none is."""
        return self._told.get(monitor, "")


def counted_since_ms(tests: Mapping[str, Sequence[QaEntry]]) -> int | None:
    """From when on weeks count: the Monday after the last QAL2, or an AST after it; None without a QAL2."""
    functions: list[int] = [
        entry.body["in_force_ms"] for entry in tests.get("qal2", ()) if "in_force_ms" in entry.body
    ]
    if not functions:
        return None
    since_ms = max([max(functions), *(end_of_day_ms(entry.body["day"]) for entry in tests.get("ast", ()))])
    return _monday(since_ms + WEEK_MS - 1)


def words(weeks: Weeks) -> str:
    """Why these weeks ask for a new QAL2; empty when they do not."""
    watch = RangeWatch()
    for week, values, outside in weeks:
        if watch.week(values=values, outside=outside) is RangeState.NEW_QAL2:
            monday = _EPOCH + dt.timedelta(milliseconds=MONDAY_MS + week * WEEK_MS)
            return (
                f"{outside} of {values} hours of the week of {monday} lie outside the range of the last QAL2, and "
                f"{watch.bad_weeks} weeks had more than {watch.weekly_percent} % outside: a new QAL2 is due within "
                "six months"
            )
    return ""


def _monday(at_ms: int) -> int:
    """The last Monday, 00:00 UTC, that is not after an instant."""
    return at_ms - (at_ms - MONDAY_MS) % WEEK_MS
