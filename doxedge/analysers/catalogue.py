"""From a profile to the driver that follows it, and from a name to the profile among several folders.

This room reads no disk: whoever calls brings the texts, in the order in which folders are searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from doxedge.analysers.configuration import ConfigError, table_path
from doxedge.analysers.driver import ConstantDriver, Driver, RegisterDriver
from doxedge.analysers.phrase_build import build_phrases
from doxedge.analysers.phrase_driver import PhraseDriver
from doxedge.analysers.phrase_file import PhraseFile
from doxedge.analysers.phrase_map import AnyProfile, PhraseProfile
from doxedge.analysers.profile_build import build_profile
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.profile_file import ProfileFile, checked_file, read_tables
from doxedge.analysers.sunspec import SunSpecDriver

PROFILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
"""A profile's name is its file's name without `.toml`; nothing in it can leave a folder."""

TO_FILL_IN: Final = "?"
"""What a template has for whatever only the maker's list tells."""


@dataclass(frozen=True, slots=True)
class ProfileText:
    """A profile file as it was found."""

    name: str
    source: str
    """Where it was found, for messages."""
    text: str


def parse_map(text: str, *, source: str, settings: Mapping[str, SettingValue] | None = None) -> AnyProfile:
    """The map in a TOML text, of registers or of phrases, with the site's settings. ConfigError names table and key."""
    given = dict(settings or {})
    tables = read_tables(text, source=source)
    _require_filled(tables, source=source)
    if tables.get("kind") == "dialect":
        phrases, words = checked_file(PhraseFile, tables, source=source, settings=given)
        return build_phrases(phrases, source=source, settings=given, words=words)
    registers, words = checked_file(ProfileFile, tables, source=source, settings=given)
    return build_profile(registers, source=source, settings=given, words=words)


def _require_filled(value: object, *, source: str, place: tuple[str | int, ...] = ()) -> None:
    """A template has TO_FILL_IN wherever only the maker's list tells. ConfigError at the first that is left."""
    if value == TO_FILL_IN:
        raise ConfigError(
            source=source, path=table_path(place), reason="still ?: to be filled in from the maker's own list"
        )
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        _require_filled(item, source=source, place=(*place, key))


def find_profile(
    name: str, texts: Iterable[ProfileText], *, settings: Mapping[str, SettingValue] | None = None
) -> AnyProfile:
    """The first profile of that name, with the site's settings. ConfigError when there is none, or when it is wrong."""
    known: list[str] = []
    for found in texts:
        if found.name == name:
            return parse_map(found.text, source=found.source, settings=settings)
        known.append(found.name)
    there = ", ".join(sorted(set(known))) or "none at all"
    raise ConfigError(source=f"{name}.toml", path="", reason=f"there is no such profile; there are: {there}")


DriverFactory = Callable[[AnyProfile, str, int | None], Driver]
"""From profile, device name and unit id to a driver: what a package with an odd instrument offers."""


def make_driver(
    profile: AnyProfile,
    *,
    device: str,
    unit_id: int | None = None,
    odd: Mapping[tuple[str, str], DriverFactory] | None = None,
) -> Driver:
    """The driver for a profile. `odd` holds the instruments that need code, by (maker, model)."""
    factory = (odd or {}).get((profile.identity.maker, profile.identity.model))
    if factory is not None:
        return factory(profile, device, unit_id)
    if isinstance(profile, PhraseProfile):
        return PhraseDriver(profile, device=device, unit_id=unit_id)
    if profile.search is not None:
        return SunSpecDriver(profile, device=device, unit_id=unit_id)
    if profile.transport is None:
        return ConstantDriver(profile, device=device)
    return RegisterDriver(profile, device=device, unit_id=unit_id)
