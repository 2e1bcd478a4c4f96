"""Frames of Modbus RTU, and the search for the one that answers a question.

On a serial line nothing but its content says which question an answer belongs to (Modbus over Serial Line V1.02,
2.5.1), so the search is strict: unit, function, byte count and check sum are those that the question allows, and no
second frame like it lies in the same bytes. What comes before it, noise or the echo of our own question, is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from doxedge.analysers.dialects.modbus_rtu import crc16
from doxedge.analysers.question import Read, WriteCoil
from doxedge.fieldbus.errors import NotBound
from doxedge.fieldbus.modbus_pdu import EXCEPTION_BIT, bind, function_of, question_pdu

CRC_BYTES: Final = 2
EXCEPTION_BYTES: Final = 3 + CRC_BYTES


def crc(data: bytes) -> bytes:
    """The check sum of a frame, low byte first as it stands on the wire."""
    return crc16(data).to_bytes(CRC_BYTES, "little")


def question_frame(request: Read | WriteCoil) -> bytes:
    """Unit, PDU, check sum."""
    body = bytes([request.unit_id]) + question_pdu(request)
    return body + crc(body)


def answer_bytes(request: Read | WriteCoil) -> int:
    """Length of the good answer's frame: unit, function, byte count, data, check sum; as long as the question."""
    if isinstance(request, WriteCoil):
        return len(question_frame(request))
    return 3 + request.byte_count + CRC_BYTES


@dataclass(frozen=True, slots=True)
class Found:
    """The frame that answers, and how many bytes of the line came before and after it."""

    frame: bytes
    content: bytes | int
    """The data of the answer, or the code of the device's exception."""
    before: int
    after: int


def find_answer(request: Read | WriteCoil, line: bytes) -> Found | None:
    """The answer in what the line brought since the question; None while it is not there.

    `line` may begin with noise, and with the echo of the question where the converter hears itself. NotBound when two
    frames could be the answer: one of them is stale, and nothing tells which.
    """
    if isinstance(request, WriteCoil):
        return _find_write(request, line)
    line, skipped = _without_echo(line, question_frame(request))
    good = bytes([request.unit_id, request.function, request.byte_count])
    declined = bytes([request.unit_id, request.function | EXCEPTION_BIT])
    frames = [
        (start, line[start:end])
        for head, length in ((good, answer_bytes(request)), (declined, EXCEPTION_BYTES))
        for start in _places(line, head)
        if (end := start + length) <= len(line) and crc(line[start : end - CRC_BYTES]) == line[end - 2 : end]
    ]
    if not frames:
        return None
    if len(frames) > 1:
        raise NotBound(f"{len(frames)} frames could be the answer; one of them is stale")
    start, frame = frames[0]
    content = bind(request, frame[1:-CRC_BYTES])
    return Found(frame, content, skipped + start, len(line) - start - len(frame))


def _find_write(request: WriteCoil, line: bytes) -> Found | None:
    """The answer to a coil that was written, which is the question again (V1.1b3, 6.5).

    A second one is the answer behind an echo; of one alone nothing tells whether it is an echo, so whoever switches a
    coil looks at what the instrument then says of itself. A refusal is another frame, and goes before.
    """
    question = question_frame(request)
    head = bytes([request.unit_id, function_of(request) | EXCEPTION_BIT])
    for start in _places(line, head):
        frame = line[start : start + EXCEPTION_BYTES]
        if len(frame) == EXCEPTION_BYTES and crc(frame[:-CRC_BYTES]) == frame[-CRC_BYTES:]:
            content = bind(request, frame[1:-CRC_BYTES])
            return Found(frame, content, start, len(line) - start - len(frame))
    places = _places(line, question)
    if not places:
        return None
    if len(places) > 2:
        raise NotBound(f"{len(places)} frames could be the answer; one of them is stale")
    return Found(question, b"", places[-1], len(line) - places[-1] - len(question))


def _without_echo(line: bytes, question: bytes) -> tuple[bytes, int]:
    """Cut through the end of the first echo: a question may look like an answer to itself."""
    start = line.find(question)
    if start < 0:
        return line, 0
    end = start + len(question)
    return line[end:], end


def _places(line: bytes, head: bytes) -> list[int]:
    places = []
    start = line.find(head)
    while start >= 0:
        places.append(start)
        start = line.find(head, start + 1)
    return places
