"""The answer file: the raw samples of some hours, as a gateway hands them to a regulator.

A file of frames, one after the other, each a CBOR byte string around one canonical array, so that it is written and
read piece by piece however long it is (a CBOR sequence, RFC 8742):

    ["doxedge samples 1", channel, request, unit, from_ms, to_ms]
    for each hour of the period, in order:
        ["samples", [leaf…]]                        as many as are needed; a leaf is canonical [device, at_ms, raw]
        ["hour", start_ms, state, record_id|null, samples, evidence|null]
    ["end", hash]

A hour is `produced`: its leaves stand before it, and its evidence file carries the root over them; `lost`: its samples
are not there any more; `gap`: the evidence shows that no mass was stated; or `silent`: the ledger holds no statement.
The hash of the last frame is over all bytes before it, so that a damaged file is told from a false one; the hash of
the whole file is what `samples.answer` states on the ledger. Pure: the caller reads and writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.evidence.format import EVIDENCE_BYTES_MAX
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import HASH_BYTES, tag

MAGIC: Final = "doxedge samples 1"
PRODUCED: Final = "produced"
LOST: Final = "lost"
GAP: Final = "gap"
SILENT: Final = "silent"
STATES: Final = (PRODUCED, LOST, GAP, SILENT)
LEAVES_OF_A_FRAME: Final = 1_000
FRAME_LEAF_BYTES: Final = 512 * 1024
"""A frame of samples is closed when it holds so much; one more leaf fits every time."""
FRAME_BYTES_MAX: Final = EVIDENCE_BYTES_MAX + 64 * 1024
"""The longest frame is that of an hour, with its evidence file."""
_BYTE_STRING: Final = 0x40
_WIDTHS: Final = {24: 1, 25: 2, 26: 4}
_LEAST: Final = {24: 24, 25: 1 << 8, 26: 1 << 16}
"""The smallest length that needs a head of this width (RFC 8949, 4.2.1)."""


class BadAnswerFile(ValueError):
    """Bytes that are no answer file, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the file answers."""

    channel: bytes
    request: bytes
    """Record id of the request."""
    unit: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Samples:
    """Leaves of the hour whose frame follows."""

    leaves: list[bytes]


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the period; its leaves came before."""

    start_ms: int
    state: str
    record_id: bytes | None
    samples: int
    """Leaves of this hour in the file."""
    evidence: bytes | None


Frame = Head | Samples | Hour


class Writer:
    """Makes the frames and keeps both hashes; every method gives the bytes to append."""

    def __init__(self) -> None:
        """Nothing is written yet."""
        self._seal, self._content = hashlib.sha256(tag("samples-file")), hashlib.sha256(tag("samples-answer"))
        self.samples = 0
        """Leaves so far."""

    def copy(self) -> Writer:
        """A writer that goes on from here, for a caller who may have to take back what follows."""
        other = Writer()
        other._seal, other._content, other.samples = self._seal.copy(), self._content.copy(), self.samples
        return other

    def head(self, head: Head) -> bytes:
        """The first frame."""
        return self._frame([MAGIC, head.channel, head.request, head.unit, head.from_ms, head.to_ms])

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

    def hour(self, hour: Hour) -> bytes:
        """The frame that closes an hour."""
        return self._frame(["hour", hour.start_ms, hour.state, hour.record_id, hour.samples, hour.evidence])

    def end(self) -> bytes:
        """The last frame."""
        return self._frame(["end", self._seal.digest()])

    def content_hash(self) -> bytes:
        """Of all that was written, as the ledger has it."""
        return self._content.digest()

    def _frame(self, value: list[Value]) -> bytes:
        data = canonical.encode(canonical.encode(value))
        self._seal.update(data)
        self._content.update(data)
        return data


def content_hash(data: bytes | memoryview) -> bytes:
    """What `samples.answer` states of a file."""
    digest = hashlib.sha256(tag("samples-answer"))
    digest.update(data)
    return digest.digest()


def read(data: bytes | memoryview) -> Iterator[Frame]:
    """The frames in order; the hash at the end was found right when the last one has come.

    Raises BadAnswerFile, perhaps only after the frames before the mistake were given: a caller keeps nothing of a file
    that was not read to its end.
    """
    view, at, first = memoryview(data), 0, True
    while True:
        start, content = at, b""
        content, at = _next(view, at)
        try:
            value = canonical.decode(content, limit=FRAME_BYTES_MAX)
        except canonical.NonCanonical as error:
            raise BadAnswerFile(f"the frame at byte {start}: {error}") from error
        match value:
            case ["end", bytes(stated)] if not first:
                _check_end(view, start, at, stated)
                return
            case _:
                yield _frame_of(value, start, first=first)
        first = False


def _frame_of(value: Value, start: int, *, first: bool) -> Frame:
    match value:
        case [str(magic), bytes(channel), bytes(request), str(unit), int(from_ms), int(to_ms)] if (
            first
            and magic == MAGIC
            and len(channel) == len(request) == HASH_BYTES
            and type(from_ms) is type(to_ms) is int
        ):
            return Head(channel, request, unit, from_ms, to_ms)
        case ["samples", list(leaves)] if not first and all(isinstance(leaf, bytes) for leaf in leaves):
            return Samples([leaf for leaf in leaves if isinstance(leaf, bytes)])
        case [
            "hour", int(start_ms), str(state), bytes() | None as record_id, int(samples), bytes() | None as evidence,
        ] if not first and state in STATES and type(start_ms) is type(samples) is int:  # fmt: skip
            return Hour(start_ms, state, record_id, samples, evidence)
    what = "the file does not begin as an answer file" if first else f"the frame at byte {start} is none"
    raise BadAnswerFile(what)


def _check_end(view: memoryview, start: int, end: int, stated: bytes) -> None:
    if end != len(view):
        raise BadAnswerFile(f"{len(view) - end} bytes follow the end")
    digest = hashlib.sha256(tag("samples-file"))
    digest.update(view[:start])
    if digest.digest() != stated:
        raise BadAnswerFile("the file is damaged: the hash at its end is of other bytes")


def _next(view: memoryview, at: int) -> tuple[bytes, int]:
    """The content of the byte string at `at`, and where it ends; its length is written in the shortest way."""
    if at >= len(view):
        raise BadAnswerFile("the file ends without its last frame")
    argument = view[at] - _BYTE_STRING
    width = _WIDTHS.get(argument, 0)
    if not 0 <= argument < 24 and not width:
        raise BadAnswerFile(f"no byte string of a frame's length begins at byte {at}")
    begin = at + 1 + width
    length = int.from_bytes(view[at + 1 : begin], "big") if width else argument
    if length < _LEAST.get(argument, 0):
        raise BadAnswerFile(f"the length of the frame at byte {at} is written in a longer way than needed")
    if length > FRAME_BYTES_MAX or begin + length > len(view):
        raise BadAnswerFile(f"the frame at byte {at} is cut off or too long")
    return bytes(view[begin : begin + length]), begin + length
