"""Vectors of protocol frames: each is decoded by the dialect that the gateway speaks, and encoded back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from doxedge.analysers.decoding import raw_value
from doxedge.analysers.dialects import (
    ak,
    bayern_hessen,
    hj212,
    horiba,
    modbus_rtu,
    serinus_advanced,
)
from doxedge.analysers.profile import Order, RawType
from doxedge.cli.vector_check import (
    Mismatch,
    VectorError,
    expect,
    expect_close,
    expects_only,
    hex_bytes,
    mapping,
    number,
    numbers_in,
    sequence,
    text,
    whole,
)

Vector = Mapping[str, Any]

FLOAT32: Final = Decimal("1e-6")
"""A float of four bytes holds seven digits."""

FOUR_DIGITS: Final = Decimal("1e-3")
"""A Bayern-Hessen value has a mantissa of four digits."""

ORDERS: Final = {order.name: order for order in Order}
WIDTHS: Final = {2: RawType.U16, 4: RawType.F32, 8: RawType.I64}
"""What a number of so many bytes is where a vector does not name its type."""


def check_frame(protocol: str, vector: Vector) -> None:
    """Raises Mismatch, FrameError or VectorError where the vector does not hold."""
    if protocol not in CHECKS:
        raise VectorError(f"no dialect is called {protocol!r}; there are {', '.join(CHECKS)}")
    decoded = {
        "modbus_rtu": tuple(
            key for key in vector if key.startswith("decode")
        ),  # as many as there are registers
        "hj212": (),
    }
    expects_only(vector, *decoded.get(protocol, ("decode",)))
    CHECKS[protocol](vector)


def _modbus_rtu(vector: Vector) -> None:
    asked = None
    if "request_hex" in vector:
        request = hex_bytes(vector["request_hex"], "request_hex")
        frame = modbus_rtu.parse(request)
        expect(request, modbus_rtu.encode(frame))
        count = 0
        if modbus_rtu.is_write(frame.function):
            modbus_rtu.parse_write(request)
        else:
            _, _, count = modbus_rtu.parse_request(request)
        asked = (frame.unit, frame.function, count)
    if "registers" in vector:
        registers = [whole(item, "registers") for item in sequence(vector["registers"], "registers")]
        if not all(0 <= register <= 0xFFFF for register in registers):
            raise VectorError("registers must be 0 to 65535")
        data = b"".join(register.to_bytes(2, "big") for register in registers)
        _decoded(vector, data, default=Order.CDAB)
    elif "response_hex" in vector:
        response = hex_bytes(vector["response_hex"], "response_hex")
        answer, data = modbus_rtu.parse(response), b""
        expect(response, modbus_rtu.encode(answer))
        if modbus_rtu.is_write(answer.function):
            modbus_rtu.parse_write(response)
        else:
            answer, data = modbus_rtu.parse_response(response)
        if asked is not None:
            _answers(asked, answer, data)
        _decoded(vector, data, default=Order.ABCD)
    elif asked is None:
        raise VectorError("neither request_hex, response_hex nor registers")


def _answers(asked: tuple[int, int, int], answer: modbus_rtu.RtuFrame, data: bytes) -> None:
    unit, function, count = asked
    expect(unit, answer.unit)
    expect(function, answer.function & ~modbus_rtu.EXCEPTION_BIT)
    if answer.exception is None and not modbus_rtu.is_write(function):
        expect(2 * count if function in (3, 4) else -(-count // 8), len(data))


def _decoded(vector: Vector, data: bytes, *, default: Order) -> None:
    """Every key that begins with `decode` names what the registers say: one number, or the numbers in their order."""
    order = _order(vector, default)
    for key in (key for key in vector if key.startswith("decode")):
        expected = list(numbers_in(vector[key], key))
        width, rest = divmod(len(data), len(expected) or 1)
        if rest or width not in WIDTHS:
            raise Mismatch(f"{len(expected)} numbers", f"{len(data)} bytes")
        for place, value in enumerate(expected):
            raw_type = _type(vector, width, value)
            expect_close(
                value, raw_value(data[width * place : width * (place + 1)], raw_type, order), FLOAT32
            )


def _order(vector: Vector, default: Order) -> Order:
    """The key `order`, or one of the four names in the description, or what such devices usually do."""
    if "order" in vector:
        name = text(vector["order"], "order").upper()
        if name not in ORDERS:
            raise VectorError(f"order must be one of {', '.join(ORDERS)}")
        return ORDERS[name]
    words = str(vector.get("desc", "")).replace("(", " ").replace(")", " ").replace(",", " ").split()
    return next((ORDERS[word] for word in words if word in ORDERS), default)


def _type(vector: Vector, width: int, value: Decimal) -> RawType:
    """The key `type`, or what the number of bytes suggests: registers, floats, and counters of four registers."""
    if "type" in vector:
        name = text(vector["type"], "type").lower()
        if name not in list(RawType):
            raise VectorError(f"type must be one of {', '.join(RawType)}")
        if RawType(name).registers * 2 != width:
            raise Mismatch(f"{RawType(name).registers} registers for each number", f"{width} bytes")
        return RawType(name)
    if width == 8:
        return RawType.I64 if value.adjusted() < 20 and value == int(value) else RawType.F64
    return WIDTHS[width]


def _bayern_hessen(vector: Vector) -> None:
    frame = hex_bytes(vector.get("frame_hex"), "frame_hex")
    said = bayern_hessen.parse(frame)
    expect(frame, bayern_hessen.encode(said))
    if "text" in vector:
        expect(text(vector["text"], "text"), said)
    if "decode" not in vector:
        return
    found = bayern_hessen.measurements(said)
    expected = [sequence(pair, "decode") for pair in sequence(vector["decode"], "decode")]
    expect(len(expected), len(found))
    for pair, measurement in zip(expected, found, strict=True):
        if len(pair) != 2:
            raise VectorError("decode must be pairs of channel and value")
        expect(whole(pair[0], "channel"), measurement.channel)
        expect_close(number(pair[1], "value"), measurement.value, FOUR_DIGITS)


def _serinus_advanced(vector: Vector) -> None:
    frame = hex_bytes(vector.get("frame_hex"), "frame_hex")
    parsed = serinus_advanced.parse(frame)
    expect(frame, serinus_advanced.encode(parsed))
    if "decode" not in vector:
        return
    expected = mapping(vector["decode"], "decode")
    found = serinus_advanced.values(parsed)
    expect(sorted(expected), sorted(str(parameter) for parameter in found))
    for parameter, value in found.items():
        expect_close(number(expected[str(parameter)], "decode"), value, FLOAT32)


def _horiba_apna(vector: Vector) -> None:
    frame = hex_bytes(vector.get("frame_hex"), "frame_hex")
    parsed = horiba.parse(frame)
    expect(frame, horiba.encode(parsed))
    if "command" in vector:
        expect(text(vector["command"], "command"), parsed.command)
    if "decode" in vector:
        _in_words(vector["decode"], parsed.fields)


def _ak(vector: Vector) -> None:
    frame = hex_bytes(vector.get("frame_hex"), "frame_hex")
    parsed = ak.parse(frame)
    expect(frame, ak.encode(parsed))
    if "decode" in vector:
        if not isinstance(parsed, ak.AkReply):
            raise Mismatch("a reply", "a request")
        _in_words(vector["decode"], parsed.words)


def _in_words(expected: Any, words: tuple[str, ...]) -> None:
    """The expected numbers, each as one of the words and in their order."""
    spoken: Iterator[Decimal] = (Decimal(word) for word in words if ak.is_number(word))
    found = list(spoken)
    wanted = list(numbers_in(expected, "decode"))
    expect(wanted, found[: len(wanted)])


def _hj212(vector: Vector) -> None:
    if "frame_hex" in vector:
        frame = hex_bytes(vector["frame_hex"], "frame_hex")
        payload = hj212.parse(frame).payload
        if "payload" in vector:
            expect(text(vector["payload"], "payload"), payload)
    else:
        payload = text(vector.get("payload"), "payload")
    encoded = hj212.encode(hj212.Hj212Frame(payload))
    expect(payload, hj212.parse(encoded).payload)
    if "length" in vector:
        expect(text(vector["length"], "length"), encoded[2:6].decode("ascii"))
    if "crc" in vector:
        expect(text(vector["crc"], "crc").upper(), encoded[-6:-2].decode("ascii"))


CHECKS: Final[Mapping[str, Callable[[Vector], None]]] = {
    "modbus_rtu": _modbus_rtu,
    "bayern_hessen": _bayern_hessen,
    "serinus_advanced": _serinus_advanced,
    "horiba_apna": _horiba_apna,
    "horiba": _horiba_apna,
    "ak": _ak,
    "hj212": _hj212,
}
