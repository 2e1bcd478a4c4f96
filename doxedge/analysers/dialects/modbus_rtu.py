"""Modbus RTU: unit, function, data and a check sum (MODBUS over serial line V1.02, 2.5.1).

    unit | function | data ... | CRC, low byte first

A frame has no start sign: it is known by its length, which follows from the function, and by its CRC. On the wire 3.5
characters of silence end it; whoever owns the line tells the reader of that silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from doxedge.analysers.dialects.framing import Found, FrameError, FrameReader, Junk, cut_by

MIN_BYTES: Final = 4
MAX_BYTES: Final = 256
"""V1.02, 2.3: one byte of unit, 253 of function and data, two of check sum."""

EXCEPTION_BIT: Final = 0x80
_READS: Final = frozenset({1, 2, 3, 4})
_SINGLE_WRITES: Final = frozenset({5, 6})
_WRITES: Final = frozenset({15, 16})


@dataclass(frozen=True, slots=True)
class RtuFrame:
    """A frame whose check sum is right."""

    unit: int
    pdu: bytes
    """Function and data."""

    @property
    def function(self) -> int:
        """The function, with the exception bit where there is one."""
        return self.pdu[0]

    @property
    def exception(self) -> int | None:
        """The code of an exception; None in an ordinary frame."""
        return self.pdu[1] if self.function & EXCEPTION_BIT and len(self.pdu) == 2 else None


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: 0xA001 from the low end, start 0xFFFF (V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def encode(frame: RtuFrame) -> bytes:
    """The bytes on the wire. Raises FrameError for a unit or a length that no frame has."""
    if not 0 <= frame.unit <= 255:
        raise FrameError(f"unit {frame.unit} is not one byte")
    if not frame.pdu or len(frame.pdu) + 3 > MAX_BYTES:
        raise FrameError(f"{len(frame.pdu)} bytes of function and data; a frame has 1 to {MAX_BYTES - 3}")
    body = bytes([frame.unit]) + frame.pdu
    return body + crc16(body).to_bytes(2, "little")


def parse(frame: bytes) -> RtuFrame:
    """One whole frame. Raises FrameError for a length that is none and for a wrong check sum."""
    if not MIN_BYTES <= len(frame) <= MAX_BYTES:
        raise FrameError(f"{len(frame)} bytes; a frame has {MIN_BYTES} to {MAX_BYTES}")
    body, sent = frame[:-2], int.from_bytes(frame[-2:], "little")
    expected = crc16(body)
    if sent != expected:
        raise FrameError(f"check sum {sent:04X}, but the bytes before it give {expected:04X}")
    return RtuFrame(body[0], body[1:])


def parse_request(frame: bytes) -> tuple[RtuFrame, int, int]:
    """A reading request: the frame, its first address and its count. Raises FrameError for anything else."""
    parsed = parse(frame)
    if parsed.function not in _READS or len(parsed.pdu) != 5:
        raise FrameError(f"function {parsed.function} in {len(parsed.pdu)} bytes is no request to read")
    return parsed, int.from_bytes(parsed.pdu[1:3], "big"), int.from_bytes(parsed.pdu[3:5], "big")


def parse_response(frame: bytes) -> tuple[RtuFrame, bytes]:
    """A reading answer: the frame and its register or bit data, empty in an exception.

    Raises FrameError when the announced number of bytes is not the number that follows.
    """
    parsed = parse(frame)
    if parsed.exception is not None:
        return parsed, b""
    if parsed.function not in _READS or len(parsed.pdu) < 2:
        raise FrameError(f"function {parsed.function} in {len(parsed.pdu)} bytes is no answer to a read")
    if len(parsed.pdu) != 2 + parsed.pdu[1]:
        raise FrameError(f"{parsed.pdu[1]} bytes announced, {len(parsed.pdu) - 2} sent")
    return parsed, parsed.pdu[2:]


def parse_write(frame: bytes) -> RtuFrame:
    """A writing request or its answer. Raises FrameError for another function or length.

    5 and 6 write one coil or register and are echoed; 15 and 16 write several, and the answer repeats address and
    count.
    """
    parsed = parse(frame)
    length = len(parsed.pdu)
    if parsed.function in _SINGLE_WRITES and length == 5:
        return parsed
    if parsed.function in _WRITES and (length == 5 or (length > 6 and length == 6 + parsed.pdu[5])):
        return parsed
    raise FrameError(f"function {parsed.function} in {length} bytes is no write")


def is_write(function: int) -> bool:
    """Whether a function writes."""
    return function in _SINGLE_WRITES | _WRITES


def cut_response(buffer: bytes) -> Found[RtuFrame] | Junk | None:
    """The first answer of a server, if it is complete."""
    if len(buffer) < 3:
        return None
    function = buffer[1]
    if function & EXCEPTION_BIT:
        length = 5
    elif function in _READS:
        length = 5 + buffer[2]
    elif function in _SINGLE_WRITES | _WRITES:
        length = 8
    else:
        return Junk(1, f"function {function} has no length that we know")
    return _cut(buffer, length)


def cut_request(buffer: bytes) -> Found[RtuFrame] | Junk | None:
    """The first request of a client, if it is complete."""
    if len(buffer) < 2:
        return None
    function = buffer[1]
    if function in _READS | _SINGLE_WRITES:
        return _cut(buffer, 8)
    if function not in _WRITES:
        return Junk(1, f"function {function} has no length that we know")
    return None if len(buffer) < 7 else _cut(buffer, 9 + buffer[6])


def response_reader() -> FrameReader[RtuFrame]:
    """What a client hears."""
    return FrameReader(cut_response, max_bytes=MAX_BYTES)


def request_reader() -> FrameReader[RtuFrame]:
    """What a server hears."""
    return FrameReader(cut_request, max_bytes=MAX_BYTES)


def _cut(buffer: bytes, length: int) -> Found[RtuFrame] | Junk | None:
    if length > MAX_BYTES:
        return Junk(1, f"{length} bytes announced; a frame has at most {MAX_BYTES}")
    return None if len(buffer) < length else cut_by(parse, buffer, length)
