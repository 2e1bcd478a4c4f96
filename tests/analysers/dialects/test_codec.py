"""Binding, and reading values out of answers, in every dialect."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects import codec, horiba, port, serinus_advanced
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.question import Phrase
from tests.fieldbus.hostile_text import ANSWERS, PHRASES, REFUSALS, clink_sum


def serinus_mode(mode: float) -> bytes:
    frame = serinus_advanced.SerinusFrame(1, 1, bytes([85]) + struct.pack(">f", mode))
    return serinus_advanced.encode(frame)


@pytest.mark.parametrize(
    ("dialect", "place", "value"),
    [
        ("ak", "0", "57.62"),
        ("ak", "1", "83.2"),
        ("bayern_hessen", "0", "57.62"),
        ("bayern_hessen", "000", "57.62"),
        ("clink", "value", "83.2"),
        ("serinus_advanced", "51", "83.25"),
        ("horiba", "4", "83.2"),
        ("eco_physics", "4", "25.58"),
    ],
)
def test_a_value_is_read_at_its_place(dialect: str, place: str, value: str) -> None:
    found = codec.value_in(PHRASES[dialect], ANSWERS[dialect], place)
    assert found.value == Decimal(value)
    assert found.unit == ("ppb" if dialect == "clink" else None)
    assert codec.codec_of(dialect).is_place(place)


@pytest.mark.parametrize(
    ("dialect", "place"),
    [
        ("ak", "2"), ("bayern_hessen", "001"), ("serinus_advanced", "53"), ("horiba", "8"), ("eco_physics", "5"),
    ],
)  # fmt: skip
def test_a_place_that_is_not_there_has_no_value(dialect: str, place: str) -> None:
    with pytest.raises(FrameError):
        codec.value_in(PHRASES[dialect], ANSWERS[dialect], place)


@pytest.mark.parametrize(
    ("phrase", "frame", "place", "bits"),
    [
        (PHRASES["bayern_hessen"], ANSWERS["bayern_hessen"], "000.status", 0x04),
        (PHRASES["bayern_hessen"], ANSWERS["bayern_hessen"], "000.error", 0x02),
        (PHRASES["ak"], b"\x02 AKON 3 57.62\x03", "errors", 3),
        (Phrase(0, "ak", "ASTF K0"), b"\x02 ASTF 1 4\x03", "0", 4),
        (Phrase(42, "clink", "flags"), b"flags 80000040\r", "flags", 0x80000040),
        (PHRASES["horiba"], ANSWERS["horiba"].replace(b"0" * 16, b"0000110000000000"), "5", 0b110000),
        (PHRASES["horiba"], ANSWERS["horiba"], "alarms", 0),
        (Phrase(1, "serinus_advanced", "85"), serinus_mode(2.0), "85", 2),
    ],
)
def test_a_word_of_bits_is_read_at_its_place(phrase: Phrase, frame: bytes, place: str, bits: int) -> None:
    assert codec.find_answer(phrase, frame) is not None
    assert codec.bits_in(phrase, frame, place) == bits
    assert codec.codec_of(phrase.dialect).is_bits(place)


@pytest.mark.parametrize(
    ("phrase", "says"),
    [
        (Phrase(0, "ak", "AKON"), "K0"),
        (Phrase(0, "ak", "akon K0"), "four capitals"),
        (Phrase(200, "clink", "nox"), "0 to 127"),
        (Phrase(1, "serinus_advanced", "50 x"), "parameters"),
        (Phrase(12, "horiba", "R001"), "digit"),
        (Phrase(1, "horiba", "R1"), "command"),
        (Phrase(1, "horiba", "A024"), "is an order"),
        (Phrase(0, "ak", "SNGA K0"), "is an order"),
        (Phrase(0, "bayern_hessen", "ST843 K"), "is no query"),
        (Phrase(42, "clink", "set span"), "is an order"),
        (Phrase(1, "eco_physics", "TV1,0"), "is no query"),
        (Phrase(10, "eco_physics", "RD0"), "digit"),
    ],
)
def test_what_a_dialect_cannot_say_is_refused(phrase: Phrase, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        codec.encode(phrase)


def test_a_sum_of_clink_is_checked() -> None:
    phrase = PHRASES["clink"]
    good = clink_sum(b"nox 83.2 ppb")
    found = codec.find_answer(phrase, good)
    assert found is not None
    assert codec.value_in(phrase, found.frame, "value") == port.Reading(Decimal("83.2"), "ppb")
    assert codec.find_answer(phrase, good.replace(b"83.2", b"93.2")) is None


def test_the_end_of_a_spoilt_line_is_not_the_answer_to_a_shorter_command() -> None:
    assert codec.find_answer(Phrase(42, "clink", "temp"), b"conv temp 315.0 degC\r") is None
    assert codec.find_answer(Phrase(42, "clink", "temp"), b"conv \x00temp 315.0 degC\r") is None


def test_another_instrument_on_the_line_does_not_answer_for_ours() -> None:
    assert codec.find_answer(PHRASES["clink"], b"\xabnox 83.2 ppb\r") is None
    assert codec.find_answer(PHRASES["clink"], b"\xaanox 83.2 ppb\r") is not None


@pytest.mark.parametrize(
    "text", ["nox", "nox ", "nox 12 34 ppb", "nox twelve ppb", "nox1 12 ppb", "no 12 ppb"]
)
def test_a_line_of_clink_that_is_no_number_is_none(text: str) -> None:
    phrase = PHRASES["clink"]
    frame = text.encode("ascii") + b"\r"
    found = codec.find_answer(phrase, frame)
    if found is not None:
        with pytest.raises(FrameError):
            codec.value_in(phrase, found.frame, "value")


@given(st.sampled_from(sorted(PHRASES)), st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_none(dialect: str, line: bytes) -> None:
    try:
        found = codec.find_answer(PHRASES[dialect], line)
    except codec.Ambiguous:
        return
    if found is not None:
        assert found.frame == line[found.before : len(line) - found.after]


@given(st.sampled_from(sorted(PHRASES)), st.binary(max_size=24))
def test_noise_hides_an_answer_or_leaves_it_as_it_is(dialect: str, noise: bytes) -> None:
    try:
        found = codec.find_answer(PHRASES[dialect], noise + ANSWERS[dialect])
    except codec.Ambiguous:
        return
    if found is not None and found.after == 0:
        # C-Link may take the last byte of the noise for the number of this very instrument.
        assert found.frame.removeprefix(b"\xaa") == ANSWERS[dialect]


@given(st.sampled_from(sorted(PHRASES)), st.data())
def test_no_part_of_an_answer_is_one(dialect: str, data: st.DataObject) -> None:
    good = ANSWERS[dialect]
    cut = data.draw(st.integers(0, len(good) - 1))
    assert codec.find_answer(PHRASES[dialect], good[:cut]) is None


@pytest.mark.parametrize("dialect", REFUSALS)
def test_a_refusal_is_bound_like_an_answer(dialect: str) -> None:
    data, word = REFUSALS[dialect]
    found = codec.find_answer(PHRASES[dialect], data)
    assert found is not None
    assert found.refusal == word


@pytest.mark.parametrize(
    ("said", "value", "unit"),
    [
        (b"conv temp 625 deg C\r", "625", "degC"),
        (b"conv temp 324.6 degC\r", "324.6", "degC"),
        (b"conv temp 5500E-2 ppb\r", "55", "ppb"),
        (b"conv temp 0.050 LPM*\r", "0.05", "l/min"),
        (b"conv temp 0.6 l/m *\r", "0.6", "l/min"),
        (b"conv temp 753 mm Hg\r", "753", "mmHg"),
        (b"conv temp 12\r", "12", None),
    ],
)
def test_a_unit_of_clink_is_said_in_our_spelling(said: bytes, value: str, unit: str | None) -> None:
    found = codec.value_in(Phrase(42, "clink", "conv temp"), said, "value")
    assert (found.value, found.unit) == (Decimal(value), unit)


@pytest.mark.parametrize(
    ("phrase", "frame", "words"),
    [
        (Phrase(0, "ak", "ASTZ K0"), b"\x02 ASTZ 0 SREM STBY\x03", ("SREM", "STBY")),
        (Phrase(0, "clink", "gas mode"), b"gas mode sample\r", ("sample",)),
        (PHRASES["eco_physics"], ANSWERS["eco_physics"], ("57.62", "83.2", "0", "0", "25.58")),
        (Phrase(1, "serinus_advanced", "85"), serinus_mode(2.0), ("2",)),
        (PHRASES["bayern_hessen"], ANSWERS["bayern_hessen"], ("MD01", "000", "+5762+01", "04", "02", "000", "000000")),
    ],
)  # fmt: skip
def test_the_words_of_an_answer(phrase: Phrase, frame: bytes, words: tuple[str, ...]) -> None:
    assert codec.words_in(phrase, frame) == words


def test_an_answer_of_horiba_is_read_as_a_real_instrument_gave_it() -> None:
    data = "00,20231206152930,01R31  1.291,02R31  0.013,03R31  1.304,0000010000000000,0,9"
    frame = horiba.encode(horiba.HoribaFrame(1, 1, "R001", data))
    values = [codec.value_in(PHRASES["horiba"], frame, place).value for place in ("2", "3", "4")]
    assert values == [Decimal("1.291"), Decimal("0.013"), Decimal("1.304")]
    assert codec.bits_in(PHRASES["horiba"], frame, "5") == 1 << 5
    with pytest.raises(FrameError, match="row of the digits"):
        codec.bits_in(PHRASES["horiba"], frame, "alarms")
    assert codec.value_in(PHRASES["horiba"], frame, "1").value is not None, "a time is a number too"
    with pytest.raises(FrameError, match="row of the digits"):
        codec.bits_in(PHRASES["horiba"], frame, "7")
    with pytest.raises(FrameError, match="whole number"):
        codec.bits_in(Phrase(1, "serinus_advanced", "85"), serinus_mode(0.5), "85")


@pytest.mark.parametrize("dialect", PHRASES)
@pytest.mark.parametrize("place", ["", "-1", "x", "12345", "\u0664", "000.colour", "1.2"])
def test_what_is_no_place_is_known_as_none(dialect: str, place: str) -> None:
    found = codec.codec_of(dialect)
    assert not found.is_place(place)
    assert not found.is_bits(place)


def test_an_answer_of_bayern_hessen_has_the_channel_that_was_asked_for() -> None:
    frame = ANSWERS["bayern_hessen"]
    assert codec.find_answer(Phrase(0, "bayern_hessen", "DA000"), frame) is not None
    assert codec.find_answer(Phrase(0, "bayern_hessen", "DA001"), frame) is None


@pytest.mark.parametrize("dialect", PHRASES)
def test_bytes_that_are_no_answer_have_no_value_and_no_words(dialect: str) -> None:
    asked = codec.encode(PHRASES[dialect])
    for frame in (b"", asked, ANSWERS[dialect][:-1], ANSWERS[dialect] * 2):
        for read in (codec.value_in, codec.bits_in):
            with pytest.raises(FrameError):
                read(PHRASES[dialect], frame, "0")
        with pytest.raises(FrameError):
            codec.words_in(PHRASES[dialect], frame)


def test_bayern_hessen_with_another_end_is_no_answer() -> None:
    for asked, other in (
        ("bayern_hessen", "bayern_hessen_cr"),
        ("bayern_hessen_cr", "bayern_hessen"),
    ):
        assert codec.find_answer(PHRASES[asked], ANSWERS[asked]) is not None
        assert codec.find_answer(PHRASES[asked], ANSWERS[other]) is None
