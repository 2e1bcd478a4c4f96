"""The commissioning file: hours of a device with everything from which their mass is made, for a verifier's machine.

Frames (`frames`), in this order:

    ["doxedge commissioning 1", channel, source, device, unit, profile_hash, rules_hash, speed, settings,
     [[name, map]…]]
    for each hour, in the order of time:
        ["samples", [leaf…]]                        as many as are needed; a leaf is canonical [device, at_ms, raw]
        ["hour", start_ms, witnessed, record_id, samples, evidence, sheet]
    ["end", hash]

`settings` is the gateway's configuration as JSON and `map` the text of a register map: the two hashes are made from
them. `sheet` is the hour minute by minute, as it is checked by hand. An hour that is not witnessed is there for the
one after it: what stood at its end. The hash of the whole file is the `statement_hash` of `device.commission`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from doxedge.evidence import frames
from doxedge.evidence.answer_file import FRAME_BYTES_MAX
from doxedge.signing.canonical import Value
from doxedge.signing.tags import HASH_BYTES, SHORT_ID_BYTES, tag

MAGIC: Final = "doxedge commissioning 1"
HOURS_MAX: Final = 256
"""Four times what a channel may demand."""
MAPS_MAX: Final = 256
SPEED_MAX: Final = 100_000
_SEAL: Final = "commission-file"


class BadCommissionFile(ValueError):
    """Bytes that are no commissioning file, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the hours were made with."""

    channel: bytes
    source: bytes
    """What numbers the records of the device."""
    device: str
    unit: str
    profile_hash: bytes
    rules_hash: bytes
    clock_speed: int
    """1 but for a plant of a demonstration."""
    settings: bytes
    """The gateway's configuration, JSON."""
    maps: tuple[tuple[str, bytes], ...]
    """Register maps by name, TOML."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Leaves of the hour whose frame follows."""

    leaves: list[bytes]


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour; its leaves came before."""

    start_ms: int
    witnessed: bool
    record_id: bytes
    """Its latest statement."""
    samples: int
    evidence: bytes
    sheet: bytes
    """Minute by minute, CSV."""


Frame = Head | Samples | Hour


class Writer(frames.SealedWriter):
    """Makes the frames of a commissioning."""

    def __init__(self) -> None:
        """Nothing is written yet."""
        super().__init__(seal=_SEAL, content="commission")

    def head(self, head: Head) -> bytes:
        """The first frame."""
        maps: list[Value] = [[name, text] for name, text in head.maps]
        return self._frame(
            [
                MAGIC,
                head.channel,
                head.source,
                head.device,
                head.unit,
                head.profile_hash,
                head.rules_hash,
                head.clock_speed,
                head.settings,
                maps,
            ]
        )

    def hour(self, hour: Hour) -> bytes:
        """The frame that closes an hour."""
        return self._frame(
            ["hour", hour.start_ms, hour.witnessed, hour.record_id, hour.samples, hour.evidence, hour.sheet]
        )


def statement_hash(data: bytes | memoryview) -> bytes:
    """What `device.commission` states of a file."""
    digest = hashlib.sha256(tag("commission"))
    digest.update(data)
    return digest.digest()


def read(data: bytes | memoryview) -> Iterator[Frame]:
    """The frames in order; the hash at the end was found right when the last one has come.

    Raises BadCommissionFile, perhaps only after the frames before the mistake were given.
    """
    try:
        for start, value in frames.read(data, seal=_SEAL, bytes_max=FRAME_BYTES_MAX):
            yield _frame_of(value, start, first=start == 0)
    except frames.BadFrames as error:
        raise BadCommissionFile(str(error)) from error


def _frame_of(value: Value, start: int, *, first: bool) -> Frame:
    if first:
        return _head_of(value)
    match value:
        case ["samples", list(leaves)]:
            held = [leaf for leaf in leaves if isinstance(leaf, bytes)]
            if len(held) == len(leaves):
                return Samples(held)
        case [
            "hour", int(start_ms), bool(witnessed), bytes(record_id), int(samples), bytes(evidence), bytes(sheet),
        ] if len(record_id) == HASH_BYTES and type(start_ms) is type(samples) is int:  # fmt: skip
            return Hour(start_ms, witnessed, record_id, samples, evidence, sheet)
    raise BadCommissionFile(f"the frame at byte {start} is none of a commissioning file")


def _head_of(value: Value) -> Head:
    match value:
        case [
            str(magic), bytes(channel), bytes(source), str(device), str(unit), bytes(profile), bytes(rules),
            int(speed), bytes(settings), list(maps),
        ] if (
            magic == MAGIC
            and len(channel) == len(profile) == len(rules) == HASH_BYTES
            and len(source) == SHORT_ID_BYTES
            and type(speed) is int
            and 1 <= speed <= SPEED_MAX
            and len(maps) <= MAPS_MAX
        ):  # fmt: skip
            texts = tuple(_map_of(entry) for entry in maps)
            return Head(channel, source, device, unit, profile, rules, speed, settings, texts)
    raise BadCommissionFile("the file does not begin as a commissioning file")


def _map_of(value: Value) -> tuple[str, bytes]:
    match value:
        case [str(name), bytes(text)]:
            return name, text
    raise BadCommissionFile("a register map is [name, text]")
