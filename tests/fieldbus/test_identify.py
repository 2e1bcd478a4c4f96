"""Nothing is read from a device before it has proved to be the one that the map describes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.driver import Driver, RegisterDriver
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import Answer, DeviceException, Outcome, Phrase, Request, Unanswered
from doxedge.fieldbus.identify import QUESTIONS_MAX, SearchingDriver, identify
from doxedge.measurement.sample import Reason, Sample
from tests.fieldbus.line_bench import IDENTITY, PROFILE, driver

SEARCH = """
[search]
kind = "sunspec"
model = 7
length = 101
bases = [40000, 0]
"""


class Registers:
    """Answers from a table; elsewhere exception 2. `silent` questions bring nothing, and end the asking."""

    def __init__(self, words: dict[int, int], *, silent: frozenset[int] = frozenset()) -> None:
        self.words = words
        self.silent = silent
        self.asked: list[int] = []

    async def ask(self, requests: Sequence[Request]) -> list[Outcome]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Outcome:
        assert not isinstance(request, Phrase)
        self.asked.append(request.address)
        wanted = range(request.address, request.address + request.count)
        if request.address in self.silent:
            return Unanswered(request, Reason.COMMS, "no answer")
        if any(address not in self.words for address in wanted):
            return DeviceException(request, 2, b"q", b"a")
        return Answer(request, b"".join(self.words[a].to_bytes(2, "big") for a in wanted), b"q", b"a")


def sunspec() -> Driver:
    split = PROFILE.replace("atomic = true", "atomic = false")
    return make_driver(parse_profile(split + SEARCH, source="x.toml"), device="d")


METER = {40_000: 0x5375, 40_001: 0x6E53, 40_002: 7, 40_003: 101, 40_009: 5, 40_102: 6}


async def test_a_device_without_identity_registers_is_taken_as_it_is() -> None:
    device = Registers({})
    one = driver("a")
    assert await identify(one, device.ask) is one
    assert device.asked == []


@pytest.mark.parametrize(
    ("words", "reason", "text"),
    [
        ({300: 300}, None, ""),
        ({300: 301}, Reason.DEVICE_FAULT, "model code: register 300 holds 301, not 300"),
        ({}, Reason.DEVICE_FAULT, "model code: register 300 could not be read (exception)"),
    ],
)
async def test_an_identity_register_decides(words: dict[int, int], reason: Reason | None, text: str) -> None:
    one = driver("a", text=PROFILE + IDENTITY)
    found = await identify(one, Registers(words).ask)
    if reason is None:
        assert found is one
    else:
        assert isinstance(found, Unanswered)
        assert (found.reason, found.detail) == (reason, text)


async def test_a_line_that_fails_says_nothing_about_who_the_device_is() -> None:
    for one, first in ((driver("a", text=PROFILE + IDENTITY), 300), (sunspec(), 40_000)):
        found = await identify(one, Registers({}, silent=frozenset({first})).ask)
        assert isinstance(found, Unanswered)
        assert found.reason is Reason.COMMS


async def test_a_search_ends_with_the_driver_of_the_place_that_was_found() -> None:
    device = Registers(METER)
    found = await identify(sunspec(), device.ask)
    assert isinstance(found, RegisterDriver)
    assert device.asked == [40_000, 40_002]
    outcomes = await device.ask(found.requests("one"))
    sample = found.sample("one", outcomes, at_ms=0, monotonic_ns=0)
    assert {name: int(value or 0) for name, value in sample.values.items()} == {
        "power_w": 5,
        "idle_power_w": 6,
    }


async def test_a_search_that_finds_nothing_is_a_device_fault_in_words() -> None:
    found = await identify(sunspec(), Registers({}).ask)
    assert isinstance(found, Unanswered)
    assert (found.reason, found.detail.partition(":")[0]) == (Reason.DEVICE_FAULT, "no SunSpec device")


class Endless:
    """A driver that goes on asking."""

    device = "d"
    profile = driver("a").profile
    groups = ("one",)

    def search(self, told: Sequence[Outcome]) -> Request | Driver | str:
        del told
        return driver("a").requests("one")[0]

    def requests(self, group: str) -> Sequence[Request]:
        return driver("a").requests(group)

    def sample(self, group: str, outcomes: Sequence[Outcome], *, at_ms: int, monotonic_ns: int) -> Sample:
        return driver("a").sample(group, outcomes, at_ms=at_ms, monotonic_ns=monotonic_ns)

    def identity_requests(self) -> Sequence[Request]:
        return ()

    def check_identity(self, outcomes: Sequence[Outcome]) -> str | None:
        del outcomes
        return None


async def test_a_search_has_an_end_whatever_the_driver_does() -> None:
    endless = Endless()
    assert isinstance(endless, SearchingDriver)
    device = Registers({})
    found = await identify(endless, device.ask)
    assert isinstance(found, Unanswered)
    assert len(device.asked) == QUESTIONS_MAX
