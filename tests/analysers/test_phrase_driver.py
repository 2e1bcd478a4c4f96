"""From answers in words to a sample: values, units, flags, and the reasons why a value is missing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.catalogue import make_driver, parse_map
from doxedge.analysers.dialects import ak
from doxedge.analysers.phrase_driver import PhraseDriver
from doxedge.analysers.question import Answer, DeviceException, Outcome, Phrase, Unanswered, unpack_evidence
from doxedge.measurement.sample import Reason, Sample
from tests.analysers.phrases import BASE, phrases
from tests.analysers.profiles import changed
from tests.fieldbus.hostile_text import ANSWERS, PHRASES

GOOD = {"AKON K2": "57.62 41.6", "ASTZ K0": "SREM SMGA", "ALRM K0": "0"}
SILENT = "silent"
REFUSED = "BS"


def driver(text: str = BASE) -> PhraseDriver:
    made = make_driver(phrases(text), device="a")
    assert isinstance(made, PhraseDriver)
    return made


def outcome(phrase: Phrase, said: str, errors: int = 0) -> Outcome:
    if said == SILENT:
        return Unanswered(phrase, Reason.COMMS, "nothing came")
    if said == REFUSED:
        return DeviceException(phrase, 0, b"q", b"a", "busy")
    frame = ak.encode(ak.AkReply(phrase.text[:4], errors, said))
    return Answer(phrase, frame, b"q", frame)


def sample(*, errors: int = 0, text: str = BASE, **said: str) -> Sample:
    """A poll in which some questions are answered otherwise; keys are the codes."""
    one = driver(text)
    answers = {ask: said.get(ask[:4], answer) for ask, answer in GOOD.items()}
    outcomes = [outcome(p, answers[p.text], errors) for p in one.requests("gas")]
    return one.sample("gas", outcomes, at_ms=5, monotonic_ns=6)


def test_each_question_is_asked_once_values_first() -> None:
    one = driver()
    assert [phrase.text for phrase in one.requests("gas")] == ["AKON K2", "ASTZ K0", "ALRM K0"]
    assert [phrase.text for phrase in one.requests("inside")] == ["ATEM K0"]
    assert {phrase.unit_id for phrase in one.requests("gas")} == {0}
    assert one.groups == ("gas", "inside")
    with pytest.raises(KeyError):
        one.requests("dust")


def test_values_come_out_in_the_units_of_their_names() -> None:
    found = sample()
    assert found.values == {"nox_ppb": Decimal(57620), "no_ppb": Decimal(83200)}
    assert (found.flags, found.failures, found.device, found.at_ms) == (frozenset(), {}, "a", 5)
    assert len(unpack_evidence(found.raw)) == 3


@pytest.mark.parametrize(
    ("said", "nox", "reason"),
    [
        ("#57.62 41.6", None, Reason.NAN),
        ("9999 41.6", None, Reason.NAN),
        ("-1.0 41.6", None, Reason.NAN),
        ("", None, Reason.EXCEPTION),
        (SILENT, None, Reason.COMMS),
        (REFUSED, None, Reason.EXCEPTION),
    ],
)
def test_a_value_that_is_none_says_why(said: str, nox: Decimal | None, reason: Reason) -> None:
    found = sample(AKON=said)
    assert found.values["nox_ppb"] is nox
    assert found.failures["nox_ppb"] is reason


def test_a_place_that_is_not_there_takes_only_its_own_value() -> None:
    found = sample(AKON="57.62")
    assert found.values == {"nox_ppb": Decimal(57_620), "no_ppb": None}
    assert found.failures == {"no_ppb": Reason.EXCEPTION}


@pytest.mark.parametrize(("word", "flag"), [("SNGA", "zero"), ("SZ", "zero"), ("SEGA", "span")])
def test_test_gas_keeps_its_value_and_is_flagged(word: str, flag: str) -> None:
    found = sample(ASTZ=f"SREM {word}")
    assert found.flags == {flag}
    assert found.values["nox_ppb"] == Decimal(57_620)


@pytest.mark.parametrize(("errors", "is_fault"), [(0, False), (1, True), (8, True), (9, False)])
def test_a_number_that_is_none_of_some_sets_the_flag(errors: int, is_fault: bool) -> None:
    found = sample(errors=errors)
    assert ("fault" in found.flags) is is_fault
    assert (found.failures.get("nox_ppb") is Reason.DEVICE_FAULT) is is_fault


@pytest.mark.parametrize(("word", "is_on"), [("8", True), ("7", False), ("15", True), ("16", False)])
def test_a_bit_of_a_word_sets_the_flag(word: str, is_on: bool) -> None:
    assert sample(ALRM=word).flags == ({"warning"} if is_on else set())


@pytest.mark.parametrize(("said", "reason"), [(SILENT, Reason.COMMS), (REFUSED, Reason.EXCEPTION)])
def test_a_status_that_could_not_be_read_takes_the_values_it_guards(said: str, reason: Reason) -> None:
    """It might have said `span`."""
    found = sample(ASTZ=said)
    assert set(found.values.values()) == {None}
    assert set(found.failures.values()) == {reason}


def test_a_status_that_only_notes_takes_nothing() -> None:
    for said in (SILENT, REFUSED, "eight"):
        found = sample(ALRM=said)
        assert found.values["nox_ppb"] == Decimal(57_620)
        assert found.flags == frozenset()


def test_a_word_that_cannot_be_read_is_as_bad_as_none() -> None:
    text = changed('flag = "warning"', 'flag = "warning"\nseverity = "bad"', text=BASE)
    found = sample(text=text, ALRM="eight")
    assert set(found.failures.values()) == {Reason.EXCEPTION}


CLINK = """
profile = 1
kind = "dialect"
[identity]
maker = "m"
model = "x"
version = "1"
source = "test"
verified = "document"
[transport]
kind = "text"
dialect = "clink"
port = 9880
unit_id = 42
[[groups]]
name = "one"
period_ms = 1000
atomic = true
[[points]]
quantity = "ozone_ppb"
group = "one"
ask = "o3"
place = "value"
unit = "ppb"
scale = 10
"""


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("12.5 ppb", Decimal(125)),
        ("12.5 ppm", Decimal(125_000)),
        ("12.5", Decimal(125)),
        ("12.5 ug/m3", Reason.EXCEPTION),
        ("12.5 mg/m3", Reason.EXCEPTION),
        ("12.5 degC", Reason.EXCEPTION),
        ("feature not enabled", Reason.EXCEPTION),
    ],
)
def test_the_unit_that_an_answer_says_goes_before_the_maps(said: str, value: Decimal | Reason) -> None:
    profile = phrases_of(CLINK)
    (asked,) = profile.requests("one")
    frame = f"o3 {said}\r".encode("ascii")
    found = profile.sample("one", [Answer(asked, frame, b"q", frame)], at_ms=0, monotonic_ns=0)
    assert found.values["ozone_ppb"] == (value if isinstance(value, Decimal) else None)
    assert found.failures.get("ozone_ppb") == (value if isinstance(value, Reason) else None)


@pytest.mark.parametrize(
    ("dialect", "place", "value"),
    [
        ("ak", "1", "83.2"), ("bayern_hessen", "000", "57.62"), ("clink", "value", "83.2"),
        ("serinus_advanced", "51", "83.25"), ("horiba", "4", "83.2"), ("eco_physics", "1", "83.2"),
    ],
)  # fmt: skip
def test_every_dialect_has_its_map(dialect: str, place: str, value: str) -> None:
    asked = PHRASES[dialect]
    text = (
        CLINK.replace('"clink"', f'"{dialect}"')
        .replace('"o3"', f'"{asked.text}"')
        .replace('"value"', f'"{place}"')
    )
    one = phrases_of(text.replace("unit_id = 42", f"unit_id = {asked.unit_id}").replace("scale = 10", ""))
    assert one.requests("one") == [asked]
    answer = Answer(asked, ANSWERS[dialect], b"q", ANSWERS[dialect])
    found = one.sample("one", [answer], at_ms=0, monotonic_ns=0)
    assert found.values == {"ozone_ppb": Decimal(value)}


def phrases_of(text: str, unit_id: int | None = None) -> PhraseDriver:
    made = make_driver(parse_map(text, source="x.toml"), device="d", unit_id=unit_id)
    assert isinstance(made, PhraseDriver)
    return made


def test_the_site_may_give_the_instrument_another_number() -> None:
    assert phrases_of(CLINK).requests("one")[0].unit_id == 42
    assert phrases_of(CLINK, unit_id=0).requests("one")[0].unit_id == 0
    with pytest.raises(ValueError, match="instrument 200 is not within 0 to 127"):
        phrases_of(CLINK, unit_id=200)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Model 1 of 2020", None),
        ("Model 2", "model: 'AKEN K1' is answered with 'Model 2', without 'Model 1'"),
        (REFUSED, "model: 'AKEN K1' was not answered (exception)"),
    ],
)
def test_an_instrument_that_is_another_is_told_in_words(said: str, found: str | None) -> None:
    one = driver()
    outcomes = [outcome(phrase, said) for phrase in one.identity_requests()]
    assert one.check_identity(outcomes) == found


def test_an_identity_that_is_no_frame_is_told_in_words() -> None:
    one = driver()
    (asked,) = one.identity_requests()
    assert "cannot be read" in str(one.check_identity([Answer(asked, b"x", b"q", b"x")]))


def test_outcomes_of_other_questions_are_a_bug() -> None:
    one = driver()
    (other,) = one.requests("inside")
    with pytest.raises(ValueError, match="not the outcomes"):
        one.sample("gas", [outcome(other, "1")], at_ms=0, monotonic_ns=0)
    with pytest.raises(ValueError, match="not the outcomes"):
        one.check_identity([])


@given(st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_any_bytes_give_a_value_or_a_reason(frames: list[bytes]) -> None:
    one = driver()
    outcomes = [Answer(p, f, b"q", f) for p, f in zip(one.requests("gas"), frames, strict=True)]
    found = one.sample("gas", outcomes, at_ms=0, monotonic_ns=0)
    assert all((value is None) == (name in found.failures) for name, value in found.values.items())
