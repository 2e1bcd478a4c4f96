"""The search for a SunSpec block ends, and never at the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.driver import RegisterDriver
from doxedge.analysers.profile import Search
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import (
    Answer,
    DeviceException,
    Outcome,
    Phrase,
    ReadRegisters,
    Request,
    Unanswered,
)
from doxedge.analysers.sunspec import MODELS_MAX, Found, NotThere, SunSpecDriver, look, moved
from doxedge.measurement.sample import Reason

METER = Search(model=203, length=105, bases=(40_000, 50_000, 0))
MARKER = (0x5375, 0x6E53)
MAP = """
profile = 1
[identity]
maker = "m"
model = "x"
version = "1"
source = "test"
verified = "document"
[transport]
kind = "modbus-tcp"
address_base = 0
[search]
kind = "sunspec"
model = 203
length = 105
bases = [40000, 50000, 0]
[[groups]]
name = "energy"
period_ms = 1000
atomic = false
[[points]]
quantity = "power_w"
group = "energy"
function = "holding"
address = 18
type = "i16"
unit = "W"
scale_power = 22
sentinels = [-32768]
[[status]]
flag = "fault"
function = "holding"
address = 106
bit = 7
about = "missing sensor"
"""


def answer(request: Request, registers: Mapping[int, int]) -> Outcome:
    """What a device with these registers says."""
    assert not isinstance(request, Phrase)
    wanted = range(request.address, request.address + request.count)
    if any(address not in registers for address in wanted):
        return DeviceException(request, 2, b"q", b"a")
    return Answer(request, b"".join(registers[a].to_bytes(2, "big") for a in wanted), b"q", b"a")


def chain(base: int, *models: tuple[int, int], end: bool = True) -> dict[int, int]:
    """The heads of these models (number, length), with the registers between them."""
    registers = {base: MARKER[0], base + 1: MARKER[1]}
    address = base + 2
    for model, length in models:
        registers |= {address: model, address + 1: length}
        registers |= dict.fromkeys(range(address + 2, address + 2 + length), 0)
        address += 2 + length
    return registers | ({address: 0xFFFF, address + 1: 0} if end else {})


def search(registers: Mapping[int, int], *, most: int = 60) -> tuple[Found | NotThere, int]:
    """Where it ends, and after how many questions."""
    told: list[Outcome] = []
    for _ in range(most):
        step = look(METER, told, unit_id=1)
        if isinstance(step, Found | NotThere):
            return step, len(told)
        told.append(answer(step, registers))
    raise AssertionError(f"no end after {most} questions")


@pytest.mark.parametrize(
    ("registers", "found", "questions"),
    [
        (chain(40_000, (1, 66), (203, 105)), Found(40_070), 3),
        (chain(50_000, (1, 65), (103, 50), (203, 105)), Found(50_000 + 2 + 67 + 52), 5),
        (chain(0, (203, 105)), Found(2), 4),
        (chain(40_000, (203, 105), end=False), Found(40_002), 2),
        ({40_000: 1, 40_001: 2} | chain(0, (1, 66), (203, 105)), Found(70), 5),
    ],
    ids=["after the common model", "at 50000", "at 0", "without an end", "something else at 40000"],
)
def test_a_meter_is_found(registers: dict[int, int], found: Found, questions: int) -> None:
    assert search(registers) == (found, questions)


@pytest.mark.parametrize(
    ("registers", "reason"),
    [
        ({}, "the marker `SunS` is at none of 40000, 50000, 0"),
        ({40_000: MARKER[1], 40_001: MARKER[0]}, "the marker `SunS` is at none"),
        (chain(40_000, (1, 66), (103, 50)), "no model 203; it has 1, 103"),
        (chain(40_000), "no model 203; it has none"),
        (chain(40_000, (1, 66), (203, 104)), "model 203 is 104 registers long, not 105"),
        (chain(40_000, (1, 66), end=False), "the head of a model at 40070 cannot be read; before it: 1"),
        (chain(40_000, *[(64_001, 0)] * (MODELS_MAX + 5)), f"no end after {MODELS_MAX} models"),
        (chain(50_000, (1, 15_480), (203, 105)), "model 203 at 65484 leaves the map"),
        (chain(50_000, (1, 15_532), end=False), "the chain of models leaves the map at 65536"),
    ],
    ids=["nothing", "marker swapped", "no meter", "no model", "length", "cut", "endless", "over the end", "far"],
)  # fmt: skip
def test_a_device_without_the_meter_is_refused_in_words(registers: dict[int, int], reason: str) -> None:
    step, _ = search({at: word for at, word in registers.items() if at < 65_536})
    assert isinstance(step, NotThere)
    assert reason in step.reason


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)), max_size=80), st.booleans())
def test_whatever_a_device_says_the_search_ends_within_its_bound(
    heads: list[tuple[int, int]], begins_well: bool
) -> None:
    told: list[Outcome] = []
    answers = iter([MARKER, *heads] if begins_well else heads)
    while True:
        step = look(METER, told, unit_id=1)
        if isinstance(step, Found | NotThere):
            break
        assert isinstance(step, ReadRegisters)
        assert step.address + step.count <= 65_536
        words = next(answers, None)
        if words is None:
            told.append(DeviceException(step, 2, b"q", b"a"))
        else:
            told.append(Answer(step, b"".join(w.to_bytes(2, "big") for w in words), b"q", b"a"))
    assert len(told) <= len(METER.bases) + MODELS_MAX
    if isinstance(step, Found):
        last = told[-1]
        assert isinstance(last, Answer)
        assert last.data == (203).to_bytes(2, "big") + (105).to_bytes(2, "big")
        assert isinstance(last.request, ReadRegisters)
        assert last.request.address == step.address


def driver() -> SunSpecDriver:
    return SunSpecDriver(parse_profile(MAP, source="x.toml"), device="meter", unit_id=3)


def test_what_the_search_finds_reads_the_same_map_at_its_place() -> None:
    registers = chain(40_000, (1, 66), (203, 105)) | {40_088: 705, 40_092: 4}
    told: list[Outcome] = []
    step = driver().search(told)
    while not isinstance(step, RegisterDriver):
        assert isinstance(step, ReadRegisters)
        assert step.unit_id == 3
        told.append(answer(step, registers))
        step = driver().search(told)
    requests = step.requests("energy")
    assert [(r.address, r.count) for r in requests] == [(40_088, 1), (40_092, 1), (40_176, 1)]
    sample = step.sample("energy", [answer(r, registers) for r in requests], at_ms=0, monotonic_ns=0)
    assert sample.values == {"power_w": Decimal(7_050_000)}
    assert len(requests) == len(driver().requests("energy"))


def test_before_the_search_nothing_is_a_value() -> None:
    unplaced = driver()
    requests = unplaced.requests("energy")
    silent: list[Outcome] = [Unanswered(request, Reason.COMMS, "away") for request in requests]
    sample = unplaced.sample("energy", silent, at_ms=0, monotonic_ns=0)
    assert sample.failures == {"power_w": Reason.COMMS}
    with pytest.raises(ValueError, match="search first"):
        unplaced.sample(
            "energy", [answer(r, dict.fromkeys(range(200), 0)) for r in requests], at_ms=0, monotonic_ns=0
        )


def test_one_look_at_the_marker_tells_whether_to_search_at_all() -> None:
    unplaced = driver()
    requests = unplaced.identity_requests()
    assert unplaced.check_identity([answer(r, chain(50_000)) for r in requests]) is None
    assert "the marker `SunS` is at none" in (
        unplaced.check_identity([answer(r, {}) for r in requests]) or ""
    )
    with pytest.raises(ValueError, match="in their order"):
        unplaced.check_identity([answer(r, {}) for r in requests[1:]])


def test_a_moved_map_has_every_address_moved() -> None:
    profile = parse_profile(MAP, source="x.toml")
    there = moved(profile, 1_000)
    assert there.search is None
    assert [span.first for span in there.points[0].spans] == [1_018, 1_022]
    assert there.status[0].span.first == 1_106
    assert moved(there, -1_000).points == profile.points


@pytest.mark.parametrize(
    ("what", "instead", "reason"),
    [
        ("address_base = 0", "address_base = 1", "transport.address_base"),
        ("bases = [40000, 50000, 0]", "bases = [0, 0]", "search.bases: one place is named twice"),
        ("bases = [40000, 50000, 0]", "bases = []", "search.bases"),
        ('kind = "sunspec"', 'kind = "modbus"', "search.kind"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(what: str, instead: str, reason: str) -> None:
    with pytest.raises(Exception, match=reason):
        parse_profile(MAP.replace(what, instead), source="x.toml")
