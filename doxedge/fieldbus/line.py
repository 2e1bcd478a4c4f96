"""One task per line: asks the line's devices in turn, at a fixed phase, and lets no dead one delay the others.

Every due poll gives exactly one sample. While a device is away its samples say so (None with a reason) without a
question being asked; a probe now and then finds out when it is back. Time-outs are in real time, because wires are;
poll periods and pauses are in plant time.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from doxedge.analysers.commands import steps_of
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.driver import Driver
from doxedge.analysers.question import Answer, Asked, Command, DeviceException, Outcome, Unanswered
from doxedge.fieldbus.backoff import BackOff
from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.errors import LineError
from doxedge.fieldbus.identify import identify, line_failure
from doxedge.fieldbus.modbus_pdu import exception_text
from doxedge.measurement.sample import Reason, Sample

OVER_S: Final = 1.0
"""Plant seconds between two looks of a line whose end has come, and which nobody has stopped yet."""
STEP_TRIES: Final = 3
"""So often a step of a command is told when no answer comes."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One group of one device, asked when plant time is `phase_ms` past a multiple of `period_ms`."""

    driver: Driver
    group: str
    period_ms: int
    phase_ms: int = 0

    def __post_init__(self) -> None:
        if self.period_ms < 1 or not 0 <= self.phase_ms < self.period_ms:
            raise ValueError(f"a phase of {self.phase_ms} ms does not fit a period of {self.period_ms} ms")
        self.driver.requests(self.group)  # KeyError here rather than in the running line

    def worst_ms(self, timeout_ms: int) -> int:
        """How long one visit takes the line at most, where an exchange takes `timeout_ms` at most."""
        return len(self.driver.requests(self.group)) * timeout_ms

    def next_due_ms(self, after_ms: int) -> int:
        """The first time on this poll's grid that is later than `after_ms`."""
        periods = (after_ms - self.phase_ms) // self.period_ms + 1
        return periods * self.period_ms + self.phase_ms


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Design defaults; a site may change them."""

    alarm_after: int = 2
    """Failed polls in a row before a device counts as away: one lost frame is no outage."""
    back_off: BackOff = field(default_factory=BackOff)
    probe_share_percent: int = 10
    """Share of the line's time that may go into waiting for devices that are away, where others need the line. What
    counts is the time-out with the silence that has to follow it."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device came or went. Exactly one of these per outage and per return."""

    device: str
    line: str
    up: bool
    reason: Reason
    detail: str
    """For the operator: what happened last."""
    at_ms: int
    """Plant time."""


@dataclass(slots=True)
class DeviceCounters:
    """Since the line started."""

    polls: int = 0
    """Samples delivered."""
    failed: int = 0
    """Polls in which the line brought no trustworthy answer."""
    skipped: int = 0
    """Polls not asked because the device was away."""
    missed: int = 0
    """Polls that were due while the line was busy or the clock jumped; never made up for."""
    outages: int = 0


@dataclass(slots=True)
class _Device:
    """What the line knows about one device."""

    counters: DeviceCounters = field(default_factory=DeviceCounters)
    up: bool | None = None
    """None until the first poll has told."""
    known: Driver | None = None
    """Who reads it, once it has proved to be what the map says; None asks for its identity first."""
    failures: int = 0
    """In a row."""
    retry_at_s: float = 0.0
    """Real monotonic time before which it is left alone."""
    slip_until_s: float = 0.0
    """Real monotonic time before which another failure is no slip."""
    is_slip: bool = False
    """It answered before, and its failure is the first for long (one lost frame): it is asked again whatever the budget
    says."""
    asked_at_s: float = 0.0
    """Real monotonic time of the last visit."""
    has_yielded: bool = False
    """It let one that waits longer go first, and need not do so twice."""
    reason: Reason = Reason.NONE
    detail: str = ""


def busy_percent(polls: Sequence[Poll], *, timeout_ms: int) -> float:
    """Share of a line's time that goes into questions at worst: every device alive and as slow as it may be."""
    return sum(100 * poll.worst_ms(timeout_ms) / poll.period_ms for poll in polls)


def check_load(name: str, polls: Sequence[Poll], *, timeout_ms: int) -> None:
    """Refuse a line whose devices, all alive and all as slow as they may be, could not be polled in time.

    ConfigError with the arithmetic. In real time only: a compressed plant clock does not slow its wires down.
    """
    parts = [(poll, poll.worst_ms(timeout_ms)) for poll in polls]
    load_percent = busy_percent(polls, timeout_ms=timeout_ms)
    if load_percent > 100:
        sums = ", ".join(
            f"{poll.driver.device}/{poll.group} {worst_ms} ms every {poll.period_ms} ms"
            for poll, worst_ms in parts
        )
        raise ConfigError(
            source=name,
            path="",
            reason=f"at worst this line is busy {load_percent:.0f} % of the time ({sums}): "
            "shorten the time-out or lengthen the periods",
        )


class Line:
    """One endpoint with its devices. `run` is the task; it ends only when it is cancelled."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint | None,
        polls: Sequence[Poll],
        *,
        clock: Clock,
        chance: Callable[[], float],
        on_sample: Callable[[Sample], None],
        on_state: Callable[[DeviceState], None],
        settings: LineSettings = LineSettings(),
    ) -> None:
        if endpoint is None and any(poll.driver.requests(poll.group) for poll in polls):
            raise ValueError(f"line {name} has devices that must be asked, and no endpoint")
        self.name = name
        self._endpoint = endpoint
        self._polls = tuple(polls)
        self._clock = clock
        self._chance = chance
        self._on_sample = on_sample
        self._on_state = on_state
        self._settings = settings
        self._devices = {poll.driver.device: _Device() for poll in polls}
        self._probe_at_s = 0.0
        self._turn = asyncio.Lock()
        """Whoever asks or tells holds it: one question is outstanding, and a command is not interrupted."""
        self._end_ms: int | None = None
        self._next_due_ms: int | None = None
        """While nothing is asked: when the next poll is due."""

    def end_at(self, end_ms: int | None) -> None:
        """Leave the polls that are due from then on to another line; None: there is no end."""
        self._end_ms = end_ms

    @property
    def has_done_its_part(self) -> bool:
        """Whether every poll before the end was made, and nothing is asked now: it may be cancelled at any instant."""
        if self._end_ms is None or self._next_due_ms is None or self._turn.locked():
            return False
        return self._next_due_ms >= self._end_ms

    @property
    def counters(self) -> dict[str, DeviceCounters]:
        """By device."""
        return {name: device.counters for name, device in self._devices.items()}

    async def run(self, *, from_ms: int | None = None) -> None:
        """Poll until cancelled, then let go of the endpoint.

        `from_ms`: the first instant whose polls are ours, also when it is just over; else those after now.
        """
        after_ms = self._clock.now_ms() if from_ms is None else from_ms - 1
        due = [(poll.next_due_ms(after_ms), index) for index, poll in enumerate(self._polls)]
        heapq.heapify(due)
        try:
            while due:
                due_ms, index = due[0]
                poll = self._polls[index]
                now_ms = self._clock.now_ms()
                is_ahead = now_ms < due_ms <= now_ms + poll.period_ms
                if is_ahead or (due_ms <= now_ms and self._is_over(due_ms)):
                    self._next_due_ms = due_ms
                    await self._clock.sleep((due_ms - now_ms) / 1_000 if is_ahead else OVER_S)
                    self._next_due_ms = None
                    continue
                if due_ms <= now_ms:
                    await self._poll(poll)
                # Else the clock was set back, and the poll finds its place on the grid anew.
                following_ms = poll.next_due_ms(self._clock.now_ms())
                missed = (following_ms - due_ms) // poll.period_ms - 1
                self._devices[poll.driver.device].counters.missed += max(0, missed)
                heapq.heapreplace(due, (following_ms, index))
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the endpoint; the next question takes it up again."""
        if self._endpoint is not None:
            await self._endpoint.close()

    def _is_over(self, due_ms: int) -> bool:
        return self._end_ms is not None and due_ms >= self._end_ms

    async def _poll(self, poll: Poll) -> None:
        """Ask if the device may be asked, and deliver the one sample of this poll."""
        device = self._devices[poll.driver.device]
        driver = device.known or poll.driver
        requests = driver.requests(poll.group)
        if self._left_alone(device):
            device.counters.skipped += 1
            outcomes: list[Outcome] = [
                Unanswered(r, device.reason, f"away: {device.detail}") for r in requests
            ]
        else:
            started_s = device.asked_at_s = self._clock.monotonic_s()
            async with self._turn:
                driver, outcomes = await self._visit(poll, device)
            self._judge(poll.driver.device, device, outcomes, seconds=self._clock.monotonic_s() - started_s)
        device.counters.polls += 1
        self._on_sample(
            driver.sample(
                poll.group,
                outcomes,
                at_ms=self._clock.now_ms(),
                monotonic_ns=int(self._clock.monotonic_s() * 1e9),
            )
        )

    async def tell(self, name: str, command: str) -> str | None:
        """Have a device take a command of its map; None when it took it, else what went wrong, in words.

        Only an instrument that has proved to be what the map says is told anything. A step that brings no answer is
        repeated, for a coil that is switched twice is switched once. KeyError for a device that is not on this line.
        """
        device = self._devices[name]
        driver = next(poll.driver for poll in self._polls if poll.driver.device == name)
        async with self._turn:
            found = device.known or await identify(driver, self._ask)
            if isinstance(found, Unanswered):
                return f"{found.reason}: {found.detail}"
            device.known = found
            steps = steps_of(found, command)
            if not steps:
                return f"its register map has no command {command}"
            for step in steps:
                wrong = await self._take_step(step)
                if wrong is not None:
                    return wrong
        return None

    async def _take_step(self, step: Command) -> str | None:
        wrong = ""
        for _ in range(STEP_TRIES):
            (outcome,) = await self._ask([step])
            if isinstance(outcome, Answer):
                return None
            if isinstance(outcome, DeviceException) and not outcome.means_silence:
                return outcome.text or exception_text(outcome.code)
            failure = line_failure([outcome])
            wrong = "" if failure is None else f"{failure.reason}: {failure.detail}"
        return wrong

    def _left_alone(self, device: _Device) -> bool:
        """Whether a device that failed is not to be asked yet: its own pause, and the line's budget for probes."""
        if not device.failures:
            return False
        now_s = self._clock.monotonic_s()
        if now_s < device.retry_at_s:
            return True
        is_on_budget = len(self._devices) > 1 and not device.is_slip
        return is_on_budget and (now_s < self._probe_at_s or self._yields(device, now_s))

    def _yields(self, device: _Device, now_s: float) -> bool:
        """Whether one that is away as well waits longer: else the one that is due first would take every probe."""
        device.has_yielded = not device.has_yielded and any(
            other.failures and other.retry_at_s <= now_s and other.asked_at_s < device.asked_at_s
            for other in self._devices.values()
        )
        return device.has_yielded

    async def _visit(self, poll: Poll, device: _Device) -> tuple[Driver, list[Outcome]]:
        """The outcomes of the questions, and whose they are; the first failure ends the visit: one time-out at most."""
        if device.known is None:
            found = await identify(poll.driver, self._ask)
            if isinstance(found, Unanswered):
                requests = poll.driver.requests(poll.group)
                return poll.driver, [Unanswered(one, found.reason, found.detail) for one in requests]
            device.known = found
        return device.known, await self._ask(device.known.requests(poll.group))

    async def _ask(self, requests: Sequence[Asked]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for request in requests:
            failure = line_failure(outcomes)
            if failure is not None:
                outcomes.append(Unanswered(request, failure.reason, f"not asked: {failure.detail}"))
                continue
            try:
                outcomes.append(await self._exchange(request))
            except LineError as error:
                outcomes.append(Unanswered(request, error.reason, error.detail))
        return outcomes

    async def _exchange(self, request: Asked) -> Answer | DeviceException:
        assert self._endpoint is not None  # noqa: S101 - __init__ saw to it
        return await self._endpoint.exchange(request)

    def _judge(self, name: str, device: _Device, outcomes: Sequence[Outcome], *, seconds: float) -> None:
        """Keep count of failures, set the pause, and tell of a change exactly once."""
        failure = line_failure(outcomes)
        if failure is None:
            device.failures = 0
            if device.up is not True:
                device.up = True
                self._tell(name, up=True, reason=Reason.NONE, detail="answers")
            return
        device.failures += 1
        device.counters.failed += 1
        device.known = None
        device.reason, device.detail = failure.reason, failure.detail
        now_s = self._clock.monotonic_s()
        pause_s = self._settings.back_off.delay_s(device.failures, self._chance)
        device.retry_at_s = now_s + pause_s / self._clock.speed
        # The others wait through the silence behind it as well. After a wait the line belongs to them for so long that
        # the wait was within its share.
        silence_s = 0.0 if self._endpoint is None else self._endpoint.quarantine_ms / 1_000
        others_s = (seconds + silence_s) * (100 / self._settings.probe_share_percent - 1)
        free_at_s = now_s + silence_s + others_s
        self._probe_at_s = max(self._probe_at_s, free_at_s)
        device.is_slip = device.failures == 1 and now_s >= device.slip_until_s
        device.slip_until_s = free_at_s
        if device.failures >= self._settings.alarm_after and device.up is not False:
            device.up = False
            device.counters.outages += 1
            self._tell(name, up=False, reason=failure.reason, detail=failure.detail)

    def _tell(self, name: str, *, up: bool, reason: Reason, detail: str) -> None:
        self._on_state(
            DeviceState(
                device=name, line=self.name, up=up, reason=reason, detail=detail, at_ms=self._clock.now_ms()
            )
        )
