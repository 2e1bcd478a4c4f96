"""One task per line: fixed phase, one sample per due poll, and no dead device delays another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import Answer, Asked, DeviceException, Read
from doxedge.fieldbus.errors import LineError, NoAnswer
from doxedge.fieldbus.line import DeviceState, Line, Poll, check_load
from doxedge.measurement.sample import Reason, Sample
from tests.fieldbus.line_bench import IDENTITY, PROFILE, driver

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


@dataclass
class SteppedClock:
    """Plant time that moves only by sleeping, by what an exchange takes, or by decree."""

    at_ms: int = 1_000_000
    real_s: float = 0.0
    speed: float = 1.0
    slept: list[float] = field(default_factory=list)
    jumps: dict[int, int] = field(default_factory=dict)
    """Number of the sleep -> where the clock is set after it."""

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return self.real_s

    def spend(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1_000)
        self.real_s += seconds

    async def sleep(self, plant_seconds: float) -> None:
        self.slept.append(plant_seconds)
        self.spend(plant_seconds)
        self.at_ms = self.jumps.pop(len(self.slept), self.at_ms)
        await asyncio.sleep(0)


@dataclass
class PlainEndpoint:
    """Answers with the address in each register; dead units cost their time-out."""

    clock: SteppedClock
    dead: set[int] = field(default_factory=set)
    exceptions: dict[int, int] = field(default_factory=dict)
    timeout_ms: int = 500
    quarantine_ms: int = 0
    """On the line after a time-out, whoever asks next."""
    name: str = "plain"
    asked: list[tuple[int, Read]] = field(default_factory=list)
    took_s: float = 0.01
    closed: bool = False
    _quiet_from_s: float = 0.0

    async def exchange(self, request: Asked) -> Answer | DeviceException:
        assert isinstance(request, Read)
        self.clock.spend(max(0.0, self._quiet_from_s - self.clock.real_s))
        self.asked.append((self.clock.at_ms, request))
        if request.unit_id in self.dead:
            self.clock.spend(self.timeout_ms / 1_000)
            self._quiet_from_s = self.clock.real_s + self.quarantine_ms / 1_000
            raise NoAnswer("no answer")
        self.clock.spend(self.took_s)
        if request.unit_id in self.exceptions:
            return DeviceException(request, self.exceptions[request.unit_id], b"q", b"a")
        data = b"".join((request.address + n).to_bytes(2, "big") for n in range(request.count))
        return Answer(request, data, b"q", b"a")

    async def close(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """A line on a stepped clock with everything it said."""

    clock: SteppedClock
    endpoint: PlainEndpoint
    samples: list[Sample] = field(default_factory=list)
    states: list[DeviceState] = field(default_factory=list)
    stop_after: int = 10
    on_each: Callable[[Sample], None] = lambda _: None

    def on_sample(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.on_each(sample)
        if len(self.samples) >= self.stop_after:
            raise Enough

    async def run(self, polls: list[Poll], *, chance: float = 1.0) -> Line:
        line = Line(
            "line-1",
            self.endpoint,
            polls,
            clock=self.clock,
            chance=lambda: chance,
            on_sample=self.on_sample,
            on_state=self.states.append,
        )
        with pytest.raises(Enough):
            await line.run()
        assert self.endpoint.closed
        return line

    def of(self, device: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.device == device]


class Enough(Exception):
    """The test has seen what it wanted."""


def bench(*, stop_after: int = 10, at_ms: int = 1_000_300) -> Bench:
    clock = SteppedClock(at_ms)
    return Bench(clock, PlainEndpoint(clock), stop_after=stop_after)


async def test_polls_keep_their_phase_however_long_each_takes() -> None:
    b = bench(stop_after=6)
    b.endpoint.took_s = 0.07
    await b.run([Poll(driver("a"), "one", 1_000, phase_ms=250)])
    starts = [at_ms for at_ms, request in b.endpoint.asked if request.address == 7]
    assert starts == [1_001_250 + 1_000 * n for n in range(6)]


async def test_values_of_a_poll_travel_in_one_sample_stamped_at_the_end_of_the_read() -> None:
    b = bench(stop_after=1)
    await b.run([Poll(driver("a"), "one", 1_000)])
    (sample,) = b.samples
    assert sample.values == {"power_w": Decimal(7), "idle_power_w": Decimal(100)}
    assert sample.at_ms == 1_001_020
    assert sample.monotonic_ns == round(0.72 * 1e9)


async def test_polls_that_were_due_while_the_line_was_busy_are_counted_and_not_made_up() -> None:
    b = bench(stop_after=3)
    b.endpoint.took_s = 1.3
    line = await b.run([Poll(driver("a"), "one", 1_000)])
    starts = [at_ms for at_ms, request in b.endpoint.asked if request.address == 7]
    assert starts == [1_001_000, 1_004_000, 1_007_000]
    assert line.counters["a"].missed == 4


async def test_a_clock_that_is_set_back_an_hour_does_not_silence_the_line_for_an_hour() -> None:
    b = bench(stop_after=6)
    b.clock.jumps = {3: 1_002_900 - 3_600_000}
    await b.run([Poll(driver("a"), "one", 1_000)])
    assert max(b.clock.slept) <= 1.0
    assert [s.at_ms // 1_000 for s in b.samples] == [1_001, 1_002, -2_597, -2_596, -2_595, -2_594]


async def test_a_clock_that_jumps_ahead_costs_the_polls_between_and_no_more() -> None:
    b = bench(stop_after=5)
    b.clock.jumps = {3: 1_002_900 + 3_600_000}
    line = await b.run([Poll(driver("a"), "one", 1_000)])
    assert line.counters["a"].missed in (3_599, 3_600)
    assert len(b.samples) == 5


async def test_a_dead_device_gives_a_sample_for_each_due_poll_and_one_alarm() -> None:
    b = bench(stop_after=60)
    b.endpoint.dead = {1}
    line = await b.run([Poll(driver("a"), "one", 1_000)])
    assert len(b.samples) == 60
    assert all(s.values == {"power_w": None, "idle_power_w": None} for s in b.samples)
    assert all(set(s.failures.values()) == {Reason.COMMS} for s in b.samples)
    assert [(s.up, s.device) for s in b.states] == [(False, "a")]
    assert line.counters["a"].outages == 1


async def test_a_visit_to_a_dead_device_costs_one_time_out_for_all_its_questions() -> None:
    b = bench(stop_after=1)
    b.endpoint.dead = {1}
    await b.run([Poll(driver("a"), "one", 1_000)])
    assert len(b.endpoint.asked) == 1


async def test_a_device_that_comes_back_is_told_once_and_values_flow_again() -> None:
    b = bench(stop_after=40)
    b.endpoint.dead = {1}

    def revive(_: Sample) -> None:
        if len(b.samples) == 12:
            b.endpoint.dead = set()

    b.on_each = revive
    await b.run([Poll(driver("a"), "one", 1_000)])
    assert [s.up for s in b.states] == [False, True]
    assert b.samples[-1].values["power_w"] == 7
    back = next(n for n, sample in enumerate(b.samples) if sample.values["power_w"] == 7)
    assert back <= 12 + 17  # the pause had grown to at most sixteen seconds


async def test_one_lost_answer_is_a_bad_sample_and_no_alarm() -> None:
    b = bench(stop_after=8)

    def heal(_: Sample) -> None:
        b.endpoint.dead = {1} if len(b.samples) == 3 else set()

    b.on_each = heal
    await b.run([Poll(driver("a"), "one", 1_000)])
    assert [s.up for s in b.states] == [True]
    assert [s.values["power_w"] is None for s in b.samples].count(True) <= 2


@pytest.mark.parametrize("quarantine_ms", [0, 625])
async def test_waiting_for_a_dead_device_takes_a_tenth_of_the_lines_time(quarantine_ms: int) -> None:
    b = bench(stop_after=2_000)
    b.endpoint.dead = {9}
    b.endpoint.quarantine_ms = quarantine_ms
    polls = [Poll(driver(f"d{n}", unit_id=n), "one", 1_000) for n in (1, 9)]
    await b.run(polls, chance=0.0)
    probes = [request for _, request in b.endpoint.asked if request.unit_id == 9]
    wait_s = 0.5 + quarantine_ms / 1_000
    assert len(probes) >= 3
    assert (len(probes) - 2) * wait_s <= 0.1 * b.clock.real_s  # two until it counts as away


async def test_one_lost_answer_of_a_live_device_does_not_wait_for_a_dead_ones_budget() -> None:
    b = bench(stop_after=600)
    b.endpoint.dead = {9}
    b.endpoint.quarantine_ms = 625

    def lose_one(_: Sample) -> None:
        b.endpoint.dead = {1, 9} if 200 <= len(b.samples) < 202 else {9}

    b.on_each = lose_one
    polls = [Poll(driver(f"d{n}", unit_id=n), "one", 2_000) for n in (1, 9)]
    await b.run(polls, chance=0.0)
    assert [s.values["power_w"] is None for s in b.of("d1")].count(True) == 1


async def test_a_device_that_answers_every_other_time_takes_no_more_than_a_dead_one() -> None:
    b = bench(stop_after=4_000)
    b.endpoint.quarantine_ms = 625

    def flap(_: Sample) -> None:
        visits = sum(request.unit_id == 9 and request.address == 7 for _, request in b.endpoint.asked)
        b.endpoint.dead = {9} if visits % 2 else set()

    b.on_each = flap
    polls = [Poll(driver(f"d{n}", unit_id=n), "one", 2_000) for n in (1, 9)]
    line = await b.run(polls, chance=0.0)
    waited_s = line.counters["d9"].failed * 1.125
    assert line.counters["d9"].failed > 10
    assert waited_s <= 0.2 * b.clock.real_s  # a tenth for slips, a tenth for all others


async def test_a_device_that_is_back_is_found_beside_one_that_stays_away() -> None:
    """The other one is due first, and would take each probe that the line can spare."""
    b = bench(stop_after=600)
    b.endpoint.dead = {1, 2}
    b.endpoint.quarantine_ms = 625

    def revive(_: Sample) -> None:
        if len(b.samples) == 200:
            b.endpoint.dead = {1}

    b.on_each = revive
    polls = [Poll(driver(f"d{n}", unit_id=n), "one", 1_000) for n in (1, 2, 3)]
    line = await b.run(polls, chance=0.0)
    assert [(s.device, s.up) for s in b.states if s.device == "d2"] == [("d2", False), ("d2", True)]
    assert line.counters["d2"].skipped < 110
    assert line.counters["d1"].failed > 5


async def test_a_dead_device_delays_nobody_on_its_line() -> None:
    b = bench(stop_after=1_200)
    b.endpoint.dead = {9}
    polls = [Poll(driver(f"d{n}", unit_id=n), "one", 1_000) for n in (1, 2, 9)]
    line = await b.run(polls, chance=0.0)
    for name in ("d1", "d2"):
        assert all(s.values["power_w"] == 7 for s in b.of(name))
        assert line.counters[name].missed == 0
    probes = [request for _, request in b.endpoint.asked if request.unit_id == 9]
    seconds = b.clock.real_s
    assert len(probes) >= 3
    assert (
        len(probes) - 2
    ) * 0.5 <= 0.1 * seconds  # a tenth of the line's time, and two until it counts as away


async def test_an_exception_is_a_value_that_is_missing_and_a_device_that_lives() -> None:
    b = bench(stop_after=5)
    b.endpoint.exceptions = {1: 2}
    await b.run([Poll(driver("a"), "one", 1_000)])
    assert [s.up for s in b.states] == [True]
    assert all(set(s.failures.values()) == {Reason.EXCEPTION} for s in b.samples)
    assert len(b.endpoint.asked) == 10  # both reads of each poll were tried


@pytest.mark.parametrize("code", [10, 11])
async def test_a_gateway_that_finds_no_device_behind_it_counts_as_silence(code: int) -> None:
    b = bench(stop_after=10)
    b.endpoint.exceptions = {1: code}
    await b.run([Poll(driver("a"), "one", 1_000)])
    assert [s.up for s in b.states] == [False]
    assert all(set(s.failures.values()) == {Reason.COMMS} for s in b.samples)
    assert "gateway" in b.states[0].detail


async def test_another_instrument_at_the_address_gives_no_values() -> None:
    b = bench(stop_after=5)
    text = PROFILE + IDENTITY.replace("equals = 300", "equals = 4711")
    await b.run([Poll(driver("a", text=text), "one", 1_000)])
    assert all(set(s.failures.values()) == {Reason.DEVICE_FAULT} for s in b.samples)
    assert "model code: register 300 holds 300, not 4711" in b.states[0].detail


async def test_the_right_instrument_is_asked_who_it_is_once() -> None:
    b = bench(stop_after=5)
    await b.run([Poll(driver("a", text=PROFILE + IDENTITY), "one", 1_000)])
    assert [request.address for _, request in b.endpoint.asked].count(300) == 1
    assert b.samples[-1].values["power_w"] == 7


async def test_groups_of_different_periods_share_the_line() -> None:
    b = bench(stop_after=11)
    await b.run([Poll(driver("fast"), "one", 1_000), Poll(driver("slow"), "one", 10_000)])
    assert len(b.of("fast")) in (9, 10)
    assert len(b.of("slow")) in (1, 2)


async def test_a_configured_constant_needs_no_endpoint() -> None:
    text = """
profile = 1
kind = "constant"
[identity]
maker = "m"
model = "x"
version = "1"
source = "test"
verified = "document"
[[constants]]
quantity = "moisture_percent"
value = 12
"""
    clock = SteppedClock()
    samples: list[Sample] = []

    def keep(sample: Sample) -> None:
        samples.append(sample)
        if len(samples) == 3:
            raise Enough

    poll = Poll(make_driver(parse_profile(text, source="x.toml"), device="m"), "constants", 60_000)
    line = Line(
        "constants", None, [poll], clock=clock, chance=lambda: 0.5, on_sample=keep, on_state=lambda _: None
    )
    with pytest.raises(Enough):
        await line.run()
    assert [s.values for s in samples] == 3 * [{"moisture_percent": Decimal(12)}]
    assert [s.at_ms % 60_000 for s in samples] == [0, 0, 0]


def test_a_line_without_endpoint_cannot_have_instruments() -> None:
    with pytest.raises(ValueError, match="no endpoint"):
        Line(
            "x",
            None,
            [Poll(driver("a"), "one", 1_000)],
            clock=SteppedClock(),
            chance=lambda: 0.5,
            on_sample=lambda _: None,
            on_state=lambda _: None,
        )


@pytest.mark.parametrize(("period_ms", "phase_ms"), [(0, 0), (1_000, 1_000), (1_000, -1)])
def test_a_poll_with_an_impossible_phase_is_refused(period_ms: int, phase_ms: int) -> None:
    with pytest.raises(ValueError, match="phase"):
        Poll(driver("a"), "one", period_ms, phase_ms)


def test_a_poll_of_an_unknown_group_is_refused_before_the_line_runs() -> None:
    with pytest.raises(KeyError):
        Poll(driver("a"), "two", 1_000)


def test_a_line_that_could_not_keep_its_periods_is_refused_with_the_arithmetic() -> None:
    polls = [Poll(driver("a"), "one", 2_000), Poll(driver("b"), "one", 2_000)]
    check_load("line-1", polls, timeout_ms=500)
    with pytest.raises(
        ConfigError, match=r"busy 120 % of the time \(a/one 1200 ms every 2000 ms, b/one 1200 ms"
    ):
        check_load("line-1", polls, timeout_ms=600)


def test_line_errors_carry_a_reason_for_the_sample() -> None:
    error = LineError("words", reason=Reason.CLOCK)
    assert (error.reason, error.detail, str(error)) == (Reason.CLOCK, "words", "words")
    assert NoAnswer("x").reason is Reason.COMMS


class Meter(PlainEndpoint):
    """A SunSpec device whose model 7 stands at `place`; elsewhere exception 2."""

    place: int = 40_002

    @override
    async def exchange(self, request: Asked) -> Answer | DeviceException:
        answer = await super().exchange(request)
        assert isinstance(request, Read)
        heads = {40_000: b"SunS", 40_002: bytes([0, 9, 0, 6]), self.place: bytes([0, 7, 0, 101])}
        if request.count == 2:
            data = heads.get(request.address)
            return (
                DeviceException(request, 2, b"q", b"a") if data is None else Answer(request, data, b"q", b"a")
            )
        return answer


async def test_a_block_is_searched_before_the_first_value_and_again_after_an_outage() -> None:
    search = '\n[search]\nkind = "sunspec"\nmodel = 7\nlength = 101\nbases = [40000]\n'
    b = bench(stop_after=12)
    b.endpoint = meter = Meter(b.clock)

    def moves(sample: Sample) -> None:
        if len(b.samples) == 3:
            meter.dead = {1}
        if len(b.samples) == 7:
            meter.dead, meter.place = set(), 40_010
        del sample

    b.on_each = moves
    await b.run([Poll(driver("a", text=PROFILE + search), "one", 1_000)])
    powers = [sample.values["power_w"] for sample in b.samples]
    assert powers[:3] == [Decimal(40_009)] * 3
    assert None in powers[3:7]
    assert powers[-1] == Decimal(40_017), "after the outage the block stood elsewhere, and was found there"
