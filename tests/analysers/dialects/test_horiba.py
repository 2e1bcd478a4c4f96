"""Horiba frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.dialects.horiba import HoribaFrame, encode, parse


def test_the_question_of_the_makers_manual_has_its_check_sum() -> None:
    assert encode(HoribaFrame(1, 1, "R001")) == b"\x01010100R001\x0260\x03"


def test_the_fields_of_a_reply_lie_between_commas() -> None:
    assert HoribaFrame(0, 1, "R001", "1, 57.6 ,,x").fields == ("1", "57.6", "", "x")
    assert HoribaFrame(0, 1, "R001").fields == ()


@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.from_regex(r"[A-Z][0-9]{3}", fullmatch=True),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200),
)
def test_what_is_encoded_is_parsed_again(receiver: int, sender: int, command: str, data: str) -> None:
    frame = HoribaFrame(receiver, sender, command, data)
    assert parse(encode(frame)) == frame


@pytest.mark.parametrize(
    "frame",
    [
        HoribaFrame(10, 0, "R001"),
        HoribaFrame(0, -1, "R001"),
        HoribaFrame(0, 0, "r001"),
        HoribaFrame(0, 0, "R01"),
        HoribaFrame(0, 0, "R001", "a\x03"),
        HoribaFrame(0, 0, "R001", "µ"),
        HoribaFrame(0, 0, "R001", "x" * 1100),
    ],
)
def test_what_no_frame_can_hold_is_not_sent(frame: HoribaFrame) -> None:
    with pytest.raises(FrameError):
        encode(frame)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\x01010100R001\x0261\x03", "check sum"),
        (b"\x01010100R001\x0260", "bytes are no frame|a frame is"),
        (b"\x01110100R001\x0261\x03", "not in its form"),
        (b"", "0 bytes"),
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        parse(frame)
