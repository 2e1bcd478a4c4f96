"""From outcomes to a sample: bad is never zero and never the last value."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.catalogue import ProfileText, find_profile, make_driver
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.driver import ConstantDriver, RegisterDriver
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile import Profile
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import (
    Answer,
    DeviceException,
    Function,
    Outcome,
    Read,
    ReadBits,
    ReadRegisters,
    Unanswered,
)
from doxedge.measurement.sample import Reason, Sample
from tests.analysers.profiles import BASE, added, changed

PROFILE = parse_profile(BASE, source="m.toml")
CONSTANT = """
profile = 1
kind = "constant"
[identity]
maker = "generic"
model = "moisture"
version = "1"
source = "report"
verified = "document"
[settings.moisture_percent]
about = "moisture"
low = 0
high = 60
[[constants]]
quantity = "moisture_percent"
value = { setting = "moisture_percent" }
"""


def driver(text: str = BASE) -> RegisterDriver:
    return RegisterDriver(parse_profile(text, source="m.toml"), device="a", unit_id=7)


def answers(
    requests: list[Read], *, no_ppm: float = 0.25, o2: int = 650, span: bool = False, invalid: bool = False
) -> list[Outcome]:
    """What an instrument with these contents answers."""
    outcomes: list[Outcome] = []
    for request in requests:
        if isinstance(request, ReadBits):
            data = bytes([span << (3 - request.address)])
        elif request.function is Function.HOLDING_REGISTERS:
            data = struct.pack(">H", invalid << 2)
        else:
            data = struct.pack(">f8xh", no_ppm, o2)[: request.byte_count]
        outcomes.append(Answer(request, data, b"question", b"answer"))
    return outcomes


def sample(outcomes: list[Outcome]) -> Sample:
    return driver().sample("gas", outcomes, at_ms=5, monotonic_ns=6)


def requests() -> list[Read]:
    return driver().requests("gas")


def test_values_are_asked_in_one_read_before_the_status() -> None:
    assert requests() == [
        ReadRegisters(7, Function.INPUT_REGISTERS, 10, 7),
        ReadBits(7, Function.DISCRETE_INPUTS, 3, 1),
        ReadRegisters(7, Function.HOLDING_REGISTERS, 5, 1),
    ]


def test_answers_become_values_in_canonical_units() -> None:
    found = sample(answers_of_the_map())
    assert found.values == {"no_ppb": Decimal(250), "o2_percent": Decimal(6)}
    assert found.flags == frozenset()
    assert found.failures == {}
    assert (found.device, found.at_ms, found.monotonic_ns) == ("a", 5, 6)
    assert found.raw.count(b"answer") == 3


def answers_of_the_map(
    *, no_ppm: float = 0.25, o2: int = 650, span: bool = False, invalid: bool = False
) -> list[Outcome]:
    first, *status = requests()
    values = Answer(first, struct.pack(">f8xh", no_ppm, o2), b"question", b"answer")
    return [values, *answers(status, span=span, invalid=invalid)]


def test_span_gas_keeps_its_value_and_raises_its_flag() -> None:
    found = sample(answers_of_the_map(span=True))
    assert found.flags == {"span"}
    assert found.values["no_ppb"] == 250


def test_zero_while_not_measuring_is_no_value() -> None:
    found = sample(answers_of_the_map(no_ppm=0.0, o2=50, invalid=True))
    assert found.values == {"no_ppb": None, "o2_percent": None}
    assert set(found.failures.values()) == {Reason.DEVICE_FAULT}
    assert found.flags == {"invalid"}


def test_nan_spoils_its_own_value_only() -> None:
    found = sample(answers_of_the_map(no_ppm=float("nan")))
    assert found.values == {"no_ppb": None, "o2_percent": Decimal(6)}
    assert found.failures == {"no_ppb": Reason.NAN}


@pytest.mark.parametrize("code", [2, 6])
def test_a_read_that_was_declined_is_no_value(code: int) -> None:
    outcomes = answers_of_the_map()
    outcomes[0] = DeviceException(outcomes[0].request, code, b"q", b"a")
    found = sample(outcomes)
    assert found.values == {"no_ppb": None, "o2_percent": None}
    assert set(found.failures.values()) == {Reason.EXCEPTION}


@pytest.mark.parametrize("index", [1, 2])
def test_values_whose_status_could_not_be_read_are_not_trusted(index: int) -> None:
    outcomes = answers_of_the_map()
    outcomes[index] = DeviceException(outcomes[index].request, 2, b"q", b"a")
    found = sample(outcomes)
    assert found.values == {"no_ppb": None, "o2_percent": None}
    assert set(found.failures.values()) == {Reason.EXCEPTION}


def test_a_note_that_could_not_be_read_spoils_nothing() -> None:
    noted = driver(changed('flag = "span"', 'flag = "warning"'))
    outcomes = answers_of_the_map()
    outcomes[1] = Unanswered(outcomes[1].request, Reason.COMMS, "nothing")
    assert noted.sample("gas", outcomes, at_ms=0, monotonic_ns=0).values["no_ppb"] == 250


def test_a_bit_that_is_active_at_zero_is_understood() -> None:
    low_active = driver(changed("address = 3", "address = 3\nactive_when = 0"))
    assert low_active.sample("gas", answers_of_the_map(), at_ms=0, monotonic_ns=0).flags == {"span"}
    assert (
        low_active.sample("gas", answers_of_the_map(span=True), at_ms=0, monotonic_ns=0).flags == frozenset()
    )


def test_a_silent_device_gives_a_sample_of_nothing() -> None:
    found = sample([Unanswered(request, Reason.COMMS, "nothing") for request in requests()])
    assert found.values == {"no_ppb": None, "o2_percent": None}
    assert set(found.failures.values()) == {Reason.COMMS}
    assert found.flags == frozenset()


def test_a_gateway_without_its_device_is_a_matter_of_the_line() -> None:
    found = sample([DeviceException(request, 11, b"q", b"a") for request in requests()])
    assert set(found.failures.values()) == {Reason.COMMS}


def test_the_same_bytes_are_decoded_once_and_other_bytes_anew() -> None:
    made = driver()

    def polled(outcomes: list[Outcome]) -> Sample:
        return made.sample("gas", outcomes, at_ms=5, monotonic_ns=6)

    first, again = polled(answers(requests())), polled(answers(requests()))
    assert again == first
    assert again.values is first.values
    silence: list[Outcome] = [Unanswered(request, Reason.COMMS, "") for request in requests()]
    for outcomes in (
        answers(requests(), no_ppm=0.5),
        answers(requests(), span=True),
        silence,
        answers(requests()),
    ):
        assert polled(outcomes) == sample(outcomes)
    assert polled(answers(requests())) == first


def test_a_list_of_whole_numbers_is_decoded_at_once_unless_its_status_says_bad() -> None:
    text = changed('type = "f32"', 'type = "u32"', text=changed("sentinels = [9999, -1]\n", ""))
    made = driver(text)
    asked = made.requests("gas")

    def polled(*, invalid: bool = False) -> Sample:
        values, coil, status = (
            one.data for one in answers(asked, o2=650, invalid=invalid) if isinstance(one, Answer)
        )
        data = (struct.pack(">I", 3) + values[4:], coil, status)
        outcomes = [Answer(request, one, b"", b"") for request, one in zip(asked, data, strict=True)]
        return made.sample("gas", outcomes, at_ms=5, monotonic_ns=6)

    assert polled().values == {"no_ppb": Decimal(3_000), "o2_percent": Decimal("6.00")}
    assert polled().failures == {}
    bad = polled(invalid=True)
    assert bad.values == {"no_ppb": None, "o2_percent": None}
    assert set(bad.failures.values()) == {Reason.DEVICE_FAULT}


def test_outcomes_of_other_questions_are_a_bug_and_no_sample() -> None:
    good = answers_of_the_map()
    for bad in (good[:-1], good[::-1], [], [*good, good[0]]):
        with pytest.raises(ValueError, match="not the outcomes"):
            sample(bad)


@given(
    st.binary(min_size=14, max_size=14), st.binary(min_size=1, max_size=1), st.binary(min_size=2, max_size=2)
)
def test_whatever_an_instrument_holds_a_value_is_missing_exactly_when_it_has_a_reason(
    values: bytes, bits: bytes, status: bytes
) -> None:
    outcomes: list[Outcome] = [
        Answer(request, data, b"", b"")
        for request, data in zip(requests(), (values, bits, status), strict=True)
    ]
    found = sample(outcomes)
    assert set(found.values) == {"no_ppb", "o2_percent"}
    for name, value in found.values.items():
        assert (value is None) == (name in found.failures)
        assert value is None or value.is_finite()


IDENTITY = added(
    '[[identity_check]]\nfunction = "holding"\naddress = 100\ntype = "u32"\norder = "CDAB"\n'
    'equals = 70_000\nabout = "model"'
)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (struct.pack(">HH", 4_464, 1), None),
        (struct.pack(">HH", 1, 4_464), "model: register 100 holds 292552705, not 70000"),
    ],
)
def test_another_instrument_is_known_by_its_registers(data: bytes, verdict: str | None) -> None:
    d = driver(IDENTITY)
    (request,) = d.identity_requests()
    assert d.check_identity([Answer(request, data, b"", b"")]) == verdict


def test_an_instrument_that_will_not_say_who_it_is_is_not_taken_for_the_right_one() -> None:
    d = driver(IDENTITY)
    (request,) = d.identity_requests()
    assert "could not be read" in (d.check_identity([DeviceException(request, 2, b"", b"")]) or "")


def test_a_configured_constant_has_a_value_and_says_that_nobody_measured_it() -> None:
    profile = parse_profile(CONSTANT, source="c.toml", settings={"moisture_percent": Decimal("11.5")})
    constant = make_driver(profile, device="m")
    assert isinstance(constant, ConstantDriver)
    assert constant.requests("constants") == []
    found = constant.sample("constants", [], at_ms=1, monotonic_ns=2)
    assert found.values == {"moisture_percent": Decimal("11.5")}
    assert found.failures == {"moisture_percent": Reason.DEFAULT}
    assert constant.identity_requests() == []
    assert constant.check_identity([]) is None
    with pytest.raises(KeyError):
        constant.requests("gas")


def test_each_kind_of_profile_has_its_kind_of_driver() -> None:
    constant = parse_profile(CONSTANT, source="c.toml", settings={"moisture_percent": Decimal(1)})
    assert isinstance(make_driver(PROFILE, device="a"), RegisterDriver)
    with pytest.raises(ValueError, match="ConstantDriver"):
        RegisterDriver(constant, device="a")
    with pytest.raises(ValueError, match="RegisterDriver"):
        ConstantDriver(PROFILE, device="a")


def test_an_odd_instrument_brings_its_own_driver() -> None:
    made: list[tuple[str, int | None]] = []

    def factory(profile: AnyProfile, device: str, unit_id: int | None) -> RegisterDriver:
        assert isinstance(profile, Profile)
        made.append((device, unit_id))
        return RegisterDriver(profile, device=device, unit_id=unit_id)

    make_driver(
        PROFILE, device="a", unit_id=3, odd={("Maker", "Model 1"): factory, ("Maker", "Model 2"): factory}
    )
    make_driver(PROFILE, device="b", odd={("Maker", "Model 2"): factory})
    assert made == [("a", 3)]


def test_the_first_profile_of_a_name_is_taken() -> None:
    texts = [
        ProfileText("x", "first/x.toml", BASE),
        ProfileText("x", "second/x.toml", "rubbish"),
    ]
    assert find_profile("x", texts).source == "first/x.toml"
    with pytest.raises(ConfigError, match=r"second/x\.toml"):
        find_profile("x", texts[::-1])
    with pytest.raises(ConfigError, match="there are: x"):
        find_profile("y", texts)
    with pytest.raises(ConfigError, match="none at all"):
        find_profile("y", [])
