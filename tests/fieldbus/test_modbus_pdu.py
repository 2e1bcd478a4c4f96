"""The bytes of a question and the test that binds its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.question import Function, Read, ReadBits, ReadRegisters, WriteCoil
from doxedge.fieldbus.errors import NotBound
from doxedge.fieldbus.modbus_pdu import bind, exception_text, question_pdu

REQUESTS = st.one_of(
    st.builds(
        ReadRegisters,
        st.integers(0, 255),
        st.sampled_from([Function.HOLDING_REGISTERS, Function.INPUT_REGISTERS]),
        st.integers(0, 65_000),
        st.integers(1, 125),
    ),
    st.builds(
        ReadBits,
        st.integers(0, 255),
        st.sampled_from([Function.COILS, Function.DISCRETE_INPUTS]),
        st.integers(0, 63_000),
        st.integers(1, 2_000),
    ),
)


def test_questions_are_those_of_the_standard() -> None:
    """V1.1b3, 6.3 and 6.2: the examples printed there."""
    assert question_pdu(ReadRegisters(1, Function.HOLDING_REGISTERS, 107, 3)).hex() == "03006b0003"
    assert question_pdu(ReadBits(1, Function.DISCRETE_INPUTS, 196, 22)).hex() == "0200c40016"


def test_the_answers_printed_in_the_standard_bind() -> None:
    registers = ReadRegisters(1, Function.HOLDING_REGISTERS, 107, 3)
    assert bind(registers, bytes.fromhex("0306022b00000064")) == bytes.fromhex("022b00000064")
    assert (
        bind(ReadBits(1, Function.DISCRETE_INPUTS, 196, 22), bytes.fromhex("0203acdb35")) == b"\xac\xdb\x35"
    )
    assert bind(ReadBits(1, Function.COILS, 0, 1), bytes.fromhex("8102")) == 2


@given(REQUESTS, st.binary(max_size=260))
def test_any_bytes_are_bound_or_refused_and_nothing_else(request: Read, data: bytes) -> None:
    try:
        found = bind(request, data)
    except NotBound:
        return
    if isinstance(found, int):
        assert data == bytes([request.function | 0x80, found])
    else:
        assert data == bytes([request.function, request.byte_count]) + found
        assert len(found) == request.byte_count


@given(REQUESTS, st.data())
def test_an_answer_with_one_byte_more_or_less_is_refused(request: Read, data: st.DataObject) -> None:
    body = bytes(request.byte_count)
    good = bytes([request.function, request.byte_count]) + body
    assert bind(request, good) == body
    for bad in (good[:-1], good + data.draw(st.binary(min_size=1, max_size=3)), b"", good[:1]):
        with pytest.raises(NotBound):
            bind(request, bad)


def test_exceptions_are_named() -> None:
    assert exception_text(6) == "exception 6 (device busy)"
    assert "not in the standard" in exception_text(99)


def test_a_coil_is_written_as_in_the_standard_and_the_answer_repeats_the_question() -> None:
    """V1.1b3, 6.5: the example printed there."""
    write = WriteCoil(1, 172, True)
    assert question_pdu(write).hex() == "0500acff00"
    assert question_pdu(WriteCoil(1, 172, False)).hex() == "0500ac0000"
    assert bind(write, bytes.fromhex("0500acff00")) == b""
    assert bind(write, bytes.fromhex("8502")) == 2
    for wrong in ("0500ac0000", "0500adff00", "0500acff0000", "0100acff00", "8102", "05"):
        with pytest.raises(NotBound):
            bind(write, bytes.fromhex(wrong))
