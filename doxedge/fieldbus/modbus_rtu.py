"""Modbus RTU on a bound line: a serial port, or a converter on TCP that passes its bytes through."""

from __future__ import annotations

from typing import Final

from doxedge.analysers.question import Answer, Asked, DeviceException, Order, Phrase, Read, WriteCoil
from doxedge.fieldbus.bound_line import BoundLine, Heard
from doxedge.fieldbus.byte_link import ByteLink
from doxedge.fieldbus.rtu_frame import answer_bytes, find_answer, question_frame

LINE_BYTES_MAX: Final = 1_024
"""Four frames of the longest kind."""


class RtuSpeech:
    """Frames of Modbus RTU."""

    name = "modbus-rtu"
    line_bytes_max = LINE_BYTES_MAX

    def question(self, request: Asked) -> bytes:
        """Unit, PDU, check sum."""
        return question_frame(_read(request))

    def is_answered(self, request: Asked) -> bool:
        """Always."""
        return not isinstance(request, Phrase | Order)

    def is_repeated(self, request: Asked) -> bool:
        """A coil that was written (V1.1b3, 6.5)."""
        return isinstance(request, WriteCoil)

    def find(self, request: Asked, line: bytes) -> Heard | None:
        """As in the port."""
        read = _read(request)
        found = find_answer(read, line)
        if found is None:
            return None
        question = question_frame(read)
        if isinstance(found.content, int):
            declined = DeviceException(read, found.content, question, found.frame)
            return Heard(declined, found.before, found.after)
        return Heard(Answer(read, found.content, question, found.frame), found.before, found.after)


def modbus_rtu(
    link: ByteLink, *, timeout_ms: int = 500, pause_ms: int = 0, quarantine_ms: int | None = None
) -> BoundLine:
    """The master of a line on which Modbus RTU is spoken."""
    return BoundLine(link, RtuSpeech(), timeout_ms=timeout_ms, pause_ms=pause_ms, quarantine_ms=quarantine_ms)


def wire_ms(request: Read | WriteCoil, character_s: float) -> int:
    """How long question and whole answer are on the wire alone; a shorter time-out can never be met. Rounded up."""
    characters = len(question_frame(request)) + answer_bytes(request)
    return int(-(-1_000 * characters * character_s // 1))


def _read(request: Asked) -> Read | WriteCoil:
    if isinstance(request, Phrase | Order):
        raise TypeError(f"{request.text!r} is said in {request.dialect}; this line carries Modbus")
    return request
