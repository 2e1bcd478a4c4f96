"""Another configuration without a restart: at SIGHUP, or when a person asks for it by name at the operators' door.

    (1) the files are read and checked whole; a mistake changes nothing, and is an alarm until they are right
    (2) what a process hangs on for life (`plan_change`) is refused in words
    (3) what is accepted is on the disk before it is armed, so that a restart finishes it (`start`)
    (4) what touches no hour comes at once: how samples are kept, where an instrument is; everything else comes at the
        next border of an hour (measurement design, rule 34)
    (5) a later reload takes the place of one that has not come yet

One at a time. Signals that come while one is under way are one more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from doxedge.analysers.configuration import ConfigError
from doxedge.backends.service import ServiceManager
from doxedge.gateway.configuration_file import (
    FILE_NAME,
    Approval,
    Kept,
    configuration_of,
    write_kept,
)
from doxedge.gateway.equipment import Equipment, sample_settings
from doxedge.gateway.measuring import Measuring
from doxedge.gateway.operator_door import Caller, Question, Refusal, Words
from doxedge.gateway.plan import Plan
from doxedge.gateway.plan_change import PlanChange, compare, require_changeable
from doxedge.gateway.start import Coming, Start
from doxedge.quantity import HOUR_MS

log = logging.getLogger(__name__)

SIGNAL: Final = Approval("", "asked for by a signal", "")
SCHEMA: Final = "doxedge.gateway.reload/1"
AHEAD_S: Final = 1.0
"""Plant seconds that a border must be ahead of us, for everybody to know of it."""
AHEAD_REAL_S: Final = 0.2
"""Real seconds of the same, where plant time is compressed."""
SWITCH_REAL_S: Final = 0.02
"""Between two looks whether a change that comes right now has come."""
ASKED_MAX: Final = 16


class AskReload(Question):
    """Take up what stands in the files."""

    ask: Literal["reload"]
    name: Words
    reason: Words


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reload."""

    change: PlanChange
    from_ms: int | None
    """When it comes; None: it has."""
    withdrawn: bool = False
    """Whether another change was to come, and does not."""

    @property
    def result(self) -> str:
        """In a word: `accepted` for the next border, `in_force`, `withdrawn` or `unchanged`."""
        if self.from_ms is not None:
            return "accepted"
        if not self.change.is_nothing:
            return "in_force"
        return "withdrawn" if self.withdrawn else "unchanged"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "schema": SCHEMA,
            "result": self.result,
            "from_ms": self.from_ms,
            "units": [unit.as_dict() for unit in self.change.units],
            "lines_ended": [line.name for line in self.change.ended],
            "lines_begun": [line.name for line in self.change.begun],
        }

    def in_words(self) -> str:
        """For the log."""
        if self.change.is_nothing:
            return f"{self.result}: nothing differs from what is measured by"
        units = ", ".join(f"{one.unit} {one.kind}" for one in self.change.units) or "no unit"
        when = "at once" if self.from_ms is None else f"from {self.from_ms} on"
        lines = f"{len(self.change.ended)} lines end, {len(self.change.begun)} begin"
        return f"{when}: {units}; {lines}"


class Reloader:
    """Takes up configurations for one gateway; everything is done by the one task that runs it."""

    def __init__(
        self,
        measuring: Measuring,
        equipment: Equipment,
        *,
        start: Start,
        read: Callable[[], Plan],
        service: ServiceManager,
    ) -> None:
        """`read` reads and plans the operator's files, and raises ConfigError."""
        self.refused: str | None = None
        """What is wrong with the files since the last reload; None: nothing."""
        self.wanted = start.plan if start.coming is None else start.coming.plan
        """What was taken up last; its units may be still to come."""
        self._measuring, self._equipment = measuring, equipment
        self._read, self._service = read, service
        self._kept, self._coming = start.kept, start.coming
        self._is_written = True
        self._work = asyncio.Event()
        self._hung_up = False
        self._asked: deque[tuple[Approval, asyncio.Future[Outcome]]] = deque()

    @property
    def coming_ms(self) -> int | None:
        """When what was accepted takes over; None when nothing is to come."""
        return None if self._coming is None else self._coming.from_ms

    def hang_up(self) -> None:
        """A signal: look at the files soon."""
        self._hung_up = True
        self._work.set()

    async def answer(self, asked: AskReload, caller: Caller) -> Mapping[str, object]:
        """At the operators' door. Raises Refusal."""
        if len(self._asked) >= ASKED_MAX:
            raise Refusal("busy", "others are reloading it; ask again")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked.append((Approval(asked.name, asked.reason, caller.user), future))
        self._work.set()
        try:
            outcome = await future
        except ConfigError as error:
            raise Refusal("configuration", str(error)) from error
        return {"reload": outcome.as_dict()}

    async def run(self) -> None:
        """Finish what an earlier run accepted, then do what is asked for until cancelled."""
        if self._coming is not None:
            self._arm(compare(self._measuring.plan, self._coming.plan), self._coming)
            log.info("a change that was accepted before the start comes at %d", self._coming.from_ms)
        while True:
            await self._work.wait()
            self._work.clear()
            if not self._is_written:
                with contextlib.suppress(ConfigError):
                    await self._write(self._kept)
            while self._asked:
                approval, future = self._asked.popleft()
                try:
                    outcome = await self.reload(approval)
                except ConfigError as error:
                    if not future.cancelled():
                        future.set_exception(error)
                else:
                    if not future.cancelled():
                        future.set_result(outcome)
            if self._hung_up:
                self._hung_up = False
                with contextlib.suppress(ConfigError):
                    await self.reload(SIGNAL)

    async def reload(self, approval: Approval) -> Outcome:
        """Read, check and take up. Raises ConfigError, and then nothing has changed."""
        self._service.reloading()
        try:
            # In a thread: a hundred register maps are a second in which nothing would be polled.
            plan = await asyncio.to_thread(self._read)
            require_changeable(self._measuring.plan, plan, source="the new configuration")
            outcome = await self._take_up(plan, approval)
        except ConfigError as error:
            self.refused = str(error)
            log.error("the new configuration is refused, the old one goes on: %s", error)
            raise
        finally:
            self._service.ready(self._measuring.summary())
        self.refused = None
        log.info("reload%s: %s", approval.words, outcome.in_words())
        return outcome

    async def _take_up(self, plan: Plan, approval: Approval) -> Outcome:
        coming = self._coming
        if coming is not None and not approval.name and compare(coming.plan, plan).is_nothing:
            # A signal says nothing that is not known, and who approved stays on record.
            return Outcome(compare(self._measuring.plan, plan), coming.from_ms)
        while not self._measuring.disarm():  # noqa: ASYNC110 - it is lines that are waited for
            # Its instant has come: it is made whole first, which takes as long as a poll.
            await asyncio.sleep(SWITCH_REAL_S)
        before, self._coming = self._coming, None
        try:
            outcome = await self._instead(before, plan, approval)
        except ConfigError:
            if before is not None:
                self._arm(compare(self._measuring.plan, before.plan), before)
            raise
        self.wanted = plan
        self._keep_samples(plan)
        return outcome

    async def _instead(self, before: Coming | None, plan: Plan, approval: Approval) -> Outcome:
        """Duties (3) to (5). Raises ConfigError when the disk does not take it."""
        change = compare(self._measuring.plan, plan)
        if change.touches_hours:
            coming = await self._accept(plan, approval)
            self._arm(change, coming)
            return Outcome(change, coming.from_ms)
        in_force = replace(self._kept.in_force, settings=plan.settings)
        await self._write(replace(self._kept, in_force=in_force, accepted=None))
        if not change.is_nothing:
            come = asyncio.Event()
            now_ms = self._equipment.clock.now_ms()
            self._measuring.arm(change, now_ms, self._equipment, words="", done=come.set)
            await come.wait()
        return Outcome(change, None, withdrawn=before is not None)

    async def _accept(self, plan: Plan, approval: Approval) -> Coming:
        """Duty (3): on the disk, with a border that is still ahead. Raises ConfigError."""
        while True:
            coming = Coming(plan, self._border_ms(), approval)
            accepted = configuration_of(plan, from_ms=coming.from_ms, approval=approval)
            await self._write(self._kept.with_accepted(accepted))
            if self._equipment.clock.now_ms() < coming.from_ms:
                return coming

    def _arm(self, change: PlanChange, coming: Coming) -> None:
        self._coming = coming
        self._measuring.arm(
            change, coming.from_ms, self._equipment, words=coming.approval.words, done=self._has_come
        )

    def _has_come(self) -> None:
        """The plan that was accepted is measured by. A restart that finds nothing of this does the same again."""
        self._coming, self._kept, self._is_written = None, self._kept.switched(), False
        self._work.set()

    def _keep_samples(self, plan: Plan) -> None:
        self._equipment.samples.change(sample_settings(plan.settings.samples))

    def _border_ms(self) -> int:
        """The first border that is far enough ahead."""
        clock = self._equipment.clock
        ahead_ms = round(1_000 * max(AHEAD_S, AHEAD_REAL_S * clock.speed))
        return (clock.now_ms() + ahead_ms) // HOUR_MS * HOUR_MS + HOUR_MS

    async def _write(self, kept: Kept) -> None:
        """Raises ConfigError when it cannot be kept: then it does not count."""
        path = self._equipment.folder / FILE_NAME
        try:
            await asyncio.to_thread(write_kept, path, kept)
        except OSError as error:
            raise ConfigError(source=str(path), path="", reason=f"cannot be written: {error}") from error
        self._kept, self._is_written = kept, True
