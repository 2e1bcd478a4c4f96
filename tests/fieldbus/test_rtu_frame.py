"""The search for an answer among the bytes of a line."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from doxedge.analysers.question import Function, Read, ReadBits, ReadRegisters, WriteCoil
from doxedge.fieldbus.errors import NotBound
from doxedge.fieldbus.rtu_frame import answer_bytes, crc, find_answer, question_frame
from tests.fieldbus.hostile_bus import BusQuestion, framed

READ = ReadRegisters(17, Function.HOLDING_REGISTERS, 107, 3)

registers = st.builds(
    ReadRegisters,
    st.integers(1, 247),
    st.sampled_from([Function.HOLDING_REGISTERS, Function.INPUT_REGISTERS]),
    st.integers(0, 60_000),
    st.integers(1, 125),
)
bits = st.builds(
    ReadBits,
    st.integers(1, 247),
    st.sampled_from([Function.COILS, Function.DISCRETE_INPUTS]),
    st.integers(0, 60_000),
    st.integers(1, 2_000),
)
requests: st.SearchStrategy[Read] = registers | bits


def answer_to(request: Read, data: bytes) -> bytes:
    return framed(bytes([request.unit_id, request.function, len(data)]) + data)


@given(st.binary(max_size=260))
def test_the_check_sum_is_that_of_another_implementation(data: bytes) -> None:
    assert crc(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_the_published_frames_are_bound_to_their_questions() -> None:
    file = Path(os.environ.get("DOXEDGE_PUBLISHED", "../shared")) / "data" / "vectors_formulas_protocols.json"
    if not file.exists():
        pytest.skip(f"no published vectors at {file}")
    frames = [
        bytes.fromhex(text.replace(" ", ""))
        for text in _hex_strings(json.loads(file.read_text(encoding="utf-8")))
    ]
    sound = [frame for frame in frames if len(frame) > 4 and crc(frame[:-2]) == frame[-2:]]
    assert sound, "no Modbus RTU frame among the published ones"


def _hex_strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _hex_strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _hex_strings(item)]
    text = value.replace(" ", "") if isinstance(value, str) else ""
    is_hex = bool(text) and len(text) % 2 == 0 and all(c in "0123456789abcdefABCDEF" for c in text)
    return [text] if is_hex else []


@given(requests, st.data())
def test_an_answer_is_found_whatever_comes_before_it(request: Read, data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=request.byte_count, max_size=request.byte_count))
    noise = data.draw(st.binary(max_size=12))
    echo = data.draw(st.sampled_from([b"", question_frame(request)]))
    frame = answer_to(request, content)
    try:
        found = find_answer(request, noise + echo + frame)
    except NotBound:
        return  # Noise that makes a second frame: nothing tells which is ours.
    if found is None:
        assert question_frame(request) in noise + frame, "only an answer that is its own echo is passed over"
        return
    assert (found.frame, found.content, found.after) == (frame, content, 0)
    assert found.before == len(noise + echo)


@given(requests, st.binary(max_size=300))
def test_any_bytes_give_the_answer_or_none(request: Read, line: bytes) -> None:
    try:
        found = find_answer(request, line)
    except NotBound:
        return
    if found is not None:
        assert found.frame in line
        assert crc(found.frame[:-2]) == found.frame[-2:]


@given(requests, st.data())
def test_no_part_of_an_answer_is_one(request: Read, data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=request.byte_count, max_size=request.byte_count))
    frame = answer_to(request, content)
    cut = data.draw(st.integers(0, len(frame) - 1))
    found = find_answer(request, frame[:cut])
    # A shorter frame may lie inside the content by chance, as an exception; it is then not the content.
    assert found is None or found.content != content


@given(requests, st.data())
def test_a_flipped_bit_is_never_a_value(request: Read, data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=request.byte_count, max_size=request.byte_count))
    frame = bytearray(answer_to(request, content))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    try:
        found = find_answer(request, bytes(frame))
    except NotBound:
        return
    assert found is None or isinstance(found.content, int)


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        ("another unit", BusQuestion(question_frame(READ), 1).answer(unit=18)),
        ("another function", BusQuestion(question_frame(READ), 1).answer(function=4)),
        ("fewer registers", BusQuestion(question_frame(READ), 1).answer(count=2)),
        ("more registers", BusQuestion(question_frame(READ), 1).answer(count=4)),
        ("the question alone", question_frame(READ)),
        ("an exception of another function", framed(bytes([17, 0x84, 2]))),
    ],
)
def test_what_the_question_does_not_allow_is_no_answer(what: str, frame: bytes) -> None:
    assert find_answer(READ, frame) is None, what


def test_two_frames_that_fit_are_none() -> None:
    question = BusQuestion(question_frame(READ), 1)
    with pytest.raises(NotBound, match="2 frames"):
        find_answer(READ, question.answer(address=0) + question.answer())


def test_exception_zero_does_not_exist() -> None:
    with pytest.raises(NotBound, match="exception 0"):
        find_answer(READ, framed(bytes([17, 0x83, 0])))


def test_an_answer_that_is_its_own_question_is_refused_rather_than_guessed() -> None:
    # Function 1, three bytes of answer: unit, 1, 3, data; the question of address 0x03xx looks the same.
    request = ReadBits(9, Function.COILS, 0x0310, 0x14)
    assert answer_bytes(request) == len(question_frame(request))
    data = struct.pack(">BH", 0x10, 0x14)
    assert answer_to(request, data) == question_frame(request)
    assert find_answer(request, question_frame(request)) is None


def test_a_coil_that_was_written_is_answered_by_its_question_behind_an_echo_or_without() -> None:
    write = WriteCoil(17, 172, True)
    question = question_frame(write)
    assert question.hex()[:12] == "110500acff00"
    for line, before in ((question, 0), (question + question, len(question)), (b"\x00" + question, 1)):
        found = find_answer(write, line)
        assert found is not None
        assert (found.frame, found.content, found.before, found.after) == (question, b"", before, 0)
    assert find_answer(write, question[:-1]) is None
    assert find_answer(write, question_frame(WriteCoil(17, 172, False))) is None
    with pytest.raises(NotBound, match="stale"):
        find_answer(write, question * 3)


def test_a_refusal_behind_the_echo_of_a_written_coil_is_a_refusal() -> None:
    write = WriteCoil(17, 172, True)
    found = find_answer(write, question_frame(write) + framed(bytes([17, 0x85, 2])))
    assert found is not None
    assert (found.content, found.after) == (2, 0)
