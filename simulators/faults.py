"""What a simulated instrument can do wrong, and when.

Faults of the *wire* change bytes on their way out; faults of the *instrument* change what it says in good faith.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pymodbus.framer.rtu import FramerRTU


class FaultKind(StrEnum):
    """Names as on the command line."""

    # The wire
    SILENCE = "silence"
    HALF_FRAME = "half_frame"
    RESET = "reset"
    LATE = "late"
    STALE = "stale"
    DUPLICATE = "duplicate"
    GARBAGE = "garbage"
    WRONG_UNIT = "wrong_unit"
    WRONG_TRANSACTION = "wrong_transaction"
    WRONG_FUNCTION = "wrong_function"
    FEWER = "fewer"
    MORE = "more"
    DROPPED = "dropped"
    # The instrument
    EXCEPTION = "exception"
    NAN = "nan"
    STUCK = "stuck"
    ZERO = "zero"
    SPAN = "span"
    NOT_MEASURING = "not_measuring"
    DEVICE_FAULT = "device_fault"
    BROKEN_LOOP = "broken_loop"
    COUNTER_RESET = "counter_reset"
    HELD = "held"
    SWAPPED = "swapped"
    WRONG_IDENTITY = "wrong_identity"
    DRIFT = "drift"
    NOISE = "noise"
    LAG = "lag"
    CONVERTER = "converter"
    SPIKE = "spike"


EXPLANATIONS: Final = {
    FaultKind.SILENCE: "takes the question and says nothing",
    FaultKind.HALF_FRAME: "sends the first half of each answer",
    FaultKind.RESET: "closes the connection instead of answering",
    FaultKind.LATE: "answers after ARGUMENT real milliseconds (default 1500)",
    FaultKind.STALE: "sends the answer to the question before",
    FaultKind.DUPLICATE: "sends each answer twice",
    FaultKind.GARBAGE: "sends bytes that mean nothing",
    FaultKind.WRONG_UNIT: "answers in another unit's name",
    FaultKind.WRONG_TRANSACTION: "answers with another transaction id",
    FaultKind.WRONG_FUNCTION: "answers with another function code",
    FaultKind.FEWER: "leaves out the last register",
    FaultKind.MORE: "adds a register",
    FaultKind.DROPPED: "loses a byte in the middle of each answer, so that a check sum is wrong where there is one",
    FaultKind.EXCEPTION: "answers every read with Modbus exception ARGUMENT (default 6), or refuses in words",
    FaultKind.NAN: "has NaN in every float",
    FaultKind.STUCK: "repeats the values of the moment the fault began",
    FaultKind.ZERO: "analyser: zero gas flows, and the status says so",
    FaultKind.SPAN: "analyser: span gas flows, and the status says so",
    FaultKind.NOT_MEASURING: "analyser: 0.0 everywhere, and the status says invalid",
    FaultKind.DEVICE_FAULT: "analyser: the sample flow fails, and the status says so",
    FaultKind.BROKEN_LOOP: "analogue inputs: 0 mA",
    FaultKind.COUNTER_RESET: "meter: the energy counter starts again from 0, for good",
    FaultKind.HELD: "repeats the values of the moment the fault began; says so where the instrument can",
    FaultKind.SWAPPED: "has the words of every value of two or four registers in the other order",
    FaultKind.WRONG_IDENTITY: "holds something else where the map looks for its identity",
    FaultKind.DRIFT: "reads more and more: ARGUMENT per mille an hour (default 10)",
    FaultKind.NOISE: "trembles by ARGUMENT per mille of its reading (default 20)",
    FaultKind.LAG: "answers to a change with a T90 of ARGUMENT seconds (default 60)",
    FaultKind.CONVERTER: "analyser: the converter makes ARGUMENT percent of NO2 into NO (default 85)",
    FaultKind.SPIKE: "reads ten times too much for two seconds of every twenty",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and its time, in plant time; without times it is there until it is taken away."""

    kind: FaultKind
    from_ms: int = 0
    to_ms: int | None = None
    argument: int | None = None

    def is_on(self, at_ms: int) -> bool:
        """Whether it is there at this instant."""
        return self.from_ms <= at_ms and (self.to_ms is None or at_ms < self.to_ms)


@dataclass(slots=True)
class WireFaults:
    """Changes the bytes of answers. Keeps the last answer, to have something stale to send."""

    framing: str = "tcp"
    """`tcp` or `rtu`: what is around the PDU; `text`: no PDU at all."""
    last_answer: bytes = b""

    def apply(self, frame: bytes, kinds: Sequence[FaultKind]) -> bytes:
        """What really goes onto the wire instead of `frame`."""
        previous, self.last_answer = self.last_answer, frame
        for kind in kinds:
            frame = self._altered(kind, frame, previous)
        return frame

    def _altered(self, kind: FaultKind, frame: bytes, previous: bytes) -> bytes:
        match kind:
            case FaultKind.SILENCE | FaultKind.RESET:
                return b""
            case FaultKind.HALF_FRAME:
                return frame[: len(frame) // 2]
            case FaultKind.STALE:
                return previous
            case FaultKind.DUPLICATE:
                return frame + frame
            case FaultKind.GARBAGE:
                return bytes((37 * index + 11) & 0xFF for index in range(len(frame)))
            case FaultKind.DROPPED:
                return frame[: len(frame) // 2] + frame[len(frame) // 2 + 1 :]
            case _ if self.framing != "text":
                return self._altered_pdu(kind, frame)
            case _:
                return frame

    def _altered_pdu(self, kind: FaultKind, frame: bytes) -> bytes:
        """Another answer in a right frame of Modbus."""
        match kind:
            case FaultKind.WRONG_TRANSACTION if self.framing == "tcp":
                return struct.pack(">H", (int.from_bytes(frame[:2], "big") - 1) & 0xFFFF) + frame[2:]
            case FaultKind.WRONG_UNIT:
                return self._framed(frame, unit=(self._unit(frame) + 1) & 0xFF, pdu=self._pdu(frame))
            case FaultKind.WRONG_FUNCTION:
                pdu = self._pdu(frame)
                return self._framed(frame, unit=self._unit(frame), pdu=bytes([pdu[0] ^ 0x07]) + pdu[1:])
            case FaultKind.FEWER:
                return self._resized(frame, self._pdu(frame)[2:-2])
            case FaultKind.MORE:
                return self._resized(frame, self._pdu(frame)[2:] + b"\x12\x34")
            case _:
                return frame

    def _resized(self, frame: bytes, data: bytes) -> bytes:
        """The same answer with other data, consistent in itself."""
        head = bytes([self._pdu(frame)[0], len(data) & 0xFF])
        return self._framed(frame, unit=self._unit(frame), pdu=head + data)

    def _unit(self, frame: bytes) -> int:
        return frame[6] if self.framing == "tcp" else frame[0]

    def _pdu(self, frame: bytes) -> bytes:
        return frame[7:] if self.framing == "tcp" else frame[1:-2]

    def _framed(self, frame: bytes, *, unit: int, pdu: bytes) -> bytes:
        if self.framing == "tcp":
            return frame[:4] + struct.pack(">HB", len(pdu) + 1, unit) + pdu
        body = bytes([unit]) + pdu
        return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
