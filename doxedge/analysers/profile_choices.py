"""Words that only the site knows: the unit an instrument is set to, the order of its words, where its counting starts.

A setting with `choices` has no default, because a guess would be a wrong value that looks right. Wherever it is used
the map says what each word means, `unit = { setting = "gas_unit", when = { ppm = "ppm", mg = "mg/m3 NO" } }`, or the
word itself is the value, `order = { setting = "word_order" }`. This file puts the chosen values in before the tables
are checked, so that a chosen value meets every rule that a written one meets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from doxedge.analysers.configuration import ConfigError, table_path

WORD_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_REFERENCE_KEYS: Final = ({"setting"}, {"setting", "when"})
_CHOOSING_TABLES: Final = ("transport", "points", "status", "identity_check", "unseen_test_gas")

SettingValue = Decimal | str
"""A number, or one of the words that the map offers."""


def setting_value(text: str) -> SettingValue:
    """What somebody typed: a number where it is one, a word otherwise."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


@dataclass(frozen=True, slots=True)
class Chosen:
    """A map's tables with the site's words put in, and which words those were."""

    tables: dict[str, Any]
    words: dict[str, str]


def choose(tables: dict[str, Any], given: Mapping[str, SettingValue], *, source: str) -> Chosen:
    """The tables with every reference to a choice replaced. ConfigError when the site chose nothing, or nothing known.

    Tables of another shape than the schema's are passed on as they are: the schema refuses them by name.
    """
    words = {
        name: _chosen_word(name, table, given.get(name), source)
        for name, table in _choice_tables(tables).items()
    }
    used: set[str] = set()

    def replaced(value: Any, place: tuple[str | int, ...]) -> Any:
        if isinstance(value, list):
            return [replaced(item, (*place, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        name = value.get("setting")
        if set(value) in _REFERENCE_KEYS and isinstance(name, str) and name in words:
            used.add(name)
            return _meaning(value, words[name], _offered(tables, name), source, table_path(place))
        return {key: replaced(item, (*place, key)) for key, item in value.items()}

    result = {
        key: replaced(value, (key,)) if key in _CHOOSING_TABLES else value for key, value in tables.items()
    }
    for name in words:
        if name not in used:
            raise ConfigError(
                source=source, path=f"settings.{name}", reason="nothing in this file uses this setting"
            )
    return Chosen(result, words)


def _choice_tables(tables: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings = tables.get("settings")
    if not isinstance(settings, dict):
        return {}
    return {
        name: table
        for name, table in settings.items()
        if isinstance(table, dict) and isinstance(table.get("choices"), list) and table["choices"]
    }


def _offered(tables: dict[str, Any], name: str) -> list[str]:
    return [str(word) for word in tables["settings"][name]["choices"]]


def _chosen_word(name: str, table: dict[str, Any], given: SettingValue | None, source: str) -> str:
    offered = [str(word) for word in table["choices"]]
    if given is None:
        reason = f"the site must say one of {', '.join(offered)}: {table.get('about', '')}"
        raise ConfigError(source=source, path=f"settings.{name}", reason=reason)
    if given not in offered:
        reason = f"{given} is not one of {', '.join(offered)}: {table.get('about', '')}"
        raise ConfigError(source=source, path=f"settings.{name}", reason=reason)
    return str(given)


def _meaning(reference: dict[str, Any], word: str, offered: list[str], source: str, path: str) -> Any:
    meanings = reference.get("when")
    if meanings is None:
        return word
    if not isinstance(meanings, dict) or set(meanings) != set(offered):
        reason = f"`when` must say what each of {', '.join(offered)} means, and no other word"
        raise ConfigError(source=source, path=f"{path}.when", reason=reason)
    return meanings[word]
