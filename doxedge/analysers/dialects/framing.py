"""Frames out of a stream of bytes: after garbage, glued together, split anywhere, behind the line's own echo.

Each dialect brings a *cutter*, which looks at the beginning of what has come in and says one of three things: here is
a frame of so many bytes; these bytes begin none; or nothing yet (None), since the frame may not be complete. Strict
parsing is the cutter's business, patience is the reader's. Any byte string gives frames or junk, never an endless loop:
every step takes at least one byte away, and no cutter is shown more bytes than its longest frame has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

F = TypeVar("F")

STX: Final = 0x02
ETX: Final = 0x03


class FrameError(ValueError):
    """These bytes are no frame of the dialect; says which rule they break, and what was found."""


@dataclass(frozen=True, slots=True)
class Found(Generic[F]):
    """A frame that begins at the first byte and is `length` bytes long."""

    value: F
    length: int


@dataclass(frozen=True, slots=True)
class Junk:
    """The first `length` bytes (at least one) begin no frame, and why."""

    length: int
    reason: str


Cutter: TypeAlias = Callable[[bytes], Found[F] | Junk | None]


class FrameReader(Generic[F]):
    """What one end of a line hears. Holds at most one unfinished frame."""

    __slots__ = ("_buffer", "_cut", "_echo", "_max_bytes", "junk_bytes", "last_error")

    def __init__(self, cut: Cutter[F], *, max_bytes: int) -> None:
        """`max_bytes` is the longest frame of the dialect: what is longer without an end is no frame."""
        self._cut = cut
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._echo = b""
        self.junk_bytes = 0
        """Bytes that belonged to no frame so far; a line that counts up here is noisy or wrongly wired."""
        self.last_error = ""
        """Why the last of them were junk."""

    def sent(self, data: bytes) -> None:
        """We have sent this ourselves: on a half-duplex RS-485 line it comes back before the answer does."""
        self._echo = bytes(data)

    def feed(self, data: bytes) -> list[F]:
        """The frames that are complete now, in their order."""
        self._buffer += data
        return [] if self._waits_for_echo() else self._frames(patient=True)

    def silence(self) -> list[F]:
        """Nothing more is coming: an unfinished frame was none, and what it swallowed may hold one."""
        self._echo = b""
        return self._frames(patient=False)

    def _waits_for_echo(self) -> bool:
        """Take the echo away; True while all that has come may still become one."""
        if not self._echo:
            return False
        place = self._buffer.find(self._echo)
        if place < 0:
            return self._echo.startswith(self._buffer)
        self.junk_bytes += place
        del self._buffer[: place + len(self._echo)]
        self._echo = b""
        return False

    def _frames(self, *, patient: bool) -> list[F]:
        frames: list[F] = []
        place = 0
        while place < len(self._buffer):
            window = bytes(self._buffer[place : place + self._max_bytes])
            found = self._cut(window)
            if isinstance(found, Found):
                frames.append(found.value)
                self._echo = b""  # an answer has come without one, so this line has no echo
                place += found.length
                continue
            if found is None and patient and len(window) < self._max_bytes:
                break
            length, self.last_error = (found.length, found.reason) if found else (1, "a frame without an end")
            self.junk_bytes += length
            place += length
        del self._buffer[:place]
        return frames


def text_between(buffer: bytes, start: int, end: int, *, trailer: int) -> int | Junk | None:
    """The length of a frame from `start` to `end` and `trailer` bytes more.

    Junk where the first byte is another, or where the frame begins anew before it ends; None where it is not complete.
    """
    if buffer[0] != start:
        place = buffer.find(start)
        return Junk(place if place > 0 else len(buffer), f"no frame begins with 0x{buffer[0]:02X}")
    stop = buffer.find(end, 1)
    again = buffer.find(start, 1, stop if stop >= 0 else len(buffer))
    if again > 0:
        return Junk(again, "the frame begins anew before it ends")
    if stop < 0 or len(buffer) < stop + 1 + trailer:
        return None
    return stop + 1 + trailer


def cut_by(parse: Callable[[bytes], F], buffer: bytes, length: int | Junk | None) -> Found[F] | Junk | None:
    """Parse the first `length` bytes; when they are no frame, only the first of them is given up."""
    if not isinstance(length, int):
        return length
    try:
        return Found(parse(buffer[:length]), length)
    except FrameError as error:
        return Junk(1, str(error))


def ascii_text(data: bytes) -> str:
    """Printable ASCII only. Raises FrameError, naming the first byte that is none."""
    for byte in data:
        if not 0x20 <= byte <= 0x7E:
            raise FrameError(f"0x{byte:02X} is not printable ASCII")
    return data.decode("ascii")


def xor_of(data: bytes) -> int:
    """All bytes, one over the other."""
    result = 0
    for byte in data:
        result ^= byte
    return result
