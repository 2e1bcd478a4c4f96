"""The Horiba protocol of AP-370 ambient analysers.

    01 '0' receiver '0' sender '00' command 02 data BCC 03      BCC: all bytes before it (XOR), two small hex digits

A command has a capital letter and three digits (R001: concentrations); a reply echoes it. Commands with R ask, those
with A are orders. Fields are separated by commas; the value of a component has five signs before it, `01R31  1.291`.
The reply to R001 has eight fields: a code, the time, three components, and three rows of digits 0 and 1 for operation,
caution and error (two loggers that are in use).
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

SOH: Final = 0x01
MAX_BYTES: Final = 1_024

CHANGE_LINE: Final = "A024"
"""The order that sets which gas is taken; it is no question. A029 and A030 adjust the instrument and are never sent."""
LINES: Final = {"sample": "0", "zero": "1", "span": "2"}
"""What A024 sets (Datalogger2, app/models/HoribaCollector.scala: reqNormal, reqZero, reqSpan)."""
RIGHT: Final = "00"
"""The code that an answer begins with when all is well (as the same logger reads R037)."""
ORDER: Final = "A"
"""The letter that orders begin with."""

OPERATION: Final = 5
"""The field of R001 that holds the row of digits for operation; the rows behind it tell of alarms."""

_HEAD: Final = re.compile(r"0(\d)0(\d)00([A-Z]\d{3})", re.ASCII)
_HEAD_BYTES: Final = 10
_COMMAND: Final = re.compile(r"[A-Z]\d{3}", re.ASCII)
_VALUE: Final = re.compile(r"(?:\d\d[A-Z]\d\d *)?([+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15}))", re.ASCII)
_DIGITS: Final = re.compile(r"[01]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HoribaFrame:
    """A frame whose check sum is right."""

    receiver: int
    sender: int
    command: str
    data: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The data between its commas."""
        return tuple(field.strip() for field in self.data.split(",")) if self.data else ()


def value_of(field: str) -> Decimal | None:
    """The number in a field, with the signs of its component before it or without; None for what is none."""
    found = _VALUE.fullmatch(field)
    return Decimal(found[1]) if found else None


def bits_of(field: str) -> int:
    """A row of digits as a word: the n-th digit from the left is bit n. Raises FrameError for anything else."""
    if not _DIGITS.fullmatch(field):
        raise FrameError(f"{field[:40]!r} is no row of the digits 0 and 1")
    return sum(1 << place for place, digit in enumerate(field) if digit == "1")


def encode(frame: HoribaFrame) -> bytes:
    """The bytes on the wire. Raises FrameError for what no frame can say."""
    if not (0 <= frame.receiver <= 9 and 0 <= frame.sender <= 9):
        raise FrameError(f"instruments {frame.receiver} and {frame.sender} have not one digit each")
    if not _COMMAND.fullmatch(frame.command):
        raise FrameError(f"{frame.command!r} is no command (a letter and three digits)")
    if not frame.data.isascii():
        raise FrameError("data are printable ASCII")
    data = frame.data.encode("ascii")
    ascii_text(data)
    head = f"0{frame.receiver}0{frame.sender}00{frame.command}".encode("ascii")
    checked = bytes([SOH]) + head + bytes([STX]) + data
    whole = checked + f"{xor_of(checked):02x}".encode("ascii") + bytes([ETX])
    if len(whole) > MAX_BYTES:
        raise FrameError(f"{len(whole)} bytes; a frame has at most {MAX_BYTES}")
    return whole


def parse(frame: bytes) -> HoribaFrame:
    """One whole frame. Raises FrameError."""
    if len(frame) < _HEAD_BYTES + 5 or len(frame) > MAX_BYTES:
        raise FrameError(f"{len(frame)} bytes are no frame")
    if frame[0] != SOH or frame[1 + _HEAD_BYTES] != STX or frame[-1] != ETX:
        raise FrameError("a frame is 01, ten signs, 02, data, check sum and 03")
    checked, sent = frame[:-3], frame[-3:-1]
    expected = f"{xor_of(checked):02x}".encode("ascii")
    if sent != expected:
        raise FrameError(f"check sum {sent!r}, but the bytes before it give {expected!r}")
    head = _HEAD.fullmatch(ascii_text(frame[1 : 1 + _HEAD_BYTES]))
    if not head:
        raise FrameError("receiver, sender or command is not in its form")
    return HoribaFrame(int(head[1]), int(head[2]), head[3], ascii_text(frame[2 + _HEAD_BYTES : -3]))


def cut(buffer: bytes) -> Found[HoribaFrame] | Junk | None:
    """The first frame, if it is complete."""
    return cut_by(parse, buffer, text_between(buffer, SOH, ETX, trailer=0))


def reader() -> FrameReader[HoribaFrame]:
    """The frames that come in on a line."""
    return FrameReader(cut, max_bytes=MAX_BYTES)
