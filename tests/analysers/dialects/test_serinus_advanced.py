"""Serinus Advanced frames and values."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects import serinus_advanced
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.dialects.serinus_advanced import SerinusFrame, encode, parse, values


def test_the_questions_of_the_makers_manual_are_met() -> None:
    assert encode(serinus_advanced.read_request(0, [50])).hex() == "0200010301323204"
    assert encode(serinus_advanced.read_request(1, [50, 51, 52])).hex() == "02010103033233343604"
    assert encode(serinus_advanced.mode_request(1, "span")).hex() == "020104030555404000005504"


def test_the_reply_of_the_manual_has_its_check_sum() -> None:
    frame = encode(SerinusFrame(0, 1, b"\x32" + struct.pack(">f", 1.0)))
    assert frame[-2] == 137
    assert values(parse(frame)) == {50: Decimal(1)}


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=255))
def test_what_is_encoded_is_parsed_again(instrument: int, command: int, message: bytes) -> None:
    frame = SerinusFrame(instrument, command, message)
    assert parse(encode(frame)) == frame


@given(st.dictionaries(st.integers(0, 255), st.floats(width=32), min_size=1, max_size=40))
def test_floats_come_through_to_their_last_bit(told: dict[int, float]) -> None:
    message = b"".join(bytes([parameter]) + struct.pack(">f", value) for parameter, value in told.items())
    found = values(SerinusFrame(1, 1, message))
    for parameter, value in told.items():
        exact = found[parameter]
        if exact is None:
            assert value != value or value in (float("inf"), float("-inf"))
        else:
            assert struct.pack(">f", float(exact)) == struct.pack(">f", value + 0.0)


@pytest.mark.parametrize(
    ("code", "word"), [(b"\x00", "checksum"), (b"\x05", "busy"), (b"\x77", "code 119"), (b"", "code -1")]
)
def test_a_refusal_is_told_and_has_no_values(code: bytes, word: str) -> None:
    frame = SerinusFrame(1, 0, code)
    assert frame.refusal == word
    with pytest.raises(FrameError, match=word):
        values(frame)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (SerinusFrame(1, 1, b""), "says no values"),
        (SerinusFrame(1, 1, b"\x32\x00\x00"), "says no values"),
        (SerinusFrame(1, 9, bytes(5)), "says no values"),
        (SerinusFrame(1, 1, bytes(10)), "said twice"),
    ],
)
def test_a_reply_of_another_shape_is_refused(frame: SerinusFrame, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        values(frame)


def test_what_does_not_fit_is_not_sent() -> None:
    for frame in (SerinusFrame(256, 1, b""), SerinusFrame(1, -1, b""), SerinusFrame(1, 1, bytes(256))):
        with pytest.raises(FrameError):
            encode(frame)
    for parameters in ([], [256]):
        with pytest.raises(FrameError):
            serinus_advanced.read_request(1, parameters)
    with pytest.raises(FrameError):
        serinus_advanced.mode_request(1, "sleep")
