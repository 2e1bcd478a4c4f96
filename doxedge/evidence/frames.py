"""A file of frames, each a CBOR byte string around one canonical array (a CBOR sequence, RFC 8742).

So it is written and read piece by piece however long it is. The last frame is `["end", hash]`: the hash over all bytes
before it, so that a damaged file is told from a false one. Pure: the caller reads and writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import tag

LEAVES_OF_A_FRAME: Final = 1_000
FRAME_LEAF_BYTES: Final = 512 * 1024
"""A frame of samples is closed when it holds so much; one more leaf fits every time."""
_BYTE_STRING: Final = 0x40
_WIDTHS: Final = {24: 1, 25: 2, 26: 4}
_LEAST: Final = {24: 24, 25: 1 << 8, 26: 1 << 16}
"""The smallest length that needs a head of this width (RFC 8949, 4.2.1)."""


class BadFrames(ValueError):
    """Bytes that are no whole file of frames."""


class SealedWriter:
    """Makes the frames of one file and keeps two hashes over them; every method gives the bytes to append."""

    def __init__(self, *, seal: str, content: str) -> None:
        """`seal` names the hash at the end, `content` the hash over the whole file, which stands elsewhere."""
        self._seal, self._content = hashlib.sha256(tag(seal)), hashlib.sha256(tag(content))
        self.samples = 0
        """Leaves so far."""

    def leaves(self, leaves: Sequence[bytes]) -> bytes:
        """Frames with the next leaves of the hour that is being written."""
        parts, held, size = [], list[Value](), 0
        for leaf in leaves:
            held.append(leaf)
            size += len(leaf)
            if len(held) == LEAVES_OF_A_FRAME or size >= FRAME_LEAF_BYTES:
                parts.append(self._frame(["samples", held]))
                held, size = [], 0
        if held:
            parts.append(self._frame(["samples", held]))
        self.samples += len(leaves)
        return b"".join(parts)

    def end(self) -> bytes:
        """The last frame."""
        return self._frame(["end", self._seal.digest()])

    def content_hash(self) -> bytes:
        """Of all that was written, as the ledger has it."""
        return self._content.digest()

    def _frame(self, value: list[Value]) -> bytes:
        data = frame(value)
        self._seal.update(data)
        self._content.update(data)
        return data


def frame(value: list[Value]) -> bytes:
    """One frame."""
    return canonical.encode(canonical.encode(value))


def read(data: bytes | memoryview, *, seal: str, bytes_max: int) -> Iterator[tuple[int, Value]]:
    """(where it begins, its value) of every frame but the last, which was found right when the iteration ends.

    `seal` names the hash at the end, `bytes_max` bounds one frame. Raises BadFrames, perhaps only after the frames
    before the mistake were given.
    """
    view, at = memoryview(data), 0
    while True:
        start, content = at, b""
        content, at = _next(view, at, bytes_max)
        try:
            value = canonical.decode(content, limit=bytes_max)
        except canonical.NonCanonical as error:
            raise BadFrames(f"the frame at byte {start}: {error}") from error
        match value:
            case ["end", bytes(stated)] if start:
                _check_end(view, start, at, stated, seal)
                return
            case _:
                yield start, value


def _check_end(view: memoryview, start: int, end: int, stated: bytes, seal: str) -> None:
    if end != len(view):
        raise BadFrames(f"{len(view) - end} bytes follow the end")
    digest = hashlib.sha256(tag(seal))
    digest.update(view[:start])
    if digest.digest() != stated:
        raise BadFrames("the file is damaged: the hash at its end is of other bytes")


def _next(view: memoryview, at: int, bytes_max: int) -> tuple[bytes, int]:
    """The content of the byte string at `at`, and where it ends; its length is written in the shortest way."""
    if at >= len(view):
        raise BadFrames("the file ends without its last frame")
    argument = view[at] - _BYTE_STRING
    width = _WIDTHS.get(argument, 0)
    if not 0 <= argument < 24 and not width:
        raise BadFrames(f"no byte string of a frame's length begins at byte {at}")
    begin = at + 1 + width
    length = int.from_bytes(view[at + 1 : begin], "big") if width else argument
    if length < _LEAST.get(argument, 0):
        raise BadFrames(f"the length of the frame at byte {at} is written in a longer way than needed")
    if length > bytes_max or begin + length > len(view):
        raise BadFrames(f"the frame at byte {at} is cut off or too long")
    return bytes(view[begin : begin + length]), begin + length
