"""The Horiba protocol of AP-370 ambient analysers.

    01 '0' receiver '0' sender '00' command 02 data BCC 03      BCC: all bytes before it (XOR), two small hex digits

A command has a capital letter and three digits (R001: concentrations); a reply echoes it. Values are separated by
commas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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

LINES: Final = {0: "sample", 1: "zero", 2: "span"}
"""What command A024 sets, and its reply says."""

_HEAD: Final = re.compile(r"0(\d)0(\d)00([A-Z]\d{3})", re.ASCII)
_HEAD_BYTES: Final = 10
_COMMAND: Final = re.compile(r"[A-Z]\d{3}", re.ASCII)


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
