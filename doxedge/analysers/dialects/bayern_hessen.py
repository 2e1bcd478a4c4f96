"""The Bayern-Hessen (Gesytec) protocol of ambient air analysers.

    STX text ETX BCC        BCC: all bytes from STX to ETX one over the other (XOR), two capital hex digits

    DA, DAkkk               query all channels, or channel kkk
    STkkk M|N|K|S           measure, zero, span, background
    MDcc kkk +nnnn+ee ss ff mmm eeeeee ...      cc measurements; the value is n.nnn times ten to the ee

Versions 2 and 3 of the Serinus 40's manual leave out mmm and have eight signs at the end; both are read.

Some instruments end a frame with CR and send no BCC; such a line is noisier than it looks, so it is a choice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import partial
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

MAX_BYTES: Final = 4_096
"""99 measurements of 35 signs and their envelope are 3,474 bytes."""

CR: Final = 0x0D

STATUS_BITS: Final = {
    0: "off",
    1: "out_of_service",
    2: "zero",
    3: "span",
    6: "volumetric_unit",
    7: "background",
}
ERROR_BITS: Final = {0: "flow", 1: "instrument", 3: "lamp", 5: "cell_heater"}

_COMMANDS: Final = frozenset("MNKS")
_QUERY: Final = re.compile(r"DA(\d{3})?", re.ASCII)
_REPLY: Final = re.compile(r"MD(\d\d)((?: [^ ]+)*) ?", re.ASCII)
_MEASUREMENT: Final = re.compile(
    r"(\d{3}) ([+-]\d{4})([+-]\d\d) ([0-9A-Fa-f]{2}) ([0-9A-Fa-f]{2})"
    r"(?: ([0-9A-Za-z]{3}))? ([0-9A-Za-z]{6}|[0-9A-Za-z]{8})",
    re.ASCII,
)
_FIELDS: Final = (6, 5)
"""Of a channel; without the number of the instrument where it is left out."""


class Ending(Enum):
    """How an instrument ends its frames."""

    BCC = "bcc"
    CR = "cr"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One channel of a reply."""

    channel: int
    value: Decimal
    status: int
    error: int
    serial: str
    """Empty where the instrument leaves it out."""
    extra: str

    @property
    def flags(self) -> frozenset[str]:
        """The known bits of status and error, by name; an unknown bit is `status_n` or `error_n`."""
        return frozenset(
            {STATUS_BITS.get(bit, f"status_{bit}") for bit in range(8) if self.status >> bit & 1}
            | {ERROR_BITS.get(bit, f"error_{bit}") for bit in range(8) if self.error >> bit & 1}
        )


def encode(text: str, ending: Ending = Ending.BCC) -> bytes:
    """The frame around a text. Raises FrameError for a text that is not printable ASCII or too long."""
    body = bytes([STX]) + _ascii_bytes(text) + bytes([ETX])
    frame = body + (f"{xor_of(body):02X}".encode("ascii") if ending is Ending.BCC else bytes([CR]))
    if len(frame) > MAX_BYTES:
        raise FrameError(f"{len(frame)} bytes; a frame has at most {MAX_BYTES}")
    return frame


def parse(frame: bytes, ending: Ending = Ending.BCC) -> str:
    """The text of one whole frame. Raises FrameError."""
    trailer = 2 if ending is Ending.BCC else 1
    if len(frame) < 2 + trailer or len(frame) > MAX_BYTES:
        raise FrameError(f"{len(frame)} bytes are no frame")
    body, sent = frame[:-trailer], frame[-trailer:]
    if body[0] != STX or body[-1] != ETX:
        raise FrameError("a frame is STX, text, ETX and its end")
    expected = f"{xor_of(body):02X}".encode("ascii") if ending is Ending.BCC else bytes([CR])
    if sent != expected:
        raise FrameError(f"ends with {sent!r}, but must end with {expected!r}")
    return ascii_text(body[1:-1])


def query(channel: int | None = None) -> str:
    """The text that asks for all channels, or for one."""
    return "DA" if channel is None else f"DA{_three_digits(channel)}"


def is_query(text: str) -> bool:
    """Whether a text asks, as those of `query` do."""
    return _QUERY.fullmatch(text) is not None


def command(channel: int, order: str) -> str:
    """The text that sends a channel to measure (M), zero (N), span (K) or background (S)."""
    if order not in _COMMANDS:
        raise FrameError(f"{order!r} is no order; M, N, K and S are")
    return f"ST{_three_digits(channel)} {order}"


def measurements(text: str) -> tuple[Measurement, ...]:
    """What a reply says. Raises FrameError when it is none, or holds another number of channels than it announces."""
    reply = _REPLY.fullmatch(text)
    if not reply:
        raise FrameError(f"{text[:40]!r} is no reply of measurements")
    words = reply[2].split()
    count = int(reply[1])
    for fields in _FIELDS:
        if len(words) == count * fields:
            return tuple(_measurement(" ".join(words[n : n + fields])) for n in range(0, len(words), fields))
    raise FrameError(f"{count} channels announced, {len(words)} fields sent; a channel has 5 or 6")


def cut(buffer: bytes, ending: Ending = Ending.BCC) -> Found[str] | Junk | None:
    """The first frame, if it is complete."""
    length = text_between(buffer, STX, ETX, trailer=2 if ending is Ending.BCC else 1)
    return cut_by(partial(parse, ending=ending), buffer, length)


def reader(ending: Ending = Ending.BCC) -> FrameReader[str]:
    """The texts that come in on a line."""
    return FrameReader(partial(cut, ending=ending), max_bytes=MAX_BYTES)


def _measurement(text: str) -> Measurement:
    fields = _MEASUREMENT.fullmatch(text)
    if not fields:
        raise FrameError(f"{text[:40]!r} is no measurement (kkk +nnnn+ee ss ff mmm eeeeee)")
    channel, mantissa, exponent, status, error, serial, extra = fields.groups()
    return Measurement(
        int(channel),
        Decimal(mantissa).scaleb(int(exponent) - 3),
        int(status, 16),
        int(error, 16),
        serial or "",
        extra,
    )


def _three_digits(channel: int) -> str:
    if not 0 <= channel <= 999:
        raise FrameError(f"channel {channel} has not three digits")
    return f"{channel:03d}"


def _ascii_bytes(text: str) -> bytes:
    data = text.encode("ascii", errors="replace") if text.isascii() else b"\x00"
    ascii_text(data)
    return data
