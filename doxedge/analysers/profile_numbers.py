"""The numbers that a site gives to a map, with the defaults for those it left out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.profile_file import MapFile


def site_numbers(file: MapFile, given: Mapping[str, SettingValue], *, source: str) -> dict[str, Decimal]:
    """(2) The site's numbers with the defaults for those it left out; words were put in before."""
    for name in given:
        if name not in file.settings:
            known = ", ".join(sorted(file.settings)) or "none"
            raise ConfigError(
                source=source, path="settings", reason=f"no setting {name!r} here; there are: {known}"
            )
    values: dict[str, Decimal] = {}
    for name, table in file.settings.items():
        path = f"settings.{name}"
        if table.choices:
            if (table.default, table.low, table.high) != (None, None, None):
                raise ConfigError(source=source, path=path, reason="choices have no default and no bounds")
            continue
        value = given.get(name, table.default)
        if isinstance(value, str):
            raise ConfigError(source=source, path=path, reason=f"{value!r} is not a number: {table.about}")
        if value is None:
            raise ConfigError(
                source=source, path=path, reason=f"the site must say this number: {table.about}"
            )
        if not value.is_finite():
            raise ConfigError(source=source, path=path, reason=f"{value} is not a number to measure with")
        if (table.low is not None and value < table.low) or (table.high is not None and value > table.high):
            raise ConfigError(
                source=source, path=path, reason=f"{value} is not within {table.low} to {table.high}"
            )
        values[name] = value
    return values
