"""Questions that no device could answer cannot be made; evidence can be taken apart again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.question import (
    Answer,
    DeviceException,
    Function,
    Outcome,
    ReadBits,
    ReadRegisters,
    Unanswered,
    pack_evidence,
    unpack_evidence,
)
from doxedge.measurement.sample import Reason

READ = ReadRegisters(1, Function.INPUT_REGISTERS, 0, 1)


@pytest.mark.parametrize(
    ("unit_id", "address", "count"),
    [(1, 0, 0), (1, 0, -1), (1, 0, 126), (1, 65_535, 2), (1, -1, 1), (1, 65_536, 1), (-1, 0, 1), (256, 0, 1)],
)
def test_a_read_that_no_device_could_answer_cannot_be_asked(unit_id: int, address: int, count: int) -> None:
    with pytest.raises(ValueError, match=r"within|leaves the map"):
        ReadRegisters(unit_id, Function.HOLDING_REGISTERS, address, count)


@pytest.mark.parametrize("count", [0, 2_001])
def test_a_read_of_too_many_bits_cannot_be_asked(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 2000"):
        ReadBits(1, Function.COILS, 0, count)


def test_functions_read_what_they_are_for() -> None:
    with pytest.raises(ValueError, match="does not read registers"):
        ReadRegisters(1, Function.COILS, 0, 1)
    with pytest.raises(ValueError, match="does not read bits"):
        ReadBits(1, Function.INPUT_REGISTERS, 0, 1)


@pytest.mark.parametrize(("count", "size"), [(1, 1), (8, 1), (9, 2), (22, 3), (2_000, 250)])
def test_bits_come_eight_to_a_byte(count: int, size: int) -> None:
    assert ReadBits(1, Function.DISCRETE_INPUTS, 0, count).byte_count == size


def test_an_answer_of_another_size_is_no_answer() -> None:
    with pytest.raises(ValueError, match="4 bytes cannot answer a question that wants 2"):
        Answer(READ, bytes(4), b"", b"")


def test_only_the_gateway_exceptions_mean_that_the_device_is_silent() -> None:
    silent = [code for code in range(256) if DeviceException(READ, code, b"", b"").means_silence]
    assert silent == [10, 11]


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300))))
def test_evidence_can_be_taken_apart_again(frames: list[tuple[bytes, bytes]]) -> None:
    outcomes: list[Outcome] = [DeviceException(READ, 2, question, answer) for question, answer in frames]
    outcomes.append(Unanswered(READ, Reason.COMMS, "nothing"))
    assert unpack_evidence(pack_evidence(outcomes)) == [*frames, (b"", b"")]


@given(st.binary(max_size=60))
def test_any_bytes_are_evidence_or_refused(raw: bytes) -> None:
    try:
        pairs = unpack_evidence(raw)
    except ValueError:
        return
    assert sum(len(a) + len(b) + 4 for a, b in pairs) == len(raw)


def test_a_frame_too_long_for_its_length_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        pack_evidence([DeviceException(READ, 2, bytes(70_000), b"")])
