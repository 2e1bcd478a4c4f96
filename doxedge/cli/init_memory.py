"""`init-answers.toml`: what was answered before, so that `doxedge init` can begin with it when it runs again.

Answers about the box and about its first unit stand under their names; those about a further unit under UNIT.NAME, and
`further` names these units in their order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from doxedge.analysers.configuration import ConfigError, parse_toml
from doxedge.cli.init_answers import Answers, Value, toml_value
from doxedge.cli.outcome import Exit, Failure

ANSWERS_FILE: Final = "init-answers.toml"
_FURTHER: Final = "further"


def read_earlier(folder: Path) -> tuple[dict[str, Value], dict[str, dict[str, Value]]]:
    """The answers of an earlier run, and those about each further unit. Raises Failure (2) for a file not ours."""
    path = folder / ANSWERS_FILE
    try:
        found = parse_toml(path.read_text(encoding="utf-8"), source=path.name)
    except (FileNotFoundError, NotADirectoryError):
        return {}, {}
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise Failure(Exit.USAGE, f"{path} cannot be read: {error}; delete it to begin afresh") from error
    for name, value in found.items():
        if not isinstance(value, str) and not (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
        ):
            raise Failure(Exit.USAGE, f"{path}: {name} is neither text nor a list of texts")
    names = found.pop(_FURTHER, [])
    further: dict[str, dict[str, Value]] = {
        name: {} for name in ([names] if isinstance(names, str) else names)
    }
    for name in [name for name in found if "." in name]:
        unit, _, question = name.partition(".")
        further.setdefault(unit, {})[question] = found.pop(name)
    return found, further


def answers_text(answers: Answers, of_unit: frozenset[str]) -> str:
    """The answers as TOML: no secret is among them. `of_unit` names what is asked of every unit."""
    values = dict(answers.values)
    named = [unit for unit in answers.further if unit.text("unit")]
    if named:
        values[_FURTHER] = [unit.text("unit") for unit in named]
    for unit in named:
        about = {name: value for name, value in unit.values.items() if name in of_unit}
        values |= {f"{unit.text('unit')}.{name}": value for name, value in about.items()}
    lines = [
        "# Answers given to `doxedge init`; it begins with them when it runs again. No secrets. May be deleted."
    ]
    lines += [
        f"{toml_value(name) if '.' in name else name} = {toml_value(value)}"
        for name, value in sorted(values.items())
    ]
    return "\n".join(lines) + "\n"
