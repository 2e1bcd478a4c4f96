"""From configured addresses to lines: which instruments share one, and what carries their questions.

One endpoint has one line, whichever units its devices belong to: two masters on one bus would hear each other.

  (1) an instrument has one address, a constant has none
  (2) its map can be spoken that way: Modbus as `tcp` or `rtu`, a dialect over a serial port, `tcp` or `udp`
  (3) whatever shares a port speaks one language at one speed
  (4) a USB adapter is called by what it is or where it sits, never by the order of plugging in
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile import Transport
from doxedge.analysers.question import Phrase
from doxedge.fieldbus.bound_line import QUARANTINE_FACTOR
from doxedge.fieldbus.byte_link import ByteLink
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.line import Poll
from doxedge.fieldbus.modbus_rtu import modbus_rtu, wire_ms
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.network_links import TcpLink, UdpLink
from doxedge.fieldbus.serial_link import SerialLink, SerialSettings
from doxedge.fieldbus.text_line import text_line
from doxedge.gateway.settings import InstrumentTable, SerialTable

SERIAL_UNIT_IDS = range(1, 248)
"""Modbus over Serial Line V1.02, 2.2: 0 is broadcast, which nobody answers; 248 to 255 are reserved."""

_PASSING_NAME = re.compile(r"/dev/tty(USB|ACM)\d+")

RTU_DATA_BITS = 8
"""Modbus over Serial Line V1.02, 2.5.1."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the line of a device is, and what is spoken on it. Equal addresses are one line."""

    host: str = ""
    port: int = 0
    framing: str = ""
    """`tcp` or `rtu` for Modbus, `tcp`, `udp` or `serial` for a dialect; empty for a constant, which has no line."""
    serial: SerialSettings | None = None
    dialect: str = ""
    """Empty for Modbus."""

    @property
    def name(self) -> str:
        """For messages, and of the line."""
        spoken = f", {self.dialect}" if self.dialect else ""
        if self.serial is not None:
            port = self.serial
            return f"{port.port} ({port.baud} {port.data_bits}{port.parity}{port.stop_bits}{spoken})"
        if not self.host:
            return "configured"
        plain = self.framing == "tcp" and not spoken
        return f"{self.host}:{self.port}" + ("" if plain else f" ({self.framing}{spoken})")

    @property
    def socket(self) -> tuple[str, int, bool]:
        """What one line alone can have: the serial port, whatever it is called; or the other end, and if by UDP."""
        if self.serial is not None:
            return os.path.realpath(self.serial.port), 0, False
        return self.host, self.port, self.framing == "udp"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One device on a line, as far as the line is concerned."""

    device: str
    transport: Transport
    timeout_ms: int
    polls: tuple[Poll, ...]


def address_of(table: InstrumentTable, profile: AnyProfile, *, source: str, place: str) -> Address:
    """The address of an instrument. ConfigError when it has none, two, or one that its map cannot use."""
    transport = profile.transport
    if transport is None:
        if table.host or table.serial is not None:
            reason = f"{table.profile} is a constant that nobody is asked for: leave its address out"
            raise ConfigError(source=source, path=place, reason=reason)
        return Address()
    if table.host and table.serial is not None:
        raise ConfigError(source=source, path=f"{place}.serial", reason="give `host` or `serial`, not both")
    if not table.host and table.serial is None:
        reason = f"{table.profile} is polled: give its address, `host` or `serial`"
        raise ConfigError(source=source, path=f"{place}.host", reason=reason)
    framing = _framing(table, transport, source=source, place=place)
    if table.serial is not None:
        address = Address(framing=framing, serial=_serial(table.serial, transport), dialect=transport.dialect)
    else:
        port = transport.port if table.port is None else table.port
        address = Address(table.host, port, framing, dialect=transport.dialect)
    if framing == "rtu":
        _require_rtu(address, table, transport, source=source, place=place)
    return address


def _framing(table: InstrumentTable, transport: Transport, *, source: str, place: str) -> str:
    """(2)"""
    if table.serial is not None:
        usual = "serial" if transport.dialect else "rtu"
        allowed = {"rtu"} if not transport.dialect else set()
        speech = f"a serial line carries {transport.dialect or '`rtu`'}"
    elif transport.dialect:
        usual, allowed = transport.network, {"tcp", "udp"}
        speech = f"{transport.dialect} goes over `tcp` or `udp`"
    else:
        usual, allowed = "rtu" if transport.kind == "modbus-rtu" else "tcp", {"tcp", "rtu"}
        speech = "Modbus goes over `tcp` or `rtu`"
    if table.framing is not None and table.framing not in allowed:
        raise ConfigError(source=source, path=f"{place}.framing", reason=speech)
    return table.framing or usual


def _serial(wanted: SerialTable, transport: Transport) -> SerialSettings:
    return SerialSettings(
        port=wanted.port,
        baud=wanted.baud or transport.baud,
        parity=wanted.parity or transport.parity,
        stop_bits=wanted.stop_bits or transport.stop_bits,
        data_bits=wanted.data_bits or transport.data_bits,
        rs485=wanted.rs485,
    )


def _require_rtu(
    address: Address, table: InstrumentTable, transport: Transport, *, source: str, place: str
) -> None:
    unit_id = transport.unit_id if table.unit_id is None else table.unit_id
    if unit_id not in SERIAL_UNIT_IDS:
        reason = f"{unit_id} is not within 1 to 247, as a serial line wants"
        raise ConfigError(source=source, path=f"{place}.unit_id", reason=reason)
    if address.serial is not None and address.serial.data_bits != RTU_DATA_BITS:
        reason = f"Modbus RTU has bytes of {RTU_DATA_BITS} bits"
        raise ConfigError(source=source, path=f"{place}.serial.data_bits", reason=reason)


def require_lasting_name(address: Address, *, source: str, place: str) -> None:
    """(4) ConfigError for a name that goes to whichever adapter was plugged in first."""
    if address.serial is not None and _PASSING_NAME.fullmatch(address.serial.port):
        reason = (
            f"{address.serial.port} may be another adapter after the next start, and its instrument be read as this "
            "one: give its path under /dev/serial/by-id, or /dev/serial/by-path where two adapters have one name"
        )
        raise ConfigError(source=source, path=f"{place}.serial.port", reason=reason)


def require_one_setting(addresses: Sequence[Address], *, source: str) -> None:
    """(3) ConfigError when two instruments want one port differently."""
    lines: dict[tuple[str, int, bool], Address] = {}
    for address in addresses:
        if not address.framing:
            continue
        other = lines.setdefault(address.socket, address)
        if other != address:
            key = "serial" if address.serial is not None else "host"
            reason = f"one port, two settings: {other.name} and {address.name}"
            raise ConfigError(source=source, path=f"unit.instrument.{key}", reason=reason)


def make_link(address: Address, *, connect_timeout_ms: int) -> ByteLink:
    """The bytes to an address, whatever they say."""
    if address.serial is not None:
        return SerialLink(address.serial)
    kind = UdpLink if address.framing == "udp" else TcpLink
    return kind(address.host, address.port, connect_timeout_ms=connect_timeout_ms)


def make_endpoint(address: Address, tenants: Sequence[Tenant]) -> Endpoint | None:
    """What carries the questions of these devices; None for constants. ConfigError when a time-out cannot be met."""
    if not address.framing:
        return None
    timeout_ms = max(tenant.timeout_ms for tenant in tenants)
    pause_ms = max(tenant.transport.pause_ms for tenant in tenants)
    connect_timeout_ms = max(tenant.transport.connect_timeout_ms for tenant in tenants)
    if address.framing == "tcp" and not address.dialect:
        return ModbusTcp(
            address.host,
            address.port,
            timeout_ms=timeout_ms,
            connect_timeout_ms=connect_timeout_ms,
            pause_ms=pause_ms,
            quarantine_ms=round(QUARANTINE_FACTOR * timeout_ms) if _are_several(tenants) else 0,
        )
    link = make_link(address, connect_timeout_ms=connect_timeout_ms)
    if address.dialect:
        return text_line(link, address.dialect, timeout_ms=timeout_ms, pause_ms=pause_ms)
    if address.serial is not None:
        _require_time(address, address.serial, tenants, timeout_ms)
    return modbus_rtu(link, timeout_ms=timeout_ms, pause_ms=pause_ms)


def _are_several(tenants: Sequence[Tenant]) -> bool:
    """Whether a converter with several devices behind it listens there: it asks one after the other, as we do."""
    polls = [poll for tenant in tenants for poll in tenant.polls]
    return len({request.unit_id for poll in polls for request in poll.driver.requests(poll.group)}) > 1


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
