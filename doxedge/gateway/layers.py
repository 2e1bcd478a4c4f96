"""A configuration in layers: the main file, then the drop-ins in the folder beside it, in the order of their names.

`gateway.toml` has its drop-ins in `gateway.d/*.toml`. Later files win, key by key within a table; tables of an array
are the same table when they have the same `name` (`[[unit]]`, `[[unit.instrument]]`), and one with a new name is
added. Any other array is replaced whole. For every key it is remembered which file it came from, so that a mistake is
named where it was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from doxedge.analysers.configuration import ConfigError, parse_toml, table_path, unread

Location = tuple[str | int, ...]
"""A key's way through the tables: ("unit", 0, "grace_ms")."""

FILES_MAX: Final = 64
FILE_BYTES_MAX: Final = 1024 * 1024
"""A plant of a hundred units is a tenth of it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something was written."""

    file: str
    location: Location
    """Within that file."""


@dataclass(slots=True)
class Layers:
    """The tables of all files in one."""

    source: str
    """The main file's name, for messages."""
    files: list[str] = field(default_factory=list)
    tables: dict[str, Any] = field(default_factory=dict)
    origins: dict[Location, Origin] = field(default_factory=dict)
    """Of every table and every key that stands in a file."""

    def origin(self, location: Location) -> Origin:
        """Who wrote a key, or the table that lacks it."""
        for length in range(len(location), 0, -1):
            origin = self.origins.get(location[:length])
            if origin is not None:
                return Origin(origin.file, origin.location + location[length:])
        return Origin(self.source, location)

    def mistake(self, location: Location, reason: str, *, more: int = 0) -> ConfigError:
        """The error to raise for what stands at a place of the merged tables."""
        origin = self.origin(location)
        return ConfigError(source=origin.file, path=table_path(origin.location), reason=reason, more=more)

    def blame(self, error: ConfigError) -> ConfigError:
        """The same error, by the file and the table in it where the key was written."""
        if error.source != self.source or not error.path:
            return error
        return self.mistake(location_of(error.path), error.reason, more=error.more)


def read_layers(path: Path) -> Layers:
    """The file at `path` and its drop-ins. Raises ConfigError, naming the file that cannot be read."""
    layers = Layers(str(path))
    for file in (path, *drop_ins(path)):
        add_layer(layers, _read(file), file=str(file))
    return layers


def drop_ins(path: Path) -> list[Path]:
    """The drop-ins of a main file, in the order in which they count. Raises ConfigError."""
    folder = path.with_suffix(".d")
    try:
        if not folder.is_dir():
            return []
        found = [file for file in folder.iterdir() if file.suffix == ".toml" and file.name[0] != "."]
    except OSError as error:
        raise ConfigError(source=str(folder), path="", reason=unread(error)) from error
    if len(found) > FILES_MAX:
        reason = f"{len(found)} drop-ins, and {FILES_MAX} are the most that anybody can follow"
        raise ConfigError(source=str(folder), path="", reason=reason)
    return sorted(found, key=lambda file: file.name)


def add_layer(layers: Layers, text: str, *, file: str) -> None:
    """Put a file's tables over those that are there. Raises ConfigError."""
    tables = parse_toml(text, source=file)
    layers.files.append(file)
    _Merge(layers, file).table(layers.tables, tables, at=(), here=())


def location_of(path: str) -> Location:
    """The other way round of `table_path`: `unit[0].grace_ms` -> ("unit", 0, "grace_ms")."""
    steps: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.split("[")
        steps.append(name)
        steps += [int(step) if step.isdecimal() else step for index in indexes if (step := index.rstrip("]"))]
    return tuple(steps)


class _Merge:
    """Puts one file over the others."""

    def __init__(self, layers: Layers, file: str) -> None:
        self._origins, self._file = layers.origins, file

    def table(self, into: dict[str, Any], new: Mapping[str, Any], *, at: Location, here: Location) -> None:
        """`at` is the place in the merged tables, `here` the place in the file."""
        for key, value in new.items():
            there, mine, before = (*at, key), (*here, key), into.get(key)
            if isinstance(value, dict):
                if not isinstance(before, dict):
                    before = into[key] = {}
                    self._forget(there)
                self._origins.setdefault(there, Origin(self._file, mine))
                self.table(before, value, at=there, here=mine)
            elif _is_array(value):
                if not isinstance(before, list) or not _is_array(before) or not any(map(_has_name, before)):
                    before = into[key] = []
                    self._forget(there)
                self._origins.setdefault(there, Origin(self._file, mine))
                self._array(before, value, at=there, here=mine)
            else:
                self._forget(there)
                into[key] = value
                self._origins[there] = Origin(self._file, mine)

    def _array(
        self, into: list[dict[str, Any]], new: Sequence[dict[str, Any]], *, at: Location, here: Location
    ) -> None:
        """Tables of one name are one. What a single file says twice is left to whoever reads the settings."""
        free = {table["name"]: index for index, table in enumerate(into) if _has_name(table)}
        known = frozenset(free)
        for number, table in enumerate(new):
            mine = (*here, number)
            if known and not _has_name(table):
                reason = 'say which one is meant, or is new: name = "..."'
                raise ConfigError(source=self._file, path=table_path((*mine, "name")), reason=reason)
            if known and table["name"] in known and table["name"] not in free:
                reason = f"{table['name']} stands twice in this file"
                raise ConfigError(source=self._file, path=table_path((*mine, "name")), reason=reason)
            index = free.pop(table["name"], None) if _has_name(table) else None
            if index is None:
                index = len(into)
                into.append({})
            there = (*at, index)
            self._origins.setdefault(there, Origin(self._file, mine))
            self.table(into[index], table, at=there, here=mine)

    def _forget(self, location: Location) -> None:
        """What stood there is replaced, with all that was in it."""
        for known in [known for known in self._origins if known[: len(location)] == location]:
            del self._origins[known]


def _is_array(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _has_name(table: Mapping[str, Any]) -> bool:
    return isinstance(table.get("name"), str)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ConfigError(source=str(path), path="", reason=f"is larger than {FILE_BYTES_MAX} bytes")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(source=str(path), path="", reason=unread(error)) from error
