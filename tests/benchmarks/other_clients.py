"""Other people's Modbus clients, for comparison: pymodbus, and libmodbus through ctypes."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
from collections.abc import Sequence
from typing import Any, Final, Protocol, Self

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

BAUD: Final = 115_200


class OtherClient(Protocol):
    """What the fault table wants of a client."""

    async def read(self, address: int, count: int) -> Sequence[int] | None:
        """Holding registers of unit 1; None when the client itself says that there are none."""
        ...

    async def close(self) -> None:
        """Let go of the line."""
        ...


class PyModbus:
    """pymodbus as its documents show it, without retries, so that it is not slower than the others."""

    def __init__(self, client: AsyncModbusSerialClient | AsyncModbusTcpClient) -> None:
        self._client = client

    @classmethod
    async def rtu(cls, port: str, *, timeout_s: float) -> Self:
        """On a serial port."""
        client = AsyncModbusSerialClient(port, baudrate=BAUD, timeout=timeout_s, retries=0)
        await client.connect()
        return cls(client)

    @classmethod
    async def tcp(cls, port: int, *, timeout_s: float) -> Self:
        """On the loopback."""
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=timeout_s, retries=0)
        await client.connect()
        return cls(client)

    async def read(self, address: int, count: int) -> Sequence[int] | None:
        """Registers, or None for an error of whatever kind."""
        try:
            if not self._client.connected:
                await self._client.connect()
            answer = await self._client.read_holding_registers(address, count=count, device_id=1)
        except (ModbusException, OSError, TimeoutError):
            return None
        return None if answer.isError() else answer.registers

    async def close(self) -> None:
        """Close."""
        self._client.close()


class LibModbus:
    """libmodbus 3.1 in a worker thread, one call at a time."""

    def __init__(self, library: Any, context: Any, timeout_s: float) -> None:
        self._library, self._context = library, context
        library.modbus_set_slave(context, 1)
        library.modbus_set_response_timeout(context, 0, round(1e6 * timeout_s))
        library.modbus_set_error_recovery(context, 2)  # MODBUS_ERROR_RECOVERY_LINK: reconnect after an error

    @staticmethod
    def is_here() -> bool:
        """Whether the shared library is installed."""
        return ctypes.util.find_library("modbus") is not None

    @classmethod
    async def rtu(cls, port: str, *, timeout_s: float) -> Self:
        """On a serial port."""
        library = cls._load()
        context = library.modbus_new_rtu(port.encode(), BAUD, ctypes.c_char(b"N"), 8, 1)
        return await cls._connected(library, context, timeout_s)

    @classmethod
    async def tcp(cls, port: int, *, timeout_s: float) -> Self:
        """On the loopback."""
        library = cls._load()
        return await cls._connected(library, library.modbus_new_tcp(b"127.0.0.1", port), timeout_s)

    async def read(self, address: int, count: int) -> Sequence[int] | None:
        """Registers, or None for an error."""
        registers = (ctypes.c_uint16 * (count + 120))()
        got = await asyncio.to_thread(
            self._library.modbus_read_registers, self._context, address, count, registers
        )
        return None if got < 0 else list(registers[:got])

    async def close(self) -> None:
        """Close and free."""
        self._library.modbus_close(self._context)
        self._library.modbus_free(self._context)

    @classmethod
    async def _connected(cls, library: Any, context: Any, timeout_s: float) -> Self:
        client = cls(library, ctypes.c_void_p(context), timeout_s)
        await asyncio.to_thread(library.modbus_connect, client._context)
        return client

    @staticmethod
    def _load() -> Any:
        library = ctypes.CDLL(ctypes.util.find_library("modbus"))
        library.modbus_new_rtu.restype = ctypes.c_void_p
        library.modbus_new_tcp.restype = ctypes.c_void_p
        return library
