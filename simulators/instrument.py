"""A simulated instrument: a Modbus server whose registers are the plant's truth at the moment of each read.

It listens on TCP, or on one end of a null-modem cable where it is started as serial.

pymodbus serves; this file fills its registers and lets faults in. It is also a second implementation of the protocol
beside the gateway's own, so that the two cannot share a misunderstanding.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import sys
from abc import abstractmethod
from collections.abc import Mapping
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.device import LATE_MS_BY_DEFAULT, SimulatedDevice
from simulators.faults import FaultKind
from simulators.null_modem import NullModem
from simulators.stack import StackState

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

BUSY: Final = 6
SERIAL_BAUD: Final = 115_200
"""A pseudo terminal has no speed; pymodbus derives the gap between frames from this."""

_READ_INPUT: Final = 4
_READ_HOLDING: Final = 3
_READ_DISCRETE: Final = 2
_WRITE_COILS: Final = (5, 15)

# A client that breaks off is no news to a simulator; its own faults reach the tester through the gateway.
logging.getLogger("pymodbus_logging").setLevel(logging.CRITICAL)


class Instrument(SimulatedDevice):
    """What all instruments with registers share. A subclass says which registers there are and what they hold."""

    _server: ModbusTcpServer | ModbusSerialServer | None = None
    _cable: NullModem | None = None

    @override
    async def start(self) -> int:
        """Listen; the TCP port, which is a free one when it was 0, or 0 for a serial one."""
        if self.serial:
            return await self._start_serial()
        server = ModbusTcpServer(
            SimDevice(id=self.unit_id, simdata=self._blocks(), action=self._on_access),
            address=(self.host, self.port),
            trace_packet=self._on_packet,
            ignore_missing_devices=True,
        )
        await server.serve_forever(background=True)
        listener = server.transport
        if not isinstance(listener, asyncio.Server):
            raise TypeError("pymodbus has changed: its listener is no asyncio.Server")
        self.port = listener.sockets[0].getsockname()[1]
        self._server = server
        return self.port

    async def _start_serial(self) -> int:
        self._cable = await NullModem().__aenter__()
        ours, self.serial_port = self._cable.ports
        server = ModbusSerialServer(
            SimDevice(id=self.unit_id, simdata=self._blocks(), action=self._on_access),
            port=ours,
            baudrate=SERIAL_BAUD,
            trace_packet=self._on_packet,
            ignore_missing_devices=True,
        )
        self._server = server
        try:
            await server.serve_forever(background=True)
        except BaseException:
            await self.stop()
            raise
        return 0

    @override
    async def stop(self) -> None:
        """Close the listener and all connections."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]
        cable, self._cable = self._cable, None
        if cable is not None:
            await cable.__aexit__(None, None, None)
            self.serial_port = ""

    @abstractmethod
    def registers(self, state: StackState, at_ms: int) -> Mapping[int, bytes]:
        """Address to the bytes of its registers, the same for functions 3 and 4."""

    def bits(self, state: StackState) -> frozenset[int]:
        """Addresses of the discrete inputs that are on."""
        del state
        return frozenset()

    def command(self, address: int, on: bool) -> None:
        """Somebody wrote a coil."""

    @abstractmethod
    def register_spans(self) -> tuple[tuple[int, int], ...]:
        """First and last address of each stretch of registers that exists; elsewhere exception 2 answers."""

    def bit_registers(self) -> tuple[int, int]:
        """First and last sixteen of the coils and discrete inputs that exist: (0, 2) are the bits 0 to 47."""
        return 0, 2

    def _blocks(self) -> tuple[list[SimData], list[SimData], list[SimData], list[SimData]]:
        spans = [
            SimData(first, count=last - first + 1, values=0, datatype=DataType.REGISTERS)
            for first, last in self.register_spans()
        ]
        first, last = self.bit_registers()
        bits = [SimData(16 * first, values=[False] * (16 * (last - first + 1)), datatype=DataType.BITS)]
        return bits, list(bits), spans, list(spans)

    async def _on_access(
        self,
        function: int,
        start: int,
        asked: int,
        _count: int,
        current: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """pymodbus asks before it answers: bring the registers up to date, or decline."""
        if self.faults:
            if fault := self.active(FaultKind.EXCEPTION):
                return ExcCodes(fault.argument or BUSY)
            if fault := self.active(FaultKind.LATE):
                await asyncio.sleep((fault.argument or LATE_MS_BY_DEFAULT) / 1_000)
        if function in _WRITE_COILS and written:
            for offset, value in enumerate(written):
                self.command(asked + offset, bool(value))
        elif function in (_READ_INPUT, _READ_HOLDING):
            state, at_ms = self.observed()
            swapped = self.active(FaultKind.SWAPPED) is not None
            for address, values in self.registers(state, at_ms).items():
                data = in_other_order(values) if swapped and len(values) in (4, 8) else values
                offset = address - start
                current[offset : offset + len(data) // 2] = struct.unpack(f">{len(data) // 2}H", data)
        elif function == _READ_DISCRETE:
            state, _ = self.observed()
            # Bits lie sixteen to a register, the lowest address in the lowest bit.
            current[:] = [0] * len(current)
            for address in self.bits(state):
                current[address // 16 - start] |= 1 << (address % 16)
        return None

    def _on_packet(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            return data
        if not self.faults:
            self._wire.last_answer = data
            return data
        now_ms = self.clock.now_ms()
        kinds = [fault.kind for fault in self.faults if fault.is_on(now_ms)]
        if FaultKind.RESET in kinds and isinstance(self._server, ModbusTcpServer):
            for connection in list(self._server.active_connections.values()):
                if isinstance(connection.transport, asyncio.Transport):
                    connection.transport.abort()
        return self._wire.apply(data, kinds)


def in_other_order(data: bytes) -> bytes:
    """The last register first."""
    return b"".join(data[index : index + 2] for index in range(len(data) - 2, -2, -2))


def f32(value: float) -> bytes:
    """A float in two registers, high word first (ABCD)."""
    return struct.pack(">f", value)
