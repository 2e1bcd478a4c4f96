"""What may be asked of an instrument or be told to it, and the three ways that can end.

A question is a value; it knows nothing of sockets. Whoever carries it over a line (the fieldbus room) gives back an
`Outcome` that still holds the question, so that bytes can never be read as the answer to something else.
Limits are those of MODBUS Application Protocol V1.1b3, sections 6.1 to 6.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from doxedge.measurement.sample import Reason

MAX_REGISTERS: Final = 125
"""Quantity of registers in one read (V1.1b3, 6.3 and 6.4): 250 bytes of answer."""
MAX_BITS: Final = 2_000
"""Quantity of coils or discrete inputs in one read (V1.1b3, 6.1 and 6.2)."""
LAST_ADDRESS: Final = 65_535
MAX_UNIT_ID: Final = 255
"""Serial lines end at 247; over TCP 0 and 255 both mean `the device itself` (Messaging Guide V1.0b, 4.4.2)."""

MAX_PHRASE_CHARACTERS: Final = 120
"""The longest order of the dialects we know has 30."""

MAX_FRAME_BYTES: Final = 65_535
"""An evidence frame is preceded by its length in two bytes. Modbus TCP needs 260."""


WRITE_COIL: Final = 5
"""Write one coil (V1.1b3, 6.5): the only function that changes anything, and only `commands` makes a question of it."""
_COIL_ON, _COIL_OFF = b"\xff\x00", b"\x00\x00"


class Function(IntEnum):
    """The four reading functions."""

    COILS = 1
    DISCRETE_INPUTS = 2
    HOLDING_REGISTERS = 3
    INPUT_REGISTERS = 4


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Read `count` registers of 16 bits from wire address `address` (0-based). ValueError when impossible."""

    unit_id: int
    function: Function
    address: int
    count: int

    def __post_init__(self) -> None:
        if self.function not in (Function.HOLDING_REGISTERS, Function.INPUT_REGISTERS):
            raise ValueError(f"function {int(self.function)} does not read registers")
        _check_span(self.unit_id, self.address, self.count, most=MAX_REGISTERS)

    @property
    def byte_count(self) -> int:
        """Bytes of data in the only answer that fits."""
        return 2 * self.count


@dataclass(frozen=True, slots=True)
class ReadBits:
    """Read `count` coils or discrete inputs from wire address `address` (0-based). ValueError when impossible."""

    unit_id: int
    function: Function
    address: int
    count: int

    def __post_init__(self) -> None:
        if self.function not in (Function.COILS, Function.DISCRETE_INPUTS):
            raise ValueError(f"function {int(self.function)} does not read bits")
        _check_span(self.unit_id, self.address, self.count, most=MAX_BITS)

    @property
    def byte_count(self) -> int:
        """Bytes of data in the only answer that fits."""
        return (self.count + 7) // 8


Read = ReadRegisters | ReadBits


@dataclass(frozen=True, slots=True)
class Phrase:
    """Ask in a text dialect. What makes a frame the answer to it is the dialect's business (`dialects.codec`)."""

    unit_id: int
    """The instrument's number on a shared line; dialects without one take any."""
    dialect: str
    text: str
    """What is asked, in the words of the dialect: `AKON K0`, `DA`, `nox`, `50 51 52`, `R001`."""

    def __post_init__(self) -> None:
        _check_words("a question", self.unit_id, self.text)


@dataclass(frozen=True, slots=True)
class WriteCoil:
    """Switch the coil at wire address `address` (0-based). ValueError when impossible."""

    unit_id: int
    address: int
    on: bool

    def __post_init__(self) -> None:
        _check_span(self.unit_id, self.address, 1, most=1)

    @property
    def value(self) -> bytes:
        """The two bytes that say on or off."""
        return _COIL_ON if self.on else _COIL_OFF

    @property
    def byte_count(self) -> int:
        """The answer repeats the question and has no data."""
        return 0


@dataclass(frozen=True, slots=True)
class Order:
    """Tell something in a text dialect. Which orders there are says `dialects.orders`."""

    unit_id: int
    """The instrument's number on a shared line; dialects without one take any."""
    dialect: str
    text: str

    def __post_init__(self) -> None:
        _check_words("an order", self.unit_id, self.text)


Command = WriteCoil | Order
"""What changes something in an instrument."""

Request = Read | Phrase
"""What a driver asks: it changes nothing."""

Asked = Request | Command
"""What goes over a line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes that belong to this question and to no other."""

    request: Asked
    data: bytes
    """Registers (two bytes each, high byte first) or packed bits (lowest address = lowest bit), nothing else; the whole
    frame where a dialect was spoken."""
    question_frame: bytes
    answer_frame: bytes
    """Both frames as they were on the wire, kept as evidence."""

    def __post_init__(self) -> None:
        if not isinstance(self.request, Phrase | Order) and len(self.data) != self.request.byte_count:
            raise ValueError(
                f"{len(self.data)} bytes cannot answer a question that wants {self.request.byte_count}"
            )


@dataclass(frozen=True, slots=True)
class DeviceException:
    """The device understood and declined (V1.1b3, section 7). It is alive; only this read has no value."""

    request: Asked
    code: int
    """Of Modbus; 0 where a dialect refused in words."""
    question_frame: bytes
    answer_frame: bytes
    text: str = ""
    """The dialect's words."""

    @property
    def means_silence(self) -> bool:
        """A gateway between us and the device says that the device did not answer (codes 0x0A and 0x0B)."""
        return self.code in (0x0A, 0x0B)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The line brought nothing that could be trusted."""

    request: Asked
    reason: Reason
    detail: str


Outcome = Answer | DeviceException | Unanswered


def pack_evidence(outcomes: Iterable[Outcome]) -> bytes:
    """The frames of one poll as one byte string: for each outcome, two byte strings of question and answer.

    Each string is preceded by its length in two bytes, high byte first; a question without an answer has two empty
    strings.
    """
    parts: list[bytes] = []
    for outcome in outcomes:
        frames = (
            (b"", b"") if isinstance(outcome, Unanswered) else (outcome.question_frame, outcome.answer_frame)
        )
        for frame in frames:
            if len(frame) > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {len(frame)} bytes is longer than {MAX_FRAME_BYTES}")
            parts += (len(frame).to_bytes(2, "big"), frame)
    return b"".join(parts)


def unpack_evidence(raw: bytes) -> list[tuple[bytes, bytes]]:
    """The pairs of question and answer that `pack_evidence` wrote. ValueError when the bytes are cut or glued."""
    frames: list[bytes] = []
    position = 0
    while position < len(raw):
        start = position + 2
        position = start + int.from_bytes(raw[position:start], "big")
        if start > len(raw) or position > len(raw):
            raise ValueError(f"evidence ends at byte {len(raw)}, within a frame that ends at byte {position}")
        frames.append(raw[start:position])
    if len(frames) % 2:
        raise ValueError(f"{len(frames)} frames are not pairs of question and answer")
    return list(zip(frames[::2], frames[1::2], strict=True))


def _check_words(what: str, unit_id: int, text: str) -> None:
    if not 0 <= unit_id <= MAX_UNIT_ID:
        raise ValueError(f"instrument {unit_id} is not within 0 to {MAX_UNIT_ID}")
    if not 1 <= len(text) <= MAX_PHRASE_CHARACTERS or not text.isascii():
        raise ValueError(f"{what} has 1 to {MAX_PHRASE_CHARACTERS} characters of ASCII")


def _check_span(unit_id: int, address: int, count: int, *, most: int) -> None:
    if not 0 <= unit_id <= MAX_UNIT_ID:
        raise ValueError(f"unit id {unit_id} is not within 0 to {MAX_UNIT_ID}")
    if not 1 <= count <= most:
        raise ValueError(f"a read of {count} is not within 1 to {most}")
    if not 0 <= address <= LAST_ADDRESS - count + 1:
        raise ValueError(f"address {address} with {count} leaves the map, which ends at {LAST_ADDRESS}")
