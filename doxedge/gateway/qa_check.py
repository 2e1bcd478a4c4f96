"""One check of one instrument that is under way: who asked for it, and how it stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from doxedge.gateway.qa_monitor import Monitor
from doxedge.measurement.calibration_check import CheckResult, conclude
from doxedge.measurement.calibration_run import CheckRun, Gas, Over
from doxedge.quantity import HOUR_MS, MINUTE_MS

DRIVEN_PATIENCE_MS: Final = 3 * MINUTE_MS
"""From the command to the flag: a valve opens in seconds, and the flag is read with the next poll."""
HAND_PATIENCE_MS: Final = 30 * MINUTE_MS
"""A person walks to the instrument."""
OWN_PATIENCE_MS: Final = 15 * MINUTE_MS
"""Between the gases of an instrument's own sequence it measures stack gas for a while, or purges."""

_numbers = itertools.count(1)


class Origin(StrEnum):
    """Who began it. The words are stored."""

    SCHEDULE = "schedule"
    OPERATOR = "operator"
    INSTRUMENT = "instrument"


@dataclass(slots=True)
class Check:
    """Under way until `over`."""

    device: str
    monitors: tuple[Monitor, ...]
    run: CheckRun
    origin: Origin
    by: str
    """Who asked, in words; empty for nobody."""

    driven: bool
    begun: dict[str, int] = field(default_factory=dict)
    """Quantity to the entry with which it began, once these are on the disk."""

    number: int = field(default_factory=lambda: next(_numbers))
    """What a caller calls it by, while this gateway runs."""

    asked: Gas | None = None
    """The gas that the instrument was told to take."""

    refused: bool = False
    """The instrument did not obey."""

    results: list[dict[str, object]] = field(default_factory=list)
    """Told once they are on the disk: one for each monitor."""

    @property
    def over(self) -> Over | None:
        """How it ended."""
        return self.run.over

    def conclude(self, at_ms: int) -> list[tuple[Monitor, CheckResult]]:
        """What came of it, for each monitor. Only for one that is over."""
        over = self.run.over
        if over is None:
            raise ValueError(f"the check of {self.device} is not over")
        unfinished = "" if over.complete else over.why
        # What an instrument does of its own accord and breaks off was perhaps no check at all.
        disobeyed = self.refused or (self.driven and over.late)
        aborted = self.origin is not Origin.INSTRUMENT and (over.began or disobeyed)
        found = []
        for monitor in self.monitors:
            plan = monitor.plan
            measured = {gas: done for gas in Gas if (done := self.run.measured(plan.reads, gas)) is not None}
            result = conclude(plan.checks, measured, at_ms=at_ms, unfinished=unfinished, aborted=aborted)
            found.append((monitor, result))
        return found

    def as_dict(self) -> dict[str, object]:
        """For whoever waits."""
        over = self.run.over
        return {
            "check": self.number,
            "device": self.device,
            "origin": self.origin.value,
            "begun_ms": self.run.begun_ms,
            "wanted": None if self.run.wanted is None else self.run.wanted.value,
            "driven": self.driven,
            "over": len(self.results) == len(self.monitors),
            "why": "" if over is None else over.why,
            "results": self.results,
            "stages": [
                {
                    "quantity": monitor.plan.quantity,
                    "gas": gas.value,
                    "stage": self.run.stage(monitor.plan.reads, gas).value,
                }
                for monitor in self.monitors
                for gas in self.run.gases
            ],
        }


def begin(
    device: str,
    monitors: Iterable[Monitor],
    gases: tuple[Gas, ...],
    *,
    origin: Origin,
    by: str,
    now_ms: int,
) -> Check:
    """A check that begins now."""
    chosen = tuple(monitors)
    driven = origin is not Origin.INSTRUMENT and all(monitor.plan.driven for monitor in chosen)
    patience_ms = DRIVEN_PATIENCE_MS if driven else HAND_PATIENCE_MS
    if origin is Origin.INSTRUMENT:
        patience_ms = OWN_PATIENCE_MS
    longest_ms = max(m.plan.timing.settle_ms + m.plan.timing.read_ms for m in chosen)
    run = CheckRun(
        {monitor.plan.reads: monitor.plan.timing for monitor in chosen},
        gases,
        begun_ms=now_ms,
        # Patience counts from the last progress, and a plateau makes none while it settles or is read.
        patience_ms=min(patience_ms + longest_ms, 3 * HOUR_MS),
        in_order=origin is not Origin.INSTRUMENT,
    )
    return Check(device, chosen, run, origin, by, driven)
