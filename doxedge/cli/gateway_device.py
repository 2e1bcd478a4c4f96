"""One device, given by flags: its register map, its address, and the line to it. For `gateway probe` and `record`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.analysers.configuration import ConfigError, parse_toml
from doxedge.cli.command_line import whole_number
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.analysers.driver import Driver
    from doxedge.analysers.phrase_map import AnyProfile
    from doxedge.analysers.profile_choices import SettingValue
    from doxedge.fieldbus.endpoint import Endpoint
    from doxedge.fieldbus.errors import LineError

FLAGS: Final = "these flags"
"""What a mistake is in, where a file would be named."""


@dataclass(frozen=True, slots=True)
class Device:
    """What the flags describe, ready to be asked."""

    profile: AnyProfile
    driver: Driver
    endpoint: Endpoint
    framing: str
    """As recordings name it: `tcp` or `rtu` for Modbus, the dialect for others."""
    settings: dict[str, SettingValue]
    trial: tuple[str, ...]
    """Settings that nobody gave and that stand at a value to try."""
    on_serial: bool


def add_device_flags(verb: argparse.ArgumentParser) -> None:
    """How to reach the device, in the words of the gateway's file."""
    verb.add_argument("--profile", required=True, metavar="NAME", help="the register map, such as thermo_42i")
    verb.add_argument("--profiles", type=Path, metavar="FOLDER", help="look for the map here first")
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="a setting that the map asks of the site; may be given several times",
    )
    place = verb.add_argument_group("where it is")
    place.add_argument(
        "--host", default="", help="address of the device, or of a converter with a serial line"
    )
    place.add_argument(
        "--port",
        type=whole_number(what="number of a port"),
        metavar="N",
        help="TCP or UDP port; default: the map's",
    )
    place.add_argument(
        "--serial", metavar="PATH", help="a serial port of this machine: /dev/serial/by-id/..."
    )
    place.add_argument(
        "--baud",
        type=whole_number(least=1, what="number of bits a second"),
        metavar="N",
        help="default: the map's",
    )
    place.add_argument("--parity", choices=("N", "E", "O"), help="default: the map's")
    place.add_argument("--stop-bits", type=int, choices=(1, 2), help="default: the map's")
    place.add_argument("--data-bits", type=int, choices=(7, 8), help="default: the map's")
    place.add_argument(
        "--framing",
        choices=("tcp", "rtu", "udp"),
        help="rtu: a converter that passes a serial line's bytes through; udp: a dialect in datagrams",
    )
    place.add_argument(
        "--unit-id",
        type=whole_number(what="number of a device"),
        metavar="N",
        help="default: the map's; of Modbus usually 1",
    )
    place.add_argument(
        "--timeout-ms",
        type=whole_number(least=1, what="whole number of milliseconds"),
        metavar="MS",
        help="for one answer; default: the map's",
    )
    verb.add_argument("--output", choices=("table", "json"), default="table")


def open_device(options: argparse.Namespace, *, with_trials: bool) -> Device:
    """The device of the flags; nothing is asked yet. Raises Failure when the flags make none.

    `with_trials`: what the map asks of the site and nobody gave stands at its first choice or lowest number, by name.
    """
    try:
        return _device(options, with_trials=with_trials)
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error


def _device(options: argparse.Namespace, *, with_trials: bool) -> Device:
    from doxedge.analysers.catalogue import make_driver, parse_map
    from doxedge.fieldbus.line import Poll
    from doxedge.fieldbus.profile_folders import read_profile_text, search_path
    from doxedge.gateway.endpoints import Tenant, address_of, make_endpoint
    from doxedge.gateway.settings import InstrumentTable

    text = read_profile_text(options.profile, search_path(options.profiles))
    settings = _settings(options.settings)
    trial = _trial_settings(text.text, settings) if with_trials else {}
    settings |= trial
    profile = parse_map(text.text, source=text.source, settings=settings)
    transport = profile.transport
    if transport is None:
        raise ConfigError(source=text.source, path="", reason="a configured constant has nobody to be asked")
    table = _table(InstrumentTable, options, port=transport.port, unit_id=transport.unit_id)
    address = address_of(table, profile, source=FLAGS, place="device")
    try:
        driver = make_driver(profile, device=options.profile, unit_id=table.unit_id)
    except ValueError as error:
        raise ConfigError(source=FLAGS, path="unit-id", reason=str(error)) from None
    polls = tuple(Poll(driver, group, profile.group(group).period_ms) for group in driver.groups)
    timeout_ms = table.timeout_ms or transport.timeout_ms
    endpoint = make_endpoint(address, [Tenant(options.profile, transport, timeout_ms, polls)])
    if endpoint is None:
        raise ConfigError(source=text.source, path="", reason="this map has no line")
    on_serial = address.serial is not None
    return Device(
        profile, driver, endpoint, address.dialect or address.framing, settings, tuple(trial), on_serial
    )


def line_failure(device: Device, error: LineError) -> Failure:
    """What a line's failure is to the shell: 3 when nothing took the connection, 7 when the line brought nothing."""
    from doxedge.fieldbus.errors import NoConnection

    if isinstance(error, NoConnection) and not device.on_serial:
        advice = "is it switched on, is the port right, does something else hold its only connection?"
        return Failure(Exit.UNREACHABLE, f"{error.detail}; {advice}")
    if isinstance(error, NoConnection):
        advice = (
            "is the adapter there (ls /dev/serial/by-id), is this account in the group of the port (dialout)?"
        )
        return Failure(Exit.LOCAL_IO, f"{error.detail}; {advice}")
    advice = (
        "look at unit id, speed and parity, at A and B of the line, and whether another master asks on it"
    )
    return Failure(Exit.LOCAL_IO, f"{device.endpoint.name}: {error.detail}; {advice}")


def _settings(pairs: list[str]) -> dict[str, SettingValue]:
    from doxedge.analysers.profile_choices import setting_value

    settings: dict[str, SettingValue] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise ConfigError(source=FLAGS, path="set", reason=f"{pair!r} is not NAME=VALUE")
        if name in settings:
            raise ConfigError(source=FLAGS, path="set", reason=f"{name} is given twice")
        settings[name] = setting_value(value)
    return settings


def _trial_settings(text: str, given: Mapping[str, SettingValue]) -> dict[str, SettingValue]:
    """For what the site has not said: the first of some words, the lowest of some numbers."""

    try:
        tables: dict[str, Any] = parse_toml(text, source=FLAGS).get("settings", {})
    except ConfigError:
        return {}  # The map's own reader says what is wrong with it.
    trial: dict[str, SettingValue] = {}
    for name, table in tables.items():
        if name in given or not isinstance(table, dict) or "default" in table:
            continue
        words = table.get("choices")
        trial[name] = str(words[0]) if words else Decimal(str(table.get("low", 0)))
    return trial


def _table(kind: Any, options: argparse.Namespace, *, port: int, unit_id: int) -> Any:
    """The table that the gateway's file would have. ConfigError names the flag."""
    from pydantic import ValidationError

    serial = None
    if options.serial:
        serial = {"port": options.serial, "baud": options.baud, "parity": options.parity}
        serial |= {"stop_bits": options.stop_bits, "data_bits": options.data_bits}
    try:
        return kind.model_validate(
            {
                "name": "device",
                "profile": options.profile,
                "host": options.host,
                "port": port if options.port is None else options.port,
                "serial": serial,
                "framing": options.framing,
                "unit_id": unit_id if options.unit_id is None else options.unit_id,
                "timeout_ms": options.timeout_ms,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        flag = "--" + str(first["loc"][-1]).replace("_", "-")
        raise ConfigError(source=FLAGS, path="", reason=f"{flag}: {first['msg']}") from None
