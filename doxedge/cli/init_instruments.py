"""An instrument in one line, `NAME=PROFILE@ADDRESS,KEY=VALUE`, for a flag and for a dialogue.

ADDRESS is HOST:PORT/UNIT, or the path of a serial port, /dev/serial/by-id/..., whose unit id is given as `unit_id=3`.
A KEY is a setting that the register map asks for (its value), or one of its groups (the poll period in ms, 0 leaves the
group out).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from doxedge.analysers.configuration import ConfigError, parse_toml
from doxedge.analysers.profile_choices import SettingValue
from doxedge.cli.init_answers import Answers, Ask, WrongAnswer
from doxedge.fieldbus.profile_folders import load_profile, search_path

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""Names of units and instruments, as in the gateway's file."""
_LINE: Final = re.compile(
    r"(?:(?P<name>[^=@,]+)=)?(?P<profile>[^=@,]+)"
    r"(?:@(?P<serial>/[^,]+)|@(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/,\[\]]+)(?::(?P<port>\d{1,5}))?(?:/(?P<unit_id>\d{1,3}))?)?"
    r"(?P<values>(?:,[^=,]+=[^=,]*)*)"
)
_LINE_VALUES: Final = {
    "baud": (),
    "parity": ("N", "E", "O"),
    "stop_bits": ("1", "2"),
    "data_bits": ("7", "8"),
    "rs485": ("true", "false"),
    "framing": ("tcp", "rtu", "udp"),
}
FORM: Final = "NAME=PROFILE@ADDRESS,KEY=VALUE"


@dataclass(frozen=True, slots=True)
class InstrumentLine:
    """The parts of one line."""

    name: str
    profile: str
    host: str
    port: int | None
    """None: the usual one."""
    serial: str
    """Path of a serial port, instead of a host."""
    unit_id: int | None
    """None: the usual one."""
    line_values: tuple[tuple[str, str], ...]
    """What `serial = { ... }` and `framing` say in the gateway's file."""
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MapSummary:
    """What a register map wants to know of the site."""

    name: str
    maker: str
    model: str
    transport: dict[str, Any] | None
    groups: tuple[str, ...]
    settings: dict[str, dict[str, Any]]


def catalogue(folders: Sequence[Path]) -> dict[str, MapSummary]:
    """Every register map that can be read, by name; the first folder that has a name wins."""
    found: dict[str, MapSummary] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            try:
                table = parse_toml(file.read_text(encoding="utf-8"), source=file.name)
            except (OSError, UnicodeDecodeError, ConfigError):
                continue  # whoever names it is told by load_profile
            identity = table.get("identity", {})
            found.setdefault(
                file.stem,
                MapSummary(
                    file.stem,
                    str(identity.get("maker", "")),
                    str(identity.get("model", "")),
                    table.get("transport"),
                    tuple(str(group.get("name")) for group in table.get("groups", [])),
                    dict(table.get("settings", {})),
                ),
            )
    return found


def parse_line(text: str) -> InstrumentLine:
    """The parts of a line. Raises WrongAnswer."""
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise WrongAnswer(f"`{text}` has not the form {FORM}; e.g. analyser=teledyne_t200@192.168.1.20:502/1")
    name = match["name"] or match["profile"]
    if not NAME.fullmatch(name):
        raise WrongAnswer(f"`{name}` is no name: small letters, digits, - and _, at most 32")
    values = [item.partition("=") for item in match["values"].split(",")[1:]]
    if len({key for key, _, _ in values}) < len(values):
        raise WrongAnswer(f"`{text}` gives a value twice")
    given = {key.strip(): value.strip() for key, _, value in values}
    return InstrumentLine(
        name,
        match["profile"],
        (match["host"] or "").strip("[]"),
        _bounded(match["port"], 1, 65_535, "a port"),
        match["serial"] or "",
        _bounded(match["unit_id"] or given.pop("unit_id", None), 0, 255, "a unit id"),
        tuple((key, _line_value(key, given.pop(key))) for key in _LINE_VALUES if key in given),
        tuple(given.items()),
    )


def _line_value(key: str, text: str) -> str:
    """A value of the line as TOML. Raises WrongAnswer."""
    if text not in _LINE_VALUES[key] and not (key == "baud" and text.isdecimal()):
        raise WrongAnswer(f"{key} is {' or '.join(_LINE_VALUES[key]) or 'a number'}, not `{text}`")
    return f'"{text}"' if key in ("parity", "framing") else text


def _bounded(text: str | None, low: int, high: int, what: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise WrongAnswer(f"{what} is a number, not `{text}`")
    if not low <= int(text) <= high:
        raise WrongAnswer(f"{what} is {low} to {high}, not {text}")
    return int(text)


def split_values(
    line: InstrumentLine, known: MapSummary | None
) -> tuple[dict[str, int], dict[str, SettingValue]]:
    """Poll periods and settings among the values. Raises WrongAnswer."""
    polls: dict[str, int] = {}
    settings: dict[str, SettingValue] = {}
    for key, value in line.values:
        if known is not None and key in known.groups:
            if not value.isdecimal():
                raise WrongAnswer(f"{key} is a group: give its poll period in ms, or 0 to leave it out")
            polls[key] = int(value)
            continue
        if known is not None and key not in known.settings:
            there = ", ".join((*known.settings, *known.groups)) or "none"
            raise WrongAnswer(f"{line.profile} has no setting or group `{key}`; it has: {there}")
        if known is not None and (words := known.settings[key].get("choices")):
            if value not in words:
                raise WrongAnswer(f"{key} is one of {', '.join(words)}, not `{value}`")
            settings[key] = value
            continue
        try:
            settings[key] = Decimal(value.replace("_", ""))
        except InvalidOperation as error:
            raise WrongAnswer(f"{key} is a number, not `{value}`") from error
    return polls, settings


def check_instrument(text: str, answers: Answers) -> str:
    """Whether such an instrument can be configured: profile, address, settings. Raises WrongAnswer."""
    line = parse_line(text)
    if line.name in {parse_line(other).name for other in answers.items("instrument")}:
        raise WrongAnswer(f"there is an instrument {line.name} already; give another name: NAME={text}")
    folders = folders_of(answers)
    _, settings = split_values(line, catalogue(folders).get(line.profile))
    try:
        profile = load_profile(line.profile, folders, settings=settings)
    except ConfigError as error:
        raise WrongAnswer(str(error)) from error
    if profile.transport is not None and not (line.host or line.serial):
        raise WrongAnswer(f"{line.profile} is polled: give its address, {line.profile}@HOST:PORT")
    if profile.transport is None and (line.host or line.serial):
        raise WrongAnswer(f"{line.profile} is a configured constant and has no address")
    return text.strip()


def folders_of(answers: Answers) -> list[Path]:
    """Where register maps are looked for."""
    own = answers.text("profiles")
    return search_path(Path(own) if own else None)


def ask_instrument(answers: Answers, ask: Ask) -> str:
    """One instrument, question by question; a whole line at the first question is taken as it is."""
    profile = ask("profile: ")
    if "=" in profile or "@" in profile:
        return profile
    maps = catalogue(folders_of(answers))
    known = maps.get(profile)
    if known is None:
        there = "; ".join(f"{one.name} ({one.maker} {one.model})" for one in maps.values())
        raise WrongAnswer(f"there is no register map {profile!r}; there are: {there}")
    name = ask(f"  a name for it [{profile}]: ") or profile
    where = ""
    if known.transport is not None:
        usual = 0 if "dialect" in known.transport else 1
        port, unit_id = known.transport.get("port", 502), known.transport.get("unit_id", usual)
        where = "@" + ask(
            f"  its address, HOST:PORT/UNIT (without them port {port}, unit {unit_id}), or /dev/...: "
        )
    values = [_ask_setting(key, about, ask) for key, about in known.settings.items()]
    if len(known.groups) > 1:
        out = ask(f"  groups to leave out, of {', '.join(known.groups)} [none]: ")
        values += [f",{group}=0" for group in out.replace(",", " ").split()]
    return f"{name}={profile}{where}{''.join(values)}"


def _ask_setting(key: str, table: dict[str, Any], ask: Ask) -> str:
    default = table.get("default")
    words = table.get("choices")
    shown = f" [{default}]" if default is not None else f" ({' or '.join(words)})" if words else ""
    typed = ask(f"  {key}: {table.get('about', '')}{shown}: ")
    return f",{key}={typed}" if typed else ""
