"""AK frames."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects.ak import AkReply, AkRequest, encode, parse
from doxedge.analysers.dialects.framing import FrameError

CODE = st.from_regex(r"[A-Z]{4}", fullmatch=True)
DATA = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60)


def test_a_question_and_its_answer_are_bound_by_the_code() -> None:
    question = parse(b"\x02 AKON K0\x03")
    answer = parse(b"\x02 AKON 3 57.62 #12 1e3 late\x03")
    assert question == AkRequest("AKON")
    assert isinstance(question, AkRequest)
    assert isinstance(answer, AkReply)
    assert (answer.errors, answer.refusal) == (3, None)
    assert answer.values == (Decimal("57.62"), None, Decimal(1000), None)
    assert answer.answers(question)
    assert not answer.answers(AkRequest("ASTZ"))


def test_the_variant_with_a_digit_before_the_code_is_read() -> None:
    assert parse(b"\x024AREG K0 245\x03") == AkRequest("AREG", 0, "245", ord("4"))


@pytest.mark.parametrize(("word", "reason"), [("BS", "busy"), ("DF", "wrong format"), ("OF", "offline")])
def test_a_refusal_is_told_in_words(word: str, reason: str) -> None:
    answer = parse(b"\x02 AKON 0 " + word.encode() + b"\x03")
    assert isinstance(answer, AkReply)
    assert answer.refusal == reason


@given(CODE, st.integers(0, 9), DATA, st.integers(0, 255).filter(lambda byte: byte not in (2, 3)))
def test_what_is_encoded_is_parsed_again(code: str, digit: int, data: str, before: int) -> None:
    for frame in (AkRequest(code, digit, data, before), AkReply(code, digit, data, before)):
        assert parse(encode(frame)) == frame


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x02 AKON\x03",
        b"\x02 AKON K\x03",
        b"\x02 AKO 0\x03",
        b"\x02 akon 0\x03",
        b"\x02 AKON 10\x03",
        b"\x02\x03",
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(FrameError):
        parse(frame)


@pytest.mark.parametrize(
    "frame",
    [
        AkRequest("AKON", 10),
        AkReply("AKON", -1),
        AkRequest("akon"),
        AkRequest("AKON", 0, "µ"),
        AkRequest("AKON", 0, "", 2),
        AkRequest("AKON", 0, "x" * 1100),
    ],
)
def test_what_no_frame_can_hold_is_not_sent(frame: AkRequest | AkReply) -> None:
    with pytest.raises(FrameError):
        encode(frame)
