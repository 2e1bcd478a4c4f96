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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from doxedge.evidence import frames
from doxedge.evidence.format import EVIDENCE_BYTES_MAX
from doxedge.signing.canonical import Value
from doxedge.signing.tags import HASH_BYTES, tag

MAGIC: Final = "doxedge samples 1"
PRODUCED: Final = "produced"
LOST: Final = "lost"
GAP: Final = "gap"
SILENT: Final = "silent"
STATES: Final = (PRODUCED, LOST, GAP, SILENT)
FRAME_BYTES_MAX: Final = EVIDENCE_BYTES_MAX + 64 * 1024
"""The longest frame is that of an hour, with its evidence file."""


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


class Writer(frames.SealedWriter):
    """Makes the frames of an answer."""

    def __init__(self) -> None:
        """Nothing is written yet."""
        super().__init__(seal="samples-file", content="samples-answer")

    def copy(self) -> Writer:
        """A writer that goes on from here, for a caller who may have to take back what follows."""
        other = Writer()
        other._seal, other._content, other.samples = self._seal.copy(), self._content.copy(), self.samples
        return other

    def head(self, head: Head) -> bytes:
        """The first frame."""
        return self._frame([MAGIC, head.channel, head.request, head.unit, head.from_ms, head.to_ms])

    def hour(self, hour: Hour) -> bytes:
        """The frame that closes an hour."""
        return self._frame(["hour", hour.start_ms, hour.state, hour.record_id, hour.samples, hour.evidence])


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
    try:
        for start, value in frames.read(data, seal="samples-file", bytes_max=FRAME_BYTES_MAX):
            yield _frame_of(value, start, first=start == 0)
    except frames.BadFrames as error:
        raise BadAnswerFile(str(error)) from error


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
