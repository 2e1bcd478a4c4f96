"""From configured addresses to lines: which instruments share one, and what carries their questions.

One endpoint has one line, whichever units its devices belong to: two masters on one bus would hear each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.profile import Profile, Transport
from doxedge.analysers.question import Phrase
from doxedge.fieldbus.byte_link import SerialLink, SerialSettings, TcpLink
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.line import Poll
from doxedge.fieldbus.modbus_rtu import modbus_rtu, wire_ms
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.gateway.settings import InstrumentTable

SERIAL_UNIT_IDS = range(1, 248)
"""Modbus over Serial Line V1.02, 2.2: 0 is broadcast, which nobody answers; 248 to 255 are reserved."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the line of a device is. Equal addresses are one line."""

    host: str = ""
    port: int = 0
    framing: str = ""
    """`tcp` or `rtu`; empty for a constant, which has no line."""
    serial: SerialSettings | None = None

    @property
    def name(self) -> str:
        """For messages, and of the line."""
        if self.serial is not None:
            port = self.serial
            return f"{port.port} ({port.baud} {port.data_bits}{port.parity}{port.stop_bits})"
        if not self.host:
            return "configured"
        return f"{self.host}:{self.port}" + (" (rtu)" if self.framing == "rtu" else "")


@dataclass(frozen=True, slots=True)
class Tenant:
    """One device on a line, as far as the line is concerned."""

    device: str
    transport: Transport
    timeout_ms: int
    polls: tuple[Poll, ...]


def address_of(table: InstrumentTable, profile: Profile, *, source: str, place: str) -> Address:
    """The address of an instrument. ConfigError when it has none, two, or one that its map cannot use."""
    transport = profile.transport
    if transport is None:
        if table.host or table.serial is not None:
            reason = f"{table.profile} is a constant that nobody is asked for: leave its address out"
            raise ConfigError(source=source, path=place, reason=reason)
        return Address()
    if table.host and table.serial is not None:
        raise ConfigError(source=source, path=f"{place}.serial", reason="give `host` or `serial`, not both")
    if table.serial is not None:
        if table.framing == "tcp":
            raise ConfigError(source=source, path=f"{place}.framing", reason="a serial line carries `rtu`")
        wanted = table.serial
        serial = SerialSettings(
            port=wanted.port,
            baud=wanted.baud or transport.baud,
            parity=wanted.parity or transport.parity,
            stop_bits=wanted.stop_bits or transport.stop_bits,
            rs485=wanted.rs485,
        )
        address = Address(framing="rtu", serial=serial)
    elif table.host:
        framing = table.framing or ("rtu" if transport.kind == "modbus-rtu" else "tcp")
        address = Address(table.host, table.port, framing)
    else:
        reason = f"{table.profile} is polled: give its address, `host` or `serial`"
        raise ConfigError(source=source, path=f"{place}.host", reason=reason)
    if address.framing == "rtu" and table.unit_id not in SERIAL_UNIT_IDS:
        reason = f"{table.unit_id} is not within 1 to 247, as a serial line wants"
        raise ConfigError(source=source, path=f"{place}.unit_id", reason=reason)
    return address


def require_one_setting(addresses: Sequence[Address], *, source: str) -> None:
    """A serial port has one speed and one parity. ConfigError when two instruments want it differently."""
    ports: dict[str, Address] = {}
    for address in addresses:
        if address.serial is not None:
            other = ports.setdefault(address.serial.port, address)
            if other != address:
                reason = f"one port, two settings: {other.name} and {address.name}"
                raise ConfigError(source=source, path="unit.instrument.serial", reason=reason)


def make_endpoint(address: Address, tenants: Sequence[Tenant]) -> Endpoint | None:
    """What carries the questions of these devices; None for constants. ConfigError when a time-out cannot be met."""
    if not address.framing:
        return None
    timeout_ms = max(tenant.timeout_ms for tenant in tenants)
    pause_ms = max(tenant.transport.pause_ms for tenant in tenants)
    connect_timeout_ms = max(tenant.transport.connect_timeout_ms for tenant in tenants)
    if address.framing == "tcp":
        return ModbusTcp(
            address.host,
            address.port,
            timeout_ms=timeout_ms,
            connect_timeout_ms=connect_timeout_ms,
            pause_ms=pause_ms,
        )
    if address.serial is None:
        link = TcpLink(address.host, address.port, connect_timeout_ms=connect_timeout_ms)
        return modbus_rtu(link, timeout_ms=timeout_ms, pause_ms=pause_ms)
    _require_time(address, address.serial, tenants, timeout_ms)
    return modbus_rtu(SerialLink(address.serial), timeout_ms=timeout_ms, pause_ms=pause_ms)


def _require_time(
    address: Address, serial: SerialSettings, tenants: Sequence[Tenant], timeout_ms: int
) -> None:
    """An answer that takes longer on the wire than its time-out would never be heard."""
    for tenant in tenants:
        for poll in tenant.polls:
            for request in poll.driver.requests(poll.group):
                if isinstance(request, Phrase):
                    continue  # How long its answer is, only the instrument knows.
                needed_ms = wire_ms(request, serial.character_s)
                if needed_ms > timeout_ms:
                    reason = (
                        f"{tenant.device}/{poll.group} reads {request.count} from {request.address}, which takes "
                        f"{needed_ms} ms at {serial.baud} Bd, and the time-out is {timeout_ms} ms: raise it, "
                        "or read less"
                    )
                    raise ConfigError(source=address.name, path="", reason=reason)
