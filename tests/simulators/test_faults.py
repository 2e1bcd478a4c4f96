"""What goes onto the wire instead of an answer, in both framings."""

from __future__ import annotations

from contextlib import suppress

import pytest

from doxedge.analysers.question import Function, ReadRegisters
from doxedge.fieldbus.errors import NotBound
from doxedge.fieldbus.modbus_tcp import whole_frame
from doxedge.fieldbus.rtu_frame import crc, find_answer
from simulators.faults import EXPLANATIONS, FaultKind, WireFaults

REQUEST = ReadRegisters(1, Function.INPUT_REGISTERS, 10, 2)
PDU = bytes.fromhex("040441200000")
RTU = b"\x01" + PDU + crc(b"\x01" + PDU)
TCP = bytes.fromhex("000700000007") + b"\x01" + PDU
WIRE = [
    FaultKind.SILENCE, FaultKind.HALF_FRAME, FaultKind.STALE, FaultKind.GARBAGE, FaultKind.WRONG_UNIT,
    FaultKind.WRONG_FUNCTION, FaultKind.FEWER, FaultKind.MORE, FaultKind.DROPPED,
]  # fmt: skip


def test_every_fault_is_explained() -> None:
    assert set(EXPLANATIONS) == set(FaultKind)


@pytest.mark.parametrize("kind", WIRE)
def test_a_wire_fault_on_a_serial_line_is_no_answer(kind: FaultKind) -> None:
    wire = WireFaults("rtu")
    stale = b"\x01" + PDU[:2] + b"\x41\x20\x00\x01"
    wire.last_answer = bytes([2]) + stale[1:] + crc(bytes([2]) + stale[1:])
    changed = wire.apply(RTU, [kind])
    assert changed != RTU
    with suppress(NotBound):
        assert find_answer(REQUEST, changed) is None


@pytest.mark.parametrize("kind", [*WIRE, FaultKind.WRONG_TRANSACTION])
def test_a_wire_fault_on_tcp_is_no_answer(kind: FaultKind) -> None:
    wire = WireFaults()
    wire.last_answer = bytes.fromhex("000600000007") + TCP[6:]
    changed = wire.apply(TCP, [kind])
    assert changed != TCP
    try:
        frame = whole_frame(bytearray(changed), TCP[:7])
    except NotBound:
        return
    assert frame is None or len(frame) != len(TCP) or frame[7:] != PDU


@pytest.mark.parametrize(
    "kind", [FaultKind.WRONG_UNIT, FaultKind.WRONG_FUNCTION, FaultKind.FEWER, FaultKind.MORE]
)
def test_a_wrong_answer_is_a_right_frame(kind: FaultKind) -> None:
    """The check sum alone must not be what saves the gateway."""
    changed = WireFaults("rtu").apply(RTU, [kind])
    assert crc(changed[:-2]) == changed[-2:]
    tcp = WireFaults().apply(TCP, [kind])
    assert int.from_bytes(tcp[4:6], "big") == len(tcp) - 6


def test_an_answer_without_fault_stays_what_it_is() -> None:
    wire = WireFaults("rtu")
    assert wire.apply(RTU, []) == RTU
    assert wire.apply(RTU, [FaultKind.WRONG_TRANSACTION]) == RTU, "a serial line has no transactions"
    assert wire.apply(RTU + b"x", [FaultKind.STALE]) == RTU
