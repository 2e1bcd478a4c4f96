"""The Advanced protocol of Ecotech Serinus analysers.

    02 id command 03 length message checksum 04         checksum: id, command, length and message one over the other

Command 1 reads parameters of one byte each; the reply repeats each with a float of four bytes, high byte first.
Command 4 sets one; parameter 85 is the mode: 0 measure, 2 zero, 3 span. Command 0 in a reply is a refusal.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.analysers.decoding import raw_value
from doxedge.analysers.dialects.framing import ETX, STX, Found, FrameError, FrameReader, Junk, cut_by, xor_of
from doxedge.analysers.profile import Order, RawType

EOT: Final = 0x04
MAX_BYTES: Final = 262
"""Seven bytes around a message of at most 255."""

REFUSED: Final = 0
READ: Final = 1
SET: Final = 4

MODE: Final = 85
MODES: Final = {"measure": 0, "zero": 2, "span": 3}

REFUSALS: Final = {
    0: "checksum",
    1: "length",
    2: "parameter",
    3: "flash",
    4: "unsupported",
    5: "busy",
}


@dataclass(frozen=True, slots=True)
class SerinusFrame:
    """A frame whose check sum is right."""

    instrument: int
    command: int
    message: bytes

    @property
    def refusal(self) -> str | None:
        """Why the instrument refused, in a word; None when it did not."""
        if self.command != REFUSED:
            return None
        code = self.message[0] if self.message else -1
        return REFUSALS.get(code, f"code {code}")


def encode(frame: SerinusFrame) -> bytes:
    """The bytes on the wire. Raises FrameError for what does not fit."""
    for name, value in (("instrument", frame.instrument), ("command", frame.command)):
        if not 0 <= value <= 255:
            raise FrameError(f"{name} {value} is not one byte")
    if len(frame.message) > 255:
        raise FrameError(f"{len(frame.message)} bytes of message; at most 255")
    checked = bytes([frame.instrument, frame.command, len(frame.message)]) + frame.message
    head = bytes([STX, frame.instrument, frame.command, ETX, len(frame.message)])
    return head + frame.message + bytes([xor_of(checked), EOT])


def parse(frame: bytes) -> SerinusFrame:
    """One whole frame. Raises FrameError."""
    if len(frame) < 7 or frame[0] != STX or frame[3] != ETX or frame[-1] != EOT:
        raise FrameError("a frame is 02, id, command, 03, length, message, check sum and 04")
    if len(frame) != 7 + frame[4]:
        raise FrameError(f"{frame[4]} bytes of message announced, {len(frame) - 7} sent")
    message = frame[5:-2]
    expected = xor_of(frame[1:3] + frame[4:5] + message)
    if frame[-2] != expected:
        raise FrameError(f"check sum {frame[-2]:02X}, but the bytes before it give {expected:02X}")
    return SerinusFrame(frame[1], frame[2], message)


def read_request(instrument: int, parameters: Sequence[int]) -> SerinusFrame:
    """The question for some parameters. Raises FrameError for none, and for one that is not a byte."""
    if not parameters or not all(0 <= parameter <= 255 for parameter in parameters):
        raise FrameError("a read names one or more parameters of one byte")
    return SerinusFrame(instrument, READ, bytes(parameters))


def mode_request(instrument: int, mode: str) -> SerinusFrame:
    """The order to measure, zero or span."""
    if mode not in MODES:
        raise FrameError(f"{mode!r} is no mode; {', '.join(MODES)} are")
    return SerinusFrame(instrument, SET, bytes([MODE]) + struct.pack(">f", MODES[mode]))


def values(frame: SerinusFrame) -> Mapping[int, Decimal | None]:
    """What a reply to a read says: parameter to value, None for NaN and the infinities.

    Raises FrameError for a refusal, for another command, for a length that is none and for a parameter said twice.
    """
    if frame.refusal is not None:
        raise FrameError(f"the instrument refused: {frame.refusal}")
    if frame.command not in (READ, SET) or not frame.message or len(frame.message) % 5:
        raise FrameError(f"command {frame.command} in {len(frame.message)} bytes says no values")
    found: dict[int, Decimal | None] = {}
    for place in range(0, len(frame.message), 5):
        parameter = frame.message[place]
        if parameter in found:
            raise FrameError(f"parameter {parameter} is said twice")
        found[parameter] = raw_value(frame.message[place + 1 : place + 5], RawType.F32, Order.ABCD)
    return found


def cut(buffer: bytes) -> Found[SerinusFrame] | Junk | None:
    """The first frame, if it is complete."""
    if buffer[0] != STX:
        place = buffer.find(STX)
        return Junk(place if place > 0 else len(buffer), f"no frame begins with 0x{buffer[0]:02X}")
    if len(buffer) > 3 and buffer[3] != ETX:
        return Junk(1, "the fourth byte is not 03")
    if len(buffer) < 5 or len(buffer) < 7 + buffer[4]:
        return None
    return cut_by(parse, buffer, 7 + buffer[4])


def reader() -> FrameReader[SerinusFrame]:
    """The frames that come in on a line."""
    return FrameReader(cut, max_bytes=MAX_BYTES)
