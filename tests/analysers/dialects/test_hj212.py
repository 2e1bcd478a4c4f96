"""HJ 212 frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.dialects.hj212 import Hj212Frame, crc16, encode, parse

SAMPLE = (
    "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
)


def test_the_sample_of_the_standard_has_its_length_and_check_sum() -> None:
    frame = encode(Hj212Frame(SAMPLE))
    assert frame == b"##0101" + SAMPLE.encode() + b"1C80\r\n"
    assert parse(frame).head["MN"] == "010000A8900016F000169DC0"
    assert parse(frame).data == ({"RtdInterval": "30"},)


def test_groups_and_values_of_the_data_are_kept_apart() -> None:
    frame = Hj212Frame("ST=31;CP=&&DataTime=1;a-Rtd=57.6,a-Flag=N;b-Rtd=1&&")
    assert frame.data == ({"DataTime": "1"}, {"a-Rtd": "57.6", "a-Flag": "N"}, {"b-Rtd": "1"})
    assert Hj212Frame("ST=31").data == ()
    assert Hj212Frame("").head == {}


def test_the_check_sum_differs_from_that_of_modbus() -> None:
    """The standard shifts the register before it mixes the byte in; a Modbus CRC would be accepted by nobody."""
    assert crc16(b"123456789") != 0x4B37


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300))
def test_what_is_encoded_is_parsed_again(payload: str) -> None:
    frame = Hj212Frame(payload)
    assert parse(encode(frame)) == frame
    assert isinstance(frame.head, dict)
    assert isinstance(frame.data, tuple)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "a frame is"),
        (b"##0002AB0000\n\n", "a frame is"),
        (b"##0003AB0000\r\n", "length"),
        (b"##00x2AB0000\r\n", "length"),
        (b"##0002AB0000\r\n", "check sum"),
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        parse(frame)


@pytest.mark.parametrize("payload", ["x" * 1025, "é", "a\nb"])
def test_what_no_frame_can_hold_is_not_sent(payload: str) -> None:
    with pytest.raises(FrameError):
        encode(Hj212Frame(payload))
