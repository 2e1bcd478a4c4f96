"""The AK protocol of engine and stack analysers.

    request   02 dc CODE ' ' K0 [' ' data] 03
    reply     02 dc CODE ' ' s [' ' data] 03

`dc` is any byte (commonly a blank), s is 0 or the number of errors that are pending, at most 9. There is no check sum:
a reply is accepted only when it is complete and echoes the code of the question (`answers`).
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
)

MAX_BYTES: Final = 1_024
QUERY: Final = "A"
"""The letter that queries begin with; S and E give orders."""
REFUSALS: Final = {"BS": "busy", "DF": "wrong format", "SE": "syntax error", "OF": "offline"}

_CODE: Final = re.compile(r"[A-Z]{4}|\?{4}", re.ASCII)
_REQUEST: Final = re.compile(r"([A-Z]{4}) K(\d)(?: (.*))?", re.ASCII)
_REPLY: Final = re.compile(r"([A-Z]{4}|\?{4}) (\d)(?: (.*))?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([Ee][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AkRequest:
    """A question or an order."""

    code: str
    channel: int = 0
    data: str = ""
    dont_care: int = 0x20


@dataclass(frozen=True, slots=True)
class AkReply:
    """What the instrument says."""

    code: str
    errors: int
    """Errors that are pending: ask ASTF for them."""

    data: str = ""
    dont_care: int = 0x20

    @property
    def words(self) -> tuple[str, ...]:
        """The data between blanks."""
        return tuple(self.data.split())

    @property
    def refusal(self) -> str | None:
        """Why nothing was done, in words; None when the instrument obeyed."""
        return REFUSALS.get(self.words[0]) if len(self.words) == 1 else None

    @property
    def values(self) -> tuple[Decimal | None, ...]:
        """The words as numbers; None for one that is none, such as a value marked invalid with `#`."""
        return tuple(Decimal(word) if is_number(word) else None for word in self.words)

    def answers(self, request: AkRequest) -> bool:
        """Whether this can be the answer: nothing but the echo of the code binds it to the question."""
        return self.code == request.code


def encode(frame: AkRequest | AkReply) -> bytes:
    """The bytes on the wire. Raises FrameError for what no frame can say."""
    digit = frame.channel if isinstance(frame, AkRequest) else frame.errors
    if not 0 <= digit <= 9:
        raise FrameError(f"{digit} is not one digit")
    if not _CODE.fullmatch(frame.code):
        raise FrameError(f"{frame.code!r} is no code of four capitals")
    if not 0 <= frame.dont_care <= 255 or frame.dont_care in (STX, ETX):
        raise FrameError(f"{frame.dont_care} cannot stand before the code")
    if not frame.data.isascii():
        raise FrameError("data are printable ASCII")
    letter = "K" if isinstance(frame, AkRequest) else ""
    text = f"{frame.code} {letter}{digit}" + (f" {frame.data}" if frame.data else "")
    data = text.encode("ascii")
    ascii_text(data)
    whole = bytes([STX, frame.dont_care]) + data + bytes([ETX])
    if len(whole) > MAX_BYTES:
        raise FrameError(f"{len(whole)} bytes; a frame has at most {MAX_BYTES}")
    return whole


def parse(frame: bytes) -> AkRequest | AkReply:
    """One whole frame. Raises FrameError."""
    if len(frame) < 4 or len(frame) > MAX_BYTES or frame[0] != STX or frame[-1] != ETX:
        raise FrameError("a frame is 02, one byte, text and 03")
    text = ascii_text(frame[2:-1])
    if request := _REQUEST.fullmatch(text):
        return AkRequest(request[1], int(request[2]), request[3] or "", frame[1])
    if reply := _REPLY.fullmatch(text):
        return AkReply(reply[1], int(reply[2]), reply[3] or "", frame[1])
    raise FrameError(f"{text[:40]!r} is neither CODE Kn nor CODE s")


def is_number(word: str) -> bool:
    """Whether a word is a plain number."""
    return _NUMBER.fullmatch(word) is not None


def cut(buffer: bytes) -> Found[AkRequest | AkReply] | Junk | None:
    """The first frame, if it is complete."""
    return cut_by(parse, buffer, text_between(buffer, STX, ETX, trailer=0))


def reader() -> FrameReader[AkRequest | AkReply]:
    """The frames that come in on a line."""
    return FrameReader(cut, max_bytes=MAX_BYTES)
