"""What an operator wrote and this room refuses, by file, table path and key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from typing import Any


class ConfigError(Exception):
    """Something in a file of the operator's is wrong. Says where and what would be right.

    `source` names the file, `path` the table and key as in `points[2].address` (empty for the whole file), `reason`
    what is wrong. `more` counts further mistakes found in the same reading.
    """

    def __init__(self, *, source: str, path: str, reason: str, more: int = 0) -> None:
        self.source = source
        self.path = path
        self.reason = reason
        self.more = more
        place = f"{source}: {path}" if path else source
        rest = f" (and {more} more)" if more else ""
        super().__init__(f"{place}: {reason}{rest}")


def unread(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, in words for the `reason` of a ConfigError, whose `source` names the file already."""
    if isinstance(error, UnicodeDecodeError):
        return "cannot be read: it is no text in UTF-8"
    if isinstance(error, FileNotFoundError):
        return "cannot be read: there is no such file; `doxedge init` writes one"
    return f"cannot be read: {error.strerror or error}"


def parse_toml(text: str, *, source: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """The tables of a text. ConfigError when it is not TOML, nested without end, or has a number without end."""
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
    except RecursionError:
        reason = "nested far too deeply"
    except ValueError:  # the one thing of TOML that Python does not read: integers of thousands of digits
        reason = "a number has far too many digits"
    raise ConfigError(source=source, path="", reason=f"not TOML: {reason}")


def table_path(location: Sequence[str | int]) -> str:
    """A key's way through the tables: ("points", 2, "address") -> `points[2].address`."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
