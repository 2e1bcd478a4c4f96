"""The data types that MQTT packets are made of (MQTT 5.0, 1.5): integers, strings, bytes, lengths."""

from __future__ import annotations

from typing import Final

from simulators.broker.errors import MalformedPacket

VARINT_MAX: Final = 268_435_455
"""Four bytes of seven bits (1.5.5)."""


class Reader:
    """Takes the fields of one packet from its bytes, from front to back; what is missing is `MalformedPacket`."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)

    def at_end(self) -> bool:
        return self._position == self._end

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        """A length or identifier of one to four bytes, in its shortest form (1.5.5)."""
        value = 0
        for index in range(4):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * index)
            if byte & 0x80 == 0:
                if index and byte == 0:
                    raise MalformedPacket("a variable length is not in its shortest form")
                return value
        raise MalformedPacket("a variable length has more than four bytes")

    def binary(self) -> bytes:
        return self.take(self.u16())

    def text(self) -> str:
        """UTF-8 without NUL and surrogates (1.5.4)."""
        try:
            value = self.binary().decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedPacket(f"a string is not UTF-8: {error.reason}") from error
        if "\0" in value:
            raise MalformedPacket("a string holds the character NUL")
        return value

    def take(self, size: int) -> bytes:
        position = self._position
        if position + size > self._end:
            raise MalformedPacket(f"{size} bytes expected, {self._end - position} left")
        self._position = position + size
        return self._data[position : position + size]

    def rest(self) -> bytes:
        return self.take(self._end - self._position)

    def finish(self) -> None:
        """The packet must end here."""
        if not self.at_end():
            raise MalformedPacket(f"{self._end - self._position} bytes too many")


def encode_varint(value: int) -> bytes:
    """The shortest form; a value over 268,435,455 is a ValueError."""
    if not 0 <= value <= VARINT_MAX:
        raise ValueError(f"{value} does not fit into four bytes of seven bits")
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def encode_binary(value: bytes) -> bytes:
    """Two bytes of length, then the bytes; more than 65,535 are an OverflowError."""
    return len(value).to_bytes(2, "big") + value


def encode_text(value: str) -> bytes:
    return encode_binary(value.encode("utf-8"))
