"""What every map has, whatever its instrument speaks: identity, groups, the site's numbers, flags and their severity.

The numbers of the rules are those of `profile_build`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.profile import Group, Identity, Severity, Transport
from doxedge.analysers.profile_file import (
    FlagTable,
    LineTable,
    MapFile,
    SettingReference,
)
from doxedge.analysers.units import Conversion, conversion, ending_of

LEAST_SEVERITY: Final = {
    "fault": Severity.BAD,
    "invalid": Severity.BAD,
    "out_of_service": Severity.BAD,
    "held": Severity.BAD,
    "zero": Severity.EXCLUDED,
    "span": Severity.EXCLUDED,
    "maintenance": Severity.EXCLUDED,
    "warning": Severity.NOTED,
    "out_of_range": Severity.NOTED,
    "door": Severity.NOTED,
    "battery": Severity.NOTED,
}
"""The canonical flags and what each does at least: a map may be stricter, never more lenient."""

_STRICTNESS: Final = (Severity.NOTED, Severity.EXCLUDED, Severity.BAD)


@dataclass(slots=True)
class MapFrame:
    """One file on its way to a map."""

    file: MapFile
    source: str
    settings: dict[str, Decimal]
    used: set[str] = field(default_factory=set)

    def refuse(self, path: str, reason: str) -> NoReturn:
        """ConfigError for a place in the file."""
        raise ConfigError(source=self.source, path=path, reason=reason)

    def identity(self) -> Identity:
        """As it is written."""
        table = self.file.identity
        return Identity(
            table.maker, table.model, table.version, table.source, table.verified, table.firmware, tuple(table.doubts),
        )  # fmt: skip

    def groups(self) -> tuple[Group, ...]:
        """(3)"""
        names: set[str] = set()
        for index, table in enumerate(self.file.groups):
            if table.name in names:
                self.refuse(f"groups[{index}].name", f"group {table.name!r} is there already")
            names.add(table.name)
        return tuple(Group(table.name, table.period_ms, table.atomic) for table in self.file.groups)

    def known_group(self, path: str, name: str) -> None:
        """(3)"""
        names = [group.name for group in self.file.groups]
        if name not in names:
            self.refuse(path, f"there is no group {name!r}; there are: {', '.join(names) or 'none'}")

    def conversion(self, path: str, quantity: str, unit: str) -> Conversion:
        """How a unit of the instrument becomes that of the quantity's name."""
        try:
            return conversion(quantity, unit)
        except ValueError as error:
            self.refuse(f"{path}.{'unit' if has_ending(quantity) else 'quantity'}", str(error))

    def severity(self, path: str, table: FlagTable) -> Severity:
        """What a flag does to the values; at least what it must."""
        if table.flag not in LEAST_SEVERITY:
            self.refuse(
                f"{path}.flag", f"{table.flag!r} is no canonical flag; these are: {', '.join(LEAST_SEVERITY)}"
            )
        least = LEAST_SEVERITY[table.flag]
        severity = table.severity or least
        if _STRICTNESS.index(severity) < _STRICTNESS.index(least):
            self.refuse(
                f"{path}.severity",
                f"{table.flag!r} is at least {least.value!r}: it must not enter an average",
            )
        return severity

    def guarded(self, path: str, table: FlagTable) -> tuple[str, ...]:
        """(3) The groups whose values a flag guards; all of them when none is named."""
        for name in table.groups or ():
            self.known_group(f"{path}.groups", name)
        return tuple(table.groups if table.groups is not None else (group.name for group in self.file.groups))

    def number(self, path: str, value: Decimal | SettingReference) -> Decimal:
        """(2) A number that is written, or the site's."""
        return value if isinstance(value, Decimal) else self.site_number(path, value.setting)

    def site_number(self, path: str, name: str) -> Decimal:
        """(2)"""
        if name not in self.settings:
            self.refuse(path, f"there is no [settings.{name}]")
        self.used.add(name)
        return self.settings[name]

    def check_settings_used(self) -> None:
        """(2) A setting that nothing reads is a spelling mistake waiting to be made."""
        for name in self.settings:
            if name not in self.used:
                self.refuse(f"settings.{name}", "nothing in this file uses this setting")


def transport_of(table: LineTable, *, dialect: str = "", network: str = "tcp") -> Transport:
    """How such a device is reached."""
    return Transport(
        kind=table.kind,
        port=table.port,
        unit_id=table.unit_id,
        timeout_ms=table.timeout_ms,
        connect_timeout_ms=table.connect_timeout_ms,
        pause_ms=table.pause_ms,
        baud=table.baud,
        parity=table.parity,
        stop_bits=table.stop_bits,
        data_bits=table.data_bits,
        dialect=dialect,
        network=network,
    )


def has_ending(quantity: str) -> bool:
    """Whether the name of a quantity ends in a unit."""
    try:
        ending_of(quantity)
    except ValueError:
        return False
    return True
