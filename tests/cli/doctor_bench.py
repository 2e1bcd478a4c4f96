"""The doctor, asked in this process, and what it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias


class Report:
    """What the doctor said."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        told = json.loads(text)
        self.findings: list[dict[str, Any]] = told["findings"]
        assert told["exit_code"] == code

    def of(self, check: str) -> dict[str, Any]:
        """The one finding whose check begins like this."""
        (found,) = [one for one in self.findings if one["check"].startswith(check)]
        return found

    def errors(self) -> list[str]:
        return [one["check"] for one in self.findings if one["verdict"] == "error"]


Ask: TypeAlias = Callable[..., Report]


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
