"""HJ 212, in which Chinese plants report to their authority (HJ 212-2017, section 6).

## length payload CRC CR LF         length: four digits; CRC of the payload: four capital hex digits

QN=20160801085857223;ST=32;CN=1062;...;CP=&&key=value,key=value;key=value&&
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from doxedge.analysers.dialects.framing import Found, FrameError, FrameReader, Junk, ascii_text, cut_by

START: Final = b"##"
END: Final = b"\r\n"
MAX_PAYLOAD: Final = 1_024
"""HJ 212-2017, 6.3.1: a data segment has 0 to 1,024 characters."""

AROUND: Final = 12
MAX_BYTES: Final = MAX_PAYLOAD + AROUND

FLAGS: Final = {
    "N": "normal",
    "F": "stopped",
    "M": "maintenance",
    "S": "set by hand",
    "D": "fault",
    "C": "calibrating",
    "T": "over range",
    "B": "no communication",
}

_PAYLOAD: Final = re.compile(r"(?P<head>.*?)(?:;?CP=&&(?P<data>.*)&&)?")


@dataclass(frozen=True, slots=True)
class Hj212Frame:
    """A frame whose length and check sum are right."""

    payload: str

    @property
    def head(self) -> Mapping[str, str]:
        """What stands before the data: QN, ST, CN, MN, Flag ..."""
        return _pairs(self._parts()[0].split(";"))

    @property
    def data(self) -> tuple[Mapping[str, str], ...]:
        """The data groups, each key to value (`a21026-Rtd` to `57.6`)."""
        return tuple(_pairs(group.split(",")) for group in self._parts()[1].split(";") if group)

    def _parts(self) -> tuple[str, str]:
        match = _PAYLOAD.fullmatch(self.payload)
        return (match["head"], match["data"] or "") if match else (self.payload, "")


def crc16(data: bytes) -> int:
    """The standard's own CRC (annex A): the register is shifted down a byte before each byte is mixed in."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def encode(frame: Hj212Frame) -> bytes:
    """The bytes on the wire. Raises FrameError for a payload that is too long or not printable ASCII."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise FrameError(f"{len(frame.payload)} characters of payload; at most {MAX_PAYLOAD}")
    if not frame.payload.isascii():
        raise FrameError("a payload is printable ASCII")
    payload = frame.payload.encode("ascii")
    ascii_text(payload)
    return (
        START
        + f"{len(payload):04d}".encode("ascii")
        + payload
        + f"{crc16(payload):04X}".encode("ascii")
        + END
    )


def parse(frame: bytes) -> Hj212Frame:
    """One whole frame. Raises FrameError."""
    if len(frame) < AROUND or not frame.startswith(START) or not frame.endswith(END):
        raise FrameError("a frame is ##, length, payload, check sum, CR and LF")
    length = _length(frame)
    if length is None or len(frame) != length + AROUND:
        raise FrameError(f"length {frame[2:6]!r}, but the payload has {len(frame) - AROUND} bytes")
    payload, sent = frame[6:-6], frame[-6:-2]
    expected = f"{crc16(payload):04X}".encode("ascii")
    if sent != expected:
        raise FrameError(f"check sum {sent!r}, but the payload gives {expected!r}")
    return Hj212Frame(ascii_text(payload))


def cut(buffer: bytes) -> Found[Hj212Frame] | Junk | None:
    """The first frame, if it is complete."""
    if not buffer.startswith(START[: len(buffer)]):
        place = buffer.find(START[:1], 1)
        return Junk(place if place > 0 else len(buffer), "a frame begins with ##")
    if len(buffer) < 6:
        return None
    length = _length(buffer)
    if length is None or length > MAX_PAYLOAD:
        return Junk(1, f"{buffer[2:6]!r} is no length")
    return None if len(buffer) < length + AROUND else cut_by(parse, buffer, length + AROUND)


def reader() -> FrameReader[Hj212Frame]:
    """The frames that come in on a line."""
    return FrameReader(cut, max_bytes=MAX_BYTES)


def _length(frame: bytes) -> int | None:
    digits = frame[2:6]
    return int(digits) if len(digits) == 4 and digits.isdigit() else None


def _pairs(words: list[str]) -> Mapping[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in words if word)}
