"""A value is believed when its quality registers say so, and scaled by the register that holds its power of ten."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.driver import RegisterDriver
from doxedge.analysers.profile import profile_hash
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import Answer, DeviceException, Outcome, Read, Unanswered
from doxedge.measurement.sample import Reason, Sample

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
[[groups]]
name = "flow"
period_ms = 1000
atomic = false
[[points]]
quantity = "flow_m3_per_h"
group = "flow"
function = "holding"
address = 10
type = "i16"
unit = "m3/h"
scale_power = 11
[[points.quality]]
address = 5
mask = 0xC0
good = [0xC0]
uncertain = [0x40, 0x80]
about = "as Siemens has it: 11 good, 01 poor, 10 by hand, 00 bad"
[[points]]
quantity = "stack_temperature_c"
group = "flow"
function = "holding"
address = 20
type = "u16"
unit = "degC"
[[points.quality]]
address = 6
type = "u32"
good = [1]
about = "as Flexim has it: 0 not there, 1 good, 2 error"
"""


def driver(text: str = MAP) -> RegisterDriver:
    return RegisterDriver(parse_profile(text, source="x.toml"), device="d")


def answer(request: Read, words: dict[int, int]) -> Outcome:
    wanted = range(request.address, request.address + request.count)
    return Answer(request, b"".join(words[address].to_bytes(2, "big") for address in wanted), b"q", b"a")


def sample(**changed: int) -> Sample:
    """One poll; registers by name, `r5 = 0xC0`."""
    words = {5: 0xC0, 6: 0, 7: 1, 10: 1234, 11: 2, 20: 118} | {int(k[1:]): v for k, v in changed.items()}
    one = driver()
    outcomes = [answer(request, words) for request in one.requests("flow")]
    return one.sample("flow", outcomes, at_ms=0, monotonic_ns=0)


def test_values_are_read_before_what_says_whether_they_are_good() -> None:
    """A fault that begins between the two is then seen."""
    assert [request.address for request in driver().requests("flow")] == [10, 20, 5]


@pytest.mark.parametrize(
    ("word", "value", "flags"),
    [
        (0xC0, Decimal(123_400), frozenset[str]()),
        (0xFF, Decimal(123_400), frozenset[str]()),
        (0x40, Decimal(123_400), frozenset({"warning"})),
        (0x80, Decimal(123_400), frozenset({"warning"})),
        (0x00, None, frozenset[str]()),
        (0x3F, None, frozenset[str]()),
    ],
)
def test_what_is_in_neither_list_is_bad(word: int, value: Decimal | None, flags: frozenset[str]) -> None:
    found = sample(r5=word)
    assert (found.values["flow_m3_per_h"], found.flags) == (value, flags)
    assert found.failures == ({} if value is not None else {"flow_m3_per_h": Reason.DEVICE_FAULT})
    assert found.values["stack_temperature_c"] == 118, "each value has its own"


@pytest.mark.parametrize(
    ("high", "low", "is_good"), [(0, 1, True), (0, 0, False), (0, 2, False), (1, 1, False)]
)
def test_a_quality_of_two_registers_has_its_high_word_first(high: int, low: int, is_good: bool) -> None:
    assert (sample(r6=high, r7=low).values["stack_temperature_c"] is not None) is is_good


@pytest.mark.parametrize(
    ("power", "value"),
    [
        (0, Decimal(1234)),
        (2, Decimal(123_400)),
        (0xFFFE, Decimal("12.34")),
        (10, Decimal(12_340_000_000_000)),
        (0xFFF6, Decimal("0.0000001234")),
        (11, None),
        (0xFFF5, None),
        (0x8000, None),
    ],
)
def test_the_power_of_ten_is_the_devices_own(power: int, value: Decimal | None) -> None:
    found = sample(r11=power)
    assert found.values["flow_m3_per_h"] == value
    assert found.failures == ({} if value is not None else {"flow_m3_per_h": Reason.NAN})


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_value_without_its_quality_is_no_value(lost: int) -> None:
    one = driver()
    requests = one.requests("flow")
    for failed in (
        DeviceException(requests[lost], 2, b"q", b"a"),
        Unanswered(requests[lost], Reason.COMMS, ""),
    ):
        words = {5: 0xC0, 6: 0, 7: 1, 10: 1, 11: 0, 20: 1}
        outcomes: list[Outcome] = [answer(request, words) for request in requests]
        outcomes[lost] = failed
        found = one.sample("flow", outcomes, at_ms=0, monotonic_ns=0)
        missing = {0: {"flow_m3_per_h"}, 1: {"stack_temperature_c"}, 2: set(found.values)}[lost]
        assert set(found.failures) == missing


@pytest.mark.parametrize(
    ("what", "instead", "reason"),
    [
        ("good = [0xC0]", "good = [0xC1]", r"points\[0\].quality\[0\].good\[0\]: 193 is no whole number within mask"),
        ("good = [0xC0]", 'good = ["1e999999"]', r"good\[0\]: 1E\+999999 is no whole number within mask"),
        ("good = [0xC0]", "good = []", r"points\[0\].quality\[0\].good"),
        ("good = [0xC0]", "good = [0.5]", "no whole number"),
        ("uncertain = [0x40, 0x80]", "uncertain = [0xC0]", r"quality\[0\].uncertain: 192 is good already"),
        ("mask = 0xC0", "mask = 0x100C0", r"quality\[0\].mask: 65728 has bits that a u16 has not"),
        ("mask = 0xC0", 'function = "coil"', r"quality\[0\].function: a single bit is a \[\[status\]\]"),
        ("address = 5\nmask", "address = 20\nmask", "its quality or power of ten lies in the value of"),
        ("scale_power = 11", "scale_power = 20", "its quality or power of ten lies in the value of"),
        ('type = "i16"', 'type = "f32"\norder = "ABCD"', "a power of ten scales whole numbers"),
        ("scale_power = 11", "scale_power = 65536", "points"),
    ],
)  # fmt: skip
def test_a_quality_or_power_that_makes_no_sense_is_refused(what: str, instead: str, reason: str) -> None:
    assert what in MAP
    with pytest.raises(ConfigError, match=reason):
        driver(MAP.replace(what, instead))


def test_quality_and_power_decide_what_a_value_means_and_are_hashed() -> None:
    texts = [
        MAP,
        MAP.replace("uncertain = [0x40, 0x80]", "uncertain = [0x40]"),
        MAP.replace("scale_power = 11\n", ""),
        MAP.replace("mask = 0xC0", "mask = 0xC1"),
    ]
    assert len({profile_hash(parse_profile(text, source="x.toml")) for text in texts}) == 4


def test_doubts_are_words_for_people_and_not_hashed() -> None:
    with_doubts = MAP.replace('verified = "document"', 'verified = "document"\ndoubts = ["try it"]')
    profile = parse_profile(with_doubts, source="x.toml")
    assert profile.identity.doubts == ("try it",)
    assert profile_hash(profile) == profile_hash(parse_profile(MAP, source="x.toml"))
