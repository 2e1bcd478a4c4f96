"""C-Link, the ASCII protocol of Thermo i-series analysers (42i manual, appendix B).

    question   (128 + instrument) command CR              without the first byte where the instrument is 0
    answer     command text CR                            the command is echoed, then the answer: `nox 12.34 ppb`
               command text LF `sum hhhh` CR              in format 01: hhhh is the 16-bit sum of all bytes before `sum`
               ... bad cmd CR                             a command that the instrument does not know

The echo binds an answer to its command; the sum, where there is one, must be right. A `*` at the end of an answer says
that the layout of the display has changed (appendix B, `set layout ack`) and belongs to no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.analysers.dialects.framing import Found, FrameError, FrameReader, Junk, ascii_text

CR: Final = 0x0D
LF: Final = 0x0A
MAX_BYTES: Final = 512
INSTRUMENT_BASE: Final = 128
UNKNOWN: Final = "bad cmd"
ORDERS: Final = frozenset({"set", "clr", "allocate"})
"""First words of commands that change something."""

UNITS: Final[Mapping[str, str]] = {
    "deg C": "degC",
    "C": "degC",
    "l/m": "l/min",
    "LPM": "l/min",
    "mm Hg": "mmHg",
}
"""How this dialect spells a unit, where our spelling is another."""

_UNPRINTABLE: Final = bytes([*range(0x20), *range(0x7F, 0x100)])
_SUMMED: Final = re.compile(rb"(.*)\n?sum ([0-9A-Fa-f]{4})", re.DOTALL)
_VALUE: Final = re.compile(
    r"([+-]?\d{1,15}(?:\.\d{0,15})?(?:[Ee][+-]?\d{1,2})?)(?: ([A-Za-z%]\S{0,11}(?: [CFHK]g?)?))?", re.ASCII
)
_FLAGS: Final = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClinkAnswer:
    """One line of an instrument."""

    text: str
    instrument: int | None = None
    """Where the line begins with its number."""

    def of(self, command: str) -> str | None:
        """What follows the echo of this command; None when the line answers another one."""
        if self.text == command:
            return ""
        return self.text[len(command) + 1 :] if self.text.startswith(f"{command} ") else None

    @property
    def is_refusal(self) -> bool:
        """Whether the instrument does not know the command."""
        return self.text == UNKNOWN or self.text.endswith(f" {UNKNOWN}")


def encode(command: str, *, instrument: int) -> bytes:
    """The bytes of a question. Raises FrameError."""
    if not 0 <= instrument < INSTRUMENT_BASE:
        raise FrameError(f"instrument {instrument} is not within 0 to {INSTRUMENT_BASE - 1}")
    data = command.encode("ascii", errors="replace")
    if not command.isascii() or not 1 <= len(command) <= MAX_BYTES - 2:
        raise FrameError("a command is printable ASCII")
    ascii_text(data)
    head = bytes([INSTRUMENT_BASE + instrument]) if instrument else b""
    return head + data + bytes([CR])


def parse(frame: bytes) -> ClinkAnswer:
    """One whole line with its CR. Raises FrameError, also for a sum that is wrong."""
    if not 2 <= len(frame) <= MAX_BYTES or frame[-1] != CR:
        raise FrameError("an answer is text and CR")
    body, instrument = frame[:-1], None
    if body[0] >= INSTRUMENT_BASE:
        body, instrument = body[1:], body[0] - INSTRUMENT_BASE
    if summed := _SUMMED.fullmatch(body):
        covered = frame[: frame.rindex(b"sum ")]
        expected = sum(covered) & 0xFFFF
        if int(summed[2], 16) != expected:
            raise FrameError(f"sum {summed[2].decode()}, but the bytes before it give {expected:04x}")
        body = summed[1]
    text = ascii_text(body.rstrip(b"\n"))
    return ClinkAnswer(text.removesuffix("*").rstrip(" ") if text.endswith("*") else text, instrument)


def value_of(text: str) -> tuple[Decimal, str | None]:
    """Number and unit of an answer's text, the unit in our spelling. Raises FrameError when it is none."""
    found = _VALUE.fullmatch(text.strip())
    if not found:
        raise FrameError(f"{text[:40]!r} is no number with a unit")
    unit = found[2]
    return Decimal(found[1]), None if unit is None else UNITS.get(unit, unit)


def flags_of(text: str) -> int:
    """The eight hex digits of `flags`. Raises FrameError."""
    if not _FLAGS.fullmatch(text.strip()):
        raise FrameError(f"{text[:40]!r} is not eight hex digits")
    return int(text.strip(), 16)


def cut(buffer: bytes) -> Found[ClinkAnswer] | Junk | None:
    """The first line, if it is complete.

    A line that is spoilt within is junk as a whole: its end may look like the answer to a shorter command.
    """
    noise = len(buffer) - len(buffer.lstrip(_UNPRINTABLE))
    if noise and buffer[noise - 1] >= INSTRUMENT_BASE:
        noise -= 1  # This one may be the number of the instrument.
    if noise:
        return Junk(noise, "a line begins with printable ASCII, or with the instrument's number")
    stop = buffer.find(CR)
    if stop < 0:
        return None
    try:
        return Found(parse(buffer[: stop + 1]), stop + 1)
    except FrameError as error:
        return Junk(stop + 1, str(error))


def reader() -> FrameReader[ClinkAnswer]:
    """The lines that come in."""
    return FrameReader(cut, max_bytes=MAX_BYTES)
