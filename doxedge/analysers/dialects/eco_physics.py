"""The protocol of Eco Physics CLD analysers (88P), 9600 Bd, seven data bits.

    02 '0' instrument text 03 BCC         BCC: one byte, all from 02 to 03 one over the other

A question's text is a command (RD0, RP, RT). The manual that we have shows the envelope of questions and the lists of
answers; that answers come in the same envelope is an inference, to be settled by a recording.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.analysers.dialects.framing import (
    ETX,
    STX,
    Found,
    FrameError,
    FrameReader,
    Junk,
    ascii_text,
    cut_by,
    text_between,
    xor_of,
)

MAX_BYTES: Final = 512
QUERY: Final = "R"
"""The letter that queries begin with: RD0, RP, RT."""
_BODY: Final = re.compile(r"0(\d)(.+)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([Ee][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class EcoFrame:
    """A frame whose check sum is right."""

    instrument: int
    text: str

    @property
    def values(self) -> tuple[Decimal | None, ...]:
        """The list between commas or blanks; None for what is no number."""
        words = self.text.replace(",", " ").split()
        return tuple(Decimal(word) if _NUMBER.fullmatch(word) else None for word in words)


def encode(frame: EcoFrame) -> bytes:
    """The bytes on the wire. Raises FrameError."""
    if not 0 <= frame.instrument <= 9:
        raise FrameError(f"instrument {frame.instrument} is not one digit")
    if not frame.text or not frame.text.isascii():
        raise FrameError("a text is printable ASCII")
    data = frame.text.encode("ascii")
    ascii_text(data)
    body = bytes([STX]) + f"0{frame.instrument}".encode("ascii") + data + bytes([ETX])
    if len(body) + 1 > MAX_BYTES:
        raise FrameError(f"{len(body) + 1} bytes; a frame has at most {MAX_BYTES}")
    return body + bytes([xor_of(body)])


def parse(frame: bytes) -> EcoFrame:
    """One whole frame. Raises FrameError."""
    if not 6 <= len(frame) <= MAX_BYTES or frame[0] != STX or frame[-2] != ETX:
        raise FrameError("a frame is 02, instrument, text, 03 and a check sum")
    expected = xor_of(frame[:-1])
    if frame[-1] != expected:
        raise FrameError(f"check sum {frame[-1]:02X}, but the bytes before it give {expected:02X}")
    body = _BODY.fullmatch(ascii_text(frame[1:-2]))
    if not body:
        raise FrameError("the instrument's number is not in its form")
    return EcoFrame(int(body[1]), body[2])


def cut(buffer: bytes) -> Found[EcoFrame] | Junk | None:
    """The first frame, if it is complete."""
    return cut_by(parse, buffer, text_between(buffer, STX, ETX, trailer=1))


def reader() -> FrameReader[EcoFrame]:
    """The frames that come in on a line."""
    return FrameReader(cut, max_bytes=MAX_BYTES)
