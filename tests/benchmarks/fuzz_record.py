"""What fuzzing has done so far, so that hours of it may be stopped at any time and go on.

One line of JSON for each decoder that was finished. A line counts for the code that it was run on and for no other:

    {"decoder": "canonical", "engine": "atheris", "code": "4f0c…", "sound": true, "runs": 1000000, "seed": 17, …}
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RECORD_BYTES_MAX: Final = 16 * 1024 * 1024
KEYS: Final = frozenset({"decoder", "engine", "code", "sound", "runs"})


class BadRecord(ValueError):
    """The file is no record of fuzzing."""


@dataclass(frozen=True, slots=True)
class Record:
    """The file."""

    path: Path

    def done(self, decoder: str, *, engine: str, runs: int, code: str) -> dict[str, Any] | None:
        """The latest sound result that counts: this code, this engine, at least so many inputs. BadRecord."""
        found = None
        for line in self._lines():
            same = (line["decoder"], line["engine"], line["code"]) == (decoder, engine, code)
            if same and line["sound"] and line["runs"] >= runs:
                found = line
        return found

    def add(self, decoder: str, result: dict[str, Any], *, engine: str, code: str) -> None:
        """Put down what came of a decoder."""
        line = {"decoder": decoder, "engine": engine, "code": code, **result}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _lines(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        if self.path.stat().st_size > RECORD_BYTES_MAX:
            raise BadRecord(f"{self.path} is larger than {RECORD_BYTES_MAX} bytes; begin another file")
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [_line(self.path, number, text) for number, text in enumerate(lines, 1)]


def code_digest() -> str:
    """Over every source file of the product and of this benchmark: what a result holds for."""
    digest = hashlib.sha256()
    files = [*(ROOT / "doxedge").rglob("*.py"), *(ROOT / "tests" / "benchmarks").glob("fuzz_targets.py")]
    for file in sorted(files):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _line(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict) or not line.keys() >= KEYS:
        raise BadRecord(f"line {number} of {path} is no result of fuzzing; begin another file")
    return line
