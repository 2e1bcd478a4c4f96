"""The bytes of a Modbus question, and the test that binds an answer to it.

Shared by every Modbus line (TCP, RTU): what differs between them is only the envelope around these bytes.
MODBUS Application Protocol V1.1b3, sections 6.1 to 6.4 and 7.
"""

from __future__ import annotations

import struct
from typing import Final

from doxedge.analysers.question import WRITE_COIL, Read, WriteCoil
from doxedge.fieldbus.errors import NotBound

EXCEPTION_BIT: Final = 0x80
MAX_PDU_BYTES: Final = 253
"""V1.1b3, 4.1: 256 bytes of a serial frame less address and check sum."""

EXCEPTION_NAMES: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target did not respond",
}


def question_pdu(request: Read | WriteCoil) -> bytes:
    """Function, address, quantity; for a coil that is written, its value."""
    if isinstance(request, WriteCoil):
        return struct.pack(">BH", WRITE_COIL, request.address) + request.value
    return struct.pack(">BHH", request.function, request.address, request.count)


def function_of(request: Read | WriteCoil) -> int:
    """The number of its function."""
    return WRITE_COIL if isinstance(request, WriteCoil) else int(request.function)


def bind(request: Read | WriteCoil, pdu: bytes) -> bytes | int:
    """The data of the answer, or the code of the device's exception. NotBound when `pdu` answers something else.

    (1) an exception is the function with its high bit set and one byte of code
    (2) the function is the one that was asked
    (3) the byte count is the one that the question allows
    (4) that many bytes follow, and no more
    (5) a coil that was written: the answer repeats the question (6.5)
    """
    if len(pdu) < 2:
        raise NotBound(f"an answer of {len(pdu)} bytes says nothing")
    function, count = pdu[0], pdu[1]
    if function == function_of(request) | EXCEPTION_BIT:
        if len(pdu) != 2:
            raise NotBound(f"an exception has 2 bytes, not {len(pdu)}")
        if count == 0:
            raise NotBound("exception 0 does not exist")
        return count
    if function != function_of(request):
        raise NotBound(f"function {function} does not answer function {function_of(request)}")
    if isinstance(request, WriteCoil):
        if pdu != question_pdu(request):
            raise NotBound(f"{pdu.hex()} does not repeat the question {question_pdu(request).hex()}")
        return b""
    if count != request.byte_count:
        raise NotBound(f"{count} bytes announced where the question allows {request.byte_count} only")
    if len(pdu) != 2 + count:
        raise NotBound(f"{count} bytes announced, {len(pdu) - 2} sent")
    return pdu[2:]


def exception_text(code: int) -> str:
    """An exception in words."""
    return f"exception {code} ({EXCEPTION_NAMES.get(code, 'not in the standard')})"
